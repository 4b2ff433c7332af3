"""Numbers and dates in Brazilian notation."""

from __future__ import annotations

import datetime as dt
from typing import Final

from client_health_cli.terminal import BRASILIA
from register_run import cost

UNKNOWN: Final = "–"


def number(value: int | None) -> str:
    """Format a count: `1.234.567`."""
    return UNKNOWN if value is None else f"{value:,}".replace(",", ".")


def percent(share: float | None) -> str:
    """Format a share of 1: `12,34 %`."""
    return UNKNOWN if share is None else f"{share * 100:.2f}".replace(".", ",") + "\N{NBSP}%"


def signed_percent(value: float | None) -> str:
    """Format a change in percent with its sign: `+1,5 %`."""
    if value is None:
        return UNKNOWN
    sign = "+" if value > 0 else "\N{MINUS SIGN}" if value < 0 else ""
    return f"{sign}{abs(value):.1f}".replace(".", ",") + "\N{NBSP}%"


def seconds(value: float | None) -> str:
    """Format a duration: `9,5 s`, `2 min 05 s`."""
    if value is None:
        return UNKNOWN
    if value < 60:
        return f"{value:.1f}".replace(".", ",") + "\N{NBSP}s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}\N{NBSP}min {rest:02}\N{NBSP}s"


def dpu_hours(dpu_seconds: float) -> str:
    """Format a cost: `0,0512 DPU-h`."""
    return f"{cost.hours(dpu_seconds):.4f}".replace(".", ",") + "\N{NBSP}DPU-h"


def day(time: dt.datetime) -> str:
    """Format the day of a time, in Brasília: `31/12/2026`."""
    return time.astimezone(BRASILIA).strftime("%d/%m/%Y")


def hour(time: dt.datetime) -> str:
    """Format the time of day, in Brasília: `18:05`."""
    return time.astimezone(BRASILIA).strftime("%H:%M")


def iso_day(text: str) -> str:
    """Format a day given as `2026-12-31`; any other text stays unchanged."""
    try:
        return dt.date.fromisoformat(text).strftime("%d/%m/%Y")
    except ValueError:
        return text


FILTERS: Final = {
    "number": number,
    "percent": percent,
    "signed_percent": signed_percent,
    "seconds": seconds,
    "dpu_hours": dpu_hours,
    "day": day,
    "hour": hour,
    "iso_day": iso_day,
}
