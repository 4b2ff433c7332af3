"""The three sources in one shape: ``transform_parquet``, ``transform_csv``, ``transform_json``.

Each takes a DataFrame with the source's own columns, all text, and returns the register's columns
with their types, in one order. Texts stay unchanged, so that a rejected row can be shown to its
sender as delivered. Only dates and numbers are parsed, because each source has its own format.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from client_health.clean import text
from client_health.read import dates
from register_contract import contract
from register_contract.contract import Source

SOURCE = "source"
MALFORMED_LINE = "malformed_line"
# Given, but not readable as a date, time, or number: the rules need this.
UNREADABLE_BIRTH = "unreadable_data_nascimento"
UNREADABLE_REGISTRATION = "unreadable_data_cadastro"
UNREADABLE_NUMBER = "unreadable_numero"
# The texts of these values, for whoever corrects them.
_GIVEN = "given_"

#: Only in corrected rows that came back: the rejection that a row corrects.
REJECTION_ID = "rejection_id"

_READ = {
    "data_nascimento": UNREADABLE_BIRTH,
    "data_cadastro": UNREADABLE_REGISTRATION,
    "numero": UNREADABLE_NUMBER,
}
_BY_NAME = {source.name: source for source in contract.SOURCES}


TYPES: dict[str, pl.DataType] = {
    "string": pl.String(),
    "date": pl.Date(),
    "int": pl.Int32(),
    "timestamp_ntz": pl.Datetime("us"),
}
REGISTER_TYPES = {column.name: TYPES[column.type] for column in contract.REGISTER_COLUMNS}
# The columns that each function of this module returns.
SCHEMA = pl.Schema(
    {SOURCE: pl.String()}
    | REGISTER_TYPES
    | dict.fromkeys(_READ.values(), pl.Boolean())
    | {f"{_GIVEN}{name}": pl.String() for name in _READ}
    | {MALFORMED_LINE: pl.String()}
)


def _one_shape(raw: pl.DataFrame, source: Source) -> pl.DataFrame:
    def given(name: str) -> pl.Expr:
        column = pl.col(source.column(name))
        return text.trim(column) if name in _READ else column

    def read(name: str) -> pl.Expr:
        if name == "numero":
            return dates.parse_house_number(pl.col(name))
        return dates.parse(pl.col(name), source.date if "nascimento" in name else source.timestamp)

    malformed = pl.col(MALFORMED_LINE) if MALFORMED_LINE in raw.columns else pl.lit(None)
    # Each step uses the previous step's columns, so the marks are based on the values as written.
    return (
        raw.lazy()
        .select(
            pl.lit(source.name).alias(SOURCE),
            *(given(name).alias(name) for name in REGISTER_TYPES),
            malformed.cast(pl.String).alias(MALFORMED_LINE),
        )
        .with_columns(
            *((pl.col(name) != "").alias(mark) for name, mark in _READ.items()),
            *(pl.col(name).alias(f"{_GIVEN}{name}") for name in _READ),
        )
        .with_columns(read(name).alias(name) for name in _READ)
        .with_columns(
            (pl.col(mark).fill_null(value=False) & pl.col(name).is_null()).alias(mark)
            for name, mark in _READ.items()
        )
        .with_columns(
            pl.when(mark).then(pl.col(f"{_GIVEN}{name}")).alias(f"{_GIVEN}{name}")
            for name, mark in _READ.items()
        )
        .select(SCHEMA.names())
        .collect()
    )


def transform_parquet(raw: pl.DataFrame) -> pl.DataFrame:
    """Return the Parquet source in the register's shape.

    Parameters
    ----------
    raw : DataFrame
        The columns of the contract's Parquet source and ``malformed_line``, all text.

    Returns
    -------
    DataFrame
        ``source``, the register's columns except the id, and marks and texts of what could not be
        read.
    """
    return _one_shape(raw, _BY_NAME["parquet"])


def transform_csv(raw: pl.DataFrame) -> pl.DataFrame:
    """Return the CSV source in the register's shape; see :func:`transform_parquet`."""
    return _one_shape(raw, _BY_NAME["csv"])


def transform_json(raw: pl.DataFrame) -> pl.DataFrame:
    """Return the JSON lines source in the register's shape; see :func:`transform_parquet`."""
    return _one_shape(raw, _BY_NAME["json"])


def as_delivered(source: Source) -> pl.Expr:
    """Return a source's own columns from the register's shape: the inverse of the functions above.

    Parameters
    ----------
    source : Source

    Returns
    -------
    Expr
        A JSON object for each row. Numbers and times of the JSON source are numbers, except in rows
        with one that could not be read; everything else is text.
    """

    def written(name: str) -> pl.Expr:
        column = pl.col(name)
        if name == "data_nascimento":
            return dates.write(column, source.date)
        if name == "data_cadastro":
            return dates.write(column, source.timestamp)
        if name == "numero" and source.name == "parquet":
            return column.cast(pl.String)
        if name == "numero" and source.name == "csv":
            return column.cast(pl.Float64).cast(pl.String)
        return column

    def as_came(name: str) -> pl.Expr:
        if name not in _READ:
            return written(name)
        return pl.coalesce(pl.col(f"{_GIVEN}{name}"), written(name).cast(pl.String))

    def encoded(value: Callable[[str], pl.Expr]) -> pl.Expr:
        columns = [value(name).alias(source.column(name)) for name in REGISTER_TYPES]
        return pl.struct(columns).struct.json_encode()

    unreadable = pl.any_horizontal(_READ.values())
    return pl.when(unreadable).then(encoded(as_came)).otherwise(encoded(written))
