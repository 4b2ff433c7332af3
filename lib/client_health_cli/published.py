"""The published table of a local lake: which files its current snapshot consists of."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from client_health_cli.errors import LakeError

if TYPE_CHECKING:
    from pyiceberg.table import FileScanTask

CATALOG: Final = "glue_catalog"
DATABASE: Final = "db_client_insurance"
TABLE: Final = "clientoutput"


@dataclass(frozen=True)
class PublishedTable:
    """The current snapshot of the published table.

    Attributes
    ----------
    lake
        The lake as it was asked for.
    snapshot_id
        The current snapshot.
    files
        Absolute paths of its data files, in order.
    """

    lake: str
    snapshot_id: int
    files: tuple[str, ...]


def published_table(lake: str) -> PublishedTable:
    """Find the data files of the current snapshot.

    Parameters
    ----------
    lake
        A folder, or a `file:` URI of one.

    Returns
    -------
    PublishedTable
        At least one file.

    Raises
    ------
    LakeError
        If there is no lake or no published table there, the table is empty, or it can't be read.
    """
    folder = lake_folder(lake)
    database = folder / "catalog.db"
    if not database.is_file():
        raise LakeError(
            lake,
            f"no lake at {folder}: it has no catalog.db. "
            "Publish one first: client-health run --raw FOLDER --lake " + lake,
        )

    # Heavy, and needed only from here on.
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
            table = catalog.load_table(f"{DATABASE}.{TABLE}")
            snapshot = table.current_snapshot()
            files = data_files(lake, table.scan().plan_files()) if snapshot else ()
        finally:
            catalog.close()
    except NoSuchTableError:
        raise LakeError(
            lake, f"the lake at {folder} has no table {TABLE} yet: no run has been published there"
        ) from None
    except (SQLAlchemyError, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise LakeError(
            lake, f"the table {TABLE} in {folder} can't be read: {reason}. Is it a lake, and whole?"
        ) from error
    if snapshot is None or not files:
        raise LakeError(
            lake, f"the table {TABLE} in {folder} is empty: no run has been published there"
        )
    return PublishedTable(lake, snapshot.snapshot_id, files)


def lake_folder(lake: str) -> Path:
    """Give the folder that a lake's URI names.

    Raises
    ------
    LakeError
        If the lake isn't on this machine.
    """
    parts = urlsplit(lake)
    if lake.startswith("s3") and "://" in lake:
        raise LakeError(
            lake, f"{lake} is on AWS, and queries through Athena are not there yet: name a folder"
        )
    if "://" in lake and parts.scheme != "file":
        raise LakeError(lake, f"{lake} is no lake that can be read here: name a folder")
    return Path(unquote(parts.path) if parts.scheme == "file" else lake).absolute()


def data_files(lake: str, tasks: Iterable[FileScanTask]) -> tuple[str, ...]:
    """Give the paths of the files to scan, in order.

    Parameters
    ----------
    lake
        For messages.
    tasks
        What Iceberg plans to scan.

    Raises
    ------
    LakeError
        If rows are deleted by files of their own, since reading the data files alone would bring
        these rows back.
    """
    paths = []
    for task in tasks:
        if task.delete_files:
            raise LakeError(
                lake,
                f"the table {TABLE} has rows deleted by files of their own (merge-on-read), which "
                "a local query can't apply: rewrite its data files first",
            )
        paths.append(_local_path(task.file.file_path))
    return tuple(sorted(paths))


def _local_path(location: str) -> str:
    # Iceberg doesn't percent-encode locations: what stands there is the name of the file.
    if location.startswith("file:"):
        return "/" + location.removeprefix("file:").lstrip("/")
    return location


def _quoted(path: Path) -> str:
    """Write a path for an SQLite URI."""
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
