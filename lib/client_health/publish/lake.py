"""The published Apache Iceberg table, which is written, audited, and only then published.

Iceberg does all of this: a branch is written and checked, and ``fast_forward`` moves ``main`` to it
in one step. Readers see either yesterday's table or today's. The snapshot's summary has the run's
record. Snapshots expire, so the table ``publications`` keeps every record forever:
:mod:`register_contract.publications` determines what is published.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from pyspark.errors import IllegalArgumentException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from client_health import storage
from client_health.errors import MainMovedError, PublishError, SettingsError
from client_health.publish.data_files import DataFile
from client_health.spark_session import configure, setting
from register_contract import contract, local_catalog, publications
from register_contract.publications import MAIN, History, OldLakeError, Publication
from register_contract.retention import BRANCH_DAYS
from register_contract.tables import PERSON

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject, JVMView

_FOOTERS_AT_ONCE = 8
_CATALOG_CONF = f"spark.sql.catalog.{contract.CATALOG}"
# Readers keep SQLite open while Spark writes: with write-ahead logging, both can continue.
_SQLITE_OPTIONS = "journal_mode=WAL&busy_timeout=20000"


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of the table: its id, its rows, and the run's record from its summary."""

    snapshot_id: str
    rows: int
    summary: Mapping[str, str]


