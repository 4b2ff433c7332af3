r"""Dates and numbers of the three sources as Polars expressions.

A parser accepts more than a format does (``January 5,1990``, the 60th second, more digits), so each
parser has a pattern for the whole text, with ``\A`` and ``\z``. Text that does not match becomes
null; the callers record that it was given but unreadable.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from register_contract import contract
from register_contract.contract import DateFormat


def _if_written(text: pl.Expr, pattern: str) -> pl.Expr:
    return pl.when(text.str.contains(rf"\A{pattern}\z")).then(text)


def _iso_date(text: pl.Expr) -> pl.Expr:
    written = _if_written(text, "[0-9]{4}-[0-9]{2}-[0-9]{2}")
    return written.str.to_date("%Y-%m-%d", strict=False)


def _day_first(text: pl.Expr) -> pl.Expr:
    written = _if_written(text, "[0-9]{2}/[0-9]{2}/[0-9]{4}")
    return written.str.to_date("%d/%m/%Y", strict=False)


def _english_month(text: pl.Expr) -> pl.Expr:
    # In any case, but only ASCII letters (`-u`). The parser would also accept "Jan".
    months = "|".join(contract.MONTHS)
    written = _if_written(text, rf"(?i-u:{months}) [0-9]{{1,2}}, [0-9]{{4}}")
    return written.str.to_date("%B %d, %Y", strict=False)


# A Parquet column of type timestamp arrives as text with a space, so both separators are valid.
_ISO_TIMESTAMP = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
_SECONDS = "%Y-%m-%d %H:%M:%S"


def _iso_timestamp(text: pl.Expr) -> pl.Expr:
    written = _if_written(text, _ISO_TIMESTAMP).str.replace("T", " ", literal=True)
    whole = written.str.to_datetime(_SECONDS, time_unit="us", strict=False)
    # Reading fractions takes three times as long, so this is only done if there are some.
    with_fraction = pl.when(written.str.contains(".", literal=True)).then(written)
    parts = with_fraction.str.to_datetime(f"{_SECONDS}%.f", time_unit="us", strict=False)
    return pl.coalesce(whole, parts)


def _epoch_milliseconds(text: pl.Expr) -> pl.Expr:
    since = _if_written(text, "-?[0-9]{1,13}").cast(pl.Int64, strict=False)
    return (since * 1000).cast(pl.Datetime("us"))


_PARSERS: dict[DateFormat, Callable[[pl.Expr], pl.Expr]] = {
    DateFormat.ISO_DATE: _iso_date,
    DateFormat.DAY_FIRST: _day_first,
    DateFormat.ENGLISH_MONTH: _english_month,
    DateFormat.ISO_T: _iso_timestamp,
    DateFormat.ISO_SPACE: _iso_timestamp,
    DateFormat.EPOCH_MILLISECONDS: _epoch_milliseconds,
}


def parse(text: pl.Expr, written: DateFormat) -> pl.Expr:
    """Return a date, or a time in microseconds without a zone, from tidied text.

    Parameters
    ----------
    text : Expr of String
        Trimmed text.
    written : DateFormat
        How the source writes it.

    Returns
    -------
    Expr of Date or Datetime("us")
        Null if the text does not match the format or isn't a day of the calendar.
    """
    return _PARSERS[written](text)


_WRITTEN: dict[DateFormat, str] = {
    DateFormat.ISO_DATE: "%Y-%m-%d",
    DateFormat.DAY_FIRST: "%d/%m/%Y",
    DateFormat.ENGLISH_MONTH: "%B %d, %Y",
    DateFormat.ISO_T: "%Y-%m-%dT%H:%M:%S%.f",
    DateFormat.ISO_SPACE: f"{_SECONDS}%.f",
}


def write(value: pl.Expr, written: DateFormat) -> pl.Expr:
    """Return a date or a time as a source writes it: the inverse of :func:`parse`.

    Parameters
    ----------
    value : Expr of Date or Datetime("us")
    written : DateFormat
        How the source writes it.

    Returns
    -------
    Expr of String, or of Int64 for milliseconds
    """
    if written is DateFormat.EPOCH_MILLISECONDS:
        return value.dt.epoch("ms")
    return value.dt.to_string(_WRITTEN[written])


def parse_house_number(text: pl.Expr) -> pl.Expr:
    """Return the house number from ``120`` or ``120.0``; null for any other text."""
    whole = text.str.extract(r"\A([0-9]{1,9})(?:\.0*)?\z")
    return whole.cast(pl.Int32, strict=False)
