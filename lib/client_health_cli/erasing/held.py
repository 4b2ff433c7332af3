"""Legal holds: people whose rows must be kept, read from the lake's table of them."""

from __future__ import annotations

import datetime as dt
import secrets
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from client_health_cli.errors import LakeError
from client_health_cli.published import opened
from register_contract import tables

if TYPE_CHECKING:
    import pyarrow as pa

_NOBODY: Mapping[str, str] = MappingProxyType({})


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
    id_key
        Version of the key that the id was made with.
    """

    person: str
    reason: str
    ordered_by: str
    until: dt.date
    recorded_at: dt.datetime
    id_key: str


def rows(
    people: Iterable[tuple[str, str]], reason: str, until: dt.date, by: str
) -> list[dict[str, str]]:
    """Return rows for the table of holds; one whose day is over ends a hold.

    Parameters
    ----------
    people
        Ids, each with the version of its key.
    reason, until, by
        Why, until when, and who orders it.
    """
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    common = {
        tables.HOLD_ID: "h" + secrets.token_hex(8),
        "reason": reason,
        "until": until.isoformat(),
        "recorded_at": now.isoformat(timespec="microseconds"),
        "ordered_by": by,
    }
    return [{**common, tables.PERSON: person, tables.ID_KEY: key} for person, key in people]


def active(lake: str, today: dt.date, same: Mapping[str, str] = _NOBODY) -> dict[str, Hold]:
    """Return the active holds of a lake, by id.

    Parameters
    ----------
    lake
        A folder.
    today
        The day to judge by.
    same
        The present id of people for their ids of an earlier key.
    """
    found = _read(lake)
    return {} if found is None else newest(found.to_pylist(), today, same)


def hidden(lake: str, today: dt.date, id_keys: Collection[str]) -> int:
    """Return how many active holds may be of anybody: their ids are only of other keys.

    Parameters
    ----------
    lake
        A folder.
    today
        The day to judge by.
    id_keys
        Versions of the keys that are known, the present one first.
    """
    import polars as pl  # noqa: PLC0415 - slows every command's start

    from client_health import rekeying  # noqa: PLC0415

    found = _read(lake)
    if found is None:
        return 0
    present, *earlier = id_keys
    unknown = pl.DataFrame(found).filter(~pl.col(tables.ID_KEY).is_in(earlier))
    return rekeying.waiting(unknown, tables.LEGAL_HOLDS, present, today)


def people(holds: Iterable[Hold]) -> int:
    """Return how many people some holds are about: each may have an id of several keys."""
    return max(Counter(hold.id_key for hold in holds).values(), default=0)


def _read(lake: str) -> pa.Table | None:
    try:
        with opened(lake, tables.LEGAL_HOLDS.name) as table:
            return table.scan().to_arrow()
    except LakeError as error:
        if not error.missing:
            raise
        return None


def newest(
    rows: Iterable[dict[str, object]], today: dt.date, same: Mapping[str, str] = _NOBODY
) -> dict[str, Hold]:
    """Return the holds that are active by the newest row of each person; see :func:`active`."""
    found: dict[str, Hold] = {}
    for row in rows:
        hold = Hold(
            same.get(str(row[tables.PERSON]), str(row[tables.PERSON])),
            str(row["reason"]),
            str(row["ordered_by"]),
            row["until"],  # type: ignore[arg-type]
            row["recorded_at"],  # type: ignore[arg-type]
            str(row[tables.ID_KEY]),
        )
        known = found.get(hold.person)
        if known is None or known.recorded_at <= hold.recorded_at:
            found[hold.person] = hold
    return {person: hold for person, hold in found.items() if hold.until >= today}
