"""People erased by the command are gone, and neither a rollback nor the same run changes that."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from tests.support import Command, bare_scan, canaries
from tests.support.two_days import TwoDays

GONE = [canaries.cpf(number) for number in (45, 52)]
HELD = canaries.cpf(47)
ORDER = ("--ground", "LGPD art. 18, VI", "--by", "dpo-7")


class Erased:
    """A lake whose people were erased, and everything that was tried afterwards."""

    def __init__(
        self,
        two_days: TwoDays,
        folder: Path,
        command: Command,
        warm_command: Command,
        warm_program: Command,
    ) -> None:
        self.lake = two_days.restore().lake
        _, later = two_days.deliveries
        people = folder / "people.txt"
        people.write_text("\n".join([*GONE, HELD]))
        held = folder / "held.txt"
        held.write_text(HELD)
        on = ("--lake", self.lake, "--cpf-file")
        hold = ("hold", "add", *on, held, "--reason", "lawsuit 17", "--until", "9999-12-31")
        self.held = warm_command(*hold, "--by", "legal-2")
        self.listed = command("hold", "list", "--lake", self.lake)
        self.kept = canaries.write_delivery(folder / "kept")
        rewrite = ("--raw", self.kept, "--rewrite")
        self.asked = warm_command("erase", *on, people, *ORDER, *rewrite)
        self.lines = (self.kept / canaries.NAMES["csv"]).read_text().splitlines()
        self.before = self.clients(command)
        staging = next((self.lake / "staging").iterdir())
        staged = shutil.copytree(staging, folder / "staged")
        self.erased = warm_program("erase", *on, people, *ORDER, *rewrite, "--yes")
        self.audit = command(
            *("query", "--lake", self.lake, "--format", "csv"),
            "SELECT zone, rows, files FROM erasures",
        )
        self.after = self.clients(command)
        self.left = bare_scan.found(self.lake, GONE)
        self.history = command("history", "--lake", self.lake, "--format", "csv")
        first = self.history.stdout.splitlines()[-1].split(",")[0]
        self.rolled_back = warm_command("rollback", "--lake", self.lake, "--to", first)
        self.again = warm_command("run", "--lake", self.lake, "--raw", later)
        self.finally_ = self.clients(command)
        gone = folder / "gone.txt"
        gone.write_text("\n".join(GONE))
        # What the first stage leaves of a delivery that has them again.
        shutil.copytree(staged, staging, dirs_exist_ok=True)
        self.verified = command("erase", *on, gone, "--verify")

    def clients(self, command: Command) -> int:
        sql = "SELECT count(*) AS n FROM clientoutput"
        done = command("query", "--lake", self.lake, "--format", "csv", sql)
        return int(done.stdout.split()[-1])


@pytest.fixture(scope="module")
def erased(
    two_days: TwoDays,
    command: Command,
    warm_command: Command,
    warm_program: Command,
    tmp_path_factory: pytest.TempPathFactory,
) -> Erased:
    folder = tmp_path_factory.mktemp("erase")
    return Erased(two_days, folder, command, warm_command, warm_program)


def test_the_command_asks_erases_and_proves(erased: Erased) -> None:
    assert erased.asked.returncode == 1
    assert "Erase them? [y/N]" in erased.asked.stdout
    assert erased.erased.returncode == 0, erased.erased.stderr
    assert "of 2 people" in erased.erased.stdout
    assert "Nothing of them was found." in erased.erased.stdout
    assert erased.after == erased.before - len(GONE)
    assert erased.left == {}


def test_raw_files_are_written_again_without_them_and_only_without_them(erased: Erased) -> None:
    listed = f"{canaries.NAMES['csv']}: 2 rows; is written again without them"
    for done in (erased.asked, erased.erased):
        assert f"3 of 3 files in {erased.kept} hold them:" in done.stdout
        assert listed in done.stdout
    # Declined, nothing was changed.
    assert erased.lines == canaries.csv_lines()
    left = (erased.kept / canaries.NAMES["csv"]).read_text().splitlines()
    assert left == [line for line in erased.lines if not any(cpf in line for cpf in GONE)]
    assert any(HELD in line for line in left)
    assert "raw files,6,3" in erased.audit.stdout.splitlines()
    assert f"Searched 3 files of {erased.kept} for 2 CPFs" in erased.erased.stdout
    assert bare_scan.found(erased.kept, GONE) == {}


def test_people_on_hold_are_left_and_counted(erased: Erased) -> None:
    assert erased.held.returncode == 0, erased.held.stderr
    assert "until 9999-12-31: 1 person, lawsuit 17" in erased.listed.stdout
    said = "Left because of a legal hold until 9999-12-31 (lawsuit 17): 1"
    assert said in erased.erased.stdout


def test_no_rollback_goes_past_an_erasure_and_the_history_says_why(erased: Erased) -> None:
    rows = csv.DictReader(erased.history.stdout.splitlines())
    states = [row["state"] for row in rows]
    assert states == ["current", "erased", "erased"]
    assert erased.rolled_back.returncode == 2
    assert "no rollback goes past an erasure" in erased.rolled_back.stderr


def test_the_same_run_brings_nobody_back(erased: Erased) -> None:
    again = erased.again
    assert again.returncode == 0, again.stderr
    assert "already published" in again.stderr + again.stdout
    assert erased.finally_ == erased.after


def test_a_search_says_where_a_later_delivery_left_them_and_shows_no_value(
    erased: Erased,
) -> None:
    done = erased.verified
    assert done.returncode == 1
    assert "staging/" in done.stderr
    assert " a CPF" in done.stderr
    assert "clientoutput" not in done.stderr
    said = [done, erased.erased, erased.asked, erased.held, erased.again]
    for one in said:
        assert canaries.found_in(one.stdout + one.stderr) == []
