"""Reads one line of JSON as Jackson does, for lines that native code can't handle."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import NoReturn

from client_health import java

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
Row = tuple[list[str | None], bool]


def row_of(line: str, wanted: Sequence[str]) -> Row:
    """Return the values of a line's wanted columns, and whether the line is malformed.

    Parameters
    ----------
    line : str
        The line, without its end.
    wanted : sequence of str
        Names of the wanted columns.
    """
    try:
        pairs = _DECODER.decode(line)
    except (ValueError, RecursionError):
        pairs = None
    # The decoder also returns objects as lists.
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
    """The text is not JSON."""


def _not_json(_: object = None) -> NoReturn:
    raise _JsonError


def _whole_number(text: str) -> str:
    if len(text.lstrip("-")) > _MOST_DIGITS:
        _not_json()
    return "0" if text == "-0" else text


def _number(text: str) -> str:
    # Jackson does not count a zero that is followed only by a fraction or only by an exponent.
    uncounted = _ZERO_AND_ONE_PART.fullmatch(text) is not None
    if sum(map(str.isdigit, text)) - uncounted > _MOST_DIGITS:
        _not_json()
    value = float(text)
    # JSON has no such number, so Jackson writes its name as quoted text.
    return java.double_text(value) if math.isfinite(value) else f'"{java.double_text(value)}"'


_DECODER = json.JSONDecoder(
    object_pairs_hook=list, parse_int=_whole_number, parse_float=_number, parse_constant=_not_json
)


class _Context:
    """An open object or array."""

    def __init__(self, kind: str, parent: _Context | None = None) -> None:
        self.kind = kind
        self.parent = parent
        self.name: str | None = None
        self.begun = False
        self.depth: int = parent.depth + 1 if parent else 0


class _JsonLine:
    """Parser that reads token by token, like Jackson's ReaderBasedJsonParser with Spark's settings.

    A token is a bracket, ``name``, ``string``, or ``plain`` for a value whose text is already read.
    A string in double quotes is read only when it is requested or skipped: after a fault in a
    value, Spark continues from the place of the fault.
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

    def row(self, wanted: Sequence[str]) -> Row:
        """Return the values of the wanted keys, and whether the line is malformed."""
        nothing: Row = ([None] * len(wanted), True)
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
        """Return how many values an array has, whatever follows it."""
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
        """Return the next character that isn't a space; empty at the end."""
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
            # Jackson has read this far when it gives up.
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
        """Read a string after its opening quote."""
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
                # Jackson checks only the lower byte.
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
    """Join pairs of surrogates."""
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
