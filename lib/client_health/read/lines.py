"""Splits text files into pieces, pieces into lines, and lines into columns.

Nearly all lines are usual: regular expressions with linear time recognize them, and native code
decodes all of them at once. The others go line by line through parsers that work like Spark's own
(univocity for CSV, Jackson for JSON), so that no line is lost and none is read differently. A line
that cannot be split into its columns is kept as a whole.
"""

from __future__ import annotations

import codecs
import functools
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import IO

import polars as pl

from client_health.read import csv_line, json_line
from client_health.read.sources import MALFORMED_LINE
from register_contract import contract

# A line of a register has a few hundred bytes. A line longer than this isn't one, and could fill
# the memory of the process.
LONGEST = 16 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_REPLACEMENT = "\ufffd"
_CHUNK = 1 << 16
_BLANK = " \t\x0b\x0c"
_LINE = pl.col("line")
_PLACE = "place"
LINE_END = re.compile(rb"\r\n|\r|\n")
_TYPED = {column.name for column in contract.REGISTER_COLUMNS if column.type != "string"}
# Every quote opens or closes a field, and a field has no other quotes.
_WELL_QUOTED = r'\A(?:"[^"|\x00]*"|[^"|][^|]*|)(?:\|(?:"[^"|\x00]*"|[^"|][^|]*|))*\z'
# One flat object with numbers that every writer writes the same way.
_SPACE = r"[ \t]*"
_COLON = rf"{_SPACE}:{_SPACE}"
_KEY = r'"[^"\\\x00-\x1f]*"'
_ESCAPED = r'\\(?:["\\/bfnrt]|u(?:[0-9a-ce-fA-CE-F][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}))'
_STRING = rf'"(?:[^"\\\x00-\x1f]|{_ESCAPED})*"'
_NUMBER = r"0|-?[1-9][0-9]{0,17}|-?[1-9][0-9]{0,6}\.[0-9]{0,5}[1-9]"
_VALUE = rf"(?:{_STRING}|{_NUMBER}|true|false|null)"
_FIELD = rf"{_KEY}{_COLON}{_VALUE}{_SPACE}"
_FLAT = rf"\A\{{{_SPACE}{_FIELD}(?:,{_SPACE}{_FIELD})*\}}\z"
_PLAIN = re.compile(r"\A[A-Za-z0-9_]+\Z")
_MOST_KEYS = 100
_SAMPLE = 1000
_LONGEST_FLAT = 1 << 12
_REPLACED = r"(?i)\x{FFFD}|\\ufffd"
# The values of a line's columns, and whether the line is malformed.
_Row = tuple[list[str | None], bool]


class TooLongError(Exception):
    """A line is longer than any line of a register."""


@dataclass(frozen=True)
class Parsed:
    """The rows of a piece.

    Parameters
    ----------
    frame : DataFrame
        The wanted columns as text, and ``malformed_line``.
    undecodable : int
        How many well-formed rows seem to come from bytes that are not UTF-8.
    too_long : bool
        Whether a line is longer than :data:`LONGEST`; then there are no rows.
    """

    frame: pl.DataFrame
    undecodable: int
    too_long: bool = False


def cut(size: int, longest: int) -> list[tuple[int, int]]:
    """Return the pieces of a file: start and length of each, in bytes."""
    return [(start, min(longest, size - start)) for start in range(0, size, longest)]


def read_piece(stream: IO[bytes], start: int, length: int) -> bytes:
    r"""Read the lines that start in a piece of a file, without its byte order mark.

    Parameters
    ----------
    stream : binary file
        A file that can seek.
    start, length : int
        The piece, in bytes.

    Returns
    -------
    bytes
        Whole lines, with their original ends: ``\n``, ``\r\n``, or ``\r``.

    Raises
    ------
    TooLongError
        If a line at the piece's start or end is too long.
    """
    begin = _line_start(stream, start)
    if begin >= start + length:
        return b""
    end = _line_start(stream, start + length)
    stream.seek(begin)
    data = stream.read(end - begin)
    return data if begin else data.removeprefix(BYTE_ORDER_MARK)


