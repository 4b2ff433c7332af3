"""The tables next to the published one, written without a Spark job.

A run's rows of such a table are few: the driver writes them into a Parquet file, or into several
for rows that are read in parts, and Iceberg commits them. Iceberg keeps each file's lowest and
highest run, so a run's rows are found, and replaced, by file.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from client_health import storage
from client_health.publish.data_files import ARROW_TYPES, FIELD_ID
from client_health.publish.lake import Lake, built_file
from register_contract import tables
from register_contract.tables import Table

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject

#: Frames are written together until a data file has this many rows.
FILE_ROWS = 100_000
_POLARS_TYPES: dict[str, pl.DataType] = {
    "string": pl.String(),
    "int": pl.Int32(),
    "bigint": pl.Int64(),
    "double": pl.Float64(),
    "boolean": pl.Boolean(),
    "date": pl.Date(),
    "timestamp_ntz": pl.Datetime("us"),
}


def schema(table: Table) -> pl.Schema:
    """Return the Polars schema of a table's rows."""
    return pl.Schema({field.name: _POLARS_TYPES[field.type] for field in table.fields})


def make(lake: Lake, table: Table) -> None:
    """Create a table, if it is missing."""
    if exists(lake, table):
        return
    lake.make_database()
    if table.restricted:
        storage.protect(lake.path(tables.RESTRICTED))
    columns = ", ".join(
        f"`{field.name}` {field.type} COMMENT '{field.meaning}'" for field in table.fields
    )
    properties = {
        "format-version": "2",
        "write.metadata.delete-after-commit.enabled": "true",
        "write.metadata.previous-versions-max": "50",
        # If bounds were cut, as is usual, a run's files could not be told from another's.
        f"write.metadata.metrics.column.{table.key}": "full",
    }
    if table.restricted:
        properties["write.data.path"] = lake.path(tables.restricted_path(table))
        # Bounds outlive an erased row.
        properties["write.metadata.metrics.default"] = "none"
    lake.make(name(lake, table), columns, properties)


def exists(lake: Lake, table: Table) -> bool:
    """Return whether a table exists."""
    return lake.spark.catalog.tableExists(name(lake, table))


def name(lake: Lake, table: Table) -> str:
    """Return a table's name, with catalog and database."""
    return lake.named(table.name)


def replace(
    lake: Lake, table: Table, run_id: str, rows: pl.DataFrame | Iterable[pl.DataFrame]
) -> None:
    """Write a run's rows in one commit, in place of those that it has written before.

    Parameters
    ----------
    lake : Lake
    table : Table
        Created if it is missing.
    run_id : str
        The run, or what the table's key names instead.
    rows : DataFrame, or iterable of DataFrame
        The columns of :func:`schema`; may be empty. Of several frames, only as many are in memory
        as one data file takes.
    """
    make(lake, table)
    own = _expressions(lake).equal(table.key, run_id)
    _overwrite(lake, table, own, rows, {})


def rewrite(lake: Lake, table: Table, rows: pl.DataFrame, properties: Mapping[str, str]) -> None:
    """Write a table's rows in one commit, in place of all that it had.

    Parameters
    ----------
    lake : Lake
    table : Table
        Must exist; see :func:`make`.
    rows : DataFrame
        The columns of :func:`schema`; may be empty.
    properties : mapping of str to str
        For the snapshot's summary.
    """
    _overwrite(lake, table, _expressions(lake).alwaysTrue(), rows, properties)


def _overwrite(
    lake: Lake,
    table: Table,
    old: JavaObject,
    rows: pl.DataFrame | Iterable[pl.DataFrame],
    properties: Mapping[str, str],
) -> None:
    loaded = lake.loaded(name(lake, table))
    change = loaded.newOverwrite().overwriteByRowFilter(old)
    for part in _by_file([rows] if isinstance(rows, pl.DataFrame) else rows):
        change = change.addFile(_written(lake, loaded, table, part))
    for key, value in properties.items():
        change = change.set(key, value)
    change.commit()


