"""The three sources in one shape: ``transform_parquet``, ``transform_csv``, ``transform_json``.

Each takes a DataFrame with the source's own columns, all text, and gives the register's columns
with their types, in one order. Texts are left as they came, so that a rejected row can be shown to
its sender as it was; only dates and numbers are read here, since each source writes them its way.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from client_health import contract, dates, text
from client_health.contract import Source

SOURCE = "source"
MALFORMED_LINE = "malformed_line"
# Given, but not readable as a date, a time or a number: the rules need to know.
UNREADABLE_BIRTH = "unreadable_data_nascimento"
UNREADABLE_REGISTRATION = "unreadable_data_cadastro"
UNREADABLE_NUMBER = "unreadable_numero"

_READ = {
    "data_nascimento": UNREADABLE_BIRTH,
    "data_cadastro": UNREADABLE_REGISTRATION,
    "numero": UNREADABLE_NUMBER,
}
_BY_NAME = {source.name: source for source in contract.SOURCES}


def _one_shape(raw: DataFrame, source: Source) -> DataFrame:
    def given(name: str) -> Column:
        column = F.col(source.column(name))
        return text.trim(column) if name in _READ else column

    def read(name: str) -> Column:
        if name == "numero":
            return dates.parse_house_number(F.col(name))
        return dates.parse(F.col(name), source.date if "nascimento" in name else source.timestamp)

    names = [column.name for column in contract.REGISTER_COLUMNS]
    malformed = F.col(MALFORMED_LINE) if MALFORMED_LINE in raw.columns else F.lit(None)
    # Three projections, each on columns of the one before: nothing is computed twice, and the
    # marks are set by the values that are written.
    came = raw.select(
        *(given(name).alias(name) for name in names), malformed.cast("string").alias(MALFORMED_LINE)
    )
    values = came.select(
        *(read(name).alias(name) if name in _READ else F.col(name) for name in names),
        *((F.col(name) != "").alias(mark) for name, mark in _READ.items()),
        MALFORMED_LINE,
    )
    return values.select(
        F.lit(source.name).alias(SOURCE),
        *names,
        *(
            (F.coalesce(F.col(mark), F.lit(False)) & F.col(name).isNull()).alias(mark)
            for name, mark in _READ.items()
        ),
        MALFORMED_LINE,
    )


def transform_parquet(raw: DataFrame) -> DataFrame:
    """Bring the Parquet source into the register's shape.

    Parameters
    ----------
    raw : DataFrame
        The columns of the contract's Parquet source, all text.

    Returns
    -------
    DataFrame
        ``source``, the register's columns but the id, and what could not be read.
    """
    return _one_shape(raw, _BY_NAME["parquet"])


def transform_csv(raw: DataFrame) -> DataFrame:
    """Bring the CSV source into the register's shape; see :func:`transform_parquet`."""
    return _one_shape(raw, _BY_NAME["csv"])


def transform_json(raw: DataFrame) -> DataFrame:
    """Bring the JSON lines source into the register's shape; see :func:`transform_parquet`."""
    return _one_shape(raw, _BY_NAME["json"])
