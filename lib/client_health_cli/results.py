"""Query results as a table, as CSV, as JSON, or as Parquet."""

from __future__ import annotations

import csv
import datetime as dt
import json
import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, TextIO

from client_health_cli.queries import Result, Row

if TYPE_CHECKING:
    import pyarrow as pa

_ROW_GROUP = 100_000
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


def write_parquet(result: Result, file: IO[bytes]) -> None:
    """Write a Parquet file with the columns' own types; what it has no type for is text."""
    import pyarrow as pa  # noqa: PLC0415 - takes a while to load
    import pyarrow.parquet as pq  # noqa: PLC0415

    kinds = [_arrow_type(name) for name in result.types]
    schema = pa.schema(list(zip(_names(result), kinds, strict=True)))
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        while rows := list(islice(result.rows, _ROW_GROUP)):
            arrays = [
                pa.array([_parquet_value(value, kind) for value in values], kind)
                for values, kind in zip(zip(*rows, strict=True), kinds, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


FORMATS: dict[str, Callable[[Result, Any], None]] = {
    "table": write_table,
    "csv": write_csv,
    "json": write_json,
    "parquet": write_parquet,
}


def _arrow_type(name: str) -> pa.DataType:
    """Give the type of a Parquet column for an SQL type."""
    import pyarrow as pa  # noqa: PLC0415

    plain = name.partition("(")[0]
    if plain == "DECIMAL":
        precision, scale = name.partition("(")[2].rstrip(")").split(",")
        return pa.decimal128(int(precision), int(scale))
    kinds: dict[str, pa.DataType] = {
        "BOOLEAN": pa.bool_(),
        "TINYINT": pa.int8(),
        "SMALLINT": pa.int16(),
        "INTEGER": pa.int32(),
        "BIGINT": pa.int64(),
        # What DuckDB makes of a sum or a count; Athena's is a bigint.
        "HUGEINT": pa.int64(),
        "REAL": pa.float32(),
        "FLOAT": pa.float32(),
        "DOUBLE": pa.float64(),
        "DATE": pa.date32(),
    }
    if plain.startswith("TIMESTAMP"):
        return pa.timestamp("us", tz="UTC" if "ZONE" in name else None)
    return kinds.get(plain, pa.string())


def _parquet_value(value: Any, kind: pa.DataType) -> Any:  # noqa: ANN401 - whatever SQL gives
    import pyarrow as pa  # noqa: PLC0415

    if value is None or not pa.types.is_string(kind) or isinstance(value, str):
        return value
    return json.dumps(_json_value(value), ensure_ascii=False)


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
