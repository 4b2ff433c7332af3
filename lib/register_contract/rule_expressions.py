"""The expressions of a team's own rules, checked word by word.

Polars parses them and knows their types, but only in the session and the command, and it would also
accept aggregates and casts that fail. This check runs everywhere and lets only listed words pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from register_contract import columns

#: The name of the delivery's day in an expression.
DAY = "as_of"
#: Names that an expression may use: the register's columns, and the delivery's day.
NAMES: tuple[str, ...] = (*(column.name for column in columns.REGISTER_COLUMNS), DAY)
#: Functions of one row that can't fail for a value, by what they are for.
FUNCTIONS: dict[str, tuple[str, ...]] = {
    "text": (
        *("CHAR_LENGTH", "CONCAT", "CONCAT_WS", "ENDS_WITH", "INITCAP", "LEFT", "LENGTH", "LOWER"),
        *("LTRIM", "OCTET_LENGTH", "REGEXP_LIKE", "REPLACE", "REVERSE", "RIGHT", "RTRIM"),
        *("STARTS_WITH", "STRPOS", "SUBSTR", "SUBSTRING", "TRIM", "UPPER"),
    ),
    "number": ("ABS", "CEIL", "FLOOR", "ROUND", "SIGN", "SQRT"),
    "date": ("DATE_PART", "STRFTIME"),
    "choice": ("COALESCE", "GREATEST", "IF", "IFNULL", "LEAST", "NULLIF", "TRY_CAST"),
}
#: Words other than functions and names.
WORDS = frozenset(
    {
        "AND", "AS", "BETWEEN", "CASE", "DATE", "ELSE", "END", "FALSE", "ILIKE", "IN", "INTERVAL",
        "IS", "LIKE", "NOT", "NULL", "OR", "THEN", "TIMESTAMP", "TRUE", "WHEN",
    }
)  # fmt: skip
#: Types that ``TRY_CAST`` may convert to.
TYPES = frozenset({"BIGINT", "DOUBLE", "INT", "INTEGER", "VARCHAR"})
#: The longest expression, in characters.
LONGEST = 2000

_KNOWN = frozenset(name for names in FUNCTIONS.values() for name in names)
# Before a text: a date, a time, or a span.
_BEFORE_TEXT = frozenset({"DATE", "TIMESTAMP", "INTERVAL"})
_TABLES = frozenset({"EXISTS", "FROM", "JOIN", "SELECT", "TABLE", "UNION", "VALUES", "WITH"})
_READERS = re.compile(r"(?:READ|SCAN)_|_SCAN\Z", re.ASCII)
_AGGREGATES = frozenset(
    {
        "ARRAY_AGG", "AVG", "CORR", "COUNT", "COVAR", "DENSE_RANK", "FIRST", "FIRST_VALUE", "LAG",
        "LAST", "LAST_VALUE", "LEAD", "MAX", "MEDIAN", "MIN", "QUANTILE", "QUANTILE_CONT",
        "QUANTILE_DISC", "RANK", "ROW_NUMBER", "STDDEV", "STDEV", "SUM", "VAR", "VARIANCE",
    }
)  # fmt: skip
_CASTS = frozenset({"CAST", "SAFE_CAST", "CONVERT"})
_DIVIDES = frozenset({"/", "//", "%"})
_ELEVEN_DIGITS = re.compile(r"[0-9]{11}", re.ASCII)
_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<text>'(?:[^']|'')*')|(?P<quoted>"(?:[^"]|"")*")"""
    r"|(?P<number>(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<comment>--|/\*)|(?P<sign><>|!=|<=|>=|\|\||//|[-+*/%=<>(),])",
    re.ASCII,
)


class _Token(NamedTuple):
    kind: str
    text: str

    @property
    def word(self) -> str:
        """The word in capitals; empty for anything else."""
        return self.text.upper() if self.kind == "word" else ""


_END = _Token("end", "")


def problems(expression: str) -> list[str]:
    """Return everything in an expression that a rule may not contain.

    Parameters
    ----------
    expression : str

    Returns
    -------
    list of str
        Empty if each word is known, each division is by a number or ``NULLIF(…, 0)``, and nothing
        is read except the row. Whether it can be parsed, and its type, only Polars knows.
    """
    if len(expression) > LONGEST:
        return [f"the expression has more than {LONGEST:,} characters"]
    tokens: list[_Token] = []
    at = 0
    while at < len(expression):
        match = _TOKEN.match(expression, at)
        if match is None:
            return [_unexpected(expression[at])]
        if match.lastgroup == "comment":
            return ["comments can't be part of an expression"]
        if match.lastgroup != "space":
            tokens.append(_Token(str(match.lastgroup), match.group()))
        at = match.end()
    found = list(dict.fromkeys(_found(tokens)))
    used = any(_name(token) in NAMES for token in tokens)
    return found if found or used else ["it uses no column of the row"]


