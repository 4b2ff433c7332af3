"""The published runs, read from Iceberg's metadata JSON.

A publication is a snapshot on ``main`` of the published table whose summary has a run's record.
Snapshots expire, so a second table, the log, keeps each record forever, in the summary of an
append. If a session dies before the append, ``main`` still shows the publication; the next session
adds it to the log. Reading this needs neither Spark nor PyIceberg.
"""

from __future__ import annotations

import enum
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from register_contract import receipts

#: Names of the published table and of the log of publications, in their database.
TABLE, LOG = "clientoutput", "publications"
#: The branch that readers see.
MAIN = "main"

RUN_ID = "pipeline.run-id"
DELIVERY_ID = "pipeline.delivery-id"
RECEIPT = "pipeline.receipt"
#: Shows whether two publications used the same id key, without revealing it.
KEY_CHECK = "pipeline.key-check"
#: A property of the published table: the check of the key of the ids that readers see.
ID_KEY = "client-health.id-key"
#: Only in the log: an erasure, whose append has no rows.
ERASURE_ID = "pipeline.erasure-id"
_ERASED_THROUGH = "pipeline.erased-through"
# Only in the log: which commit of which table a record is about.
_SNAPSHOT_ID = "pipeline.snapshot-id"
_SEQUENCE = "pipeline.sequence-number"
_TABLE_UUID = "pipeline.table-uuid"
_WITHDRAWN = "pipeline.withdrawn"
# Where an erasure has put the record on `main` again: rows that it has left.
_ROWS_LEFT = "pipeline.rows-left"
# The delivery's name in the first version of the record.
_OLD_NAME = "pipeline.drop-id"

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
Metadata = Mapping[str, Any]


class OldLakeError(Exception):
    """The table was written by a version whose names are no longer supported."""


@dataclass(frozen=True)
class Publication:
    """One published run.

    Parameters
    ----------
    run_id, delivery_id : str
        The run, and the delivery that it published.
    snapshot_id : str
        The snapshot of the published table.
    sequence : int
        Iceberg's sequence number of that snapshot: later publications have higher ones.
    table_uuid : str
        The table of the snapshot.
    key_check : str
        Check of the key that the ids were made with; empty if unknown.
    receipt : mapping
        The receipt, without its handover, of the stage that wrote the rows; empty if the record
        has none.
    recorded_at : datetime, optional
        Time of the log's record, in UTC; until the log has one, of the snapshot.
    rows_left : int, optional
        Rows after people were erased; None if nobody was.
    """

    run_id: str
    delivery_id: str
    snapshot_id: str
    sequence: int
    table_uuid: str
    key_check: str
    receipt: Mapping[str, Any]
    recorded_at: datetime | None = field(default=None, compare=False)
    rows_left: int | None = None

    @property
    def day(self) -> str:
        """Day of the delivery, as an ISO date; empty if unknown."""
        return str(self.receipt.get("as_of", ""))

    @property
    def rows(self) -> int | None:
        """Number of rows that the run published; None if unknown."""
        return receipts.total(self.receipt, "out") if "rows" in self.receipt else None

    @property
    def rows_seen(self) -> int | None:
        """Number of rows that readers see: without erased people; None if unknown."""
        return self.rows if self.rows_left is None else self.rows_left

    @property
    def attempt(self) -> str:
        """The start of the stage that wrote its rows; empty if unknown."""
        return str(self.receipt.get("attempt", ""))

    def summary(self, rows_left: int | None = None) -> dict[str, str]:
        """Return the record for the summary of a snapshot of the published table.

        Parameters
        ----------
        rows_left : int, optional
            Rows after people were erased; None if nobody was.
        """
        left = self.rows_left if rows_left is None else rows_left
        text = json.dumps(dict(self.receipt), separators=(",", ":"), ensure_ascii=False)
        return {
            RUN_ID: self.run_id,
            DELIVERY_ID: self.delivery_id,
            KEY_CHECK: self.key_check,
            RECEIPT: text,
            **({} if left is None else {_ROWS_LEFT: str(left)}),
        }

    def log_properties(self, *, withdrawn: bool = False) -> dict[str, str]:
        """Return the summary of the append that adds this record to the log.

        Parameters
        ----------
        withdrawn : bool
            Whether to record that ``main`` was rolled back past it, instead of its publication.
        """
        return {
            **self.summary(),
            _SNAPSHOT_ID: self.snapshot_id,
            _SEQUENCE: str(self.sequence),
            _TABLE_UUID: self.table_uuid,
            **({_WITHDRAWN: "true"} if withdrawn else {}),
        }


