"""The anonymous table follows what readers of the published table see."""

from __future__ import annotations

from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from test_lake import add, describe, publish

from client_health.errors import PublishError
from client_health.publish import anonymous, maintenance, records
from client_health.publish.lake import Lake
from register_contract import anonymity, contract, tables
from register_contract.tables import CADASTROS_ANONIMOS, CLIENTOUTPUT_ANONIMA, WITHOUT_PERSONS

DAYS = ("2026-01-01", "2026-01-02")


@pytest.fixture
def lake(empty_lake: Lake) -> Lake:
    return empty_lake


def run(lake: Lake, number: int, **plans: int) -> str:
    """Publish a run with some clients of each health plan; return the snapshot."""
    names = [plan for plan, count in plans.items() for _ in range(count)]
    record = describe(f"r{number}", DAYS[number], len(names))
    return publish(lake, f"r{number}", *names, record=record).snapshot_id


def counts(lake: Lake) -> dict[str, int]:
    """Return the clients of each health plan in the anonymous table, as anybody reads it."""
    with closing(SqlCatalog("glue_catalog", uri=f"sqlite:///{lake.uri}/catalog.db")) as catalog:
        found = catalog.load_table(f"{contract.DATABASE}.clientoutput_anonima").scan().to_arrow()
    return dict(zip(found["convenio"].to_pylist(), found["clientes"].to_pylist(), strict=True))


def head(lake: Lake) -> Any:
    return lake.snapshot(table=records.name(lake, CLIENTOUTPUT_ANONIMA))


def followed(lake: Lake) -> str:
    """Return the snapshot that both tables were made from."""
    made = [lake.snapshot(table=records.name(lake, table)) for table in WITHOUT_PERSONS]
    (source,) = {one.summary[anonymity.SOURCE_SNAPSHOT] for one in made if one}
    return str(source)


def years(lake: Lake) -> dict[int | None, int]:
    """Return the clients of each year of registration."""
    return dict(records.read(lake, CADASTROS_ANONIMOS).select("ano", "clientes").iter_rows())


def test_the_table_is_made_from_what_readers_see_and_names_it(lake: Lake) -> None:
    assert anonymous.follow(lake) is None
    for number, plans in enumerate(({"Gold": 7}, {"Gold": 6, "SUS": 5, "Prata": 3, "Bronze": 2})):
        snapshot = run(lake, number, **plans)
        report = anonymous.follow(lake)
        assert followed(lake) == snapshot
    assert counts(lake) == {"Gold": 6, "SUS": 5, "*": 5}
    rows = records.read(lake, CLIENTOUTPUT_ANONIMA)
    assert rows.select("run_id", "day").unique().rows() == [("r1", date.fromisoformat(DAYS[1]))]
    assert report is not None
    assert (report.table.clients, report.suppressed, report.table.smallest) == (16, 5, 5)


def test_the_years_of_registration_come_from_the_same_rows(lake: Lake) -> None:
    run(lake, 0, Gold=7, SUS=9)
    anonymous.follow(lake)
    assert years(lake) == {2020: 16}
    late = f"UPDATE {lake.table} SET data_cadastro = TIMESTAMP_NTZ '{DAYS[1]} 00:00:00'"
    lake.spark.sql(f"{late} WHERE convenio = 'Gold'")
    anonymous.follow(lake)
    # A day after the delivery's own is in the future, whatever day it is today.
    assert years(lake) == {2020: 9, None: 7}
    lake.spark.sql(f"DELETE FROM {lake.table} WHERE convenio = 'Gold' AND id LIKE '%0'")
    anonymous.follow(lake)
    assert sum(years(lake).values()) == sum(counts(lake).values()) == 15


def test_a_table_that_is_missing_is_made_although_the_other_one_is_current(lake: Lake) -> None:
    snapshot = run(lake, 0, Gold=7)
    anonymous.follow(lake)
    lake.spark.sql(f"DROP TABLE {records.name(lake, CADASTROS_ANONIMOS)}")
    anonymous.follow(lake)
    assert (followed(lake), years(lake)) == (snapshot, {2020: 7})