def _by_file(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Yield the rows of each data file: small frames together."""
    together: list[pl.DataFrame] = []
    for frame in frames:
        if frame.height:
            together.append(frame)
        if sum(one.height for one in together) >= FILE_ROWS:
            yield pl.concat(together)
            together = []
    if together:
        yield pl.concat(together)


def _expressions(lake: Lake) -> JavaObject:
    return lake.java.org.apache.iceberg.expressions.Expressions


def append(lake: Lake, table: Table, rows: pl.DataFrame) -> None:
    """Add rows to a table in one commit; see :func:`replace`."""
    make(lake, table)
    loaded = lake.loaded(name(lake, table))
    change = loaded.newAppend()
    # A file for each run: one with the rows of several could not be replaced.
    for part in rows.partition_by(table.key, maintain_order=True):
        change = change.appendFile(_written(lake, loaded, table, part))
    change.commit()


def expire_snapshots(loaded: JavaObject, days: int) -> None:
    """Remove a table's snapshots that are older than some days, except its last.

    Without Spark: the tables here have few files.

    Parameters
    ----------
    loaded : JavaObject
        Iceberg's object for the table.
    days : int
    """
    until = datetime.now(tz=UTC) - timedelta(days=days)
    change = loaded.expireSnapshots().expireOlderThan(int(until.timestamp() * 1000))
    change.retainLast(1).commit()


def expire(lake: Lake, table: Table, days: int) -> int:
    """Remove files that are older than a limit, with all that names them; return their number.

    The earlier snapshots go at once: a row that may no longer be kept must not stay in them.

    Parameters
    ----------
    lake : Lake
    table : Table
    days : int
        Age in days, from the time at which a file was written.

    Notes
    -----
    Without Spark, and the files are only listed: a run writes one file a table.
    """
    if not exists(lake, table):
        return 0
    loaded = lake.loaded(name(lake, table))
    folder = str(loaded.locationProvider().newDataLocation("x")).removesuffix("/x")
    limit = datetime.now(tz=UTC) - timedelta(days=days)
    old = [file.uri for file in storage.files(folder) if file.modified < limit]
    if old:
        change = loaded.newDelete()
        for uri in old:
            # Given a text, py4j would find a method that deletes the file instead of its entry.
            change.deleteFile(lake.java.java.lang.StringBuilder(uri))
        change.commit()
        expire_snapshots(loaded, 0)
        # Iceberg keeps what the last snapshot removed until that expires, too.
        for uri in old:
            storage.delete(uri)
    return len(old)


def read(lake: Lake, table: Table, run_ids: Sequence[str] | None = None) -> pl.DataFrame:
    """Return rows of a table; none if the table doesn't exist.

    Parameters
    ----------
    lake : Lake
    table : Table
    run_ids : sequence of str, optional
        The runs, or other values of the table's key, whose rows are read; None reads all rows.

    Returns
    -------
    DataFrame
        The columns of :func:`schema`.

    Notes
    -----
    Only for tables without delete files, which those written here are.
    """
    if (run_ids is not None and not run_ids) or not exists(lake, table):
        return schema(table).to_frame()
    scan = lake.loaded(name(lake, table)).newScan()
    if run_ids is not None:
        wanted = lake.java.java.util.ArrayList()
        for one in run_ids:
            wanted.add(one)
        # `in` is a word of Python's.
        scan = scan.filter(getattr(_expressions(lake), "in")(table.key, wanted))
    parts = [schema(table).to_frame()]
    for uri in _paths(scan):
        with storage.opened(uri) as file:
            found = pl.read_parquet(file, columns=schema(table).names())
        parts.append(found.cast(schema(table)))
    rows = pl.concat(parts)
    return rows if run_ids is None else rows.filter(pl.col(table.key).is_in(list(run_ids)))


def _paths(scan: JavaObject) -> list[str]:
    planned = scan.planFiles()
    found, tasks = [], planned.iterator()
    while tasks.hasNext():
        found.append(str(tasks.next().file().location()))
    planned.close()
    return sorted(found)


def _written(lake: Lake, loaded: JavaObject, table: Table, rows: pl.DataFrame) -> JavaObject:
    """Write a data file, and return Iceberg's description of it."""
    iceberg = lake.java.org.apache.iceberg
    ids = {str(one.name()): int(one.fieldId()) for one in loaded.schema().columns()}
    described = pa.schema(
        [
            pa.field(field.name, ARROW_TYPES[field.type], metadata={FIELD_ID: str(ids[field.name])})
            for field in table.fields
        ]
    )
    uri = str(loaded.locationProvider().newDataLocation(f"{uuid.uuid4()}.parquet"))
    with storage.replacing(uri, private=table.restricted) as file:
        pq.write_table(
            rows.select(schema(table).names()).to_arrow().cast(described),
            file,
            compression="zstd",
            write_statistics=[table.key] if table.restricted else True,
            store_schema=False,
        )
    return built_file(iceberg, loaded, iceberg.MetricsConfig.forTable(loaded), uri).build()