@dataclass(frozen=True)
class Erasure:
    """An erasure of people from the published table.

    Parameters
    ----------
    erasure_id : str
    through : int
        Sequence number of the last snapshot that may have their rows.
    table_uuid : str
        The table of the snapshots.
    recorded_at : datetime, optional
        Time of the log's record, in UTC.
    """

    erasure_id: str
    through: int
    table_uuid: str
    recorded_at: datetime | None = field(default=None, compare=False)

    def log_properties(self) -> dict[str, str]:
        """Return the summary of the append that adds this record to the log."""
        return {
            ERASURE_ID: self.erasure_id,
            _ERASED_THROUGH: str(self.through),
            _TABLE_UUID: self.table_uuid,
        }


@dataclass(frozen=True)
class History:
    """The publications that the two tables show.

    Parameters
    ----------
    published : tuple of Publication
        What is published, oldest first: each run that readers saw and that was not rolled back.
    unlogged : tuple of Publication
        Those of them that are missing from the log.
    rolled_back : tuple of Publication
        Published according to the log, although ``main`` was rolled back past them.
    withdrawn : tuple of Publication
        What readers saw until ``main`` was rolled back past it, oldest first.
    erasures : tuple of Erasure
        The erasures, oldest first. Earlier snapshots must never be seen again.
    """

    published: tuple[Publication, ...] = ()
    unlogged: tuple[Publication, ...] = ()
    rolled_back: tuple[Publication, ...] = ()
    withdrawn: tuple[Publication, ...] = ()
    erasures: tuple[Erasure, ...] = ()

    @property
    def last(self) -> Publication | None:
        """The last publication; None before the first."""
        return self.published[-1] if self.published else None

    def of_run(self, run_id: str) -> Publication | None:
        """Return the newest publication of a run, or None."""
        found = [one for one in self.published if one.run_id == run_id]
        return found[-1] if found else None

    def of_delivery(self, delivery_id: str) -> Publication | None:
        """Return the newest publication of a delivery, or None."""
        found = [one for one in self.published if one.delivery_id == delivery_id]
        return found[-1] if found else None

    def erased_after(self, publication: Publication) -> Erasure | None:
        """Return the last erasure that removed people from a publication's rows, or None."""
        found = [one for one in self.erasures if one.through >= publication.sequence]
        return found[-1] if found else None


def parse(body: bytes) -> Metadata:
    """Parse a metadata file. Iceberg may have compressed it, which its name doesn't always show."""
    content = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
    metadata: Metadata = json.loads(content)
    return metadata


def read(table: Metadata | None, log: Metadata | None) -> History:
    """Return what is published.

    Parameters
    ----------
    table, log : mapping, optional
        Metadata of the published table and of the log, as :func:`parse` returns it; None if the
        table doesn't exist.

    Returns
    -------
    History
        Empty while ``main`` of the published table has no snapshot, whatever the log says.

    Raises
    ------
    OldLakeError
        The table's records have the names of an earlier version.
    """
    if table is None:
        return History()
    if any(_OLD_NAME in one.get("summary", {}) for one in table.get("snapshots", ())):
        raise OldLakeError
    main = list(_main_snapshots(table))
    if not main:
        return History()
    uuid = str(table.get("table-uuid", ""))
    known, withdrawn = _logged(log, uuid)
    back = [one for one in known.values() if _is_rolled_back(one, table, main)]
    for one in back:
        withdrawn[one.snapshot_id] = known.pop(one.snapshot_id)
    on_main = [
        _publication(one, one["snapshot-id"], one.get("sequence-number", 0), uuid)
        for one in reversed(main)
        if RUN_ID in one.get("summary", {})
    ]
    unlogged = tuple(one for one in on_main if one.snapshot_id not in known)
    # What was rolled back may be on `main` again.
    again = {one.snapshot_id for one in unlogged}
    gone = [one for one in withdrawn.values() if one.snapshot_id not in again]
    return History(
        _in_order([*known.values(), *unlogged]),
        unlogged,
        tuple(back),
        _in_order(gone),
        _erasures(log, uuid),
    )


def descends(metadata: Metadata, snapshot_id: str, ancestor: str) -> bool:
    """Return whether a snapshot provably is or descends from another one.

    Parameters
    ----------
    metadata : mapping
        Metadata of their table, as :func:`parse` returns it.
    snapshot_id, ancestor : str
    """
    parents = (one.get("parent-snapshot-id") for one in _walk(metadata, snapshot_id))
    return snapshot_id == ancestor or any(str(parent) == ancestor for parent in parents)


class BranchState(enum.Enum):
    """State of an audit branch."""

    #: It can be published.
    READY = "ready"
    #: ``main`` has its rows.
    PUBLISHED = "published"
    #: It does not exist, or its head is another snapshot.
    GONE = "gone"
    #: Others have published since it was created.
    OVERTAKEN = "overtaken"


