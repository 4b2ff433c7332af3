"""Dates, times and house numbers: what each source's format takes and what it refuses."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from client_health import dates
from client_health.contract import DateFormat

READ = [
    (DateFormat.ISO_DATE, "2020-02-29", date(2020, 2, 29)),
    (DateFormat.ISO_DATE, "2021-02-29", None),
    (DateFormat.ISO_DATE, "2020", None),
    (DateFormat.ISO_DATE, "2020-1-5", None),
    (DateFormat.ISO_DATE, "2020-01-05\n", None),
    (DateFormat.DAY_FIRST, "31/12/1999", date(1999, 12, 31)),
    (DateFormat.DAY_FIRST, "31/02/1999", None),
    (DateFormat.DAY_FIRST, "1999-12-31", None),
    (DateFormat.ENGLISH_MONTH, "January 07, 1949", date(1949, 1, 7)),
    (DateFormat.ENGLISH_MONTH, "may 7, 1949", date(1949, 5, 7)),
    (DateFormat.ENGLISH_MONTH, "February 30, 1949", None),
    (DateFormat.ENGLISH_MONTH, "Janeiro 07, 1949", None),
    (DateFormat.ISO_T, "2020-05-01T23:59:59", datetime(2020, 5, 1, 23, 59, 59)),
    (DateFormat.ISO_T, "2020-05-01", None),
    (DateFormat.ISO_T, "2020-05-01T24:00:00", None),
    (DateFormat.ISO_SPACE, "2020-05-01 00:00:00", datetime(2020, 5, 1)),
    (DateFormat.EPOCH_MILLISECONDS, "1574853122000", datetime(2019, 11, 27, 11, 12, 2)),
    (DateFormat.EPOCH_MILLISECONDS, "-1000", datetime(1969, 12, 31, 23, 59, 59)),
    (DateFormat.EPOCH_MILLISECONDS, "1.5e12", None),
    (DateFormat.EPOCH_MILLISECONDS, "", None),
]


@pytest.mark.parametrize("written", list(DateFormat))
def test_a_format_takes_what_it_says_and_nothing_else(
    spark: SparkSession, written: DateFormat
) -> None:
    cases = [(came, became) for kind, came, became in READ if kind is written]
    frame = spark.createDataFrame([(came,) for came, _ in cases], "value string")
    found = [row[0] for row in frame.select(dates.parse(F.col("value"), written)).collect()]
    assert found == [became for _, became in cases]


def test_a_house_number_keeps_its_zeros(spark: SparkSession) -> None:
    cases = {
        "100": 100,
        "120.0": 120,
        "0": 0,
        "007": 7,
        "1.5": None,
        "s/n": None,
        "-3": None,
        "": None,
    }
    frame = spark.createDataFrame([(came,) for came in cases], "value string")
    found = [row[0] for row in frame.select(dates.parse_house_number(F.col("value"))).collect()]
    assert found == list(cases.values())
