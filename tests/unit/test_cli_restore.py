"""Entries of the catalog that somebody has deleted are made again from the lake's own files."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy
from pyiceberg.catalog.sql import SqlCatalog
from tests.support import lakes

from client_health_cli import catalog_entries
from client_health_cli.errors import LakeError, RunFailedError
from client_health_cli.main import app
from client_health_cli.published import published_table
from register_contract import contract, publications
from register_run import lock

ROWS = 5


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    made = tmp_path / "lake"
    lakes.make(made)
    lakes.publish(made, "r-first", lakes.clients(3))
    lakes.publish(made, "r-second", lakes.clients(ROWS))
    return made


def lose_catalog(lake: Path) -> None:
    for file in lake.glob("catalog.db*"):
        file.unlink()


def lose_entry(lake: Path, table: str) -> None:
    catalog = SqlCatalog(contract.CATALOG, uri=f"sqlite:///{lake}/catalog.db")
    with closing(catalog):
        catalog.drop_table(f"{contract.DATABASE}.{table}")


def restored(lake: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    app(["restore", "--lake", str(lake), *options], standalone_mode=False)
    return capsys.readouterr().out


def test_a_lost_catalog_is_restored_with_what_readers_saw(
    lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = published_table(str(lake))
    lose_catalog(lake)
    with pytest.raises(LakeError, match=r"catalog\.db"):
        published_table(str(lake))
    assert "Nothing was changed" in restored(lake, capsys)
    assert not (lake / "catalog.db").exists()
    assert "Entries restored: 3" in restored(lake, capsys, "--apply")
    assert published_table(str(lake)) == before
    assert "No entry is lost." in restored(lake, capsys, "--apply")


def test_only_a_lost_entry_is_made(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = published_table(str(lake))
    lose_entry(lake, publications.TABLE)
    said = restored(lake, capsys, "--apply")
    assert f"{publications.TABLE}: lost; 0000" in said
    assert published_table(str(lake)) == before


def test_the_catalog_is_one_that_the_session_can_write_to(
    lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lose_catalog(lake)
    restored(lake, capsys, "--apply")
    engine = sqlalchemy.create_engine(f"sqlite:///{lake}/catalog.db")
    columns = {one["name"] for one in sqlalchemy.inspect(engine).get_columns("iceberg_tables")}
    engine.dispose()
    # Of schema V1, which Iceberg's JDBC catalog asks for; PyIceberg's own tables lack it.
    assert "iceberg_type" in columns
    lakes.publish(lake, "r-third", lakes.clients(7))
    assert [one.run_id for one in published_table(str(lake)).published][-1] == "r-third"


def test_two_newest_files_are_for_a_person_to_choose_from(lake: Path) -> None:
    lose_catalog(lake)
    newest = sorted(lake.glob("warehouse/*/*/metadata/*.metadata.json"))[-1]
    number, _, _ = newest.name.partition("-")
    (newest.parent / f"{number}-another.metadata.json").write_bytes(newest.read_bytes())
    with pytest.raises(LakeError, match="2 metadata files with its highest number"):
        catalog_entries.entries(str(lake))


def test_a_damaged_catalog_is_to_be_moved_away_and_then_made_again(
    lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = published_table(str(lake))
    file = lake / "catalog.db"
    whole = file.read_bytes()
    for damaged in (b"no database" * 1000, whole[:512], whole[: len(whole) // 2]):
        file.write_bytes(damaged)
        for options in ((), ("--apply",)):
            with pytest.raises(LakeError, match=r"catalog\.db is damaged .*: move it away"):
                restored(lake, capsys, *options)
            assert file.read_bytes() == damaged
    file.rename(lake / "damaged.db")
    assert "Entries restored: 3" in restored(lake, capsys, "--apply")
    assert published_table(str(lake)) == before


def test_without_apply_not_even_the_catalogs_tables_are_made(
    lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = lake / "catalog.db"
    lose_entry(lake, publications.TABLE)
    before = file.read_bytes()
    assert "Nothing was changed" in restored(lake, capsys)
    assert file.read_bytes() == before
    file.write_bytes(b"")
    assert f"{publications.TABLE}: lost; 0000" in restored(lake, capsys)
    assert file.read_bytes() == b""
    assert "Entries restored: 3" in restored(lake, capsys, "--apply")


def test_what_has_no_metadata_is_no_lake(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="no metadata"):
        catalog_entries.entries(str(tmp_path))


def test_nothing_is_made_while_others_work_on_the_lake(lake: Path) -> None:
    lose_catalog(lake)
    lost = catalog_entries.entries(str(lake))
    with lock.shared(str(lake)), pytest.raises(RunFailedError):
        catalog_entries.restore(str(lake), lost)
    assert not (lake / "catalog.db").exists()
