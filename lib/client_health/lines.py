"""Text files cut into pieces, pieces into lines, and lines into columns.

Nearly every line is usual: regular expressions that take linear time prove it so, and native code
decodes all such lines at once. What is left goes line by line through parsers that do what
Spark's own do (univocity for CSV, Jackson for JSON), so that no line is lost and none is read
another way than before. A line that cannot be split into its columns is kept whole.
"""

from __future__ import annotations

import codecs
import functools
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import IO, NoReturn

import polars as pl

from client_health import contract, java
from client_health.sources import MALFORMED_LINE

# A line of a register has some hundred bytes. A longer one than this is no line of one, and could
# fill the memory of the process that holds it.
LONGEST = 16 << 20
# Spark's CSV parser ends the job at more columns than about this.
_MOST_COLUMNS = 20_000
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_REPLACEMENT = "\ufffd"
_CHUNK = 1 << 16
_BLANK = " \t\x0b\x0c"
_LINE = pl.col("line")
_PLACE = "place"
LINE_END = re.compile(rb"\r\n|\r|\n")
_TYPED = {column.name for column in contract.REGISTER_COLUMNS if column.type != "string"}

# Every quote opens or closes a field that has no other.
_WELL_QUOTED = r'\A(?:"[^"|\x00]*"|[^"|][^|]*|)(?:\|(?:"[^"|\x00]*"|[^"|][^|]*|))*\z'
_SIMPLE_QUOTED = re.compile(r'([^"]+)"\|')
_DELIMITER = re.compile(r"\|")
_QUOTE_OR_NUL = re.compile(r'["\0]')

# One flat object, with values whose text is the same for every writer of numbers.
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

