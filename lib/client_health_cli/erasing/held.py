"""Legal holds: people whose rows must be kept, read from the lake's table of them."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from client_health_cli.errors import LakeError
from client_health_cli.published import opened
from register_contract import tables


@dataclass(frozen=True)
class Hold:
    """A legal hold that is active.

    Attributes
    ----------
    person
        The id.
    reason, ordered_by
        Why, and who ordered it.
    until
        Its last day.
    recorded_at
        When it was recorded, in UTC.
    """

    person: str
    reason: str
    ordered_by: str
    until: dt.date
    recorded_at: dt.datetime


def rows(ids: Iterable[str], reason: str, until: dt.date, by: str) -> list[dict[str, str]]:
    """Return rows for the table of holds; one whose day is over ends a hold."""
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    common = {
        tables.HOLD_ID: "h" + secrets.token_hex(8),
        "reason": reason,
        "until": until.isoformat(),
        "recorded_at": now.isoformat(timespec="microseconds"),
        "ordered_by": by,
    }
    return [{**common, tables.PERSON: person} for person in ids]


def active(lake: str, today: dt.date) -> dict[str, Hold]:
    """Return the active holds of a lake, by id.

    Parameters
    ----------
    lake
        A folder.
    today
        The day to judge by.
    """
    try:
        with opened(lake, tables.LEGAL_HOLDS.name) as table:
            rows = table.scan().to_arrow().to_pylist()
    except LakeError as error:
        if not error.missing:
            raise
        return {}
    return newest(rows, today)


def newest(rows: Iterable[dict[str, object]], today: dt.date) -> dict[str, Hold]:
    """Return the holds that are active by the newest row of each person."""
    found: dict[str, Hold] = {}
    for row in rows:
        hold = Hold(
            str(row[tables.PERSON]),
            str(row["reason"]),
            str(row["ordered_by"]),
            row["until"],  # type: ignore[arg-type]
            row["recorded_at"],  # type: ignore[arg-type]
        )
        known = found.get(hold.person)
        if known is None or known.recorded_at <= hold.recorded_at:
            found[hold.person] = hold
    return {person: hold for person, hold in found.items() if hold.until >= today}
