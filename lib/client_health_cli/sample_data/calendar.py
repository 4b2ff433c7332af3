"""Days and times as each source writes them, looked up instead of formatted row by row."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pyarrow as pa

from client_health_cli.sample_data.draws import Integers
from client_health_cli.sample_data.texts import join, numerals

FIRST_DAY = dt.date(1930, 1, 1)
LAST_DAY = dt.date(2099, 12, 31)
EPOCH = dt.date(1970, 1, 1)
DAY_SECONDS = 86_400

# English whatever the locale of the process is.
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

DayStyle = Callable[[dt.date], str]


def iso(day: dt.date) -> str:
    """Write `1990-03-05`."""
    return day.isoformat()


def brazilian(day: dt.date) -> str:
    """Write `05/03/1990`."""
    return f"{day.day:02}/{day.month:02}/{day.year}"


def english(day: dt.date) -> str:
    """Write `March 05, 1990`."""
    return f"{_MONTHS[day.month - 1]} {day.day:02}, {day.year}"


def day_number(day: dt.date) -> int:
    """Count the days since 1970-01-01."""
    return (day - EPOCH).days


class Days:
    """Every day from 1930 to 2099 in one style.

    Parameters
    ----------
    style
        How a day is written.
    """

    def __init__(self, style: DayStyle) -> None:
        self._first = day_number(FIRST_DAY)
        count = day_number(LAST_DAY) - self._first + 1
        self._texts = pa.array([style(FIRST_DAY + dt.timedelta(days=n)) for n in range(count)])

    def texts(self, days: Integers) -> pa.StringArray:
        """Write days given as numbers since 1970-01-01."""
        return self._texts.take(days - self._first)


class Seconds:
    """Every second of a day as `HH:MM:SS`."""

    def __init__(self) -> None:
        self._texts = pa.array(
            [
                f"{hour:02}:{minute:02}:{second:02}"
                for hour in range(24)
                for minute in range(60)
                for second in range(60)
            ]
        )

    def texts(self, seconds: Integers) -> pa.StringArray:
        """Write the time of day of each count of seconds since 1970."""
        return self._texts.take(seconds % DAY_SECONDS)


class Stamps:
    """Points in time as a day, a separator and a time of day.

    Parameters
    ----------
    separator
        What stands between the day and the time.
    """

    def __init__(self, separator: str) -> None:
        self._days, self._seconds, self._separator = Days(iso), Seconds(), separator

    def texts(self, seconds: Integers) -> pa.StringArray:
        """Write counts of seconds since 1970."""
        days = self._days.texts(seconds // DAY_SECONDS)
        return join(days, self._seconds.texts(seconds), separator=self._separator)


class Milliseconds:
    """Points in time as milliseconds since 1970."""

    def texts(self, seconds: Integers) -> pa.StringArray:
        """Write counts of seconds since 1970."""
        return numerals(seconds * 1000)
