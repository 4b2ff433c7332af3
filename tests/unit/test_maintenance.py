"""Maintenance removes what isn't needed, but never the record of what is published."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from pyspark.sql import SparkSession
from test_anonymous import followed
from test_lake import add, describe, publish, values, write
from tests.support.kept import Kept

from client_health.publish import maintenance, records
from client_health.publish.lake import Lake
from register_contract import contract
from register_contract.retention import Retention
from register_contract.tables import QUALITY_RESULTS

EVERYTHING = Retention(snapshot_days=0)
DAYS = ("2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04")


@pytest.fixture(scope="module")
def published(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Return the files of a lake with four publications, none of which is in the log."""
    folder = tmp_path_factory.mktemp("maintained")
    kept = Kept(folder / "lake", folder / "then")
    made = Lake.open(spark, str(kept.folder))
    made.make_tables()
    for number, day in enumerate(DAYS):
        record = describe(f"r{number}", day, 1 + number)
        plans = [f"plan {number}-{n}" for n in range(1 + number)]
        publish(made, f"r{number}", *plans, record=record)
    kept.keep("published")
    return kept


@pytest.fixture
def lake(spark: SparkSession, published: Kept) -> Lake:
    """Return a lake with four publications, none of which is in the log."""
    published.put_back("published")
    return Lake.open(spark, str(published.folder))


def snapshots(lake: Lake) -> int:
    return lake.spark.table(f"{lake.table}.snapshots").count()


def files(lake: Lake) -> set[Path]:
    return set(Path(lake.uri, "clientoutput").rglob("*.parquet"))


def test_what_expires_is_in_the_log_and_readers_see_the_rows_of_the_window_as_before(
    lake: Lake,
) -> None:
    published = lake.history().published
    assert len(published) == len(DAYS)
    done = maintenance.maintain(lake.uri, EVERYTHING)
    assert done["publications"] == len(DAYS)
    assert snapshots(lake) == done["snapshots_after"] == EVERYTHING.snapshots_kept
    assert done["expired_files"] > 0
    assert lake.history().published == published
    assert lake.history().unlogged == ()
    # The tables without persons had never been made.
    assert followed(lake) == published[-1].snapshot_id

    table = lake.spark.table(lake.table)
    assert sorted(values(table, "convenio")) == [f"plan 3-{n}" for n in range(4)]
    for publication in published[-2:]:
        travelled = lake.spark.sql(
            f"SELECT convenio FROM {lake.table} VERSION AS OF {publication.snapshot_id}"
        )
        assert travelled.count() == publication.rows


def test_only_old_rows_and_old_files_that_no_snapshot_names_go_and_no_snapshot_that_is_young(
    lake: Lake,
) -> None:
    before, named = snapshots(lake), files(lake)
    warehouse = next(Path(lake.uri, "warehouse").rglob("*.avro")).parent
    old = [named_file.parent / "old.parquet" for named_file in sorted(named)[:1]]
    old += [warehouse / "old.avro"]
    young = [path.with_name(f"young{path.suffix}") for path in old]
    for path in (*old, *young):
        path.write_bytes(b"left by a task that died")
    for path in (*old, *named):
        os.utime(path, (time.time() - 4 * 86_400,) * 2)
    # In a table beside it, old rows go with their snapshots.
    for run_id, age in (("old", 366), ("young", 364)):
        day = datetime.now(tz=UTC).date() - timedelta(days=age)
        row = {"run_id": run_id, "day": day, "rule": "cpf_ausente"}
        frame = pl.DataFrame([row], schema=records.schema(QUALITY_RESULTS))
        records.replace(lake, QUALITY_RESULTS, run_id, frame)
    done = maintenance.maintain(lake.uri)
    assert done["orphan_files"] == len(old)
    assert done["expired_files"] == 0
    assert snapshots(lake) == before == len(DAYS) + 1
    assert done["snapshots_before"] == done["snapshots_after"] == before
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in (*young, *named))
    assert done["expired_rows"] == 1
    assert records.read(lake, QUALITY_RESULTS)["run_id"].to_list() == ["young"]
    table = records.name(lake, QUALITY_RESULTS)
    assert lake.spark.table(f"{table}.snapshots").count() == 1
    data = list(Path(lake.uri, "warehouse").rglob("quality_results/data/*.parquet"))
    assert len(data) == 1


def test_the_branch_of_a_run_at_work_stays_and_one_that_a_dead_run_left_goes_in_time(
    lake: Lake,
) -> None:
    lake.spark.sql(f"ALTER TABLE {lake.table} CREATE BRANCH audit_working RETAIN 7 DAYS")
    add(lake, "audit_working", "new")
    lake.spark.sql(f"ALTER TABLE {lake.table} CREATE BRANCH audit_dead")
    add(lake, "audit_dead", "half")
    half = {path for path in files(lake) if "convenio=half" in str(path)}
    assert half
    # Set this branch's own retention, shorter than SQL allows: no test can wait seven days.
    java = lake.spark._jvm.org.apache.iceberg.spark.Spark3Util.loadIcebergTable(
        lake.spark._jsparkSession, lake.table
    )
    java.manageSnapshots().setMaxRefAgeMs("audit_dead", 1).commit()
    maintenance.maintain(lake.uri, EVERYTHING)
    refs = values(lake.spark.table(f"{lake.table}.refs"), "name")
    assert sorted(refs) == ["audit_working", "main"]
    assert not half & files(lake)
    assert values(lake.spark.table(f"{lake.table}.branch_audit_working"), "convenio").count("new")
    lake.spark.sql(
        f"CALL {contract.CATALOG}.system.fast_forward('{contract.TABLE}', 'main', 'audit_working')"
    )
    assert "new" in values(lake.spark.table(lake.table), "convenio")


def test_a_lake_that_has_published_nothing_stays_so(spark: SparkSession, tmp_path: Path) -> None:
    done = maintenance.maintain(str(tmp_path / "new"))
    assert set(done.values()) == {0}


def test_a_branch_is_made_with_a_retention_of_its_own(lake: Lake) -> None:
    branch = write(lake, "r9", describe("r9", "2026-01-09", 1), "x")
    refs = lake.spark.table(f"{lake.table}.refs").where(f"name = '{branch}'")
    assert values(refs, "max_reference_age_in_ms") == [7 * 86_400_000]
