"""The published table: Apache Iceberg, written, audited and only then published.

Nothing here replaces what Iceberg does: a branch is written and checked, and ``fast_forward`` moves
``main`` to it in one step. Readers see yesterday's table or today's. The snapshot's summary carries
the run's record. Snapshots expire, so the table ``publications`` keeps every record for good:
:mod:`register_contract.publications` says what is published.
"""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from pyspark.errors import IllegalArgumentException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from client_health import contract, storage
from client_health.errors import PublishError, SettingsError
from client_health.session import configure
from register_contract import publications
from register_contract.publications import History, OldLakeError, Publication

logger = logging.getLogger(__name__)

MAIN = "main"
_ATTEMPTS = 3
# How long a branch may live that its run has left behind: longer than any run lasts.
BRANCH_DAYS = 7
_CATALOG_CONF = f"spark.sql.catalog.{contract.CATALOG}"
# Readers hold SQLite open while Spark writes: write-ahead logging lets both go on.
_SQLITE_OPTIONS = "journal_mode=WAL&busy_timeout=20000"
# Iceberg's own tables for a JDBC catalog (schema V1). Made here once, since Iceberg's own check
# takes a lock on every start.
_SQLITE_TABLES = (
    "CREATE TABLE IF NOT EXISTS iceberg_tables (catalog_name VARCHAR(255) NOT NULL,"
    " table_namespace VARCHAR(255) NOT NULL, table_name VARCHAR(255) NOT NULL,"
    " metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000),"
    " iceberg_type VARCHAR(5), PRIMARY KEY (catalog_name, table_namespace, table_name))",
    "CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (catalog_name VARCHAR(255) NOT NULL,"
    " namespace VARCHAR(255) NOT NULL, property_key VARCHAR(255), property_value VARCHAR(1000),"
    " PRIMARY KEY (catalog_name, namespace, property_key))",
)


def is_remote(uri: str) -> bool:
    """Say whether a lake is in object storage."""
    return "://" in uri and not uri.startswith("file:")


@dataclass(frozen=True)
class Snapshot:
    """A published state of the table: its id, its rows, and the run's record in its summary."""

    snapshot_id: str
    rows: int
    summary: Mapping[str, str]


