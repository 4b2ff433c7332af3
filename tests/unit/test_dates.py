"""Dates, times, and house numbers: what each source's format accepts and refuses."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_health.read import dates
from register_contract import contract
from register_contract.contract import DateFormat

READ = [
    (DateFormat.ISO_DATE, "2020-02-29", date(2020, 2, 29)),
    (DateFormat.ISO_DATE, "2021-02-29", None),
    (DateFormat.ISO_DATE, "9999-12-31", date(9999, 12, 31)),
    (DateFormat.ISO_DATE, "10000-01-01", None),
    (DateFormat.ISO_DATE, "2020", None),
    (DateFormat.ISO_DATE, "2020-1-5", None),
    (DateFormat.ISO_DATE, "2020-01-05\n", None),
    (DateFormat.ISO_DATE, "２０２０-01-05", None),
    (DateFormat.DAY_FIRST, "31/12/1999", date(1999, 12, 31)),
    (DateFormat.DAY_FIRST, "31/02/1999", None),
    (DateFormat.DAY_FIRST, "00/02/1999", None),
    (DateFormat.DAY_FIRST, "1/02/1999", None),
    (DateFormat.DAY_FIRST, "1999-12-31", None),
    (DateFormat.ENGLISH_MONTH, "January 07, 1949", date(1949, 1, 7)),
    (DateFormat.ENGLISH_MONTH, "may 7, 1949", date(1949, 5, 7)),
    (DateFormat.ENGLISH_MONTH, "DECEMBER 31, 1949", date(1949, 12, 31)),
    (DateFormat.ENGLISH_MONTH, "February 30, 1949", None),
    (DateFormat.ENGLISH_MONTH, "Jan 07, 1949", None),
    (DateFormat.ENGLISH_MONTH, "Auguſt 07, 1949", None),
    (DateFormat.ENGLISH_MONTH, "January 07,1949", None),
    (DateFormat.ENGLISH_MONTH, "January  7, 1949", None),
    (DateFormat.ENGLISH_MONTH, "Janeiro 07, 1949", None),
    (DateFormat.ISO_T, "2020-05-01T23:59:59", datetime(2020, 5, 1, 23, 59, 59)),
    (DateFormat.ISO_T, "2020-05-01 23:59:59", datetime(2020, 5, 1, 23, 59, 59)),
    (DateFormat.ISO_T, "2020-05-01T10:00:00.5", datetime(2020, 5, 1, 10, 0, 0, 500_000)),
    (DateFormat.ISO_T, "2020-05-01T10:00:00.000001", datetime(2020, 5, 1, 10, 0, 0, 1)),
    (DateFormat.ISO_T, "2020-05-01T10:00:00.0000001", None),
    (DateFormat.ISO_T, "2020-05-01T10:00:00.", None),
    (DateFormat.ISO_T, "2020-05-01", None),
    (DateFormat.ISO_T, "2020-05-01T24:00:00", None),
    (DateFormat.ISO_T, "2020-05-01T23:60:00", None),
    (DateFormat.ISO_T, "2020-05-01T23:59:60", None),
    (DateFormat.ISO_T, "2020-05-01T23:59:60.5", None),
    (DateFormat.ISO_T, "2020-05-01T23:59:59Z", None),
    (DateFormat.ISO_SPACE, "2020-05-01 00:00:00", datetime(2020, 5, 1)),
    (DateFormat.ISO_SPACE, "2020-02-30 00:00:00", None),
    (DateFormat.ISO_SPACE, "2020-02-30 00:00:00.5", None),
    (DateFormat.EPOCH_MILLISECONDS, "1574853122000", datetime(2019, 11, 27, 11, 12, 2)),
    (DateFormat.EPOCH_MILLISECONDS, "-1000", datetime(1969, 12, 31, 23, 59, 59)),
    (DateFormat.EPOCH_MILLISECONDS, "-1", datetime(1969, 12, 31, 23, 59, 59, 999_000)),
    (
        DateFormat.EPOCH_MILLISECONDS,
        "9999999999999",
        datetime(2286, 11, 20, 17, 46, 39, 999_000),
    ),
    (DateFormat.EPOCH_MILLISECONDS, "10000000000000", None),
    (DateFormat.EPOCH_MILLISECONDS, "+1000", None),
    (DateFormat.EPOCH_MILLISECONDS, "1.5e12", None),
    (DateFormat.EPOCH_MILLISECONDS, "", None),
]
few = settings(max_examples=25)
days = st.dates(date(1, 1, 1), date(9999, 12, 31))


def parse(written: DateFormat, *came: str | None) -> list[date | datetime | None]:
    text = pl.Series("text", came, pl.String)
    return pl.select(dates.parse(pl.lit(text), written)).to_series().to_list()


@pytest.mark.parametrize("written", list(DateFormat))
def test_a_format_takes_what_it_says_and_nothing_else(written: DateFormat) -> None:
    cases = [(came, became) for kind, came, became in READ if kind is written]
    assert parse(written, *(came for came, _ in cases), None) == [
        *(became for _, became in cases),
        None,
    ]


@pytest.mark.parametrize("written", list(DateFormat))
def test_a_format_gives_a_date_or_microseconds(written: DateFormat) -> None:
    kind = pl.select(dates.parse(pl.lit(""), written)).to_series().dtype
    day = written in (DateFormat.ISO_DATE, DateFormat.DAY_FIRST, DateFormat.ENGLISH_MONTH)
    assert kind == (pl.Date() if day else pl.Datetime("us"))


def test_the_year_0000_is_a_year() -> None:
    """Python doesn't support this year; in the calendar of Spark and Polars it has 366 days."""
    text = pl.lit(pl.Series(["0000-02-29", "0000-02-30"]))
    found = pl.select(dates.parse(text, DateFormat.ISO_DATE).cast(pl.Int32)).to_series()
    assert found.to_list() == [-719_469, None]