def branch_state(metadata: Metadata, branch: str, snapshot_id: str) -> BranchState:
    """Return whether a branch is still what a stage wrote, and can still be published.

    Parameters
    ----------
    metadata : mapping
        Metadata of the published table, as :func:`parse` returns it.
    branch, snapshot_id : str
        The branch, and the head that the stage gave it.
    """
    heads = {name: str(ref["snapshot-id"]) for name, ref in metadata.get("refs", {}).items()}
    main = heads.get(MAIN)
    if main is not None and descends(metadata, main, snapshot_id):
        return BranchState.PUBLISHED
    if heads.get(branch) != snapshot_id:
        return BranchState.GONE
    if main is not None and not descends(metadata, snapshot_id, main):
        return BranchState.OVERTAKEN
    return BranchState.READY


def _in_order(found: Iterable[Publication]) -> tuple[Publication, ...]:
    return tuple(sorted(found, key=lambda one: one.sequence))


def _logged(
    log: Metadata | None, uuid: str
) -> tuple[dict[str, Publication], dict[str, Publication]]:
    """Return the log's publications of a table and its withdrawn ones, by snapshot."""
    found: dict[str, Publication] = {}
    withdrawn: dict[str, Publication] = {}
    for snapshot in reversed(list(_main_snapshots(log or {}))):
        summary = snapshot.get("summary", {})
        if summary.get(_TABLE_UUID) != uuid or _SNAPSHOT_ID not in summary:
            continue
        one = _publication(snapshot, summary[_SNAPSHOT_ID], summary[_SEQUENCE], uuid)
        into, out_of = (withdrawn, found) if _WITHDRAWN in summary else (found, withdrawn)
        out_of.pop(one.snapshot_id, None)
        into[one.snapshot_id] = one
    return found, withdrawn


def _erasures(log: Metadata | None, uuid: str) -> tuple[Erasure, ...]:
    """Return the log's erasures of a table, oldest first."""
    found = []
    for snapshot in reversed(list(_main_snapshots(log or {}))):
        summary = snapshot.get("summary", {})
        if ERASURE_ID in summary and summary.get(_TABLE_UUID) == uuid:
            at = _time(snapshot.get("timestamp-ms"))
            found.append(Erasure(summary[ERASURE_ID], int(summary[_ERASED_THROUGH]), uuid, at))
    return tuple(found)


def _publication(
    recorded: Mapping[str, Any],
    snapshot_id: Any,  # noqa: ANN401 - a number in metadata, a text in a summary
    sequence: Any,  # noqa: ANN401
    uuid: str,
) -> Publication:
    """Return the publication that a snapshot of the table, or of the log, records."""
    summary = recorded["summary"]
    return Publication(
        run_id=summary[RUN_ID],
        delivery_id=summary.get(DELIVERY_ID, ""),
        snapshot_id=str(snapshot_id),
        sequence=int(sequence),
        table_uuid=uuid,
        key_check=summary.get(KEY_CHECK, ""),
        receipt=json.loads(summary.get(RECEIPT, "{}")),
        recorded_at=_time(recorded.get("timestamp-ms")),
        rows_left=int(summary[_ROWS_LEFT]) if _ROWS_LEFT in summary else None,
    )


def _time(milliseconds: Any) -> datetime | None:  # noqa: ANN401 - from JSON
    return None if milliseconds is None else _EPOCH + timedelta(milliseconds=milliseconds)


def _is_rolled_back(one: Publication, table: Metadata, main: list[Mapping[str, Any]]) -> bool:
    """Return whether a snapshot has provably left ``main``.

    A snapshot that is missing among main's ancestors proves nothing, since that list ends where
    snapshots have expired. A snapshot that still exists, and forks off one of them, does.
    """
    ancestors = {str(snapshot["snapshot-id"]) for snapshot in main}
    if one.snapshot_id in ancestors:
        return False
    parents = (left.get("parent-snapshot-id") for left in _walk(table, one.snapshot_id))
    return any(str(parent) in ancestors for parent in parents)


def _main_snapshots(metadata: Metadata) -> Iterator[Mapping[str, Any]]:
    """Yield the snapshots from main's newest to the oldest that has not expired."""
    main = metadata.get("refs", {}).get(MAIN, {})
    yield from _walk(metadata, main.get("snapshot-id", metadata.get("current-snapshot-id")))


def _walk(metadata: Metadata, snapshot_id: object) -> Iterator[Mapping[str, Any]]:
    """Yield a snapshot and its ancestors, up to the oldest that has not expired."""
    snapshots = {str(item["snapshot-id"]): item for item in metadata.get("snapshots", ())}
    head = str(snapshot_id)
    while head in snapshots:
        yield snapshots[head]
        head = str(snapshots[head].get("parent-snapshot-id"))
