"""Publication: all or nothing, recorded in the snapshot, readable by other programs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyspark.sql import DataFrame, SparkSession
from tests.support.frames import clients

from client_health.errors import MainMovedError, PublishError, SettingsError
from client_health.publish import data_files
from client_health.publish.data_files import DataFile
from client_health.publish.lake import Lake, Snapshot, branch_name
from register_contract import contract, publications

TOKEN = "0" * 32


def values(frame: DataFrame, column: str) -> list[Any]:
    """Return the values of a column, in the frame's order."""
    return [row[0] for row in frame.select(column).collect()]


def write(lake: Lake, run_id: str, record: Mapping[str, str], *convenios: str) -> str:
    """Change the table as ``02_transform`` does; return the branch's name."""
    branch = branch_name(run_id, TOKEN)
    lake.write_branch(branch, files(lake, *convenios), record)
    return branch


def files(lake: Lake, *convenios: str) -> list[DataFile]:
    """Write one client per health plan, as workers do."""
    return data_files.write(clients(*convenios), lake.data_folder, lake.field_ids(), "00000-0")


def publish(
    lake: Lake, run_id: str, *convenios: str, record: Mapping[str, str] | None = None
) -> Snapshot:
    """Change the table as ``02_transform`` and ``03_quality`` do."""
    branch = write(lake, run_id, record or {publications.RUN_ID: run_id}, *convenios)
    lake.publish(branch)
    lake.drop_branch(branch)
    found = lake.snapshot()
    assert found is not None
    return found


def published(lake: Lake) -> list[str]:
    return sorted(values(lake.spark.table(lake.table), "convenio"))


def branches(lake: Lake) -> list[str]:
    return sorted(values(lake.spark.table(f"{lake.table}.refs"), "name"))


def as_others_see_it(lake: Lake) -> list[str]:
    """Return the published health plans, as PyIceberg reads them from the same catalog."""
    with closing(SqlCatalog("glue_catalog", uri=f"sqlite:///{lake.uri}/catalog.db")) as catalog:
        table = catalog.load_table(contract.TABLE).scan().to_arrow()
    return sorted(table["convenio"].to_pylist())


@pytest.fixture
def lake(empty_lake: Lake) -> Lake:
    return empty_lake


def test_a_lake_in_s3_has_the_database_that_its_session_names(spark: SparkSession) -> None:
    given = spark.newSession()
    assert Lake.open(given, "s3://bucket/lake").table == f"glue_catalog.{contract.TABLE}"
    given.conf.set("spark.client_health.database", "dev_db_client_insurance")
    lake = Lake.open(given, "s3://bucket/lake")
    assert lake.table == "glue_catalog.dev_db_client_insurance.clientoutput"
    assert lake.log == "glue_catalog.dev_db_client_insurance.publications"
    assert lake.published == "dev_db_client_insurance.clientoutput"


def test_a_folder_always_has_the_contracts_database(spark: SparkSession, tmp_path: Path) -> None:
    given = spark.newSession()
    given.conf.set("spark.client_health.database", "dev_db_client_insurance")
    assert Lake.open(given, str(tmp_path / "lake")).table == f"glue_catalog.{contract.TABLE}"


def test_a_lake_that_is_opened_beside_another_is_read_with_its_own_settings(
    spark: SparkSession, lake: Lake, tmp_path: Path
) -> None:
    other = Lake.open(spark, str(tmp_path / "other"))
    other.make_tables()
    opened = Lake.open(spark, other.uri)
    jvm: Any = spark.sparkContext._jvm
    jvm.org.apache.spark.sql.SparkSession.setActiveSession(lake.spark._jsparkSession)
    assert opened.metadata()["location"].startswith(f"{other.uri}/")


def test_readers_see_yesterdays_table_until_todays_is_published(lake: Lake) -> None:
    assert lake.snapshot() is None
    yesterday = publish(lake, "yesterday", "Gold", "Prata")
    branch = branch_name("today", TOKEN)
    record = {publications.RUN_ID: "today"}
    today = lake.write_branch(branch, files(lake, "SUS"), record)
    assert today.rows == 1
    assert values(lake.at(today.snapshot_id), "convenio") == ["SUS"]
    assert published(lake) == as_others_see_it(lake) == ["Gold", "Prata"]
    assert lake.snapshot() == yesterday
    lake.publish(branch)
    lake.drop_branch(branch)
    assert published(lake) == as_others_see_it(lake) == ["SUS"]
    assert branches(lake) == ["main"]
    assert lake.snapshot() == today == lake.snapshot("main")
    assert lake.snapshot(branch) is None


def test_the_record_of_the_run_is_in_the_snapshot(lake: Lake) -> None:
    receipt = '{"rows":{"csv":{"in":1}},"place":"São Paulo, \'centro\'"}'
    record = {publications.RUN_ID: "r1", publications.RECEIPT: receipt}
    publish(lake, "r1", "Gold", record=record)
    found = lake.snapshot()
    assert found is not None
    assert {key: found.summary[key] for key in record} == record
    assert found.rows == 1