def test_nothing_is_written_again_while_readers_see_the_same(lake: Lake) -> None:
    run(lake, 0, Gold=7, SUS=9)
    report = anonymous.follow(lake)
    before = head(lake)
    assert anonymous.follow(lake) == report
    assert head(lake) == before


def test_another_ladder_makes_the_table_again(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    run(lake, 0, Gold=7, SUS=9)
    anonymous.follow(lake)
    monkeypatch.setattr(anonymity, "K", 8)
    anonymous.follow(lake)
    assert counts(lake) == {"*": 16}


def test_a_session_that_died_between_both_commits_is_completed_by_the_next_one(lake: Lake) -> None:
    first = run(lake, 0, Gold=7)
    anonymous.follow(lake)
    second = run(lake, 1, SUS=8)  # and died
    assert (followed(lake), counts(lake)) == (first, {"Gold": 7})
    maintenance.maintain(lake.uri)
    assert (followed(lake), counts(lake)) == (second, {"SUS": 8})


def test_a_rollback_takes_the_table_back(lake: Lake) -> None:
    first = run(lake, 0, Gold=7)
    run(lake, 1, SUS=8)
    anonymous.follow(lake)
    assert maintenance.rollback(lake.uri, first) == {"withdrawn": ["r1"]}
    assert (followed(lake), counts(lake)) == (first, {"Gold": 7})
    assert set(records.read(lake, CLIENTOUTPUT_ANONIMA)["run_id"]) == {"r0"}


def test_rows_that_were_deleted_leave_the_counts(lake: Lake) -> None:
    run(lake, 0, Gold=7, SUS=8)
    anonymous.follow(lake)
    lake.spark.sql(f"DELETE FROM {lake.table} WHERE convenio = 'SUS'")
    report = anonymous.follow(lake)
    assert report is not None
    assert (counts(lake), report.table.clients) == ({"Gold": 7}, 7)


def test_all_files_of_a_health_plan_are_one_class(lake: Lake) -> None:
    run(lake, 0, Gold=3, SUS=9)
    add(lake, "main", "Gold")
    add(lake, "main", "Gold")
    anonymous.follow(lake)
    assert counts(lake) == {"Gold": 5, "SUS": 9}


def test_what_the_table_showed_before_expires(lake: Lake) -> None:
    folder = Path(lake.uri, "warehouse")
    snapshots = [f"{records.name(lake, table)}.snapshots" for table in WITHOUT_PERSONS]
    run(lake, 0, Gold=7)
    anonymous.follow(lake)
    first = set(folder.rglob("*.parquet"))
    run(lake, 1, Gold=6)
    anonymous.follow(lake)
    assert [lake.spark.table(one).count() for one in snapshots] == [2, 2]
    anonymous.expire(lake, days=0)
    assert [lake.spark.table(one).count() for one in snapshots] == [1, 1]
    assert counts(lake) == {"Gold": 6}
    # Iceberg deletes a file together with the snapshot that replaced it.
    lake.rollback(str(lake.history().published[0].snapshot_id))
    anonymous.follow(lake)
    anonymous.expire(lake, days=0)
    assert not first & set(folder.rglob("*.parquet"))


def test_rows_that_only_a_delete_file_hides_are_never_counted(lake: Lake) -> None:
    lake.spark.sql(
        f"ALTER TABLE {lake.table} SET TBLPROPERTIES ('write.delete.mode'='merge-on-read')"
    )
    run(lake, 0, Gold=7)
    lake.spark.sql(f"DELETE FROM {lake.table} WHERE id LIKE '%3'")
    with pytest.raises(PublishError, match="has delete files"):
        anonymous.follow(lake)


def test_neither_ids_nor_names_nor_dates_are_in_its_files(lake: Lake) -> None:
    run(lake, 0, Gold=7)
    anonymous.follow(lake)
    (file,) = Path(lake.uri, "warehouse").rglob("*/clientoutput_anonima/data/*.parquet")
    (row,) = pl.read_parquet(file, hive_partitioning=False).rows(named=True)
    assert tuple(row) == tables.field_names(CLIENTOUTPUT_ANONIMA)
    assert row["faixa_nascimento"] == "1980-05"
    assert (row["regiao"], row["uf"]) == ("N/A", "N/A")  # `Ana Lima` is no state