_OBJECT = re.compile(r"[ \t\n\x0b\f\r]*\{")
_STRING_PART = re.compile(r"""[^"'\\\x00-\x1f]*""")
_SCALAR = re.compile(
    r"(?P<word>true|false|null)(?![A-Za-z0-9_$])"
    r"|(?P<special>NaN|[+-]?Infinity|[+-]INF)"
    r"|-?(?:0|[1-9][0-9]*)(?![0-9])"
    r"(?P<fraction>\.[0-9]+)?(?P<exponent>[eE][+-]?[0-9]+)?(?![.0-9eE])"
)
_FAULT = re.compile(
    r"-?0\.[^0-9]|-?0(?:\.[0-9]+)?[eE](?:[+-].|.)|-?0|-?[1-9][0-9]*[.eE]"
    r"|[+-](?:I(?:[Nn][A-Za-z0-9_$]*|.)|.)|[A-Za-z_$][A-Za-z0-9_$]*|.",
    re.DOTALL,
)
_SPECIAL = {"NaN": '"NaN"', "Infinity": '"Infinity"', "+Infinity": '"Infinity"'}
_SPECIAL |= {"+INF": '"Infinity"', "-INF": '"-Infinity"', "-Infinity": '"-Infinity"'}
_ESCAPES = dict(zip("\"\\/'bfnrt", "\"\\/'\b\f\n\r\t", strict=True))
_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f"}
_SHORT |= {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_TO_ESCAPE = re.compile(r'["\\\x00-\x1f\ud800-\udfff\U00010000-\U0010ffff]')
_ZERO_AND_ONE_PART = re.compile(r"-?0(?:\.[0-9]+|[eE][+-]?[0-9]+)")
# Jackson's own limits.
_MOST_DIGITS = 1000
_MOST_DEPTH = 1000

# The values of a line's columns, and whether the line is malformed.
_Row = tuple[list[str | None], bool]


class TooLongError(Exception):
    """A line is longer than any of a register."""


@dataclass(frozen=True)
class Parsed:
    """The rows of a piece.

    Parameters
    ----------
    frame : DataFrame
        The wanted columns as text, and ``malformed_line``.
    undecodable : int
        How many rows that are not malformed seem to come from bytes that are no UTF-8.
    too_long : bool
        Whether a line is longer than :data:`LONGEST`; then there are no rows.
    """

    frame: pl.DataFrame
    undecodable: int
    too_long: bool = False


def cut(size: int, longest: int) -> list[tuple[int, int]]:
    """Cut a file into pieces: start and length of each, in bytes."""
    return [(start, min(longest, size - start)) for start in range(0, size, longest)]


def read_piece(stream: IO[bytes], start: int, length: int) -> bytes:
    r"""Read the lines that start in a piece of a file, without its byte order mark.

    Parameters
    ----------
    stream : binary file
        One that can seek.
    start, length : int
        The piece, in bytes.

    Returns
    -------
    bytes
        Whole lines, with their ends as they came: ``\n``, ``\r\n`` or ``\r``.

    Raises
    ------
    TooLongError
        When a line at the piece's start or end is too long.
    """
    begin = _line_start(stream, start)
    if begin >= start + length:
        return b""
    end = _line_start(stream, start + length)
    stream.seek(begin)
    data = stream.read(end - begin)
    return data if begin else data.removeprefix(BYTE_ORDER_MARK)


def _line_start(stream: IO[bytes], at: int) -> int:
    """Return where the first line at or behind a place starts, or the file's end."""
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

    Bytes that are no UTF-8 become U+FFFD, as often as Java writes it for them.

    Parameters
    ----------
    data : bytes
        Lines that end in ``\n``, ``\r\n`` or ``\r``; the last one may lack its end.

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
        The file's header line. It is no row, wherever it stands.
    columns : sequence of str
        The names in it.
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
    return _parsed(lines, wanted, tiers, lambda line: _csv_row(line, last + 1, places))


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

    # The last of a repeated key counts, and the native decoder takes the first.
    once = (_LINE.str.count_matches(f'"{key}"', literal=True) <= 1 for key in wanted)
    # Its time grows with the square of the keys.
    short = _LINE.str.len_bytes() <= _LONGEST_FLAT
    tiers = [_Tier(short & _LINE.str.contains(_FLAT) & pl.all_horizontal(*once), decode)]
    if layout := _layout(lines):
        tiers.insert(0, _Tier(_LINE.str.ends_with("}") & _LINE.str.contains(layout), decode))
    return _parsed(lines, wanted, tiers, lambda line: _json_row(line, wanted))


@dataclass(frozen=True)
class _Tier:
    """Lines that native code decodes at once, and how; None when it cannot after all."""

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
    # Few pieces have any: their lines are looked at first.
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
        # Java counts the bytes of a surrogate as one fault, Python as one each.
        if data[error.start] == 0xED and 0xA0 <= (data[end : end + 1] or b"\0")[0] <= 0xBF:
            end += 1 + (0x80 <= (data[end + 1 : end + 2] or b"\0")[0] <= 0xBF)
        return _REPLACEMENT, end

    codecs.register_error("client_health.java", replace)
    return "client_health.java"


# CSV, a line at a time.


def _unquoted(value: pl.Expr) -> pl.Expr:
    bare = value.str.strip_prefix('"').str.strip_suffix('"')
    return pl.when(value.str.starts_with('"')).then(bare).otherwise(value)


def _csv_row(line: str, count: int, places: Sequence[int]) -> _Row:
    if line.count(contract.CSV_DELIMITER) >= _MOST_COLUMNS:
        return [None] * len(places), True
    values = _CsvLine(line).values() if '"' in line else line.split(contract.CSV_DELIMITER)
    # What is there of a malformed line is shown with it.
    found = [values[at] or None if at < len(values) else None for at in places]
    return found, len(values) != count


class _EndError(Exception):
    """The line ends."""


class _CsvLine:
    """A line with quotes, read as univocity's CsvParser does with STOP_AT_DELIMITER."""

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
        """Take the present character and those up to one that stops; go on to it."""
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
        """Take a field as it is, with all its quotes."""
        self._before = self._now
        self._value.insert(0, '"')
        self._next()
        self._take_until(_DELIMITER)

    def _end(self) -> None:
        if self._now == '"' and self._before != '"' and not self._unescaped:
            self._value.append('"')
        self._done()


# JSON, a line at a time.


def _layout(lines: pl.DataFrame) -> str | None:
    """Return a pattern for lines with the keys of the first good one, in its order.

    Any may be left out, none can be there twice.
    """
    first = lines.head(_SAMPLE).filter(_LINE.str.contains(_FLAT)).head(1)
    if first.is_empty():
        return None
    keys = [key for key, _ in json.loads(first.item(), object_pairs_hook=list)]
    if len(set(keys)) < len(keys) or len(keys) > _MOST_KEYS or not all(map(_PLAIN.match, keys)):
        return None
    fields = (rf'(?:"{key}"{_COLON}{_VALUE}{_SPACE}(?:,{_SPACE}|\}}\z))?' for key in keys)
    return rf"\A\{{{_SPACE}{''.join(fields)}\z"


def _json_row(line: str, wanted: Sequence[str]) -> _Row:
    try:
        pairs = _DECODER.decode(line)
    except (ValueError, RecursionError):
        pairs = None
    # Objects come as lists as well.
    is_object = pairs is not None and line.lstrip(" \t").startswith("{")
    if is_object and not any(isinstance(value, list) for _, value in pairs):
        found = dict(pairs)
        return [_text_of(found.get(name)) for name in wanted], False
    return _JsonLine(line).row(wanted)


def _text_of(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    # Java writes a question mark for half of a surrogate pair.
    return value.encode(errors="replace").decode() if isinstance(value, str) else None


class _JsonError(ValueError):
    """The text is no JSON."""


def _not_json(_: object = None) -> NoReturn:
    raise _JsonError


def _whole_number(text: str) -> str:
    if len(text.lstrip("-")) > _MOST_DIGITS:
        _not_json()
    return "0" if text == "-0" else text


def _number(text: str) -> str:
    # Jackson does not count a zero that only a fraction or only an exponent follows.
    uncounted = _ZERO_AND_ONE_PART.fullmatch(text) is not None
    if sum(map(str.isdigit, text)) - uncounted > _MOST_DIGITS:
        _not_json()
    value = float(text)
    # As JSON has no such number, Jackson writes its name as text, within quotes.
    return java.double_text(value) if math.isfinite(value) else f'"{java.double_text(value)}"'


_DECODER = json.JSONDecoder(
    object_pairs_hook=list, parse_int=_whole_number, parse_float=_number, parse_constant=_not_json
)


class _Context:
    """An object or array that is open."""

    def __init__(self, kind: str, parent: _Context | None = None) -> None:
        self.kind = kind
        self.parent = parent
        self.name: str | None = None
        self.begun = False
        self.depth: int = parent.depth + 1 if parent else 0


class _JsonLine:
    """JSON read token by seen, as Jackson's ReaderBasedJsonParser does with Spark's settings.

    A token is a bracket, ``name``, ``string``, or ``plain`` for what has its text at once. A string
    in double quotes is read only when it is asked for or passed: Spark goes on behind a fault in
    a value, from where that was found.
    """

    def __init__(self, text: str, *, counting: bool = False) -> None:
        self._text = text
        # The settings of `json_array_length`.
        self._counting = counting
        self._at = 0
        self._context = _Context("")
        self._seen: str | None = None
        self._value = ""
        self._coming: str | None = None
        self._unread = False

    def row(self, wanted: Sequence[str]) -> _Row:
        """Return the values of the wanted keys, and whether the line is malformed."""
        nothing: _Row = ([None] * len(wanted), True)
        if not _is_one_object(self._text):
            return nothing
        found: dict[str, str | None] = {}
        malformed = False
        try:
            self._advance()
            while self._advance() not in (None, "}"):
                name = self._name()
                if name is not None and name in wanted:
                    try:
                        found[name] = self._converted()
                        continue
                    except _JsonError:
                        malformed = True
                self._skip_children()
        except _JsonError:
            return nothing
        return [found.get(name) for name in wanted], malformed

    def length(self) -> int:
        """Return how many values an array has, whatever stands behind it."""
        count = 0
        self._advance()
        while self._advance() != "]":
            count += 1
            self._skip_children()
        return count

    def _converted(self) -> str | None:
        while self._seen == "name":
            self._advance()
        if self._seen == "string":
            return _text_of(_joined(self._string()))
        if self._seen == "plain":
            return None if self._value == "null" else self._value
        if self._seen is None:
            return None
        if self._seen == "]":
            _not_json()
        return self._copied()

    def _copied(self) -> str:
        """Return an object or array as Jackson writes it."""
        written: list[str] = []
        depth = 0
        while True:
            seen = self._seen
            if seen is None:
                break
            if seen in "]}":
                depth -= 1
                written.append(seen)
            else:
                if written and written[-1] not in ("{", "[", ":"):
                    written.append(",")
                if seen == "name":
                    written += [_quoted(self._context.name or ""), ":"]
                elif seen == "string":
                    written.append(_quoted(self._string()))
                elif seen == "plain":
                    written.append(self._value)
                else:
                    depth += 1
                    written.append(seen)
            if not depth:
                break
            self._advance()
        return "".join(written).encode(errors="replace").decode()

    def _name(self) -> str | None:
        context: _Context | None = self._context
        if self._seen in ("{", "["):
            context = self._context.parent
        return context.name if context else None

    def _skip_children(self) -> None:
        if self._seen not in ("{", "["):
            return
        depth = 1
        while depth:
            seen = self._advance()
            if seen is None:
                _not_json()
            depth += (seen in ("{", "[")) - (seen in ("}", "]"))

    def _advance(self) -> str | None:
        if self._seen == "name":
            self._seen, self._coming = self._coming, None
            self._open()
            return self._seen
        if self._unread:
            self._string()
        char = self._after_spaces()
        if not char:
            if self._context.kind:
                _not_json()
            self._seen = None
            return None
        if char in "]}":
            if self._context.kind + char not in ("[]", "{}") or not self._context.parent:
                _not_json()
            self._context = self._context.parent
            self._seen = char
            return char
        if self._context.kind and self._context.begun:
            if char != ",":
                _not_json()
            char = self._after_spaces()
        self._context.begun = True
        if self._context.kind == "{":
            self._context.name = _joined(self._read_name(char))
            self._seen = "name"
            if self._after_spaces() != ":":
                _not_json()
            self._coming = self._begin_value(self._after_spaces())
            return self._seen
        self._seen = self._begin_value(char)
        self._open()
        return self._seen

    def _open(self) -> None:
        if self._seen in ("{", "["):
            self._context = _Context(self._seen, self._context)
            if self._context.depth > _MOST_DEPTH:
                _not_json()

    def _after_spaces(self) -> str:
        """Return the next character that is no space; nothing at the end."""
        while self._at < len(self._text):
            char = self._text[self._at]
            self._at += 1
            if char not in " \t\r\n":
                if char < " ":
                    _not_json()
                return char
        return ""

    def _read_name(self, char: str) -> str:
        if char not in ('"', "'"):
            _not_json()
        return self._read(char)

    def _begin_value(self, char: str) -> str:
        if char == '"':
            self._unread = True
            return "string"
        if char in ("{", "["):
            return char
        if char == "'":
            self._value = self._read(char)
            return "string"
        if not char:
            _not_json()
        self._at -= 1
        found = _SCALAR.match(self._text, self._at)
        if not found:
            # Jackson has looked so far when it gives up.
            fault = _FAULT.match(self._text, self._at)
            self._at = fault.end() if fault else self._at
            _not_json()
        self._at = found.end()
        self._value = self._scalar(found)
        return "plain"

    def _scalar(self, found: re.Match[str]) -> str:
        text = found.group()
        if found["word"]:
            return text
        if found["special"]:
            if self._counting:
                _not_json()
            return _SPECIAL[text]
        return _number(text) if found["fraction"] or found["exponent"] else _whole_number(text)

    def _string(self) -> str:
        if self._unread:
            self._unread = False
            self._value = self._read('"')
        return self._value

    def _read(self, quote: str) -> str:
        """Read a string behind its opening quote."""
        parts = []
        while found := _STRING_PART.match(self._text, self._at):
            parts.append(found.group())
            self._at = found.end()
            char = self._text[self._at : self._at + 1]
            self._at += 1
            if char == quote:
                return "".join(parts)
            if char == "\\":
                parts.append(self._escaped())
            elif char in ('"', "'") or (char and self._counting):
                parts.append(char)
            else:
                break
        return _not_json()

    def _escaped(self) -> str:
        char = self._text[self._at : self._at + 1]
        self._at += 1
        if char == "u":
            code = 0
            for _ in range(4):
                digit = self._text[self._at : self._at + 1]
                self._at += 1
                # Jackson looks at the lower byte alone.
                low = chr(ord(digit) & 0xFF) if digit else ""
                if not low or low not in "0123456789abcdefABCDEF":
                    _not_json()
                code = code * 16 + int(low, 16)
            return chr(code)
        return _ESCAPES.get(char) or _not_json()


def _is_one_object(line: str) -> bool:
    if line.startswith("{") and line.find("}") == len(line) - 1:
        return True
    try:
        return bool(_OBJECT.match(line)) and _JsonLine(f"[{line}]", counting=True).length() == 1
    except _JsonError:
        return False


def _joined(text: str) -> str:
    """Join surrogates that are pairs."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _quoted(text: str) -> str:
    return '"' + _TO_ESCAPE.sub(lambda found: _escape(found.group()), text) + '"'


def _escape(char: str) -> str:
    if char in _SHORT:
        return _SHORT[char]
    units = char.encode("utf-16-be", "surrogatepass").hex().upper()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
