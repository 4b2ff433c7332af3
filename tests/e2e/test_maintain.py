"""After two days and a maintenance that expires everything it may, nothing old is republished."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support import Command

from client_health_cli import sample_data
from register_contract import contract
from register_contract.publications import History, parse
from register_run import publication_record
from register_run.request import PublishedTable

TABLES = PublishedTable(contract.TABLE, contract.LOG_TABLE, contract.CATALOG)
DAYS = (datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 2, 12, tzinfo=UTC))


class Days:
    """A lake in which each day's delivery was published, and then everything old expired."""

    def __init__(self, folder: Path, command: Command) -> None:
        self.lake = folder / "lake"
        self.deliveries = []
        for number, day in enumerate(DAYS):
            raw = folder / f"raw-{number}"
            sample_data.write(raw, 200, number)
            for file in raw.iterdir():
                os.utime(file, (day.timestamp(),) * 2)
            self.deliveries.append(raw)
            done = command("run", "--raw", raw, "--lake", self.lake)
            assert done.returncode == 0, done.stderr
        self.before = self.history()
        self.maintained = command(
            *("maintain", "--lake", self.lake, "--snapshot-days", 0, "--snapshots-kept", 1)
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
def days(tmp_path_factory: pytest.TempPathFactory, warm_command: Command) -> Days:
    return Days(tmp_path_factory.mktemp("days"), warm_command)


def test_maintenance_says_what_it_did_and_keeps_every_publication_on_record(days: Days) -> None:
    assert days.maintained.returncode == 0, days.maintained.stderr
    assert "2 of 3 snapshots expired" in days.maintained.stdout
    assert "2 publications on record" in days.maintained.stdout
    assert days.snapshots() == 1
    assert [one.day for one in days.before.published] == [f"{day:%Y-%m-%d}" for day in DAYS]
    assert days.history().published == days.before.published


@pytest.mark.parametrize("number", [0, 1])
def test_an_earlier_delivery_publishes_nothing_again(
    days: Days, command: Command, number: int
) -> None:
    done = command("run", "--raw", days.deliveries[number], "--lake", days.lake)
    assert done.returncode == 0, done.stderr
    assert "already published" in done.stdout
    assert days.history().published == days.before.published
    assert days.snapshots() == 1


def test_under_another_name_an_earlier_delivery_is_stopped_before_a_session_is_made(
    days: Days, command: Command
) -> None:
    for options in (("--force",), ("--run-id", "by-hand")):
        done = command("run", "--raw", days.deliveries[0], "--lake", days.lake, *options)
        assert done.returncode == 3, done.stderr
        assert "remessa_antiga: the delivery is of 2026-01-01" in done.stderr
        assert "--accept-older" in done.stderr
        assert "session" not in done.stderr.partition("remessa_antiga")[0]
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
