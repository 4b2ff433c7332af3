"""The last runs, from their receipts and the table's snapshots."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from client_health_cli.published import PublishedTable, Snapshot
from register_contract import contract, publications
from register_contract.runs import INGEST, QUALITY, RUNS, STAGES, TRANSFORM, is_cost
from register_run import storage

LAST: Final = 20
"""Number of runs that the page shows."""
_COUNTS: Final = (
    ("ingested", INGEST, "in"),
    ("rejected", TRANSFORM, "rejected"),
    ("duplicates", TRANSFORM, "duplicates"),
    ("published", QUALITY, "out"),
)


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes
    ----------
    run_id
        Its name.
    as_of
        The day of its delivery.
    started_at
        Start of the first known stage.
    published_at
        Time from which readers saw it; None if they never did.
    rows
        For each source: ingested, resubmitted, rejected, duplicates, suppressed, published; None
        if the receipt with this number is missing.
    rejections, warnings
        Rows by rule; None if unknown.
    seconds
        Duration of each stage.
    dpu_seconds
        What its sessions and job runs used; None if unknown.
    """

    run_id: str
    as_of: str
    started_at: dt.datetime
    published_at: dt.datetime | None
    rows: Mapping[str, Mapping[str, int | None]]
    rejections: Mapping[str, int] | None
    warnings: Mapping[str, int] | None
    seconds: Mapping[str, float]
    dpu_seconds: float | None = None

    def total(self, count: str) -> int | None:
        """Return the sum of the sources; None if one of them is unknown."""
        counts = [source.get(count) for source in self.rows.values()]
        known = [one for one in counts if one is not None]
        return sum(known) if known and len(known) == len(counts) else None

    @property
    def rejected_share(self) -> float | None:
        """Share of the ingested rows that were rejected, between 0 and 1."""
        ingested, rejected = self.total("ingested"), self.total("rejected")
        return rejected / ingested if ingested and rejected is not None else None


def last_runs(
    table: PublishedTable,
    receipts: Iterable[Mapping[str, Any]],
    costs: Mapping[str, float] | None = None,
) -> tuple[Run, ...]:
    """Return the last runs, newest first.

    Parameters
    ----------
    table
        Its snapshots show which runs were published, and replace lost receipts.
    receipts
        Receipts of any runs and stages.
    costs
        DPU-seconds by run.
    """
    by_run: dict[str, dict[str, Mapping[str, Any]]] = {}
    for receipt in receipts:
        by_run.setdefault(receipt["run_id"], {})[receipt["stage"]] = receipt
    published = {one.run_id: one for one in table.published if one.run_id}
    for run_id, snapshot in published.items():
        recorded = _recorded(snapshot)
        if recorded is not None:
            by_run.setdefault(run_id, {}).setdefault(recorded["stage"], recorded)
    used = costs or {}
    runs = [
        _run(run_id, found, published.get(run_id), used.get(run_id))
        for run_id, found in by_run.items()
    ]
    return tuple(sorted(runs, key=lambda run: (run.started_at, run.run_id), reverse=True)[:LAST])


def receipts_of(lake: str) -> tuple[Mapping[str, Any], ...]:
    """Return all receipts of a lake; other files are ignored.

    Parameters
    ----------
    lake
        A folder, or an s3:// prefix.
    """
    found = []
    for file in storage.list_files(storage.join(lake, RUNS)):
        named = file.uri.endswith(".json") and not is_cost(file.name)
        receipt = _read(file.uri) if named else None
        if _is_receipt(receipt):
            found.append(receipt)
    return tuple(found)


def _run(
    run_id: str,
    found: Mapping[str, Mapping[str, Any]],
    snapshot: Snapshot | None,
    dpu_seconds: float | None,
) -> Run:
    ordered = [found[stage] for stage in STAGES if stage in found] or list(found.values())
    judged = found.get("02_transform") or found.get("03_quality")
    names = [name for name in contract.SOURCE_NAMES if any(name in one["rows"] for one in ordered)]
    return Run(
        run_id=run_id,
        as_of=ordered[0]["as_of"],
        started_at=min(_time(one["started_at"]) for one in ordered),
        published_at=(snapshot.made_current_at or snapshot.committed_at) if snapshot else None,
        rows={name: _rows(found, name) for name in names},
        rejections=judged["rejections"] if judged else None,
        warnings=judged["warnings"] if judged else None,
        seconds={stage: found[stage]["duration_seconds"] for stage in STAGES if stage in found},
        dpu_seconds=dpu_seconds,
    )


def _rows(found: Mapping[str, Mapping[str, Any]], source: str) -> dict[str, int | None]:
    rows: dict[str, int | None] = {}
    for title, stage, member in _COUNTS:
        rows[title] = found[stage]["rows"].get(source, {}).get(member) if stage in found else None
    # Corrected rows that came back; receipts of earlier versions don't count them.
    taken_in = found.get("02_transform") or found.get("01_ingest")
    rows["resubmitted"] = (
        taken_in["rows"].get(source, {}).get("resubmitted", 0) if taken_in else None
    )
    # Rows that were left out for erasure, in any stage.
    rows["suppressed"] = sum(
        receipt["rows"].get(source, {}).get("suppressed", 0) for receipt in found.values()
    )
    return rows


def _recorded(snapshot: Snapshot) -> Mapping[str, Any] | None:
    """Return the receipt in the publication record, which has no handover."""
    try:
        receipt = json.loads(snapshot.summary.get(publications.RECEIPT, ""))
    except ValueError:
        return None
    return receipt if _is_receipt(receipt) else None


def _read(uri: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(storage.read_bytes(uri) or b"")
    except ValueError:
        return None


def _is_receipt(content: object) -> TypeGuard[Mapping[str, Any]]:
    """Return whether a receipt has what the page needs; the runner checked the rest.

    The runner's JSON Schema for receipts would take a second to load.
    """
    if not isinstance(content, dict):
        return False
    texts = (content.get(name) for name in ("run_id", "stage", "as_of", "started_at"))
    counts = [content.get("rejections"), content.get("warnings")]
    rows = content.get("rows")
    if not isinstance(rows, dict) or not all(isinstance(one, dict) for one in counts):
        return False
    counts.extend(rows.values())
    return (
        all(isinstance(text, str) for text in texts)
        and isinstance(content.get("duration_seconds"), int | float)
        and all(
            isinstance(one, dict) and all(isinstance(count, int) for count in one.values())
            for one in counts
        )
        and _is_time(content["started_at"])
    )


def _is_time(text: str) -> bool:
    try:
        _time(text)
    except ValueError:
        return False
    return True


def _time(text: str) -> dt.datetime:
    time = dt.datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=dt.UTC)
