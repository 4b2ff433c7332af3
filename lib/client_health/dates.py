r"""Dates and numbers of the three sources as native column expressions.

A cast accepts more than a format does (``2020``, ``2020-1-5``, text after the day), so a pattern
guards each. Patterns end in ``\z``: Java's ``$`` also matches before a final newline. What does
not fit the pattern becomes null; the callers say that it was given and unreadable.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812

from client_health import contract
from client_health.contract import DateFormat


def _date(year: Column, month: Column, day: Column) -> Column:
    parts = [part.cast("int") for part in (year, month, day)]
    return F.make_date(*parts)


def _iso_date(text: Column) -> Column:
    return F.when(text.rlike(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\z"), text.cast("date"))


def _day_first(text: Column) -> Column:
    date = _date(F.substring(text, 7, 4), F.substring(text, 4, 2), F.substring(text, 1, 2))
    return F.when(text.rlike(r"\A[0-9]{2}/[0-9]{2}/[0-9]{4}\z"), date)


def _english_month(text: Column) -> Column:
    names = [F.lit(item) for pair in enumerate(contract.MONTHS, start=1) for item in reversed(pair)]
    month = F.create_map(*names)[F.lower(F.substring_index(text, " ", 1))]
    # Counted from the end: "... 05, 1990".
    date = _date(F.substring(text, -4, 4), month, F.trim(F.substring(text, -8, 2)))
    return F.when(text.rlike(r"\A[A-Za-z]{3,9} [0-9]{1,2}, [0-9]{4}\z"), date)


# A Parquet column of type timestamp arrives as text with a space, so either separator will do.
_ISO_TIMESTAMP = r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?\z"


def _iso_timestamp(text: Column) -> Column:
    return F.when(text.rlike(_ISO_TIMESTAMP), text.cast("timestamp_ntz"))


def _epoch_milliseconds(text: Column) -> Column:
    # The cast goes through the session's time zone, which `session.spark_session` sets to UTC.
    since = F.timestamp_millis(text.cast("bigint")).cast("timestamp_ntz")
    return F.when(text.rlike(r"\A-?[0-9]{1,13}\z"), since)


_PARSERS = {
    DateFormat.ISO_DATE: _iso_date,
    DateFormat.DAY_FIRST: _day_first,
    DateFormat.ENGLISH_MONTH: _english_month,
    DateFormat.ISO_T: _iso_timestamp,
    DateFormat.ISO_SPACE: _iso_timestamp,
    DateFormat.EPOCH_MILLISECONDS: _epoch_milliseconds,
}


def parse(text: Column, written: DateFormat) -> Column:
    """Return a date or a ``timestamp_ntz`` from tidied text.

    Parameters
    ----------
    text : Column of string
        Trimmed text.
    written : DateFormat
        How the source writes it.

    Returns
    -------
    Column of date or timestamp_ntz
        Null where the text does not fit the format or names no day of the calendar.
    """
    return _PARSERS[written](text)


def parse_house_number(text: Column) -> Column:
    """Return the house number from ``120`` or ``120.0``; null where it is neither."""
    whole = F.substring_index(text, ".", 1)
    return F.when(text.rlike(r"\A[0-9]{1,9}(?:\.0*)?\z"), whole.cast("int"))
