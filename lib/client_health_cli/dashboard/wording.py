"""Numbers and dates as Brazilian readers write them."""

from __future__ import annotations

import datetime as dt
from typing import Final

UNKNOWN: Final = "–"
# Brazil has had no summer time since 2019, so that this needs no time zone data.
BRASILIA: Final = dt.timezone(dt.timedelta(hours=-3))


def number(value: int | None) -> str:
    """Write a count: `1.234.567`."""
    return UNKNOWN if value is None else f"{value:,}".replace(",", ".")


def percent(share: float | None) -> str:
    """Write a share of 1: `12,34 %`."""
    return UNKNOWN if share is None else f"{share * 100:.2f}".replace(".", ",") + "\N{NBSP}%"


def signed_percent(value: float | None) -> str:
    """Write a change in percent with its sign: `+1,5 %`."""
    if value is None:
        return UNKNOWN
    sign = "+" if value > 0 else "\N{MINUS SIGN}" if value < 0 else ""
    return f"{sign}{abs(value):.1f}".replace(".", ",") + "\N{NBSP}%"


def seconds(value: float | None) -> str:
    """Write a duration: `9,5 s`, `2 min 05 s`."""
    if value is None:
        return UNKNOWN
    if value < 60:
        return f"{value:.1f}".replace(".", ",") + "\N{NBSP}s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}\N{NBSP}min {rest:02}\N{NBSP}s"


def day(time: dt.datetime) -> str:
    """Write the day of a time, in Brasília: `31/12/2026`."""
    return time.astimezone(BRASILIA).strftime("%d/%m/%Y")


def hour(time: dt.datetime) -> str:
    """Write the time of day, in Brasília: `18:05`."""
    return time.astimezone(BRASILIA).strftime("%H:%M")


def iso_day(text: str) -> str:
    """Write a day that is given as `2026-12-31`; anything else stays as it is."""
    try:
        return dt.date.fromisoformat(text).strftime("%d/%m/%Y")
    except ValueError:
        return text


FILTERS: Final = {
    "number": number,
    "percent": percent,
    "signed_percent": signed_percent,
    "seconds": seconds,
    "day": day,
    "hour": hour,
    "iso_day": iso_day,
}
