"""Query results as a table, as CSV, or as JSON."""

from __future__ import annotations

import csv
import datetime as dt
import json
import math
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import Any, TextIO

from client_health_cli.queries import Result, Row

TABLE_ROWS = 200
"""Rows that a table shows; a longer one helps nobody."""


def write_table(result: Result, file: TextIO) -> None:
    """Write a table for a person to read: numbers to the right, at most `TABLE_ROWS` rows."""
    from rich.cells import cell_len  # noqa: PLC0415 - slows the start of every command

    shown = [[_cell(value) for value in row] for row in islice(result.rows, TABLE_ROWS)]
    more = sum(1 for _ in result.rows)
    widths = [
        max(map(cell_len, column)) for column in zip(result.columns, *shown, strict=True)
    ]  # fmt: skip

    def line(cells: list[str]) -> str:
        padded = []
        for cell, width, numeric in zip(cells, widths, result.numeric, strict=True):
            gap = " " * (width - cell_len(cell))
            padded.append(gap + cell if numeric else cell + gap)
        return "  ".join(padded).rstrip() + "\n"

    file.write(line(list(result.columns)))
    file.write("  ".join("-" * width for width in widths) + "\n")
    file.writelines(map(line, shown))
    if more:
        file.write(f"... and {more:,} rows more: --format csv or json writes all of them\n")


def write_csv(result: Result, file: TextIO) -> None:
    """Write commas between fields and a header; a null is an empty field."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(result.columns)
    for row in result.rows:
        writer.writerow("" if value is None else _text(value) for value in row)


def write_json(result: Result, file: TextIO) -> None:
    """Write a list of objects, each on a line of its own."""
    file.write("[")
    for number, row in enumerate(result.rows):
        file.write(",\n" if number else "\n")
        file.write(json.dumps(_object(result, row), ensure_ascii=False, allow_nan=False))
    file.write("\n]\n")


FORMATS = {"table": write_table, "csv": write_csv, "json": write_json}


def _object(result: Result, row: Row) -> dict[str, Any]:
    return {name: _json_value(value) for name, value in zip(_names(result), row, strict=True)}


def _names(result: Result) -> Iterator[str]:
    """Give column names, numbering those that come twice, since an object has each once."""
    seen: dict[str, int] = {}
    for name in result.columns:
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name}_{seen[name]}"


def _json_value(value: Any) -> Any:  # noqa: ANN401 - whatever SQL gives
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    return _text(value)


def _text(value: Any) -> str:  # noqa: ANN401 - whatever SQL gives
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def _cell(value: Any) -> str:  # noqa: ANN401 - whatever SQL gives
    """Write a value on one line, so that it can't break the table or steer a terminal."""
    if value is None:
        return "NULL"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in _text(value))