@dataclass(frozen=True)
class Lake:
    """One lake: a folder or bucket prefix with everything that a run writes.

    Parameters
    ----------
    spark : SparkSession
        A session whose catalog is this lake's.
    uri : str
        Absolute path or URI, without a final slash.
    database : str
        The catalog's database with this lake's tables.
    """

    spark: SparkSession
    uri: str
    database: str = contract.DATABASE

    @classmethod
    def open(cls, spark: SparkSession, uri: str) -> Lake:
        """Return the lake at a URI, with its catalog ready; create what is missing.

        Parameters
        ----------
        spark : SparkSession
        uri : str
            A path means local files and a SQLite catalog; an ``s3://`` URI, the Glue Data Catalog,
            where several lakes may each have a database: the session's setting ``database`` names
            this one's.
        """
        settings = _catalog_settings(uri) if storage.is_remote(uri) else _local_settings(uri)
        database = contract.DATABASE
        if storage.is_remote(uri):
            database = setting(spark, "database", "", contract.DATABASE)
        location = settings[f"{_CATALOG_CONF}.warehouse"]
        known = spark.conf.get(f"{_CATALOG_CONF}.warehouse", None)
        if known not in (None, location):
            # Spark keeps a catalog until the session ends, so another lake needs another session.
            spark = spark.newSession()
            configure(spark)
        for key, value in settings.items():
            spark.conf.set(key, value)
        return cls(spark, location.removesuffix("/warehouse"), database)

    def path(self, *parts: str) -> str:
        """Return the URI of a path in the lake."""
        return storage.join(self.uri, *parts)

    def named(self, table: str) -> str:
        """Return a table's name, with catalog and database."""
        return f"{contract.CATALOG}.{self.database}.{table}"

    @property
    def table(self) -> str:
        """Name of the published table, with its catalog."""
        return self.named(publications.TABLE)

    @property
    def published(self) -> str:
        """Name of the published table as readers know it, with its database."""
        return f"{self.database}.{publications.TABLE}"

    @property
    def log(self) -> str:
        """Name of the table of publications, with its catalog."""
        return self.named(publications.LOG)

    def make_tables(self) -> None:
        """Create the database and its two tables, if missing."""
        self.make_database()
        self.make(
            self.log,
            ", ".join(f"{name} {kind} COMMENT '{meaning}'" for name, kind, meaning in _LOG_COLUMNS),
            # With this, Iceberg refuses to expire the snapshots, which are the record.
            {"format-version": "2", "gc.enabled": "false"},
        )
        columns = ", ".join(
            f"{column.name} {column.type} COMMENT '{column.meaning}'" for column in contract.COLUMNS
        )
        properties = {
            "format-version": "2",
            "write.data.path": self.data_folder,
            "write.parquet.compression-codec": "zstd",
            "write.metadata.delete-after-commit.enabled": "true",
            "write.metadata.previous-versions-max": "50",
            # Bounds of a column outlive an erased row: none for what tells persons apart.
            **{
                f"write.metadata.metrics.column.{column.name}": "none"
                for column in contract.COLUMNS
                if column.personal or column.name == PERSON
            },
        }
        self.make(self.table, columns, properties, contract.PARTITION_COLUMN)

    def make_database(self) -> None:
        """Create the database, if missing."""
        self.spark.sql(f"CREATE DATABASE IF NOT EXISTS {contract.CATALOG}.{self.database}")

    def make(
        self, table: str, columns: str, properties: Mapping[str, str], partition: str = ""
    ) -> None:
        """Create a table, if missing.

        Parameters
        ----------
        table : str
            Its name, with its catalog.
        columns : str
            As in SQL.
        properties : mapping of str to str
            Iceberg's, for the table.
        partition : str
            As in SQL; empty for none.
        """
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
            The lake was written by a version whose names are no longer supported.
        """
        try:
            return publications.read(self._metadata(self.table), self._metadata(self.log))
        except OldLakeError:
            raise SettingsError(
                f"An earlier version wrote the lake {self.uri}; its names are no longer supported. "
                "Start a new lake: name another folder or prefix."
            ) from None

    def complete_log(self) -> History:
        """Add missing records to the log: commits whose session died first, and rollbacks.

        Returns
        -------
        History
            The history with the complete log.
        """
        found = self.history()
        for publication in found.unlogged:
            self._append(publication)
        for publication in found.rolled_back:
            self._append(publication, withdrawn=True)
        return replace(found, unlogged=(), rolled_back=())

    def record_erasure(self, erasure_id: str) -> None:
        """Add an erasure to the log, before it begins: nothing older may ever be seen again.

        Parameters
        ----------
        erasure_id : str
            If the same erasure is recorded again, nothing is added, unless others have published
            meanwhile.
        """
        table = self.metadata()
        through = int(table.get("last-sequence-number", 0))
        erasure = publications.Erasure(erasure_id, through, str(table["table-uuid"]))
        if any(one == erasure for one in self.history().erasures):
            return
        change = self.loaded(self.log).newAppend()
        for key, value in erasure.log_properties().items():
            change = change.set(key, value)
        change.commit()

    def keep_record(self) -> None:
        """Put the record of the last publication on ``main`` again, where others have changed it.

        The rows stay as they are. Readers of snapshots find the run at the head of ``main``, and
        the run can be seen again after a later one was rolled back.
        """
        head, last = self.snapshot(), self.history().last
        if head is None or last is None or publications.RUN_ID in head.summary:
            return
        change = self.loaded(self.table).newAppend()
        for key, value in last.summary(head.rows).items():
            change = change.set(key, value)
        change.commit()

    def show_id_key(self) -> None:
        """Set the table's property that shows which key the published ids were made with.

        Nothing is committed if it is right already, or the key is not known.
        """
        last = self.history().last
        table = self.loaded(self.table)
        known = table.properties().get(publications.ID_KEY)
        if last is not None and last.key_check not in ("", known):
            table.updateProperties().set(publications.ID_KEY, last.key_check).commit()

    def _append(self, publication: Publication, *, withdrawn: bool = False) -> None:
        row = (
            publication.run_id,
            publication.delivery_id,
            publication.day or None,
            int(publication.snapshot_id),
            publication.rows,
            withdrawn,
        )
        columns = (
            F.lit(value).cast(kind).alias(name)
            for value, (name, kind, _) in zip(row, _LOG_COLUMNS, strict=True)
        )
        # One task, and no Python workers, which a frame made from a list would start.
        writer = self.spark.range(0, 1, 1, 1).select(*columns).writeTo(self.log)
        for key, value in publication.log_properties(withdrawn=withdrawn).items():
            writer = writer.option(f"snapshot-property.{key}", value)
        writer.append()

    def metadata(self, table: str = "") -> publications.Metadata:
        """Return the newest metadata of a table, by its name with its catalog.

        Parameters
        ----------
        table : str
            Empty for the published table.
        """
        return self._metadata(table or self.table)

    def _metadata(self, table: str) -> publications.Metadata:
        # Asks Iceberg directly: SQL would plan and run a job for one line of text.
        location = self.loaded(table).operations().current().metadataFileLocation()
        return publications.parse(storage.read_bytes(str(location)))

    def loaded(self, table: str) -> JavaObject:
        """Return Iceberg's object for a table, by its name with its catalog."""
        gateway, session = self.java, self.spark._jsparkSession
        # Spark loads a catalog with the settings of its active session, whichever session asks.
        gateway.org.apache.spark.sql.SparkSession.setActiveSession(session)
        return gateway.org.apache.iceberg.spark.Spark3Util.loadIcebergTable(session, table)

    @property
    def java(self) -> JVMView:
        """The session's Java classes, by package.

        Raises
        ------
        SettingsError
            If the session was stopped.
        """
        gateway = self.spark.sparkContext._jvm
        if gateway is None:
            raise SettingsError(
                "The Spark session was stopped. Run the notebook again, in a new session."
            )
        return gateway

    def snapshot(self, branch: str = MAIN, table: str = "") -> Snapshot | None:
        """Return the newest snapshot of a branch, or None; see :meth:`metadata` for the table."""
        metadata = self.metadata(table)
        head = metadata.get("refs", {}).get(branch, {}).get("snapshot-id")
        found = [one for one in metadata.get("snapshots", ()) if one["snapshot-id"] == head]
        if not found:
            return None
        summary = found[0]["summary"]
        return Snapshot(str(head), int(summary.get("total-records", 0)), summary)

    def files(self, snapshot_id: str) -> list[DataFile]:
        """Return the data files of a snapshot, sorted by partition and path."""
        found = (
            self.spark.read.option("snapshot-id", snapshot_id)
            .table(f"{self.table}.files")
            .select("file_path", f"partition.{contract.PARTITION_COLUMN}", "record_count")
            .collect()
        )
        return sorted(
            (DataFile(*row) for row in found), key=lambda file: (file.partition or "", file.uri)
        )

    @property
    def data_folder(self) -> str:
        """Folder of the published table's data files."""
        return self.path(publications.TABLE)

    def field_ids(self) -> dict[str, int]:
        """Return Iceberg's number of each column of the published table."""
        columns = self.loaded(self.table).schema().columns()
        return {str(column.name()): int(column.fieldId()) for column in columns}

    def write_branch(
        self, branch: str, files: Sequence[DataFile], properties: Mapping[str, str]
    ) -> Snapshot:
        """Commit data files to a new audit branch, replacing the rows of ``main``.

        Parameters
        ----------
        branch : str
            Its name; see :func:`branch_name`.
        files : sequence of DataFile
            From :func:`client_health.publish.data_files.write`. Iceberg reads counts and bounds
            from their footers.
        properties : mapping of str to str
            The run's record, for the snapshot's summary.

        Returns
        -------
        Snapshot
            The head of the branch; no reader sees it until :meth:`publish`.

        Raises
        ------
        PublishError
            If the branch no longer exists.
        """
        self.spark.sql(
            f"ALTER TABLE {self.table} CREATE BRANCH `{branch}` RETAIN {BRANCH_DAYS} DAYS"
        )
        table, iceberg = self.loaded(self.table), self.java.org.apache.iceberg
        metrics = iceberg.MetricsConfig.forTable(table)

        def described(file: DataFile) -> JavaObject:
            partition = iceberg.PartitionData(table.spec().partitionType())
            partition.set(0, file.partition)
            return built_file(iceberg, table, metrics, file.uri).withPartition(partition).build()

        everything = iceberg.expressions.Expressions.alwaysTrue()
        change = table.newOverwrite().overwriteByRowFilter(everything).toBranch(branch)
        with ThreadPoolExecutor(_FOOTERS_AT_ONCE) as readers:
            for data_file in readers.map(described, files):
                change = change.addFile(data_file)
        for key, value in properties.items():
            change = change.set(key, value)
        change.commit()
        return self._head(branch)

    def _head(self, branch: str) -> Snapshot:
        head = self.snapshot(branch)
        if head is None:
            raise PublishError(
                f"The branch that was just written to {self.published} is gone; someone removed "
                "it. Nothing was published. Run the same command again."
            )
        return head

    def at(self, snapshot_id: str) -> DataFrame:
        """Return the rows of a snapshot, as readers of ``main`` would see them."""
        return self.spark.read.option("snapshot-id", snapshot_id).table(self.table)

    def publish(self, branch: str) -> None:
        """Move ``main`` to a branch in one step.

        Raises
        ------
        MainMovedError
            If ``main`` has moved since the branch was written.
        """
        try:
            self.spark.sql(
                f"CALL {contract.CATALOG}.system.fast_forward("
                f"table => '{self.published}', branch => '{MAIN}', to => '{branch}')"
            )
        except IllegalArgumentException as error:
            if "not an ancestor" not in str(error):
                raise
            raise MainMovedError.since_written(self.published) from None

    def rollback(self, snapshot_id: str) -> None:
        """Move ``main`` back to one of its earlier snapshots in one step.

        Parameters
        ----------
        snapshot_id : str
            Iceberg refuses one that isn't an ancestor of ``main``.
        """
        self.spark.sql(
            f"CALL {contract.CATALOG}.system.rollback_to_snapshot("
            f"table => '{self.published}', snapshot_id => {int(snapshot_id)})"
        )

    def drop_branch(self, branch: str) -> None:
        """Remove a branch, if it exists; its rows disappear with its snapshot."""
        self.spark.sql(f"ALTER TABLE {self.table} DROP BRANCH IF EXISTS `{branch}`")

    def drop_branches(self, run_id: str) -> None:
        """Remove all branches that earlier attempts of a run have left."""
        own = re.compile(re.escape(branch_name(run_id, "")) + "[0-9a-f]{32}")
        for name in self.metadata().get("refs", {}):
            if own.fullmatch(name):
                self.drop_branch(name)