@few
@given(st.lists(days, min_size=20))
def test_every_day_of_the_calendar_is_read_in_every_format(came: list[date]) -> None:
    def written(day: date) -> str:
        return f"{contract.MONTHS[day.month - 1].title()} {day.day:02d}, {day.year:04d}"

    assert parse(DateFormat.ISO_DATE, *(day.isoformat() for day in came)) == came
    first = (f"{day.day:02d}/{day.month:02d}/{day.year:04d}" for day in came)
    assert parse(DateFormat.DAY_FIRST, *first) == came
    assert parse(DateFormat.ENGLISH_MONTH, *map(written, came)) == came


@few
@given(st.lists(st.integers(-9_999_999_999_999, 9_999_999_999_999), min_size=20))
def test_milliseconds_count_from_1970(came: list[int]) -> None:
    start = datetime(1970, 1, 1)
    expected = [start + timedelta(milliseconds=count) for count in came]
    assert parse(DateFormat.EPOCH_MILLISECONDS, *map(str, came)) == expected


@few
@given(st.lists(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)), min_size=20))
def test_a_time_is_read_to_the_microsecond(came: list[datetime]) -> None:
    assert parse(DateFormat.ISO_T, *(time.isoformat("T") for time in came)) == came
    assert parse(DateFormat.ISO_SPACE, *(time.isoformat(" ") for time in came)) == came


def test_a_house_number_keeps_its_zeros() -> None:
    cases = {
        "100": 100,
        "120.0": 120,
        "120.": 120,
        "0": 0,
        "007": 7,
        "999999999": 999_999_999,
        "1000000000": None,
        "1.5": None,
        "1.0.0": None,
        ".0": None,
        "７": None,
        "7\n": None,
        "s/n": None,
        "-3": None,
        "": None,
    }
    text = pl.lit(pl.Series(list(cases)))
    found = pl.select(dates.parse_house_number(text)).to_series()
    assert found.to_list() == list(cases.values())
    assert found.dtype == pl.Int32
