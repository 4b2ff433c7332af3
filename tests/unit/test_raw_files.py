"""Raw files in a folder: those of people are deleted or written again, others stay as they are."""

from __future__ import annotations

import gzip
import json
import os
import stat
from pathlib import Path

import pytest
from tests.support import bare_scan, canaries, lakes
from typer.testing import CliRunner

from client_health_cli.erasing import cpfs, forget, keeping, raw_files
from client_health_cli.erasing.raw_files import KEPT, RAW
from client_health_cli.errors import ClientHealthCliError, SettingsError
from client_health_cli.main import app
from register_contract.erasures import Zone

KEY = b"k" * 32
CPF = canaries.cpf(45)
PEOPLE = cpfs.values((CPF,), KEY)
OLD = 1_700_000_000_123_456_789


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Return a folder with a delivery, and files of other forms that hold the person, too."""
    folder = canaries.write_delivery(tmp_path / "raw" / "2026-01-01").parent
    (folder / "packed.csv.gz").write_bytes(gzip.compress("\n".join(canaries.csv_lines()).encode()))
    (folder / "notes.txt").write_text(f"call {canaries._punctuated(CPF)} back")
    (folder / f"{CPF}.json").write_text("{}")
    (folder / "other.csv").write_text("cpf|nome\n11144477735|Ana\n")
    for path in folder.rglob("*.*"):
        path.chmod(0o640)
        os.utime(path, ns=(OLD, OLD))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def find(raw: Path, *, rewrite: bool = False) -> raw_files.Found:
    return raw_files.find(raw_files.place_of(str(raw)), PEOPLE, rewrite=rewrite)


def test_files_that_hold_a_person_are_listed_without_a_value_and_deleted(raw: Path) -> None:
    before = contents(raw)
    found = find(raw)
    assert contents(raw) == before
    listed = "\n".join(raw_files.described(found, PEOPLE))
    assert listed.splitlines()[0].startswith("6 of 7 files in ")
    assert "2026-01-01/dados_cadastro_2.csv: 1 row; is deleted" in listed
    assert "notes.txt: rows unknown; is deleted" in listed
    assert "***: " in listed
    assert CPF not in listed
    assert found.zones() == (Zone(RAW, 4, 6),)
    assert raw_files.erase(found, PEOPLE, "") == []
    assert list(contents(raw)) == ["other.csv"]
    assert raw_files.prove(raw, PEOPLE).is_clean


def test_written_again_each_file_loses_these_rows_alone(raw: Path) -> None:
    (raw / "notes.txt").unlink()
    before = contents(raw)
    raw_files.erase(find(raw, rewrite=True), PEOPLE, "")
    after = contents(raw)
    # A name can't be written again without the CPF.
    assert set(before) - set(after) == {f"{CPF}.json"}
    name = f"2026-01-01/{canaries.NAMES['csv']}"
    lines = before[name].splitlines(keepends=True)
    assert after[name] == b"".join(line for line in lines if CPF.encode() not in line)
    assert len(after[name].splitlines()) == len(lines) - 1
    assert gzip.decompress(after["packed.csv.gz"]) == after[name].rstrip(b"\n")
    assert after["other.csv"] == before["other.csv"]
    assert raw_files.prove(raw, PEOPLE).is_clean
    assert bare_scan.found(raw, [CPF, canaries._punctuated(CPF)]) == {}
    # The day of a delivery is the time of its files.
    for path in (path for path in raw.rglob("*") if path.is_file()):
        assert (path.stat().st_mtime_ns, stat.S_IMODE(path.stat().st_mode)) == (OLD, 0o640), path
    assert find(raw, rewrite=True).holding == ()


def test_what_cannot_be_written_again_is_refused_before_anything_is_changed(raw: Path) -> None:
    before = contents(raw)
    with pytest.raises(SettingsError, match=r"notes\.txt holds them, but its rows"):
        find(raw, rewrite=True)
    assert contents(raw) == before


def test_rows_of_others_that_have_the_cpf_are_never_removed(raw: Path) -> None:
    (raw / "notes.txt").unlink()
    content = f"cpf|nome\n11144477735|filha de {CPF}\n".encode()
    (raw / "other.csv").write_bytes(content)
    found = find(raw, rewrite=True)
    listed = "\n".join(raw_files.described(found, PEOPLE))
    assert "other.csv: 0 rows, 1 row of others has their CPF; stays" in listed
    raw_files.erase(found, PEOPLE, "")
    assert (raw / "other.csv").read_bytes() == content
    report = raw_files.prove(raw, PEOPLE)
    assert [(str(file), kind) for file, kind in report.found] == [(str(raw / "other.csv"), "CPF")]
    raw_files.erase(find(raw), PEOPLE, "")
    assert not (raw / "other.csv").exists()


def test_a_file_that_cannot_be_searched_stays_and_is_no_proof(raw: Path) -> None:
    (raw / "cut.csv.gz").write_bytes(gzip.compress(b"cpf|nome\n")[:-6])
    raw_files.erase(find(raw), PEOPLE, "")
    assert (raw / "cut.csv.gz").exists()
    assert list(raw_files.prove(raw, PEOPLE).unsearchable) == [raw / "cut.csv.gz"]


def test_a_folder_with_a_link_is_refused(raw: Path, tmp_path: Path) -> None:
    (raw / "link.csv").symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(SettingsError, match="is a link"):
        find(raw)


def test_raw_files_are_part_of_the_plan_and_a_second_start_must_name_them(
    raw: Path, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    lake.mkdir()
    order = {"ground": "x", "by": "y", "held": 0, "id_keys": cpfs.versions(KEY, b"")}
    found = find(raw)
    state, there = forget.plan(lake, PEOPLE, raw=found, **order)  # type: ignore[arg-type]
    assert state.request.zones == (Zone(RAW, 4, 6),)

    class KilledError(Exception):
        """Stands for the death of a process."""

    def die() -> None:
        raise KilledError

    begun = forget.steps(lake, state, there, die, found)
    for _ in range(3):
        next(begun)()
    assert list(contents(raw)) == ["other.csv"]
    with pytest.raises(KilledError):
        next(begun)()
    with pytest.raises(SettingsError, match=f"has begun with --raw {raw}"):
        forget.plan(lake, PEOPLE, **order)  # type: ignore[arg-type]
    # The audit record has the counts of the first start.
    again = forget.plan(lake, PEOPLE, raw=find(raw), **order)  # type: ignore[arg-type]
    assert again[0].request == state.request
    keeping.finish(lake)


def test_what_could_not_be_deleted_is_in_the_request_for_the_audit_record(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No local file is refused like a locked version, so the refusal is made up here."""
    lake = tmp_path / "lake"
    lake.mkdir()
    order = {"ground": "x", "by": "y", "held": 0, "id_keys": cpfs.versions(KEY, b"")}
    found = find(raw)
    state, there = forget.plan(lake, PEOPLE, raw=found, **order)  # type: ignore[arg-type]
    refusal = raw_files.Refusal(found.going[0].file, "AccessDenied")  # type: ignore[arg-type]
    monkeypatch.setattr(raw_files, "erase", lambda *_: [refusal])
    said: list[object] = []
    for step in forget.steps(lake, state, there, lambda: None, found, said.append):
        step()
    assert said == [refusal]
    kept = json.loads((lake / "restricted" / "erasure" / "request.json").read_text())
    assert {zone["name"]: zone["files"] for zone in kept["zones"]} == {RAW: 6, KEPT: 1}
    # A second start counts again what stays.
    again, _ = forget.plan(lake, PEOPLE, raw=found, **order)  # type: ignore[arg-type]
    assert [zone.name for zone in again.request.zones] == [RAW]


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    lakes.make(tmp_path / "lake")
    (tmp_path / "id.key").write_text("k" * 32)
    (tmp_path / "id.key").chmod(0o600)
    (tmp_path / "people.txt").write_text(CPF)
    return tmp_path / "lake"