def _line_start(stream: IO[bytes], at: int) -> int:
    """Return the start of the first line at or after a place, or the file's end."""
    if at == 0:
        return 0
    place = at - 1
    stream.seek(place)
    while chunk := stream.read(_CHUNK):
        if found := LINE_END.search(chunk):
            if found.end() == len(chunk) and chunk.endswith(b"\r"):
                return place + len(chunk) + (stream.read(1) == b"\n")
            return place + found.end()
        place += len(chunk)
        if place - at > LONGEST:
            raise TooLongError
    return place


def split(data: bytes) -> pl.Series:
    r"""Split whole lines.

    Bytes that are not UTF-8 become U+FFFD, as many as Java writes.

    Parameters
    ----------
    data : bytes
        Lines that end in ``\n``, ``\r\n``, or ``\r``; the last one may have no end.

    Returns
    -------
    Series
        The lines without their ends, blank ones included.
    """
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        return pl.read_lines(data)["line"]
    except pl.exceptions.ComputeError:
        return pl.read_lines(data.decode(errors=_java_errors()).encode())["line"]


def parse_csv(data: bytes, header: str, columns: Sequence[str], wanted: Sequence[str]) -> Parsed:
    """Split the lines of a CSV piece into columns.

    Parameters
    ----------
    data : bytes
        Whole lines.
    header : str
        The file's header line. It is never a row, wherever it occurs.
    columns : sequence of str
        The names in the header.
    wanted : sequence of str
        The columns to return.

    Returns
    -------
    Parsed
        The rows, in the order of their lines.
    """
    if _has_too_long(data):
        return _too_long(wanted)
    last = len(columns) - 1
    places = [columns.index(name) for name in wanted]

    def decode(usual: pl.Series, quoted: bool) -> pl.DataFrame:
        parts = usual.str.split_exact(contract.CSV_DELIMITER, last).struct.unnest()
        values = (pl.col(parts.columns[at]) for at in places)
        if quoted:
            values = (_unquoted(value) for value in values)
        return parts.select(
            pl.when(value != "").then(value).alias(name)
            for value, name in zip(values, wanted, strict=True)
        )

    whole = _LINE.str.count_matches(contract.CSV_DELIMITER, literal=True) == last
    tiers = (
        _Tier(whole & ~_LINE.str.contains('"', literal=True), lambda usual: decode(usual, False)),
        _Tier(whole & _LINE.str.contains(_WELL_QUOTED), lambda usual: decode(usual, True)),
    )
    lines = _not_blank(data).filter(header != _LINE)
    return _parsed(lines, wanted, tiers, lambda line: csv_line.row_of(line, last + 1, places))


def parse_json(data: bytes, wanted: Sequence[str]) -> Parsed:
    """Split the lines of a piece with one JSON object a line into columns.

    Parameters
    ----------
    data : bytes
        Whole lines.
    wanted : sequence of str
        The keys to return.

    Returns
    -------
    Parsed
        The rows, in the order of their lines.
    """
    if _has_too_long(data):
        return _too_long(wanted)
    lines = _not_blank(data)
    fields = pl.Struct(dict.fromkeys(wanted, pl.String()))

    def decode(usual: pl.Series) -> pl.DataFrame | None:
        try:
            return usual.str.json_decode(fields).struct.unnest()
        except pl.exceptions.ComputeError:
            return None

    # Of a repeated key, the last one counts, but the native decoder takes the first.
    once = (_LINE.str.count_matches(f'"{key}"', literal=True) <= 1 for key in wanted)
    # The pattern's time grows with the square of the number of keys.
    short = _LINE.str.len_bytes() <= _LONGEST_FLAT
    tiers = [_Tier(short & _LINE.str.contains(_FLAT) & pl.all_horizontal(*once), decode)]
    if layout := _layout(lines):
        tiers.insert(0, _Tier(_LINE.str.ends_with("}") & _LINE.str.contains(layout), decode))
    return _parsed(lines, wanted, tiers, lambda line: json_line.row_of(line, wanted))


@dataclass(frozen=True)
class _Tier:
    """Lines that native code decodes at once, and the decoder, which returns None if it fails."""

    usual: pl.Expr
    decode: Callable[[pl.Series], pl.DataFrame | None]


