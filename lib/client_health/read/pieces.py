"""Reads one piece of a source: its rows as text, in blocks that fit into memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from client_health import java, storage
from client_health.read import file_types, headers, lines
from client_health.read.lines import LONGEST, Parsed, TooLongError
from client_health.read.readers import PIECE_BYTES, Piece
from client_health.read.sources import MALFORMED_LINE
from register_contract import contract
from register_contract.contract import Source

# Rows in memory at once.
BLOCK_ROWS = 200_000
_REPLACEMENT = "\ufffd"


def read(piece: Piece) -> Iterator[Parsed]:
    """Read a piece.

    Parameters
    ----------
    piece : Piece

    Yields
    ------
    Parsed
        The contract's columns of the source, all text, and ``malformed_line``.

    Raises
    ------
    TooLongError
        If a line or row is longer than any of a register.
    OSError, EOFError, ArrowException
        If the piece cannot be read; see :func:`client_health.storage.unreadable`.
    """
    source = next(source for source in contract.SOURCES if source.name == piece.source)
    if source.name == "parquet":
        yield from _row_group(piece, source)
        return
    for block in _text(piece):
        if source.name == "csv":
            names = headers.split(piece.header)
            parsed = lines.parse_csv(block, piece.header, names, source.columns)
        else:
            parsed = lines.parse_json(block, source.columns)
        if parsed.too_long:
            raise TooLongError
        yield parsed


def _text(piece: Piece) -> Iterator[bytes]:
    if not file_types.packing(piece.uri):
        with storage.opened(piece.uri) as stream:
            yield lines.read_piece(stream, piece.start, piece.size)
        return
    with storage.unpacked(piece.uri) as stream:
        yield from whole_lines(stream)


def whole_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield a text from its start in blocks of whole lines.

    A line that is too long ends this: the last block is then the part of it that was read.
    """
    rest = stream.read(len(lines.BYTE_ORDER_MARK)).removeprefix(lines.BYTE_ORDER_MARK)
    while block := stream.read(PIECE_BYTES):
        data = rest + block
        end = last_line_end(data)
        yield data[:end]
        rest = data[end:]
        # The last byte may be half a line end.
        if len(rest) > LONGEST + 1:
            break
    if rest:
        yield rest


def last_line_end(data: bytes) -> int:
    """Return the place after the last line end that is certainly complete."""
    at = data.rfind(b"\n")
    # A carriage return that ends the block may be the first half of a line end.
    return at + 1 if at >= 0 else data.rfind(b"\r", 0, len(data) - 1) + 1


def _row_group(piece: Piece, source: Source) -> Iterator[Parsed]:
    with storage.opened(piece.uri) as stream:
        file = pq.ParquetFile(stream, page_checksum_verification=True, pre_buffer=False)
        for batch in file.iter_batches(
            BLOCK_ROWS, [piece.start], columns=list(source.columns), use_threads=False
        ):
            yield parquet_rows(pa.Table.from_batches([batch]), source)


def parquet_rows(table: pa.Table, source: Source) -> Parsed:
    """Return a Parquet file's columns as text.

    Parameters
    ----------
    table : pyarrow.Table
    source : Source

    Raises
    ------
    TooLongError
    """
    frame = as_text(table, source)
    if table.nbytes > LONGEST and row_sizes(frame).max() > LONGEST:  # type: ignore[operator]
        raise TooLongError
    untyped = untyped_columns(table.schema, source)
    lost = [pl.col(name).str.contains(_REPLACEMENT, literal=True) for name in untyped]
    undecodable = frame.select(pl.any_horizontal(lost).sum()).item() if lost else 0
    return Parsed(frame.with_columns(pl.lit(None, pl.String).alias(MALFORMED_LINE)), undecodable)


def untyped_columns(schema: pa.Schema, source: Source) -> list[str]:
    """Return the columns whose text is stored as bytes, and may have any encoding."""
    return [name for name in source.columns if _is_binary(schema.field(name).type)]


def _is_binary(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def as_text(table: pa.Table, source: Source) -> pl.DataFrame:
    """Return the source's columns, all text; bytes that are not UTF-8 are replaced."""
    return texts(table, source.columns)


def texts(table: pa.Table, names: Sequence[str]) -> pl.DataFrame:
    """Return some columns as text; see :func:`as_text`."""
    return pl.DataFrame(
        {name: pl.from_arrow(_as_text(table.column(name))) for name in names},
        schema=dict.fromkeys(names, pl.String),
    )


def row_sizes(frame: pl.DataFrame) -> pl.Series:
    """Return the bytes of each row of texts."""
    sizes = pl.sum_horizontal(pl.all().str.len_bytes().fill_null(0).cast(pl.Int64))
    return frame.select(sizes.alias("bytes"))["bytes"]


def _as_text(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _as_text(column.cast(kind.value_type))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            return _decoded(column.cast(pa.large_binary()))
        return column
    if _is_binary(kind):
        return _decoded(column)
    if pa.types.is_timestamp(kind):
        # UTC, as in the register; fractions of a microsecond don't matter.
        column = column.cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.timestamp("us"))
    if pa.types.is_floating(kind) or pa.types.is_nested(kind):
        return pa.chunked_array([_shown(column)], pa.string())
    return column.cast(pa.string())


def _decoded(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    try:
        return column.cast(pa.large_binary()).cast(pa.large_string())
    except pa.ArrowInvalid:
        values = (None if v is None else v.decode("utf-8", "replace") for v in column.to_pylist())
        return pa.chunked_array([pa.array(values, pa.large_string())])


def _shown(column: pa.ChunkedArray[Any]) -> pa.Array[Any]:
    """Return numbers as text in Java's form, like Spark's reader, and lists as text."""
    number = java.double_text if column.type == pa.float64() else java.float_text

    def text(value: object) -> str | None:
        if isinstance(value, float):
            return number(value)
        return None if value is None else str(value)

    return pa.array([text(value) for value in column.to_pylist()], pa.string())