@dataclass(frozen=True)
class Lake:
    """One lake: a folder or a bucket prefix with everything a run writes.

    Parameters
    ----------
    spark : SparkSession
        A session whose catalog is this lake's.
    uri : str
        Absolute path or URI, without a final slash.
    """

    spark: SparkSession
    uri: str

    @classmethod
    def open(cls, spark: SparkSession, uri: str) -> Lake:
        """Return the lake at a URI, with its catalog ready; makes what is missing.

        Parameters
        ----------
        spark : SparkSession
        uri : str
            A path means local files and a SQLite catalog, an ``s3://`` URI the Glue Data Catalog.
        """
        settings = _catalog_settings(uri) if is_remote(uri) else _local_settings(uri)
        location = settings[f"{_CATALOG_CONF}.warehouse"]
        known = spark.conf.get(f"{_CATALOG_CONF}.warehouse", None)
        if known not in (None, location):
            # Spark keeps a catalog for a session's life, so another lake needs another session.
            spark = spark.newSession()
            configure(spark)
        for key, value in settings.items():
            spark.conf.set(key, value)
        return cls(spark, location.removesuffix("/warehouse"))

    def path(self, *parts: str) -> str:
        """Return the URI of something in the lake."""
        return storage.join(self.uri, *parts)

    @property
    def table(self) -> str:
        """Name of the published table, with its catalog."""
        return f"{contract.CATALOG}.{contract.TABLE}"

    @property
    def log(self) -> str:
        """Name of the table of publications, with its catalog."""
        return f"{contract.CATALOG}.{contract.LOG_TABLE}"

    def make_tables(self) -> None:
        """Make the database and its two tables, where they are missing."""
        self.spark.sql(f"CREATE DATABASE IF NOT EXISTS {contract.CATALOG}.{contract.DATABASE}")
        self._make(
            self.log,
            ", ".join(f"{name} {kind} COMMENT '{meaning}'" for name, kind, meaning in _LOG_COLUMNS),
            # Iceberg then refuses to expire its snapshots, which are the record.
            {"format-version": "2", "gc.enabled": "false"},
        )
        columns = ", ".join(
            f"{column.name} {column.type} COMMENT '{column.meaning}'" for column in contract.COLUMNS
        )
        properties = {
            "format-version": "2",
            "write.data.path": self.path("clientoutput"),
            "write.parquet.compression-codec": "zstd",
            # Iceberg's own 384 MB would put a whole register into one task.
            "write.spark.advisory-partition-size-bytes": str(32 * 1024 * 1024),
            # Rows arrive by partition; sorting them within a task would only cost time.
            "write.spark.fanout.enabled": "true",
            "write.metadata.delete-after-commit.enabled": "true",
            "write.metadata.previous-versions-max": "50",
            # Bounds of a column outlive an erased row: none for what says something of a person.
            **{
                f"write.metadata.metrics.column.{column.name}": "none"
                for column in contract.COLUMNS
                if column.personal
            },
        }
        self._make(self.table, columns, properties, contract.PARTITION_COLUMN)

    def _make(
        self, table: str, columns: str, properties: Mapping[str, str], partition: str = ""
    ) -> None:
        described = ", ".join(f"'{key}'={_literal(value)}" for key, value in properties.items())
        partitioned = f" PARTITIONED BY ({partition})" if partition else ""
        self.spark.sql(
            f"CREATE TABLE IF NOT EXISTS {table} ({columns}) USING iceberg{partitioned}"
            f" TBLPROPERTIES ({described})"
        )

    def history(self) -> History:
        """Return which runs are published.

        Raises
        ------
        SettingsError
            The lake was written by a version whose names are no longer read.
        """
        try:
            return publications.read(self._metadata(self.table), self._metadata(self.log))
        except OldLakeError:
            raise SettingsError(
                f"The lake {self.uri} was written by an earlier version, whose names are no longer "
                "read. Start a new lake: name another folder or prefix."
            ) from None

    def complete_log(self) -> History:
        """Add to the log what it lacks: commits whose session died first, and rollbacks.

        Returns
        -------
        History
            As it is now.
        """
        found = self.history()
        for publication in found.unlogged:
            self._append(publication)
        for publication in found.rolled_back:
            self._append(publication, withdrawn=True)
        return replace(found, unlogged=(), rolled_back=())

    def _append(self, publication: Publication, *, withdrawn: bool = False) -> None:
        row = (
            publication.run_id,
            publication.delivery_id,
            publication.day or None,
            int(publication.snapshot_id),
            publication.rows,
            withdrawn,
        )
        kinds = ", ".join(f"{name} {kind}" for name, kind, _ in _LOG_COLUMNS)
        frame = self.spark.createDataFrame([row], kinds.replace(" date", " string"))
        writer = frame.withColumn("day", F.col("day").cast("date")).writeTo(self.log)
        for key, value in publication.log_properties(withdrawn=withdrawn).items():
            writer = writer.option(f"snapshot-property.{key}", value)
        writer.append()

    def _metadata(self, table: str) -> publications.Metadata:
        newest = self.spark.table(f"{table}.metadata_log_entries").select("file").collect()[-1][0]
        return publications.parse(storage.read_bytes(self.spark, newest))

    def snapshot(self, branch: str = MAIN) -> Snapshot | None:
        """Return the newest snapshot of a branch, or None where there is none."""
        found = self.spark.sql(
            f"SELECT s.snapshot_id, s.summary FROM {self.table}.refs r"  # noqa: S608
            f" JOIN {self.table}.snapshots s ON s.snapshot_id = r.snapshot_id"
            f" WHERE r.name = '{branch}'"
        ).collect()
        if not found:
            return None
        summary = dict(found[0]["summary"])
        return Snapshot(str(found[0]["snapshot_id"]), int(summary.get("total-records", 0)), summary)

    def publish(
        self,
        frame: DataFrame,
        run_id: str,
        record: Mapping[str, str],
        audit: Callable[[DataFrame, Snapshot], None],
    ) -> Snapshot:
        """Replace the published table by a frame: write a branch, audit it, move ``main`` to it.

        Parameters
        ----------
        frame : DataFrame
            The columns of the contract.
        run_id : str
        record : mapping of str to str
            Properties of the snapshot: the publication record.
        audit : callable
            Gets the branch's rows and its snapshot; raises to stop the publication.

        Returns
        -------
        Snapshot
            The published one.

        Raises
        ------
        PublishError
            When ``main`` moved under every attempt.
        """
        branch = re.sub(r"\W", "_", f"audit_{run_id}", flags=re.ASCII)
        for attempt in range(1, _ATTEMPTS + 1):
            written = self._write_branch(frame, branch, record)
            try:
                audit(self.spark.table(f"{self.table}.branch_{branch}"), written)
                if self._fast_forward(branch):
                    return written
            finally:
                self.spark.sql(f"ALTER TABLE {self.table} DROP BRANCH IF EXISTS `{branch}`")
            logger.warning("main moved while run %s was publishing (attempt %d)", run_id, attempt)
        raise PublishError(
            f"The table {contract.TABLE} was published by others {_ATTEMPTS} times while this run"
            " was publishing. Nothing of this run was published. Run the same command again."
        )

    def _write_branch(self, frame: DataFrame, branch: str, record: Mapping[str, str]) -> Snapshot:
        # A branch of that name is left over from an attempt that died.
        self.spark.sql(f"ALTER TABLE {self.table} DROP BRANCH IF EXISTS `{branch}`")
        self.spark.sql(
            f"ALTER TABLE {self.table} CREATE BRANCH `{branch}` RETAIN {BRANCH_DAYS} DAYS"
        )
        writer = frame.writeTo(f"{self.table}.branch_{branch}")
        for key, value in record.items():
            writer = writer.option(f"snapshot-property.{key}", value)
        writer.overwrite(F.lit(True))
        written = self.snapshot(branch)
        if written is None:
            raise PublishError(
                f"The branch that was just written to {contract.TABLE} is gone; somebody removed "
                "it. Nothing was published. Run the same command again."
            )
        return written

    def _fast_forward(self, branch: str) -> bool:
        try:
            self.spark.sql(
                f"CALL {contract.CATALOG}.system.fast_forward("
                f"table => '{contract.TABLE}', branch => '{MAIN}', to => '{branch}')"
            )
        except IllegalArgumentException as error:
            if "not an ancestor" not in str(error):
                raise
            return False
        return True


