"""Keeps the published table small, and rolls it back, using only Iceberg's own procedures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from client_health.publish import anonymous, records
from client_health.publish.lake import Lake
from client_health.spark_session import setting, spark_session
from register_contract import contract, tables
from register_contract.retention import RETENTION, Retention

_COUNTS = (
    "publications", "snapshots_before", "snapshots_after", "expired_files", "orphan_files",
    "expired_rows",
)  # fmt: skip

_TASKS = 8


def maintain(lake: str = "", retention: Retention = RETENTION) -> dict[str, int]:
    """Expire old snapshots and rows, and delete unreferenced files.

    The log of publications and the anonymous table are completed first, so that a run whose
    snapshot expires still counts as published, and no reader sees counts of rows that are gone.

    Iceberg keeps the head of each branch until the branch's retention ends: the branch of an active
    run is younger, the branch of a dead run is removed. The log itself never expires.

    Parameters
    ----------
    lake : str
        A folder or an ``s3://`` URI; empty means "from the session's configuration".
    retention : Retention
        What is kept.

    Returns
    -------
    dict of str to int
        Counts: ``publications`` on record; ``snapshots_before``, ``snapshots_after``,
        ``expired_files`` (data and metadata), and ``orphan_files`` of the published table; and
        ``expired_rows`` of the tables next to it.
    """
    spark = spark_session()
    opened = Lake.open(spark, setting(spark, "lake", lake))
    spark = opened.spark
    # Only file names are compared: most of Spark's default 200 tasks would have none.
    spark.conf.set("spark.sql.shuffle.partitions", str(_TASKS))
    opened.make_tables()
    history = opened.complete_log()
    if history.last is None:
        return dict.fromkeys(_COUNTS, 0)
    anonymous.follow(opened)
    anonymous.expire(opened)
    before = spark.table(f"{opened.table}.snapshots").count()
    expired = spark.sql(
        f"CALL {contract.CATALOG}.system.expire_snapshots(table => '{opened.published}',"
        f" older_than => TIMESTAMP '{_days_ago(retention.snapshot_days)}',"
        f" retain_last => {retention.snapshots_kept})"
    ).collect()[0]
    orphans = 0
    # Data files are next to the metadata, not below it, and a call checks one location.
    for location in ("", f", location => '{_quoted(opened.path('clientoutput'))}'"):
        found = spark.sql(
            f"CALL {contract.CATALOG}.system.remove_orphan_files(table => '{opened.published}',"
            f" older_than => TIMESTAMP '{_days_ago(retention.orphan_days)}'{location})"
        )
        orphans += found.count()
    after = spark.table(f"{opened.table}.snapshots").count()
    files = sum(int(count or 0) for count in expired)
    rows = sum(_expire_rows(opened, table, retention) for table in tables.TABLES)
    counts = (len(history.published), before, after, files, orphans, rows)
    return dict(zip(_COUNTS, counts, strict=True))


def _expire_rows(lake: Lake, table: tables.Table, retention: Retention) -> int:
    """Delete a table's old rows and snapshots; return the number of rows.

    The rows' old snapshots go at once: a row that may no longer be kept must not stay in them.
    """
    if not records.exists(lake, table):
        return 0
    name, days = records.name(lake, table), retention.of_table(table.name)
    rows = 0
    if days is not None:
        old = f"day < DATE '{_days_ago(days)[:10]}'"
        rows = lake.spark.table(name).where(old).count()
        if rows:
            lake.spark.sql(f"DELETE FROM {name} WHERE {old}")  # noqa: S608 - our own names
    age = 0 if rows else retention.snapshot_days
    lake.spark.sql(
        f"CALL {contract.CATALOG}.system.expire_snapshots("
        f"table => '{lake.database}.{table.name}',"
        f" older_than => TIMESTAMP '{_days_ago(age)}', retain_last => 1)"
    )
    return rows


def rollback(lake: str, snapshot_id: str) -> dict[str, list[str]]:
    """Let readers see an earlier publication again, and record what they no longer see.

    Parameters
    ----------
    lake : str
        A folder or an ``s3://`` URI.
    snapshot_id : str
        The snapshot of that publication.

    Returns
    -------
    dict of str to list of str
        ``withdrawn``: the runs that were published after it, oldest first.
    """
    opened = Lake.open(spark_session(), lake)
    before = opened.complete_log().published
    opened.rollback(snapshot_id)
    left = opened.complete_log().published
    opened.show_id_key()
    anonymous.follow(opened)
    return {"withdrawn": [one.run_id for one in before if one not in left]}


def _days_ago(days: int) -> str:
    # The session's time zone is UTC.
    return f"{datetime.now(tz=UTC) - timedelta(days=days):%Y-%m-%d %H:%M:%S.%f}"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
