"""Entries of the lists of people when the key of the ids changes: who waits, and the new rows.

The lists are the tables ``suppressions`` and ``legal_holds``. An entry has an id, and the version
of the key that the id was made with. An entry of an earlier key is written again under the new one
when a delivery shows the person's CPF. The earlier row stays: a rollback may bring its key back.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from register_contract.tables import ID_KEY, LEGAL_HOLDS, PERSON, SUPPRESSIONS, Table

#: The tables with ids of people who may be in no published row.
LISTS = (SUPPRESSIONS, LEGAL_HOLDS)
#: The id that the earlier key gives.
PREVIOUS = "previous_id"
MOVED = pl.Schema({PREVIOUS: pl.String(), PERSON: pl.String()})


def waiting(rows: pl.DataFrame, table: Table, id_key: str, today: date) -> int:
    """Return how many entries have an id of an earlier key only.

    No row says which ids are the same person's. But the rows of an erasure or hold are the same
    people under each key, so the missing ones are counted.

    Parameters
    ----------
    rows : DataFrame
        All rows of the table.
    table : Table
        One of :data:`LISTS`.
    id_key : str
        Version of the key that counts.
    today : date
        Holds that have ended by then do not count.

    Returns
    -------
    int
        Of holds, at most this many: some of the missing ones may have ended.
    """
    others = rows.filter(pl.col(ID_KEY) != id_key)
    active = others
    if table is LEGAL_HOLDS:
        newest = others.sort("recorded_at").unique(PERSON, keep="last", maintain_order=True)
        active = newest.filter(pl.col("until") >= today)
    by = [table.key, ID_KEY]
    people = pl.col(PERSON).n_unique()
    known = rows.filter(pl.col(ID_KEY) == id_key).group_by(table.key).agg(people.alias("known"))
    counted = (
        active.group_by(by)
        .agg(people.alias("active"))
        .join(others.group_by(by).agg(people.alias("all")), on=by)
        .join(known, on=table.key, how="left")
        .with_columns(pl.col("active", "all", "known").fill_null(0).cast(pl.Int64))
    )
    missing = pl.min_horizontal("active", pl.max_horizontal(0, pl.col("all") - pl.col("known")))
    # Several earlier keys may each have the same people.
    by_entry = counted.group_by(table.key).agg(missing.max().alias("missing"))
    return int(by_entry["missing"].sum())


def again(
    rows: pl.DataFrame, table: Table, moved: pl.DataFrame, previous: str, id_key: str
) -> pl.DataFrame:
    """Return the rows of an earlier key under the new one, without those that are there already.

    Parameters
    ----------
    rows : DataFrame
        All rows of the table.
    table : Table
        One of :data:`LISTS`.
    moved : DataFrame
        The columns of :data:`MOVED`: both ids of the people that the delivery shows.
    previous, id_key : str
        Versions of the earlier and of the new key.
    """
    known = rows.filter(pl.col(ID_KEY) == id_key)
    return (
        rows.filter(pl.col(ID_KEY) == previous)
        .rename({PERSON: PREVIOUS})
        .join(moved.unique(), on=PREVIOUS)
        .with_columns(pl.lit(id_key).alias(ID_KEY))
        .select(rows.columns)
        .join(known, on=[table.key, PERSON], how="anti")
    )
