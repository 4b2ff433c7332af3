"""Rejected rows as the table ``rejected`` keeps them, and back again.

A rejection's name is made from what was rejected and where it came from, never from the run: the
same row of the same delivery has the same name in every run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl
import polars_hash

from client_health.clean import rules
from client_health.read import dates, sources
from client_health.read.sources import MALFORMED_LINE, REJECTION_ID, SOURCE
from register_contract import contract
from register_contract.contract import Source

RECORD = "record"
_ORIGIN, _CONTENT, _PLACE, _BEFORE = "origin", "content", "place", "before"
# Half of the hash: 128 bits.
_DIGITS = 32
_SOURCES = {source.name: source for source in contract.SOURCES}


def described(frames: Iterable[pl.DataFrame], delivery_id: str) -> Iterator[pl.DataFrame]:
    """Yield rejected rows with their names, reasons, and records.

    Parameters
    ----------
    frames : iterable of DataFrame
        Rejected rows in the register's shape, with their reasons; each of one source.
    delivery_id : str
        The delivery that they came with.

    Yields
    ------
    DataFrame
        ``source``, ``rejection_id``, ``reasons``, and ``record``.
    """
    seen = pl.DataFrame(schema={_CONTENT: pl.String, _BEFORE: pl.UInt32})
    for rows in frames:
        if rows.is_empty():
            continue
        source = _SOURCES[rows[SOURCE][0]]
        found = rows.select(
            SOURCE,
            _content(_origin(rows, delivery_id)).alias(_CONTENT),
            pl.col(rules.REASONS).list.join(","),
            _record(source).alias(RECORD),
        ).with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).over(_CONTENT).alias(_PLACE))
        known = found.join(seen, on=_CONTENT, how="left", maintain_order="left")
        place = pl.col(_PLACE) + pl.col(_BEFORE).fill_null(0)
        yield known.select(
            SOURCE,
            pl.concat_str(_CONTENT, place, separator="-").alias(REJECTION_ID),
            rules.REASONS,
            RECORD,
        )
        counted = found.group_by(_CONTENT).agg(pl.len().cast(pl.UInt32).alias(_BEFORE))
        seen = pl.concat([seen, counted]).group_by(_CONTENT).agg(pl.col(_BEFORE).sum())


def _origin(rows: pl.DataFrame, delivery_id: str) -> pl.Expr:
    """Return where rows came from: the delivery, or the rejection that a corrected row corrects."""
    return pl.col(REJECTION_ID) if REJECTION_ID in rows.columns else pl.lit(delivery_id)


def _content(origin: pl.Expr) -> pl.Expr:
    """Return the hash of a row and its origin: equal rows of a delivery have the same."""
    row = polars_hash.hash_rows([origin.alias(_ORIGIN), *sources.SCHEMA.names()], version=1)
    return row.chash.sha2_256().str.head(_DIGITS)


def _record(source: Source) -> pl.Expr:
    return pl.coalesce(MALFORMED_LINE, sources.as_delivered(source))


def delivered(rejected: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Return a source's rejected rows in its own columns, all text.

    Parameters
    ----------
    rejected : DataFrame
        Rows of the table ``rejected``.
    source : Source

    Returns
    -------
    DataFrame
        ``rejection_id``, the source's columns, and ``malformed_line``: the line, if it could not
        be split into its columns.
    """
    own = rejected.filter(pl.col(SOURCE) == source.name)
    malformed = pl.col(rules.REASONS).str.split(",").list.contains(rules.MALFORMED)
    lines = own.select(pl.when(malformed).then(RECORD).alias(MALFORMED_LINE))
    fields = pl.Struct(dict.fromkeys(source.columns, pl.String()))
    records = own.select(pl.when(malformed).then(pl.lit("{}")).otherwise(RECORD).alias(RECORD))
    values = records[RECORD].str.json_decode(fields).struct.unnest()
    return pl.concat([own.select(REJECTION_ID), values, lines], how="horizontal")


def sample(delivered: pl.DataFrame, source: Source, rows: int = 2) -> pl.DataFrame:
    """Return some rows under the register's names, with their source, to show them masked.

    A health plan that a rejected row names may be a person's name in the wrong column, so it is
    masked here. Malformed lines have no columns to show.

    Parameters
    ----------
    delivered : DataFrame
        From :func:`delivered`.
    source : Source
    rows : int
        The most rows to return.
    """
    plan = contract.PARTITION_COLUMN
    masked = [pl.when(pl.col(plan).is_not_null()).then(pl.lit(contract.MASK)).alias(plan)]
    # A time that can't be read may be anything, too.
    registered = dates.parse(pl.col("data_cadastro"), source.timestamp)
    masked.append(
        pl.when(registered.is_null() & pl.col("data_cadastro").is_not_null())
        .then(pl.lit(contract.MASK))
        .otherwise(pl.col("data_cadastro"))
        .alias("data_cadastro")
    )
    names = {source.column(name): name for name in sources.REGISTER_TYPES}
    return (
        delivered.filter(pl.col(MALFORMED_LINE).is_null())
        .head(rows)
        .select(list(names))
        .rename(names)
        .with_columns(*masked, pl.lit(source.name).alias(SOURCE))
    )
