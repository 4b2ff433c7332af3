"""What a lake has published, read without Spark from its catalog and Iceberg's metadata."""

import sqlite3
from contextlib import closing
from typing import Optional, cast

import boto3
from botocore.exceptions import ClientError

from register_contract import publications
from register_contract.publications import History, Metadata, OldLakeError, Publication
from register_contract.receipts import COUNTS, Handover, Receipt
from register_run import storage
from register_run.request import PublishedTable
from strict_glue import ConfigurationError, StrictGlueError

_LOCATION = (
    "SELECT metadata_location FROM iceberg_tables"
    " WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?"
)
_LOCK_SECONDS = 20.0


def history(lake: str, published: PublishedTable) -> History:
    """Return which runs a lake has published.

    Parameters
    ----------
    lake : str
        A local lake has its catalog in ``catalog.db``; an ``s3://`` lake, in the Glue Data
        Catalog.
    published : PublishedTable
        Names of the tables.

    Returns
    -------
    History
        Empty if there is no table yet.

    Raises
    ------
    ConfigurationError
        The lake was written by a version whose names are no longer supported.
    StrictGlueError
        A metadata file that the catalog names is missing.
    """
    table = _metadata(lake, published, published.table)
    log = _metadata(lake, published, published.log) if table else None
    try:
        return publications.read(table, log)
    except OldLakeError:
        raise ConfigurationError(
            f"an earlier version wrote the lake {lake}; its names are no longer supported",
            next_step="start a new lake: name another folder or prefix",
        ) from None


def receipt_of(
    publication: Publication, table: str, stage: str, attempt: str = ""
) -> Optional[Receipt]:
    """Rebuild the last stage's receipt, if it was lost after the commit.

    Parameters
    ----------
    publication : Publication
        What was published; its record is from the stage that wrote the rows.
    table : str
        Name of the published table.
    stage, attempt : str
        The last stage, and its start that published; empty if unknown.

    Returns
    -------
    mapping or None
        None if the record has too little information.
    """
    if publication.rows is None:
        return None
    handover: Handover = {
        "table": table,
        "snapshot_id": publication.snapshot_id,
        "rows": publication.rows,
    }
    written = publication.receipt["rows"]
    passed = {
        name: {**dict.fromkeys(COUNTS, 0), "in": counts["out"], "out": counts["out"]}
        for name, counts in written.items()
    }
    last = {"stage": stage, "attempt": attempt, "rows": passed, "handover": handover}
    return cast("Receipt", {**publication.receipt, **last})


def metadata(lake: str, published: PublishedTable) -> Optional[Metadata]:
    """Return the newest metadata of the published table; ``None`` if there is no table."""
    return _metadata(lake, published, published.table)


def _metadata(lake: str, published: PublishedTable, table: str) -> Optional[Metadata]:
    location = _location(lake, published.catalog, table)
    if location is None:
        return None
    body = storage.read_bytes(location)
    if body is None:
        raise StrictGlueError(
            f"the catalog names {location} as the metadata of {table}, but there is no such file",
            next_step="restore the file or the catalog; nothing was changed",
        )
    return publications.parse(body)


def _location(lake: str, catalog_name: str, full_name: str) -> Optional[str]:
    namespace, _, table = full_name.rpartition(".")
    if storage.is_s3(lake):
        try:
            found = boto3.client("glue").get_table(DatabaseName=namespace, Name=table)
        except ClientError as error:
            if error.response["Error"]["Code"] == "EntityNotFoundException":
                return None
            raise
        return found["Table"].get("Parameters", {}).get("metadata_location")
    file = storage.local_path(lake) / "catalog.db"
    if not file.exists():
        return None
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", _LOCK_SECONDS, uri=True)) as catalog:
        try:
            row = catalog.execute(_LOCATION, (catalog_name, namespace, table)).fetchone()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return None
            raise
    return row[0] if row else None
