"""What the published columns contain: a few numbers a run, to compare runs with.

Each task counts its own rows, after one row per person is left; the driver adds the counts up. No
value of a person is among them: a date of birth counts as its year, and text that is no known
category as :data:`OTHER`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import TypedDict

import polars as pl
from polars_hash import NonCryptographicHashingNameSpace as Hashes

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
# Columns with too many values to count each.
_MANY_VALUES = ("nome_completo", "data_nascimento", "numero")
# Hashes kept of such a column: the count is then right within 2.2 % (one standard error).
_LOWEST = 2_048
_HASHES = 1 << 64
# How precisely the extremes of a date are kept: the oldest client's birthday is a person's.
_PRECISION = {"data_nascimento": "%Y", "data_cadastro": "%Y-%m-%d"}


class Part(TypedDict):
    """The counts of one task, with the lowest hashes of columns that have too many values."""

    nulls: dict[str, int]
    categories: dict[str, dict[str, int]]
    registrations: dict[str, int]
    extremes: dict[str, list[str]]
    lowest: dict[str, list[int]]


def taken(kept: pl.DataFrame, as_of: date) -> Part:
    """Return the counts of some rows, one per person.

    Parameters
    ----------
    kept : DataFrame
        The columns of :data:`client_health.clean.register.CANDIDATE_SCHEMA`.
    as_of : date
        Day of the delivery.

    Returns
    -------
    Part
    """
    return {
        "nulls": kept.select(
            (pl.col(register.WARNINGS) & bit != 0).sum().alias(name)
            for name, bit in register.MISSING.items()
        ).row(0, named=True),
        "categories": {name: _counted(kept, _category(name)) for name in _KNOWN},
        "registrations": _registrations(kept, as_of),
        "extremes": {name: found for name in _PRECISION if (found := _extremes(kept, name))},
        "lowest": {name: _lowest(kept, name) for name in _MANY_VALUES},
    }


def total(parts: Iterable[Part]) -> Profile:
    """Return the counts of all tasks together.

    Notes
    -----
    Different values are estimated from the k lowest hashes: if the highest of them is at the share
    s of all possible ones, there are (k - 1) / s values. Source: Bar-Yossef et al., "Counting
    Distinct Elements in a Data Stream", 2002, algorithm 1. Fewer than k values are counted.
    """
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
        "distinct": {
            name: _distinct({number for one in found for number in one["lowest"][name]})
            for name in _MANY_VALUES
        },
    }


def _category(name: str) -> pl.Expr:
    known = _KNOWN[name].fill_null(value=False)
    return pl.when(known).then(pl.col(name)).otherwise(pl.lit(OTHER)).alias(name)


def _registrations(kept: pl.DataFrame, as_of: date) -> dict[str, int]:
    day = pl.col("data_cadastro").dt.date()
    recent = day.filter(day.is_between(as_of - timedelta(days=DAYS), as_of))
    return _counted(kept, recent.dt.to_string("%Y-%m-%d"))


def _counted(rows: pl.DataFrame, value: pl.Expr) -> dict[str, int]:
    counts = rows.select(value.alias("value")).to_series().value_counts().sort("value")
    return {str(name): int(count) for name, count in counts.iter_rows()}


def _lowest(kept: pl.DataFrame, name: str) -> list[int]:
    """Return the lowest hashes of a column's values, which are the same on every processor."""
    hashed = Hashes(pl.col(name).cast(pl.String)).xxhash64().unique()
    return sorted(kept.select(hashed.bottom_k(_LOWEST)).to_series().to_list())


def _distinct(hashes: set[int]) -> int:
    if len(hashes) < _LOWEST:
        return len(hashes)
    return round((_LOWEST - 1) * _HASHES / sorted(hashes)[_LOWEST - 1])


def _extremes(kept: pl.DataFrame, name: str) -> list[str]:
    is_given = pl.col(register.WARNINGS) & register.MISSING[name] == 0
    present = kept.select(pl.col(name).filter(is_given)).to_series()
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
