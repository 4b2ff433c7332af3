"""The published table of a local lake, and those beside it: their snapshots and files."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from client_health_cli.errors import LakeError
from client_health_cli.remote import remote_table
from register_contract import contract, publications

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.table import FileScanTask, Table

CATALOG: Final = "glue_catalog"
TABLE: Final = "clientoutput"


@dataclass(frozen=True)
class Snapshot:
    """A snapshot, from the table's metadata.

    Attributes
    ----------
    snapshot_id
        Its number.
    committed_at
        Time of its commit, in UTC.
    made_current_at
        Time from which readers saw it; None if they never did.
    is_current_ancestor
        Whether it is what readers see now, or an ancestor of that.
    summary
        Its properties, including the publication record of a run.
    """

    snapshot_id: int
    committed_at: dt.datetime
    made_current_at: dt.datetime | None
    is_current_ancestor: bool
    summary: Mapping[str, str]

    @property
    def run_id(self) -> str | None:
        """The run that published it."""
        return self.summary.get(publications.RUN_ID)


@dataclass(frozen=True)
class PublishedTable:
    """A snapshot of the published table: the current or an earlier one.

    Attributes
    ----------
    lake
        The lake as given.
    snapshot_id
        The snapshot.
    files
        Absolute paths of its data files, in order.
    snapshots
        All snapshots in the table's metadata, oldest first.
    metadata
        The metadata tables of an Iceberg table in Athena, by their names after the `$`.
    rows
        The files' rows, if they are in S3, for which DuckDB has no reader here.
    """

    lake: str
    snapshot_id: int
    files: tuple[str, ...]
    snapshots: tuple[Snapshot, ...] = field(default=(), repr=False)
    metadata: Mapping[str, pa.Table] = field(default_factory=dict, repr=False, compare=False)
    rows: pa.Table | None = field(default=None, repr=False, compare=False)

    @property
    def published(self) -> tuple[Snapshot, ...]:
        """Snapshots that runs published and readers saw, oldest first."""
        return tuple(
            one
            for one in self.snapshots
            if one.is_current_ancestor and one.made_current_at and one.run_id
        )


@dataclass(frozen=True)
class OtherTable:
    """What readers see of a table beside the published one.

    Attributes
    ----------
    files
        Absolute paths of its data files, in order.
    rows
        The files' rows, as for a published table in S3.
    summary
        Properties of its snapshot; empty if it has none.
    """

    files: tuple[str, ...] = ()
    rows: pa.Table | None = field(default=None, repr=False, compare=False)
    summary: Mapping[str, str] = field(default_factory=dict)


def other_table(lake: str, name: str) -> OtherTable:
    """Return what readers see of a table beside the published one.

    Parameters
    ----------
    lake
        A folder, or a `file:` URI of one; or an s3:// prefix.
    name
        One of `register_contract.tables`.

    Raises
    ------
    LakeError
        If there is no lake or no such table, or it can't be read.
    """
    with opened(lake, name) as table:
        snapshot = table.current_snapshot()
        if snapshot is None:
            return OtherTable()
        scan = table.scan()
        files = data_files(lake, scan.plan_files())
        rows = scan.to_arrow() if is_remote(lake) and files else None
        summary = dict(snapshot.summary.additional_properties) if snapshot.summary else {}
    return OtherTable(files, rows, summary)


def published_table(
    lake: str, snapshot_id: int | None = None, *, may_be_empty: bool = False
) -> PublishedTable:
    """Return a snapshot with its data files.

    Parameters
    ----------
    lake
        A folder, or a `file:` URI of one.
    snapshot_id
        The snapshot; the current one if None.
    may_be_empty
        Whether to return a table without files instead of refusing it.

    Returns
    -------
    PublishedTable
        With at least one file, unless it may be empty; its snapshot is 0 if there is none.

    Raises
    ------
    LakeError
        If there is no lake or no published table, the table has no such snapshot, the snapshot is
        empty, or it can't be read.
    """
    with opened(lake) as table:
        if snapshot_id is None:
            snapshot = table.current_snapshot()
        else:
            snapshot = table.snapshot_by_id(snapshot_id)
            if snapshot is None:
                raise LakeError(
                    lake,
                    f"the table {TABLE} in {lake} has no snapshot {snapshot_id}: take a "
                    "snapshot_id from the query execucoes_publicadas",
                )
        snapshots = _snapshots(table)
        metadata = {"snapshots": table.inspect.snapshots(), "history": table.inspect.history()}
        scan = table.scan(snapshot_id=snapshot_id)
        files = data_files(lake, scan.plan_files()) if snapshot else ()
        rows = scan.to_arrow() if is_remote(lake) and files else None
    if not files and not may_be_empty:
        raise LakeError(
            lake, f"the table {TABLE} in {lake} is empty: no run has been published there"
        )
    number = snapshot.snapshot_id if snapshot else 0
    return PublishedTable(lake, number, files, snapshots, metadata, rows)


def _snapshots(table: Table) -> tuple[Snapshot, ...]:
    from pyiceberg.table.snapshots import ancestors_of  # noqa: PLC0415

    made_current = {entry.snapshot_id: entry.timestamp_ms for entry in table.history()}
    ancestors = {one.snapshot_id for one in ancestors_of(table.current_snapshot(), table.metadata)}
    return tuple(
        Snapshot(
            snapshot_id=one.snapshot_id,
            committed_at=_time(one.timestamp_ms),
            made_current_at=(
                _time(made_current[one.snapshot_id]) if one.snapshot_id in made_current else None
            ),
            is_current_ancestor=one.snapshot_id in ancestors,
            summary=dict(one.summary.additional_properties) if one.summary else {},
        )
        for one in sorted(table.snapshots(), key=lambda one: (one.timestamp_ms, one.snapshot_id))
    )


def _time(milliseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)


@contextlib.contextmanager
def opened(lake: str, name: str = TABLE) -> Iterator[Table]:
    """Yield a table from the lake's catalog; an error says what can't be read.

    Parameters
    ----------
    lake
        A folder, or an `s3://` prefix.
    name
        The table, without its database.
    """
    if is_remote(lake):
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - heavy

        table = remote_table(lake, name)
        try:
            yield table
        except (ClientError, BotoCoreError, OSError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise LakeError(lake, f"the table {name} of {lake} can't be read: {reason}") from error
        return
    folder = lake_folder(lake)
    database = folder / "catalog.db"
    if not database.is_file():
        raise LakeError(
            lake,
            f"no lake at {folder}: it has no catalog.db. "
            "Publish one first: client-health run --raw FOLDER --lake " + lake,
        )

    # Slow to import, and only needed from here on.
    from pyiceberg.catalog.sql import SqlCatalog  # noqa: PLC0415
    from pyiceberg.exceptions import NoSuchTableError  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    logging.getLogger("pyiceberg").setLevel(logging.ERROR)
    try:
        catalog = SqlCatalog(
            CATALOG,
            uri=f"sqlite:///file:{_quoted(database)}?mode=ro&uri=true",
            init_catalog_tables="false",
        )
        try:
            yield catalog.load_table(f"{contract.DATABASE}.{name}")
        finally:
            catalog.close()
    except NoSuchTableError:
        why = "no run has been published there" if name == TABLE else "the next run writes it"
        raise LakeError(
            lake, f"the lake at {folder} has no table {name} yet: {why}", missing=True
        ) from None
    except (SQLAlchemyError, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise LakeError(
            lake, f"the table {name} in {folder} can't be read: {reason}. Is the lake complete?"
        ) from error


def is_remote(lake: str) -> bool:
    """Return whether a lake is in S3, with its table in the Glue Data Catalog."""
    return lake.startswith("s3://")


def lake_folder(lake: str) -> Path:
    """Return the folder that a lake's URI names.

    Raises
    ------
    LakeError
        If the lake isn't on this machine.
    """
    parts = urlsplit(lake)
    if "://" in lake and parts.scheme != "file":
        raise LakeError(lake, f"{lake} isn't a lake that can be read here: name a folder")
    return Path(unquote(parts.path) if parts.scheme == "file" else lake).absolute()


def data_files(lake: str, tasks: Iterable[FileScanTask]) -> tuple[str, ...]:
    """Return the paths of the files to scan, in order.

    Parameters
    ----------
    lake
        The lake, for messages.
    tasks
        Iceberg's plan for the scan.

    Raises
    ------
    LakeError
        If the table has delete files: reading only the data files would include deleted rows.
    """
    paths = []
    for task in tasks:
        if task.delete_files:
            raise LakeError(
                lake,
                "the table has delete files (merge-on-read), which a local query can't apply: "
                "rewrite its data files first",
            )
        paths.append(_local_path(task.file.file_path))
    return tuple(sorted(paths))


def _local_path(location: str) -> str:
    # Iceberg doesn't percent-encode locations: a location is the name of the file.
    if location.startswith("file:"):
        return "/" + location.removeprefix("file:").lstrip("/")
    return location


def _quoted(path: Path) -> str:
    """Quote a path for an SQLite URI."""
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
