"""Writes an answer as a table, CSV, JSON, or Parquet."""

from __future__ import annotations

import csv
import datetime as dt
import json
import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import IO, Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from client_health_cli.errors import QueryError

TABLE_ROWS = 200
"""The most rows that a table shows."""
# Wider than any value: the terminal wraps lines that are wider than the screen.
_WIDTH = 1_000_000


def rows_of(answer: pa.RecordBatchReader | pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    """Return the rows of an answer, or of a part of it, as Python values."""
    for batch in [answer] if isinstance(answer, pa.RecordBatch) else answer:
        yield from zip(*map(_values, batch.columns), strict=True)


def write_table(answer: pa.RecordBatchReader, file: TextIO) -> None:
    """Write a table for people: numbers aligned to the right, at most `TABLE_ROWS` rows."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for field in answer.schema:
        name = Text(_cell(field.name))
        table.add_column(name, justify="right" if _is_number(field) else "left", no_wrap=True)
    table.add_row(*(Rule(characters="-") for _ in answer.schema))
    more = 0
    for batch in answer:
        # The first row is the line below the header.
        shown = batch.slice(0, TABLE_ROWS + 1 - table.row_count)
        for row in rows_of(shown):
            table.add_row(*(Text(_cell(value)) for value in row))
        more += batch.num_rows - shown.num_rows

    console = Console(file=file, width=_WIDTH, color_system=None)
    with console.capture() as written:
        console.print(table)
    file.writelines(line.rstrip() + "\n" for line in written.get().removesuffix("\n").split("\n"))
    if more:
        file.write(f"... and {more:,} rows more: --format csv or json writes all of them\n")


def write_csv(answer: pa.RecordBatchReader, file: TextIO) -> None:
    """Write CSV with a header and commas; a null is an empty field."""
    # Arrow's own writer quotes every name and text.
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(answer.schema.names)
    for row in rows_of(answer):
        writer.writerow("" if value is None else _text(value) for value in row)


def write_json(answer: pa.RecordBatchReader, file: TextIO) -> None:
    """Write a JSON list with one object on each line."""
    names = list(_names(answer.schema))
    file.write("[")
    for number, row in enumerate(rows_of(answer)):
        file.write(",\n" if number else "\n")
        file.write(_json(dict(zip(names, row, strict=True))))
    file.write("\n]\n")


def write_parquet(answer: pa.RecordBatchReader, file: IO[bytes]) -> None:
    """Write a Parquet file with the columns' types; nested values become JSON."""
    kinds = map(_stored_type, answer.schema.types)
    schema = pa.schema(list(zip(_names(answer.schema), kinds, strict=True)))
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in answer:
            arrays = list(map(_stored, batch.columns, schema))
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))


FORMATS: dict[str, Callable[[pa.RecordBatchReader, Any], None]] = {
    "table": write_table,
    "csv": write_csv,
    "json": write_json,
    "parquet": write_parquet,
}


def _values(column: pa.Array[Any]) -> list[Any]:
    try:
        return column.to_pylist(maps_as_pydicts="lossy")
    except OverflowError as error:
        raise QueryError(
            f"the answer can't be read: {error}. Only years 1 to 9999 can be shown: CAST the "
            "column to varchar"
        ) from error


def _stored_type(kind: pa.DataType) -> pa.DataType:
    if _is_composed(kind) or pa.types.is_null(kind) or pa.types.is_dictionary(kind):
        return pa.string()
    # DuckDB's type of a sum or a count; Athena's is a bigint.
    return pa.int64() if kind == pa.decimal128(38, 0) else kind


def _stored(column: pa.Array[Any], field: pa.Field[Any]) -> pa.Array[Any]:
    if _is_composed(column.type):
        column = pa.array([None if v is None else _json(v) for v in _values(column)], field.type)
    try:
        column = column.cast(field.type)
    except pa.ArrowInvalid as error:
        raise QueryError(
            f"a number of the column {field.name} needs more than the 64 bits that a Parquet file "
            "has for it: CAST it to double, or write another format"
        ) from error
    return column


def _is_composed(kind: pa.DataType) -> bool:
    return bool(pa.types.is_nested(kind) or pa.types.is_interval(kind))


def _is_number(field: pa.Field[Any]) -> bool:
    kind = field.type
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _names(schema: pa.Schema) -> Iterator[str]:
    """Return column names, with numbers added to repeated ones, as JSON objects need."""
    seen: dict[str, int] = {}
    for name in schema.names:
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name}_{seen[name]}"


def _json(value: Any) -> str:  # noqa: ANN401 - any SQL value
    return json.dumps(_json_value(value), ensure_ascii=False, allow_nan=False)


def _json_value(value: Any) -> Any:  # noqa: ANN401 - any SQL value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json_value(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    return _text(value)


def _text(value: Any) -> str:  # noqa: ANN401 - any SQL value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, pa.MonthDayNano):
        months, days, nanoseconds = value
        return str(dt.timedelta(30 * months + days, microseconds=nanoseconds // 1000))
    return str(value)


def _cell(value: Any) -> str:  # noqa: ANN401 - any SQL value
    """Write a value on one line, so that it can't break the table or steer a terminal."""
    if value is None:
        return "NULL"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in _text(value))
