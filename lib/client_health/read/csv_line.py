"""Reads one line of CSV as univocity does, for lines that native code can't handle."""

from __future__ import annotations

import re
from collections.abc import Sequence

from register_contract import contract

# With more columns than about this, Spark's CSV parser ends the job.
_MOST_COLUMNS = 20_000
_SIMPLE_QUOTED = re.compile(r'([^"]+)"\|')
_DELIMITER = re.compile(r"\|")
_QUOTE_OR_NUL = re.compile(r'["\0]')
# The values of a line's columns, and whether the line is malformed.
Row = tuple[list[str | None], bool]


def row_of(line: str, count: int, places: Sequence[int]) -> Row:
    """Return the values of a line's wanted columns, and whether the line is malformed.

    Parameters
    ----------
    line : str
        The line, without its end.
    count : int
        How many columns a line has.
    places : sequence of int
        Positions of the wanted columns.
    """
    if line.count(contract.CSV_DELIMITER) >= _MOST_COLUMNS:
        return [None] * len(places), True
    values = _CsvLine(line).values() if '"' in line else line.split(contract.CSV_DELIMITER)
    # A malformed line keeps the values that it has.
    found = [values[at] or None if at < len(values) else None for at in places]
    return found, len(values) != count


class _EndError(Exception):
    """The line ends."""


class _CsvLine:
    """Parser of a line with quotes, like univocity's CsvParser with STOP_AT_DELIMITER."""

    def __init__(self, line: str) -> None:
        self._line = line
        self._at = 0
        self._now = ""
        self._before = ""
        self._unescaped = False
        self._value: list[str] = []
        self._values: list[str] = []

    def values(self) -> list[str]:
        try:
            self._record()
        except _EndError:
            self._end()
        return self._values

    def _next(self) -> str:
        if self._at >= len(self._line):
            raise _EndError
        self._now = self._line[self._at]
        self._at += 1
        return self._now

    def _take_until(self, stop: re.Pattern[str]) -> None:
        """Take the current character and those before one that stops; move to that one."""
        found = stop.search(self._line, self._at - 1)
        if found is None:
            self._value.append(self._line[self._at - 1 :])
            self._at = len(self._line)
            raise _EndError
        self._value.append(self._line[self._at - 1 : found.start()])
        self._now, self._at = found.group(), found.end()

    def _done(self) -> None:
        self._values.append("".join(self._value))
        self._value = []

    def _record(self) -> None:
        self._next()
        while True:
            if self._now == contract.CSV_DELIMITER:
                self._done()
            else:
                self._unescaped = False
                self._before = ""
                if self._now != '"':
                    self._take_until(_DELIMITER)
                elif simple := _SIMPLE_QUOTED.match(self._line, self._at):
                    self._value.append(simple.group(1))
                    self._at = simple.end()
                    self._now = contract.CSV_DELIMITER
                else:
                    self._quoted()
                self._done()
            self._next()

    def _quoted(self) -> None:
        self._next()
        while not (self._before == '"' and (self._now <= " " or self._now == "|")):
            if self._now == '"':
                if self._before == '"':
                    self._value.append('"')
                    self._now = ""
                self._before = self._now
                after = self._next()
                if self._unescaped and after == "|":
                    return
            elif self._before == '"':
                self._unescaped = True
                self._value += ['"', self._now]
                self._to_delimiter()
                return
            else:
                self._take_until(_QUOTE_OR_NUL)
                self._before = self._now.strip("\0")
                self._next()
        spaces = []
        while self._now <= " ":
            spaces.append(self._now)
            self._next()
        if spaces and self._now != "|":
            self._value += ['"', *spaces, self._now]
            self._to_delimiter()

    def _to_delimiter(self) -> None:
        """Take a field unchanged, with all its quotes."""
        self._before = self._now
        self._value.insert(0, '"')
        self._next()
        self._take_until(_DELIMITER)

    def _end(self) -> None:
        if self._now == '"' and self._before != '"' and not self._unescaped:
            self._value.append('"')
        self._done()