def test_a_branch_has_all_files_and_nothing_of_what_was_published(lake: Lake) -> None:
    publish(lake, "yesterday", "Gold", "Prata")
    branch = branch_name("r1", TOKEN)
    written = [*files(lake, *(["SUS", "Gold"] * 50)), *files(lake, "Gold")]
    head = lake.write_branch(branch, written, {})
    found = lake.files(head.snapshot_id)
    assert head.rows == sum(file.rows for file in found) == 101
    assert sorted(found, key=lambda file: file.uri) == sorted(written, key=lambda file: file.uri)
    assert [file.partition for file in found] == ["Gold", "Gold", "SUS"]


def test_a_branch_without_a_row_is_an_empty_table(lake: Lake) -> None:
    publish(lake, "yesterday", "Gold")
    head = lake.write_branch(branch_name("r1", TOKEN), [], {})
    assert head.rows == 0
    assert lake.at(head.snapshot_id).count() == 0


def add(lake: Lake, branch: str, convenio: str) -> None:
    """Append a client to a branch, as somebody might with Spark alone."""
    table = lake.spark.table(lake.table)
    frame = lake.spark.createDataFrame(clients(convenio).rows(), table.schema)
    frame.writeTo(f"{lake.table}.`branch_{branch}`").append()


def describe(run_id: str, day: str, rows: int, key_check: str = "k1") -> dict[str, str]:
    """Return the record of a publication, as a run writes it into its snapshot."""
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
        publish(lake, run_id, "Gold", record=describe(run_id, day, 1))
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
    publish(lake, "r1", "Gold", record=describe("r1", "2026-01-01", 1))
    assert lake.complete_log() == lake.complete_log()
    assert lake.spark.table(f"{lake.log}.snapshots").count() == 1


def test_the_log_is_told_of_a_rollback_before_its_snapshot_goes(lake: Lake) -> None:
    first = publish(lake, "r1", "Gold", record=describe("r1", "2026-01-01", 1))
    publish(lake, "r2", "SUS", record=describe("r2", "2026-01-02", 1))
    lake.complete_log()
    lake.spark.sql(
        f"CALL {contract.CATALOG}.system.rollback_to_snapshot("
        f"'{contract.TABLE}', {first.snapshot_id})"
    )
    assert [one.run_id for one in lake.complete_log().published] == ["r1"]
    expire(lake)
    assert [one.run_id for one in lake.history().published] == ["r1"]


def test_the_logs_own_snapshots_cannot_be_expired(lake: Lake) -> None:
    publish(lake, "r1", "Gold", record=describe("r1", "2026-01-01", 1))
    lake.complete_log()
    with pytest.raises(Exception, match="GC is disabled"):
        expire(lake, contract.LOG_TABLE)


def test_a_branch_that_is_dropped_leaves_everything_as_it_was(lake: Lake) -> None:
    before = publish(lake, "yesterday", "Gold")
    lake.drop_branch(write(lake, "today", {}, "SUS"))
    assert lake.snapshot() == before
    assert published(lake) == as_others_see_it(lake) == ["Gold"]
    assert branches(lake) == ["main"]
    lake.drop_branch("audit_never_made")


def test_the_branches_of_a_run_go_and_those_of_others_stay(lake: Lake) -> None:
    publish(lake, "yesterday", "Gold")
    tokens = ("0" * 32, "f" * 32)
    own = [branch_name("r1", token) for token in tokens]
    others = [
        *(branch_name(run_id, tokens[0]) for run_id in ("r10", "r1_2", "r.1", "r1_" + tokens[1])),
        "audit_r1", "audit_r1_not-an-attempt", "theirs",
    ]  # fmt: skip
    for name in (*own, *others):
        lake.spark.sql(f"ALTER TABLE {lake.table} CREATE BRANCH `{name}`")
    lake.drop_branches("r1")
    assert branches(lake) == sorted([*others, "main"])
    lake.drop_branches("r.1")
    assert branches(lake) == sorted({*others, "main"} - {branch_name("r.1", tokens[0])})


def test_when_main_moved_nothing_is_published(lake: Lake) -> None:
    publish(lake, "yesterday", "Gold")
    mine = write(lake, "mine", {}, "SUS")
    others = publish(lake, "other", "Prata")
    with pytest.raises(MainMovedError, match="Run 02_transform and 03_quality again"):
        lake.publish(mine)
    assert lake.snapshot() == others
    assert published(lake) == ["Prata"]


def test_when_main_got_its_first_rows_meanwhile_nothing_is_published(lake: Lake) -> None:
    mine = write(lake, "mine", {}, "SUS")
    others = publish(lake, "other", "Prata")
    with pytest.raises(MainMovedError):
        lake.publish(mine)
    assert lake.snapshot() == others


def test_a_branch_that_somebody_removed_is_named(lake: Lake) -> None:
    branch = write(lake, "mine", {}, "SUS")
    lake.drop_branch(branch)
    with pytest.raises(PublishError, match="someone removed it"):
        lake._head(branch)


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
    assert {name for name, found in measured.items() if not any(found)} == personal | {"id"}
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
    publish(lake, "2026.01-31_again.", "Gold")
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
