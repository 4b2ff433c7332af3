"""The tables next to the published one: a run's rows are replaced together, and read by run."""

from __future__ import annotations

import os
import stat
from contextlib import closing
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from client_health.publish import records
from client_health.publish.lake import Lake
from register_contract import contract, tables
from register_contract.tables import Field, Table

OPEN = Table(
    "findings",
    "numbers",
    "números",
    (
        Field("run_id", "string", "the run", "a execução"),
        Field("number", "bigint", "a number", "um número"),
        Field("word", "string", "a word", "uma palavra"),
    ),
)
RESTRICTED = Table("secrets", "words", "palavras", OPEN.fields, restricted=True)
LONG = "r" + "0123456789abcdef" * 3


def rows(run_id: str, *numbers: int) -> pl.DataFrame:
    listed = [{"run_id": run_id, "number": number, "word": f"w{number}"} for number in numbers]
    return pl.DataFrame(listed, schema=records.schema(OPEN))


def pairs(frame: pl.DataFrame) -> list[tuple[str, int]]:
    return sorted(frame.select("run_id", "number").rows())


@pytest.fixture
def lake(empty_lake: Lake) -> Lake:
    return empty_lake


def test_a_run_that_writes_again_replaces_its_own_rows_and_no_others(lake: Lake) -> None:
    other = LONG[:-1] + "0"  # differs in its last letter only, which cut bounds would not show
    for run_id, numbers in ((LONG, (1, 2)), (other, (3,)), (LONG, (4,))):
        records.replace(lake, OPEN, run_id, rows(run_id, *numbers))

    assert pairs(records.read(lake, OPEN)) == [(other, 3), (LONG, 4)]
    assert pairs(records.read(lake, OPEN, [LONG])) == [(LONG, 4)]
    assert records.read(lake, OPEN, []).is_empty()


def test_rows_are_added_and_a_run_without_rows_leaves_none(lake: Lake) -> None:
    assert records.read(lake, OPEN).is_empty()
    records.append(lake, OPEN, rows("a", 1))
    records.append(lake, OPEN, rows("a", 2))
    assert pairs(records.read(lake, OPEN)) == [("a", 1), ("a", 2)]

    records.replace(lake, OPEN, "a", rows("a"))
    assert records.read(lake, OPEN).is_empty()


def test_small_frames_share_a_file_and_all_files_are_one_commit(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "FILE_ROWS", 3)
    frames = [rows("a", *numbers) for numbers in ((1,), (), (2, 3), (4,))]
    records.replace(lake, OPEN, "a", iter(frames))

    assert pairs(records.read(lake, OPEN)) == [("a", number) for number in (1, 2, 3, 4)]
    assert len(list(Path(lake.uri, "warehouse").rglob("findings/data/*.parquet"))) == 2
    assert lake.spark.table(f"{records.name(lake, OPEN)}.snapshots").count() == 1


def test_other_programs_and_spark_read_the_same_rows(lake: Lake) -> None:
    records.append(lake, OPEN, rows("a", 1, 2))

    with closing(SqlCatalog("glue_catalog", uri=f"sqlite:///{lake.uri}/catalog.db")) as catalog:
        found = catalog.load_table(f"{contract.DATABASE}.findings").scan().to_arrow()
    assert sorted(found["number"].to_pylist()) == [1, 2]
    assert lake.spark.table(records.name(lake, OPEN)).count() == 2


def test_restricted_files_are_closed_to_others_and_have_no_bounds_of_values(lake: Lake) -> None:
    records.append(lake, RESTRICTED, rows("a", 1))

    (file,) = Path(lake.uri, "restricted").rglob("*.parquet")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert all(
        stat.S_IMODE(one.stat().st_mode) == 0o700
        for one in file.parents
        if one.is_relative_to(Path(lake.uri, "restricted"))
    )
    columns = pq.ParquetFile(file).metadata.row_group(0)
    bounded = {
        columns.column(at).path_in_schema
        for at in range(columns.num_columns)
        if columns.column(at).is_stats_set
    }
    assert bounded == {"run_id"}
    bounds = (
        lake.spark.table(f"{records.name(lake, RESTRICTED)}.files").select("lower_bounds").collect()
    )
    assert [list(row[0].values()) for row in bounds] == [[bytearray(b"a")]]


def test_files_past_the_limit_go_from_the_table_its_history_and_the_disk(lake: Lake) -> None:
    records.replace(lake, RESTRICTED, "old", rows("old", 1))
    (old,) = Path(lake.uri, "restricted").rglob("*.parquet")
    records.replace(lake, RESTRICTED, "new", rows("new", 2))
    assert records.expire(lake, RESTRICTED, 30) == 0
    month_ago = old.stat().st_mtime - 31 * 24 * 3600
    os.utime(old, (month_ago, month_ago))
    assert records.expire(lake, RESTRICTED, 32) == 0
    assert records.expire(lake, RESTRICTED, 30) == 1
    assert pairs(records.read(lake, RESTRICTED)) == [("new", 2)]
    assert not old.exists()
    assert lake.spark.table(f"{records.name(lake, RESTRICTED)}.snapshots").count() == 1
    assert records.expire(lake, RESTRICTED, 30) == 0


def test_a_table_that_is_not_there_has_nothing_past_the_limit(lake: Lake) -> None:
    assert records.expire(lake, RESTRICTED, 0) == 0


def test_every_table_that_tells_persons_apart_is_restricted() -> None:
    of_persons = [one for one in tables.TABLES if tables.PERSON in tables.field_names(one)]
    assert of_persons
    assert all(one.restricted for one in of_persons)


def test_every_declared_table_can_be_written_and_read(lake: Lake) -> None:
    for table in tables.TABLES:
        nothing = pl.DataFrame({name: [None] for name in records.schema(table)})
        row = nothing.cast(records.schema(table)).with_columns(pl.lit("a").alias(table.key))
        records.append(lake, table, row)
        assert records.read(lake, table, ["a"]).equals(row)
