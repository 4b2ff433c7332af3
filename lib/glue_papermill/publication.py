"""The publication record: which runs the table's main branch carries, read without Spark.

A run is published if and only if a snapshot on main's ancestry carries its run id.
"""

import gzip
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Optional

import boto3
from botocore.exceptions import ClientError

from glue_papermill import storage
from glue_papermill.errors import GluePapermillError
from glue_papermill.receipt import Receipt, rows_out
from glue_papermill.settings import Publication

_LOCATION = (
    "SELECT metadata_location FROM iceberg_tables"
    " WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?"
)
_LOCK_SECONDS = 20.0


@dataclass(frozen=True)
class Published:
    """A snapshot on main that carries a run's record.

    Parameters
    ----------
    snapshot_id : str
        The snapshot.
    run_id, delivery_id : str
        As its summary says.
    record : mapping, optional
        The last stage's receipt without its handover, as its summary holds it.
    """

    snapshot_id: str
    run_id: str
    delivery_id: str
    record: Optional[Receipt]

    @property
    def attempt(self) -> str:
        """The start of the last stage that published it; empty when unknown."""
        return str((self.record or {}).get("attempt", ""))

    def receipt(self, table: str) -> Optional[Receipt]:
        """Rebuild the last stage's receipt, for one that was lost after the commit."""
        if self.record is None or "rows" not in self.record:
            return None
        handover = {
            "table": table,
            "snapshot_id": self.snapshot_id,
            "rows": rows_out(self.record),
        }
        return {**self.record, "handover": handover}


def find(lake: str, publication: Publication, run_id: str) -> Optional[Published]:
    """Look for a run on the table's main branch, newest snapshot first.

    Parameters
    ----------
    lake : str
        A local lake has its catalogue in ``catalog.db``; an ``s3://`` one in the Glue Data
        Catalog.
    publication : Publication
        Table and property names.
    run_id : str
        The run.

    Returns
    -------
    Published or None
        ``None`` when there is no table yet, or none of main's snapshots is the run's.
    """
    location = _metadata_location(lake, publication)
    if location is None:
        return None
    for snapshot in _main_snapshots(_metadata(location)):
        summary = snapshot.get("summary", {})
        if summary.get(publication.run_id_property) == run_id:
            text = summary.get(publication.receipt_property)
            return Published(
                str(snapshot["snapshot-id"]),
                run_id,
                summary.get(publication.delivery_id_property, ""),
                json.loads(text) if text else None,
            )
    return None


def _main_snapshots(metadata: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    snapshots = {item["snapshot-id"]: item for item in metadata.get("snapshots", ())}
    main = metadata.get("refs", {}).get("main", {})
    head = main.get("snapshot-id", metadata.get("current-snapshot-id"))
    while head in snapshots:
        yield snapshots[head]
        head = snapshots[head].get("parent-snapshot-id")


def _metadata(location: str) -> Mapping[str, Any]:
    body = storage.read_bytes(location)
    if body is None:
        raise GluePapermillError(
            f"the catalogue names {location} as the table's metadata, but there is no such file",
            next_step="restore the file or the catalogue; nothing was changed",
        )
    # Iceberg can write its metadata compressed; the name alone does not always tell.
    content = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
    metadata: Mapping[str, Any] = json.loads(content)
    return metadata


def _metadata_location(lake: str, publication: Publication) -> Optional[str]:
    namespace, _, table = publication.table.rpartition(".")
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
            row = catalog.execute(_LOCATION, (publication.catalog, namespace, table)).fetchone()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return None
            raise
    return row[0] if row else None