def built_file(iceberg: JavaObject, table: JavaObject, metrics: JavaObject, uri: str) -> JavaObject:
    """Return Iceberg's builder for a data file, with counts and bounds from the file's footer.

    Parameters
    ----------
    iceberg : JavaObject
        The package ``org.apache.iceberg``.
    table : JavaObject
        Iceberg's object for the table.
    metrics : JavaObject
        The table's ``MetricsConfig``.
    uri : str
        The file.
    """
    content = table.io().newInputFile(uri)
    found = iceberg.parquet.ParquetUtil.fileMetrics(content, metrics)
    builder = iceberg.DataFiles.builder(table.spec()).withInputFile(content)
    # Uses the path as written: Hadoop would put `file:` before it.
    return builder.withPath(uri).withMetrics(found)


def shares_of(files: Iterable[DataFile]) -> dict[str, int]:
    """Return the rows of each partition, largest first."""
    shares: dict[str, int] = {}
    for file in files:
        shares[file.partition] = shares.get(file.partition, 0) + file.rows
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))


def branch_name(run_id: str, token: str) -> str:
    """Return the name of an attempt's audit branch; ``token`` has 32 hexadecimal digits."""
    return f"audit_{run_id}_{token}"


# Columns for people; the summaries of the log's snapshots have the complete records.
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
    database = root / local_catalog.FILE
    with sqlite3.connect(database, timeout=20) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        for statement in local_catalog.STATEMENTS:
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