def _unexpected(character: str) -> str:
    if character == ";":
        return "several statements were given; one expression was expected"
    return f"the character {character!r} can't be used here"


def _name(token: _Token) -> str:
    if token.kind == "quoted":
        return token.text[1:-1]
    return token.text if token.kind == "word" else ""


def _found(tokens: Sequence[_Token]) -> Iterator[str]:
    for at, token in enumerate(tokens):
        after = tokens[at + 1] if at + 1 < len(tokens) else _END
        if token.kind in {"text", "number"}:
            yield from _literal_problems(token)
        elif token.text in _DIVIDES:
            yield from _division_problems(tokens, at + 1)
        elif token.kind == "quoted" and _name(token) not in NAMES:
            yield f"there is no column {_name(token)}"
        elif token.kind == "word":
            before = tokens[at - 1].word if at else ""
            yield from _word_problems(token, before, after)
            if token.word == "REGEXP_LIKE" and after.text == "(":
                yield from _pattern_problems(tokens, at + 1)


def _literal_problems(token: _Token) -> Iterator[str]:
    if _ELEVEN_DIGITS.fullmatch(re.sub(r"[ '.-]", "", token.text)):
        yield "a value with 11 digits may be a CPF: personal data can't be part of a rule"


def _word_problems(token: _Token, before: str, after: _Token) -> Iterator[str]:
    word, called = token.word, after.text == "("
    if word == "AS":
        if after.word not in TYPES:
            yield f"AS can only be used in TRY_CAST, with {', '.join(sorted(TYPES))}"
    elif word in _BEFORE_TEXT:
        if after.kind != "text":
            yield f"{word} needs a text, such as {word} '{_EXAMPLES[word]}'"
    elif word in WORDS or (word in TYPES and before == "AS"):
        return
    elif word in _KNOWN:
        if not called:
            yield f"there is no column {token.text}"
    elif word in _TABLES or (called and _READERS.search(word)):
        yield f"{word} reads files or tables; a rule reads only its row"
    elif word == "OVER" or (called and word in _AGGREGATES):
        yield f"{word} needs other rows; a rule sees one row at a time"
    elif called and word in _CASTS:
        yield f"{word} fails for values that can't be converted: use TRY_CAST"
    elif called:
        yield f"there is no function {word}; docs/reference.md lists those that a rule can use"
    elif token.text not in NAMES:
        yield f"there is no column {token.text}"


_EXAMPLES = {"DATE": "1900-01-01", "TIMESTAMP": "2000-01-01 00:00:00", "INTERVAL": "18 years"}


def _division_problems(tokens: Sequence[_Token], at: int) -> Iterator[str]:
    """Check the divisor, which starts at a position."""
    while at < len(tokens) and tokens[at].text in {"+", "-"}:
        at += 1
    divisor = tokens[at] if at < len(tokens) else _END
    if divisor.kind == "number":
        if not float(divisor.text):
            yield "a division by zero"
        return
    if divisor.word == "NULLIF":
        parts = _arguments(tokens, at + 1)
        zeros = [_is_zero(part) for part in parts[1:]]
        if zeros == [True]:
            return
    yield "a division by something that may be zero: divide by a number, or by NULLIF(…, 0)"


def _is_zero(part: Sequence[_Token]) -> bool:
    return len(part) == 1 and part[0].kind == "number" and not float(part[0].text)


def _pattern_problems(tokens: Sequence[_Token], at: int) -> Iterator[str]:
    parts = _arguments(tokens, at)
    if not all(len(part) == 1 and part[0].kind == "text" for part in parts[1:]):
        yield "the pattern of REGEXP_LIKE must be a text: a value of the row may be no pattern"


def _arguments(tokens: Sequence[_Token], at: int) -> list[list[_Token]]:
    """Return the arguments of a call whose parenthesis opens at a position."""
    parts: list[list[_Token]] = [[]]
    depth = 0
    for token in tokens[at:]:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if not depth:
            break
        if depth == 1 and token.text == ",":
            parts.append([])
        elif depth > 1 or token.text != "(":
            parts[-1].append(token)
    return parts
