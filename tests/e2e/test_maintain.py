"""Two days, a rollback, and a maintenance that expires all it may: nothing old is republished.

The second day is rolled back and published again on purpose before the maintenance.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
from tests.support import Command
from tests.support.two_days import DAYS, TwoDays
from tests.support.warm import Warm

from register_contract import contract
from register_contract.publications import History, parse
from register_run import publication_record
from register_run.request import PublishedTable

TABLES = PublishedTable(contract.TABLE, contract.LOG_TABLE, contract.CATALOG)


class Days:
    """A lake after both days, a rollback, another publication, and maintenance."""

    def __init__(self, two_days: TwoDays, command: Command) -> None:
        self.lake, self.deliveries = two_days.restore().lake, two_days.deliveries
        self.published = self.history().published
        first = self.published[0].run_id
        self.rolled_back = command("rollback", "--lake", self.lake, "--to", first)
        self.after_rollback = self.history()
        again = ("run", "--raw", self.deliveries[-1], "--lake", self.lake)
        self.refused = command(*again)
        self.forced = command(*again, "--force")
        self.before = self.history()
        self.shown = command("maintain", "--lake", self.lake, "--snapshot-days", 0)
        self.unchanged = self.snapshots()
        self.maintained = command(
            *("maintain", "--lake", self.lake, "--snapshot-days", 0, "--snapshots-kept", 1),
            "--apply",
        )

    def history(self) -> History:
        return publication_record.history(str(self.lake), TABLES)

    def snapshots(self) -> int:
        files = sorted(
            (self.lake / "warehouse").rglob("clientoutput/metadata/*.metadata.json"),
            key=lambda file: file.stat().st_mtime_ns,
        )
        return len(parse(files[-1].read_bytes())["snapshots"])


@pytest.fixture(scope="module")
def days(two_days: TwoDays, warm_command: Command) -> Days:
    return Days(two_days, warm_command)


def test_maintenance_says_what_it_did_and_keeps_every_publication_on_record(days: Days) -> None:
    assert days.shown.returncode == 0, days.shown.stderr
    assert "2 of 4" in days.shown.stdout
    assert "--apply" in days.shown.stdout
    assert days.unchanged == 4
    assert days.maintained.returncode == 0, days.maintained.stderr
    assert "3 of 4 snapshots expired" in days.maintained.stdout
    assert "2 publications on record" in days.maintained.stdout
    assert days.snapshots() == 1
    assert [one.day for one in days.before.published] == [f"{day:%Y-%m-%d}" for day in DAYS]
    assert days.history().published == days.before.published


def test_a_rollback_shows_readers_the_earlier_run_and_records_the_withdrawal(days: Days) -> None:
    first, last = days.published
    assert days.rolled_back.returncode == 0, days.rolled_back.stderr
    said = days.rolled_back.stdout
    assert f"Readers see run {first.run_id} of 2026-01-01 again" in said
    assert f"Withdrawn: {last.run_id}." in said
    assert days.after_rollback.published == (first,)
    assert days.after_rollback.withdrawn == (last,)
    assert days.after_rollback.rolled_back == (), "the log has it"


def test_a_withdrawn_delivery_is_published_again_on_purpose_only(days: Days) -> None:
    assert days.refused.returncode == 2, days.refused.stderr
    assert f"was published by run {days.published[-1].run_id}, and then withdrawn" in (
        days.refused.stderr
    )
    assert "--force" in days.refused.stderr
    assert "session" not in days.refused.stderr
    assert days.forced.returncode == 0, days.forced.stderr
    assert [one.delivery_id for one in days.before.published] == [
        one.delivery_id for one in days.published
    ]


def test_a_run_that_readers_see_or_that_is_gone_is_no_target(
    days: Days, warm_command: Command
) -> None:
    first, last = (one.run_id for one in days.before.published)
    for run_id, code, words in (
        (last, 0, "nothing was changed"),
        (first, 2, "have expired"),
        ("r-unknown", 2, "client-health history"),
    ):
        done = warm_command("rollback", "--lake", days.lake, "--to", run_id)
        assert done.returncode == code, done.stderr
        assert words in done.stdout + done.stderr
    assert days.history().published == days.before.published


def test_history_tells_what_became_of_each_publication(days: Days, command: Command) -> None:
    done = command("history", "--lake", days.lake, "--format", "csv")
    states = [row["state"] for row in csv.DictReader(done.stdout.splitlines())]
    assert states == ["current", "withdrawn", "expired"]


@pytest.mark.parametrize("number", [0, 1])
def test_an_earlier_delivery_publishes_nothing_again(
    days: Days, warm_command: Command, number: int
) -> None:
    done = warm_command("run", "--raw", days.deliveries[number], "--lake", days.lake)
    assert done.returncode == 0, done.stderr
    assert "already published" in done.stdout
    assert days.history().published == days.before.published
    assert days.snapshots() == 1


def test_under_another_name_an_earlier_delivery_is_stopped_before_a_session_is_made(
    days: Days, warm_command: Command, warm: Warm
) -> None:
    created = warm.endpoint.calls["CreateSession"]
    for options in (("--force",), ("--run-id", "by-hand")):
        run = ("run", "--raw", days.deliveries[0], "--lake", days.lake)
        done = warm_command(*run, *options)
        assert done.returncode == 3, done.stderr
        assert "remessa_antiga: the delivery is of 2026-01-01" in done.stderr
        assert "--accept-older" in done.stderr
        assert "session" not in done.stderr.partition("remessa_antiga")[0]
    assert warm.endpoint.calls["CreateSession"] == created
    assert days.history().published == days.before.published


def test_readers_see_the_last_day_as_before(days: Days, command: Command) -> None:
    done = command("query", "--lake", days.lake, "--format", "csv", "--name", "clientes")
    assert done.returncode == 0, done.stderr
    last = days.before.last
    assert last is not None
    assert done.stdout.split() == ["clientes", str(last.rows)]


def test_a_lake_without_a_publication_needs_no_maintenance(
    command: Command, tmp_path: Path
) -> None:
    done = command("maintain", "--lake", tmp_path / "new")
    assert done.returncode == 0, done.stderr
    assert "there is nothing to do" in done.stdout
    assert not (tmp_path / "new").exists()

    # A delivery that no run could publish leaves its rows there.
    left = tmp_path / "refused" / "staging" / "r1" / "a.parquet"
    left.parent.mkdir(parents=True)
    left.touch()
    os.utime(left, (0, 0))
    done = command("maintain", "--lake", tmp_path / "refused", "--apply")
    assert done.returncode == 0, done.stderr
    assert not left.exists()