def command(lake: Path, *arguments: object) -> tuple[int, str]:
    """Return exit code and output of `erase --verify`."""
    given = ("erase", "--lake", lake, "--id-key", lake.parent / "id.key", *arguments)
    done = CliRunner().invoke(app, [*map(str, given)])
    error = done.exception
    if isinstance(error, ClientHealthCliError):
        return error.exit_code, f"{done.output}{error}"
    return done.exit_code, done.output


def test_a_search_of_raw_files_says_where_somebody_is_and_changes_nothing(
    raw: Path, lake: Path
) -> None:
    before = contents(raw)
    given = ("--cpf-file", lake.parent / "people.txt", "--verify", "--raw", raw)
    code, said = command(lake, *given)
    assert code == 1
    assert f"{raw}: 2026-01-01/dados_cadastro_1.parquet: 1 time a CPF" in said
    assert f"Searched 7 files of {raw} for 1 CPF in both forms, 1 id, 0 names" in said
    assert CPF not in said
    assert contents(raw) == before
    raw_files.erase(find(raw), PEOPLE, "")
    assert command(lake, *given)[0] == 0


def test_raw_files_that_are_something_else_are_refused(raw: Path, lake: Path) -> None:
    people = lake.parent / "people.txt"
    given = ("--cpf-file", people, "--verify")
    for place in (lake, lake.parent, lake / "runs"):
        (lake / "runs").mkdir(exist_ok=True)
        assert "are in each other" in command(lake, *given, "--raw", place)[1]
    # However the lake is named.
    (lake.parent / "linked").symlink_to(lake.parent, target_is_directory=True)
    for same in (lake.parent / "raw" / ".." / lake.name, lake.parent / "linked" / lake.name):
        said = command(same, *given, "--raw", lake.parent)[1]
        assert "are in each other" in said
    (lake.parent / "linked").unlink()
    (raw / "people.txt").write_text(CPF)
    given = ("--cpf-file", raw / "people.txt", "--verify", "--raw", raw)
    assert "put it elsewhere" in command(lake, *given)[1]
    given = ("--cpf-file", people, "--verify")
    assert "no such folder" in command(lake, *given, "--raw", raw / "none")[1]
    assert "give --raw, too" in command(lake, *given, "--rewrite")[1]
