"""What the gates said of each run of a lake, from the table of quality results."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from client_health_cli.errors import LakeError
from client_health_cli.published import opened
from register_contract import refusals
from register_contract.contract import Criticality
from register_contract.tables import QUALITY_RESULTS

PASSED: Final = "ok"
_COLUMNS: Final = ("run_id", "day", "recorded_at", "rule", "passed", "finding")


@dataclass(frozen=True)
class Gates:
    """The gates of one run.

    Attributes
    ----------
    day
        Day of its delivery, as an ISO date; empty if unknown.
    recorded_at
        Time of the record, in UTC.
    stopped, accepted
        Gates that stopped it, and gates that a person let pass.
    """

    day: str
    recorded_at: dt.datetime
    stopped: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()

    def described(self) -> str:
        """Return the gates in a few words."""
        if self.stopped:
            return f"stopped by {', '.join(self.stopped)}"
        return f"accepted {', '.join(self.accepted)}" if self.accepted else PASSED


def gates_of(lake: str) -> dict[str, Gates]:
    """Return the gates of each run; none if the lake has no history of quality.

    Parameters
    ----------
    lake
        A folder, or an s3:// prefix.
    """
    try:
        with opened(lake, QUALITY_RESULTS.name) as table:
            gates = f"criticality = '{Criticality.GATE.value}'"
            found = table.scan(gates, selected_fields=_COLUMNS).to_arrow().to_pylist()
    except LakeError:
        found = []
    by_run: dict[str, list[Mapping[str, Any]]] = {}
    for row in found:
        by_run.setdefault(row["run_id"], []).append(row)
    written = {run_id: _gates(rows) for run_id, rows in by_run.items()}
    return {**_refused(lake), **written}


def _refused(lake: str) -> dict[str, Gates]:
    """Return the gates of runs that never had a session, and are in no table yet."""
    from register_run import storage  # noqa: PLC0415 - takes a while to load

    found = {}
    place = storage.normalise(lake)
    for file in storage.list_files(storage.join(place, refusals.FOLDER)):
        note = refusals.Refusal.parse(storage.read_bytes(file.uri) or b"")
        at = dt.datetime.fromisoformat(note.recorded_at)
        found[note.run_id] = Gates(note.day, at, stopped=(note.rule,))
    return found


def _gates(rows: list[Mapping[str, Any]]) -> Gates:
    def named(chosen: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
        return tuple(sorted(row["rule"] for row in chosen))

    return Gates(
        str(rows[0]["day"] or ""),
        rows[0]["recorded_at"],
        named(row for row in rows if not row["passed"]),
        named(row for row in rows if row["passed"] and row["finding"]),
    )
