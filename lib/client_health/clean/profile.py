"""What the published columns contain: a few numbers a run, to compare runs with.

Each task counts its own rows, after one row per person is left; the driver adds the counts up. No
value of a person is among them: a date of birth counts as its year, and text that is no known
category as :data:`OTHER`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

import polars as pl

from client_health.clean import register, text
from register_contract import contract
from register_contract.receipts import Profile

#: Values that are no known category, which may be anything.
OTHER = "other"
#: Registrations are counted by day for this many days before the delivery's.
DAYS = 30
# The categories that are counted; those of the partition column are known from the files.
_KNOWN = {
    "sexo": pl.col("sexo").is_in([*contract.SEXES.values(), contract.DEFAULT_TEXT]),
    "estado": text.is_state(pl.col("estado")) | (pl.col("estado") == contract.DEFAULT_TEXT),
}
# How precisely the extremes of a date are kept: the oldest client's birthday is a person's.
_PRECISION = {"data_nascimento": "%Y", "data_cadastro": "%Y-%m-%d"}


def taken(kept: pl.DataFrame, as_of: date) -> Profile:
    """Return the counts of some rows, one per person.

    Parameters
    ----------
    kept : DataFrame
        The columns of :data:`client_health.clean.register.CANDIDATE_SCHEMA`.
    as_of : date
        Day of the delivery.

    Returns
    -------
    Profile
    """
    return {
        "nulls": kept.select(
            (pl.col(register.WARNINGS) & bit != 0).sum().alias(name)
            for name, bit in register.MISSING.items()
        ).row(0, named=True),
        "categories": {name: _counted(kept, _category(name)) for name in _KNOWN},
        "registrations": _registrations(kept, as_of),
        "extremes": {name: found for name in _PRECISION if (found := _extremes(kept, name))},
    }


def total(parts: Iterable[Profile]) -> Profile:
    """Return the counts of all tasks together."""
    found = list(parts)
    extremes = [one["extremes"] for one in found]
    return {
        "nulls": {name: sum(one["nulls"][name] for one in found) for name in register.MISSING},
        "categories": {name: _added(one["categories"][name] for one in found) for name in _KNOWN},
        "registrations": _added(one["registrations"] for one in found),
        "extremes": {
            name: [min(one[name][0] for one in there), max(one[name][1] for one in there)]
            for name in _PRECISION
            if (there := [one for one in extremes if name in one])
        },
    }


def _category(name: str) -> pl.Expr:
    known = _KNOWN[name].fill_null(value=False)
    return pl.when(known).then(pl.col(name)).otherwise(pl.lit(OTHER)).alias(name)


def _registrations(kept: pl.DataFrame, as_of: date) -> dict[str, int]:
    day = pl.col("data_cadastro").dt.date()
    recent = kept.filter(day.is_between(as_of - timedelta(days=DAYS), as_of))
    return _counted(recent, day.dt.to_string("%Y-%m-%d"))


def _counted(rows: pl.DataFrame, value: pl.Expr) -> dict[str, int]:
    counts = rows.select(value.alias("value")).to_series().value_counts().sort("value")
    return {str(name): int(count) for name, count in counts.iter_rows()}


def _extremes(kept: pl.DataFrame, name: str) -> list[str]:
    present = kept.filter(pl.col(register.WARNINGS) & register.MISSING[name] == 0)[name]
    if present.is_empty():
        return []
    values = pl.Series([present.min(), present.max()]).dt.to_string(_PRECISION[name])
    return [str(value) for value in values]


def _added(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    added: dict[str, int] = {}
    for part in parts:
        for name, count in part.items():
            added[name] = added.get(name, 0) + count
    return dict(sorted(added.items()))