def _parsed(
    lines: pl.DataFrame,
    wanted: Sequence[str],
    tiers: Iterable[_Tier],
    odd: Callable[[str], _Row],
) -> Parsed:
    schema = dict.fromkeys((*wanted, MALFORMED_LINE), pl.String())
    found = []
    rest = lines.with_row_index(_PLACE)
    for tier in tiers:
        if rest.is_empty():
            break
        is_usual = rest.select(tier.usual).to_series()
        usual = rest if is_usual.all() else rest.filter(is_usual)
        values = tier.decode(usual["line"]) if len(usual) else None
        if values is not None and len(values) == len(usual):
            rest = rest.filter(~is_usual)
            kept = pl.lit(None, pl.String).alias(MALFORMED_LINE)
            found.append(values.with_columns(kept, usual[_PLACE]))
    if len(rest) or not found:
        rows = [
            (*values, line if malformed else None)
            for line in rest["line"]
            for values, malformed in (odd(line),)
        ]
        values = pl.DataFrame(rows, schema=schema, orient="row")
        found.append(values.with_columns(rest[_PLACE]))
    frame = found[0] if len(found) == 1 else pl.concat(found).sort(_PLACE)
    return Parsed(frame.drop(_PLACE), _count_undecodable(lines, frame, wanted))


def _count_undecodable(lines: pl.DataFrame, frame: pl.DataFrame, wanted: Sequence[str]) -> int:
    # Few pieces have any, so this checks the lines first.
    if not lines.select(_LINE.str.contains(_REPLACED).any()).item():
        return 0
    texts = [pl.col(name) for name in wanted if name not in _TYPED]
    replaced = pl.concat_str(texts, ignore_nulls=True).str.contains(_REPLACEMENT, literal=True)
    return frame.filter(pl.col(MALFORMED_LINE).is_null() & replaced).height


def _not_blank(data: bytes) -> pl.DataFrame:
    return split(data).to_frame("line").filter(_LINE.str.strip_chars_start(_BLANK) != "")


def _has_too_long(data: bytes) -> bool:
    start = 0
    while len(data) - start > LONGEST:
        end = start + LONGEST + 1
        found = max(data.rfind(b"\n", start, end), data.rfind(b"\r", start, end))
        if found < 0:
            return True
        start = found + 1
    return False


def _too_long(wanted: Sequence[str]) -> Parsed:
    frame = pl.DataFrame(schema=dict.fromkeys((*wanted, MALFORMED_LINE), pl.String()))
    return Parsed(frame, undecodable=0, too_long=True)


@functools.cache
def _java_errors() -> str:
    def replace(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeDecodeError):
            raise error
        data, end = error.object, error.end
        # Java counts all bytes of a surrogate as one fault, Python counts each of them.
        if data[error.start] == 0xED and 0xA0 <= (data[end : end + 1] or b"\0")[0] <= 0xBF:
            end += 1 + (0x80 <= (data[end + 1 : end + 2] or b"\0")[0] <= 0xBF)
        return _REPLACEMENT, end

    codecs.register_error("client_health.java", replace)
    return "client_health.java"


def _unquoted(value: pl.Expr) -> pl.Expr:
    bare = value.str.strip_prefix('"').str.strip_suffix('"')
    return pl.when(value.str.starts_with('"')).then(bare).otherwise(value)


def _layout(lines: pl.DataFrame) -> str | None:
    """Return a pattern for lines with the keys of the first good line, in its order.

    Any key may be missing; none can occur twice.
    """
    first = lines.head(_SAMPLE).filter(_LINE.str.contains(_FLAT)).head(1)
    if first.is_empty():
        return None
    keys = [key for key, _ in json.loads(first.item(), object_pairs_hook=list)]
    if len(set(keys)) < len(keys) or len(keys) > _MOST_KEYS or not all(map(_PLAIN.match, keys)):
        return None
    fields = (rf'(?:"{key}"{_COLON}{_VALUE}{_SPACE}(?:,{_SPACE}|\}}\z))?' for key in keys)
    return rf"\A\{{{_SPACE}{''.join(fields)}\z"
