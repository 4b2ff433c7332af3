"""Publishing: all or nothing, recorded in the snapshot, readable by others."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

import pytest
from frames import ingested, values
from pyiceberg.catalog.sql import SqlCatalog
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from client_health import contract, register
from client_health.errors import PublishError, QualityGateError, SettingsError
from client_health.lake import Lake, Snapshot
from register_contract import publications


def clients(spark: SparkSession, *convenios: str) -> DataFrame:
    """One client a health plan, in the columns of the published table."""
    people = [
        {"convenio": convenio, "cpf": f"{number:011}"} for number, convenio in enumerate(convenios)
    ]
    filled = ingested(spark, *people).transform(register.fill_nulls)
    return filled.withColumn("id", F.sha2("cpf", 256)).select(*(c.name for c in contract.COLUMNS))


def no_audit(branch: DataFrame, written: Snapshot) -> None:
    assert branch.count() == written.rows


def publish(lake: Lake, run_id: str, *convenios: str) -> Snapshot:
    frame = clients(lake.spark, *convenios)
    return lake.publish(frame, run_id, {publications.RUN_ID: run_id}, no_audit)


def published(lake: Lake) -> list[str]:
    return sorted(values(lake.spark.table(lake.table), "convenio"))


def branches(lake: Lake) -> list[str]:
    return sorted(values(lake.spark.table(f"{lake.table}.refs"), "name"))


def as_others_see_it(lake: Lake) -> list[str]:
    """The published health plans, read by PyIceberg from the same catalog."""
    with closing(SqlCatalog("glue_catalog", uri=f"sqlite:///{lake.uri}/catalog.db")) as catalog:
        table = catalog.load_table(contract.TABLE).scan().to_arrow()
    return sorted(table["convenio"].to_pylist())


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    made = Lake.open(spark, str(tmp_path / "lake"))
    made.make_tables()
    return made


def test_readers_see_yesterdays_table_until_todays_is_whole(lake: Lake) -> None:
    assert lake.snapshot() is None
    yesterday = publish(lake, "yesterday", "Gold", "Prata")
    seen: list[list[str]] = []

    def look(branch: DataFrame, written: Snapshot) -> None:
        assert written.rows == 1
        seen.extend((values(branch, "convenio"), published(lake), as_others_see_it(lake)))

    today = lake.publish(clients(lake.spark, "SUS"), "today", {}, look)
    assert seen == [["SUS"], ["Gold", "Prata"], ["Gold", "Prata"]]
    assert published(lake) == as_others_see_it(lake) == ["SUS"]
    assert branches(lake) == ["main"]
    assert lake.snapshot() == today != yesterday


def test_the_record_of_the_run_is_in_the_snapshot(lake: Lake) -> None:
    receipt = '{"rows":{"csv":{"in":1}},"place":"São Paulo, \'centro\'"}'
    record = {publications.RUN_ID: "r1", publications.RECEIPT: receipt}
    lake.publish(clients(lake.spark, "Gold"), "r1", record, no_audit)
    found = lake.snapshot()
    assert found is not None
    assert {key: found.summary[key] for key in record} == record
    assert found.rows == 1


def describe(run_id: str, day: str, rows: int, key_check: str = "k1") -> dict[str, str]:
    """The record of a publication, as a run puts it into its snapshot."""
    receipt = {"as_of": day, "rows": {"csv": {"out": rows}}}
    return {
        publications.RUN_ID: run_id,
        publications.DELIVERY_ID: f"d-{run_id}",
        publications.RECEIPT: json.dumps(receipt),
        publications.KEY_CHECK: key_check,
    }


def expire(lake: Lake, table: str = contract.TABLE) -> None:
    lake.spark.sql(
        f"CALL {contract.CATALOG}.system.expire_snapshots(table => '{table}',"
        " older_than => TIMESTAMP '2100-01-01 00:00:00', retain_last => 1)"
    )


def test_the_log_keeps_what_expiring_takes(lake: Lake) -> None:
    for run_id, day in (("r1", "2026-01-01"), ("r2", "2026-01-02")):
        lake.publish(clients(lake.spark, "Gold"), run_id, describe(run_id, day, 1), no_audit)
    assert [one.run_id for one in lake.history().unlogged] == ["r1", "r2"]
    before = lake.complete_log()
    lake.spark.sql(f"DELETE FROM {lake.table}")
    expire(lake)
    assert lake.spark.table(f"{lake.table}.snapshots").count() == 1
    assert lake.history() == before
    assert before.last is not None
    assert (before.last.run_id, before.last.day, before.last.rows) == ("r2", "2026-01-02", 1)
    shown = lake.spark.table(lake.log).orderBy("day").drop("snapshot_id", "day").collect()
    assert [tuple(row) for row in shown] == [
        ("r1", "d-r1", 1, False), ("r2", "d-r2", 1, False),
    ]  # fmt: skip


def test_completing_the_log_again_adds_nothing(lake: Lake) -> None:
    lake.publish(clients(lake.spark, "Gold"), "r1", describe("r1", "2026-01-01", 1), no_audit)
    assert lake.complete_log() == lake.complete_log()
    assert lake.spark.table(f"{lake.log}.snapshots").count() == 1


def test_the_log_is_told_of_a_rollback_before_its_snapshot_goes(lake: Lake) -> None:
    first = lake.publish(
        clients(lake.spark, "Gold"), "r1", describe("r1", "2026-01-01", 1), no_audit
    )
    lake.publish(clients(lake.spark, "SUS"), "r2", describe("r2", "2026-01-02", 1), no_audit)
    lake.complete_log()
    lake.spark.sql(
        f"CALL {contract.CATALOG}.system.rollback_to_snapshot("
        f"'{contract.TABLE}', {first.snapshot_id})"
    )
    assert [one.run_id for one in lake.complete_log().published] == ["r1"]
    expire(lake)
    assert [one.run_id for one in lake.history().published] == ["r1"]


def test_the_logs_own_snapshots_cannot_be_expired(lake: Lake) -> None:
    lake.publish(clients(lake.spark, "Gold"), "r1", describe("r1", "2026-01-01", 1), no_audit)
    lake.complete_log()
    with pytest.raises(Exception, match="GC is disabled"):
        expire(lake, contract.LOG_TABLE)


def test_a_failing_audit_leaves_everything_as_it_was(lake: Lake) -> None:
    before = publish(lake, "yesterday", "Gold")

    def refuse(branch: DataFrame, written: Snapshot) -> None:
        raise QualityGateError([("auditoria_divergente", "one row too many")])

    with pytest.raises(QualityGateError, match="one row too many"):
        lake.publish(clients(lake.spark, "SUS"), "today", {}, refuse)
    assert lake.snapshot() == before
    assert published(lake) == as_others_see_it(lake) == ["Gold"]
    assert branches(lake) == ["main"]


def test_what_a_dead_attempt_left_is_no_obstacle(lake: Lake) -> None:
    publish(lake, "yesterday", "Gold")
    lake.spark.sql(f"ALTER TABLE {lake.table} CREATE BRANCH audit_today")
    clients(lake.spark, "half").writeTo(f"{lake.table}.branch_audit_today").append()
    publish(lake, "yesterday-again", "Prata")  # the dead attempt's branch is no descendant now
    publish(lake, "today", "SUS")
    assert published(lake) == ["SUS"]
    assert branches(lake) == ["main"]


def test_when_main_moved_the_publication_starts_again_from_there(lake: Lake) -> None:
    publish(lake, "yesterday", "Gold")
    others: list[Snapshot] = []

    def move_main_once(branch: DataFrame, written: Snapshot) -> None:
        assert values(branch, "convenio") == ["SUS"]
        if not others:
            others.append(publish(lake, "other", "Prata"))

    mine = lake.publish(clients(lake.spark, "SUS"), "mine", {}, move_main_once)
    parents = dict(
        lake.spark.table(f"{lake.table}.snapshots")
        .select(F.col("snapshot_id").cast("string"), F.col("parent_id").cast("string"))
        .collect()
    )
    assert parents[mine.snapshot_id] == others[0].snapshot_id
    assert lake.snapshot() == mine
    assert published(lake) == ["SUS"]
    assert branches(lake) == ["main"]


def test_when_main_moves_under_every_attempt_nothing_is_published(lake: Lake) -> None:
    others: list[Snapshot] = []

    def move_main(branch: DataFrame, written: Snapshot) -> None:
        others.append(publish(lake, f"other-{len(others)}", "Prata"))

    with pytest.raises(PublishError, match="Run the same command again"):
        lake.publish(clients(lake.spark, "SUS"), "mine", {}, move_main)
    assert lake.snapshot() == others[-1]
    assert len(others) == 3
    assert published(lake) == ["Prata"]
    assert branches(lake) == ["main"]


def test_a_reader_that_holds_the_catalog_open_blocks_nobody(lake: Lake) -> None:
    publish(lake, "yesterday", "Gold")
    location = "SELECT metadata_location FROM iceberg_tables ORDER BY table_name"
    with closing(sqlite3.connect(f"{lake.uri}/catalog.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        before = reader.execute(location).fetchall()
        publish(lake, "today", "SUS")
        assert reader.execute(location).fetchall() == before
        reader.execute("COMMIT")
        assert reader.execute(location).fetchall() != before
    assert as_others_see_it(lake) == ["SUS"]


def test_data_files_lie_by_health_plan_and_keep_no_bounds_of_personal_values(lake: Lake) -> None:
    publish(lake, "today", "Gold", "SUS")
    files = lake.spark.table(f"{lake.table}.files")
    folders = sorted(Path(path).parent for path in values(files, "file_path"))
    data = Path(lake.uri, "clientoutput")
    assert folders == [data / "convenio=Gold", data / "convenio=SUS"]
    measures = ("lower_bound", "upper_bound", "value_count", "null_value_count")
    metrics = files.select("readable_metrics.*").collect()
    measured = {
        column.name: [row[column.name][measure] for row in metrics for measure in measures]
        for column in contract.COLUMNS
    }
    personal = {column.name for column in contract.COLUMNS if column.personal}
    assert {name for name, found in measured.items() if not any(found)} == personal
    assert {"cpf", "nome_completo", "data_nascimento", "logradouro", "numero"} <= personal


def test_two_lakes_in_one_session_do_not_mix(spark: SparkSession, tmp_path: Path) -> None:
    lakes = [Lake.open(spark, str(tmp_path / name)) for name in ("first", "second")]
    for lake in lakes:
        lake.make_tables()
        publish(lake, "today", Path(lake.uri).name)
    again = Lake.open(lakes[1].spark, str(tmp_path / "first"))
    assert [published(lake) for lake in (*lakes, again)] == [["first"], ["second"], ["first"]]
    assert all(lake.spark.conf.get("spark.sql.session.timeZone") == "UTC" for lake in lakes)


def test_health_plans_may_have_any_name(lake: Lake) -> None:
    names = ["Vida & Saude", "d'Or", 'o "Bom"', "A/B", "Saúde 100%", "a=b", "..", "çã #1?", "N/A"]
    publish(lake, "today", *names)
    assert published(lake) == as_others_see_it(lake) == sorted(names)
    data = Path(lake.uri, "clientoutput")
    assert {path.parent.parent for path in data.rglob("*.parquet")} == {data}
    assert len(list(data.iterdir())) == len(names)
    assert (data / "convenio=Gold") not in data.iterdir()
    assert any(unquote(folder.name) == "convenio=A/B" for folder in data.iterdir())


def test_lakes_and_runs_may_have_any_name(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake.open(spark, str(tmp_path / "João's lake & co #1 100%20?"))
    lake.make_tables()
    publish(lake, "2026.01-31 'again' `é`", "Gold")
    assert published(lake) == ["Gold"]
    assert branches(lake) == ["main"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [Path(lake.uri).name]


def test_opening_a_lake_again_changes_nothing(lake: Lake) -> None:
    before = publish(lake, "today", "Gold")
    again = Lake.open(lake.spark, f"file://{lake.uri}")
    again.make_tables()
    assert again.uri == lake.uri
    assert again.snapshot() == before


def test_a_lake_is_a_folder_or_an_s3_uri(spark: SparkSession) -> None:
    with pytest.raises(SettingsError, match=r"folder or an s3:// URI; found ftp://"):
        Lake.open(spark, "ftp://host/lake")


def test_the_published_table_has_the_contracts_columns_in_their_order(lake: Lake) -> None:
    found = lake.spark.table(lake.table)
    assert found.dtypes == [(column.name, column.type) for column in contract.COLUMNS]
    described = {
        row["col_name"]: row["comment"]
        for row in lake.spark.sql(f"DESCRIBE {lake.table}").collect()
    }
    assert described | {c.name: c.meaning for c in contract.COLUMNS} == described
