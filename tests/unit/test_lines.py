"""Lines of a piece: none is lost or joined to another, and each is read as Spark reads it."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from client_health.read import lines

LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")


@given(st.binary().map(lambda data: bytes(b"a\n\r"[byte % 3] for byte in data)), st.integers(1, 9))
@example(b"a\r\na", 2)
@settings(max_examples=500)
def test_pieces_give_every_line_once_and_whole(data: bytes, longest: int) -> None:
    stream = io.BytesIO(data)
    cuts = lines.cut(len(data), longest)
    pieces = [lines.read_piece(stream, *piece) for piece in cuts]
    assert b"".join(pieces) == data
    starts = {found.start() for found in LINE.finditer(data)}
    for (start, length), piece in zip(cuts, pieces, strict=True):
        begun = sorted(starts & set(range(start, start + length)))
        assert len(LINE.findall(piece)) == len(begun)


@given(st.text(st.sampled_from("a|\u00e3\n\r \x00\ufeff")))
def test_lines_are_split_at_every_kind_of_end(text: str) -> None:
    data = text.encode()
    found = [line.rstrip(b"\r\n").decode() for line in LINE.findall(data)]
    assert lines.split(data).to_list() == found


COLUMNS = ("a", "b", "c")


def csv(*found: str | bytes) -> lines.Parsed:
    data = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in found)
    return lines.parse_csv(data, "a|b|c", COLUMNS, COLUMNS)


def json(*found: str | bytes) -> lines.Parsed:
    data = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in found)
    return lines.parse_json(data, COLUMNS)


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("1|2|3", ("1", "2", "3")),
        ("1|| ", ("1", None, " ")),
        ('"1"|""|"3"', ("1", None, "3")),
        ('"1|2"|"a""b"|c', ("1|2", 'a"b', "c")),
        ('Ana "Aninha"|b"|c', ('Ana "Aninha"', 'b"', "c")),
        ('"a"x"b"|c"|d', ('"a"x"b"', 'c"', "d")),
        ('"a" |b|"c" ', ("a", "b", "c")),
        ('"a" b|c|d', ('"a" b', "c", "d")),
        ('1|2|"', ("1", "2", '"')),
        ('"a\x00b"|\x00|"\x00', ("a\x00b", "\x00", None)),
        ("S\ufffdo|2|3", ("S\ufffdo", "2", "3")),
    ],
)
def test_a_csv_line_gives_the_values_that_spark_gives(line: str, values: tuple[str, ...]) -> None:
    assert csv(line).frame.rows() == [(*values, None)]
    # The same among lines of another kind.
    assert csv("x|y|z", line, '"x"|y|z').frame.row(1) == (*values, None)


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("1|2", ("1", "2", None)),
        ("1|2|3|4", ("1", "2", "3")),
        ("|||", (None, None, None)),
        ('"a|b|c', ("a|b|c", None, None)),
        ('1|2|"3"|', ("1", "2", "3")),
        ("|" * 1_000_000, (None, None, None)),
    ],
)
def test_a_malformed_csv_line_is_kept_whole(line: str, values: tuple[str, ...]) -> None:
    assert csv("x|y|z", line).frame.rows() == [("x", "y", "z", None), (*values, line)]


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ('{"a": "x", "b": 120, "c": null}', ("x", "120", None)),
        ('{"a": "", "c": " x "}', ("", None, " x ")),
        ('{"a": 1.0, "b": 1e3, "c": -0}', ("1.0", "1000.0", "0")),
        ('{"a": 120.5, "b": 1e10, "c": 2e23}', ("120.5", "1.0E10", "1.9999999999999998E23")),
        ('{"a": 0.0001, "b": 4.9e-324, "c": 1e999}', ("1.0E-4", "4.9E-324", '"Infinity"')),
        ('{"a": 12345678901234567890123, "b": NaN}', ("12345678901234567890123", '"NaN"', None)),
        ('{"a": true, "b": false, "c": "\\ud800"}', ("true", "false", "?")),
        ('{"a": "\\u00e3\\n\\ud83d\\ude00"}', ("\u00e3\n\U0001f600", None, None)),
        ('{"a": "\\u0000"}', ("\x00", None, None)),
        (
            '{"a": {"x": 1.50, "y": ["\\u0001"]}, "b": []}',
            ('{"x":1.5,"y":["\\u0001"]}', "[]", None),
        ),
        ('{"a": 1, "a": 2, "b": "x", "b": null}', ("2", None, None)),
        ("{'a': 'x', 'b': 'it\\'s'}", ("x", "it's", None)),
        ('{"\\u0061": "x"}', ("x", None, None)),
        ('\t{"a": "}{"} ', ("}{", None, None)),
        ('{"z": {"a": 1}, "c": 3}', (None, None, "3")),
    ],
)
def test_a_json_line_gives_the_values_that_spark_gives(line: str, values: tuple[str, ...]) -> None:
    assert json(line).frame.rows() == [(*values, None)]
    assert json('{"a": "x"}', line, '{"b": 1}').frame.row(1) == (*values, None)


@pytest.mark.parametrize(
    "line",
    [
        '{"a": "1"',
        '"b": "2"}',
        '{"a": 1},{"a": 2}',
        '{"a": 1}{"a": 2}',
        '[{"a": 1}]',
        "[]",
        "null",
        '{"a": 1,}',
        '{"a": 01}',
        '{"a": /* no */ 1}',
        '{"a": "\\q"}',
        '{"a": "x\ty"}',
        '{"a": {"x": NaN}}',
        '{"a": ' + "1" * 1001 + "}",
        '{"a": ' + "[" * 1000 + "]" * 1000 + "}",
    ],
)
def test_a_malformed_json_line_is_kept_whole(line: str) -> None:
    good = ('{"a": "x"}', '{"a": "y"}')
    kept = json(good[0], line, good[1]).frame
    assert kept["malformed_line"].to_list() == [None, line, None]
    assert kept["a"].to_list() == ["x", None, "y"]


def test_a_json_line_of_a_million_keys_is_read() -> None:
    line = "{" + '"z":1,' * 1_000_000 + '"a":"x"}'
    assert json(line).frame.rows() == [("x", None, None, None)]


def test_lines_that_are_half_an_object_each_are_not_joined() -> None:
    halves = ('{"a": "1"', '"b": "2"}')
    assert json(*halves).frame["malformed_line"].to_list() == list(halves)


def test_blank_lines_and_the_header_are_no_rows_wherever_they_stand() -> None:
    assert csv("", "a|b|c", " \t\x0b\x0c", "1|2|3", "a|b|c").frame.height == 1
    assert json("", " \t", '{"a": 1}').frame.height == 1
    assert csv("f|", "f").frame["malformed_line"].to_list() == ["f|", "f"]


def test_bytes_that_are_no_utf_8_are_counted_unless_the_line_is_malformed() -> None:
    latin = csv("S\u00e3o|2|3".encode("latin-1"), "S\u00e3o|2|3".encode(), b"S\xe3o|2")
    assert latin.undecodable == 1
    assert latin.frame["a"].to_list() == ["S\ufffdo", "S\u00e3o", "S\ufffdo"]
    assert json('{"a": "\u00e3"}'.encode("latin-1"), '{"z": "\\ufffd"}').undecodable == 1
    assert json('{"a": "\\uFFFD"}').undecodable == 1
    # Java treats a surrogate's three bytes as one error.
    assert csv(b"\xed\xa0\x80|\xe3\x81|\xff\xff").frame.row(0)[:3] == (
        "\ufffd",
        "\ufffd",
        "\ufffd\ufffd",
    )


def test_a_line_that_is_too_long_is_seen_and_fills_no_memory() -> None:
    fits, over = b"x" * lines.LONGEST, b"x" * (lines.LONGEST + 1)
    assert not lines.parse_csv(fits + b"\r\n1", "a|b|c", COLUMNS, COLUMNS).too_long
    assert lines.parse_csv(b"1\n" + over, "a|b|c", COLUMNS, COLUMNS).too_long
    assert lines.parse_json(b"{}\r" + over + b"\r", COLUMNS).too_long
    with pytest.raises(lines.TooLongError):
        lines.read_piece(io.BytesIO(over * 2), 0, 10)


def test_only_the_first_piece_loses_its_byte_order_mark() -> None:
    stream = io.BytesIO("\ufeffa\n\ufeffb\n".encode())
    assert lines.read_piece(stream, 0, 5) == b"a\n"
    assert lines.read_piece(stream, 5, 5) == "\ufeffb\n".encode()
