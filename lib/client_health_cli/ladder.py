"""The k-anonymity of a lake: each step of the ladder, measured with and without the name."""

from __future__ import annotations

from typing import Any

import polars as pl

from client_health import classes
from client_health_cli.published import PublishedTable
from register_contract import anonymity
from register_contract.anonymity import Measured


def measured(table: PublishedTable) -> list[dict[str, Any]]:
    """Return a row for the published values, and one for each step of the ladder.

    Parameters
    ----------
    table
        The published table.

    Returns
    -------
    list of dict
        Step, meaning, classes, smallest class, and percentage of clients in small classes, the
        latter two also with the name; and whether the anonymous table is made with the step.
    """
    rows = _rows(table)
    without, named = (_steps(rows, names=names) for names in (False, True))
    enough = next(one.step for one in without if anonymity.is_enough(one))
    return [
        {
            "step": one.step,
            "meaning": anonymity.meaning_of(one.step),
            "classes": one.classes,
            "smallest": one.smallest,
            "percent_under_k": round(100 * one.share, 2),
            "smallest_with_name": with_name.smallest,
            "percent_under_k_with_name": round(100 * with_name.share, 2),
            "chosen": one.step == enough,
        }
        for one, with_name in zip(without, named, strict=True)
    ]


def _rows(table: PublishedTable) -> pl.LazyFrame:
    columns = [*anonymity.QUASI_IDENTIFIERS, classes.NAME]
    if table.rows is not None:
        return pl.DataFrame(table.rows.select(columns)).lazy()
    # The partition column is in the files; folder names would override it.
    return pl.scan_parquet(list(table.files), hive_partitioning=False).select(columns)


def _steps(rows: pl.LazyFrame, *, names: bool) -> list[Measured]:
    found = classes.tally([rows], names=names)
    return [found.published, *(one for one, _ in classes.climb(found))]
