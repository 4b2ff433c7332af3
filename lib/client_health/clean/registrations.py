"""Clients by year of registration, without years that few clients share.

Pure functions on Polars frames. The year is counted apart from the classes of
:mod:`client_health.clean.classes`: as one more quasi-identifier, it would make them too small.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

import polars as pl

from register_contract import anonymity, columns

YEAR, CLIENTS = "ano", "clientes"
REGISTERED = "data_cadastro"
_SCHEMA = pl.Schema({YEAR: pl.Int32(), CLIENTS: pl.Int64()})
_UNKNOWN = datetime.fromisoformat(columns.DEFAULT_TIMESTAMP)


def by_year(rows: pl.DataFrame | pl.LazyFrame, until: date) -> pl.DataFrame:
    """Return the clients of each year.

    Parameters
    ----------
    rows : DataFrame or LazyFrame
        Published rows: at least the time of registration.
    until : date
        The last day that is not in the future.

    Returns
    -------
    DataFrame
        Columns ``ano``, which is null for missing and future times, and ``clientes``.
    """
    time = pl.col(REGISTERED)
    known = (time > _UNKNOWN) & (time.dt.date() <= until)
    year = pl.when(known).then(time.dt.year()).alias(YEAR)
    counted = rows.lazy().group_by(year).agg(pl.len().alias(CLIENTS))
    return counted.select(pl.col(name).cast(kind) for name, kind in _SCHEMA.items()).collect()


def anonymous(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return the sum of several counts, without a row of too few clients.

    Clients of small years share the row without a year, so that the sum stays right. If they are
    too few for a row, the smallest other year joins them.

    Parameters
    ----------
    parts : iterable of DataFrame
        Results of :func:`by_year`.
    """
    counted = pl.concat([_SCHEMA.to_frame(), *parts]).group_by(YEAR).agg(pl.col(CLIENTS).sum())
    named = pl.col(YEAR).is_not_null() & (pl.col(CLIENTS) >= anonymity.K)
    years, left = counted.filter(named), int(counted.filter(~named)[CLIENTS].sum())
    if 0 < left < anonymity.K:
        joining = years.sort(CLIENTS, YEAR).head(1)
        years = years.join(joining, on=YEAR, how="anti")
        left += int(joining[CLIENTS].sum())
    if left >= anonymity.K:
        rest = pl.DataFrame([{YEAR: None, CLIENTS: left}], schema=_SCHEMA)
        years = pl.concat([years, rest])
    return years.sort(YEAR, nulls_last=True)