# What the log shows to people; its snapshots' summaries have the whole records.
_LOG_COLUMNS = (
    ("run_id", "string", "the run"),
    ("delivery_id", "string", "the delivery that it published"),
    ("day", "date", "day of the delivery"),
    ("snapshot_id", "bigint", "snapshot of clientoutput"),
    ("clients", "bigint", "published rows"),
    ("withdrawn", "boolean", "true where main was rolled back past this publication"),
)


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _local_settings(uri: str) -> dict[str, str]:
    root = Path(uri.removeprefix("file://")).absolute()
    root.mkdir(parents=True, exist_ok=True)
    database = root / "catalog.db"
    with sqlite3.connect(database, timeout=20) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        for statement in _SQLITE_TABLES:
            connection.execute(statement)
    connection.close()
    return {
        _CATALOG_CONF: "org.apache.iceberg.spark.SparkCatalog",
        f"{_CATALOG_CONF}.type": "jdbc",
        f"{_CATALOG_CONF}.uri": f"jdbc:sqlite:file:{quote(str(database))}?{_SQLITE_OPTIONS}",
        f"{_CATALOG_CONF}.jdbc.schema-version": "V1",
        f"{_CATALOG_CONF}.jdbc.init-catalog-tables": "false",
        f"{_CATALOG_CONF}.warehouse": str(root / "warehouse"),
        f"{_CATALOG_CONF}.cache-enabled": "false",
    }


def _catalog_settings(uri: str) -> dict[str, str]:
    if not uri.startswith("s3://"):
        raise SettingsError(
            f"A lake is a folder or an s3:// URI; found {uri.split('://', maxsplit=1)[0]}://. "
            "Give one of these as the parameter 'lake'."
        )
    return {
        _CATALOG_CONF: "org.apache.iceberg.spark.SparkCatalog",
        f"{_CATALOG_CONF}.type": "glue",
        f"{_CATALOG_CONF}.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        f"{_CATALOG_CONF}.warehouse": f"{uri.rstrip('/')}/warehouse",
        f"{_CATALOG_CONF}.cache-enabled": "false",
    }
