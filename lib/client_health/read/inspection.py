"""Finds the file and line with an error, after reading has shown that there is one.

An extra pass over good data would cost too much; over bad data, it may take time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from client_health import storage
from client_health.errors import InputError
from client_health.read import file_types, lines, pieces
from client_health.read.readers import Input
from client_health.storage import File
from register_contract.contract import Source


@dataclass
class _Findings:
    """The first place of each fault, counted from 1; None if there is none."""

    undecodable: int | None = None
    too_long: int | None = None

    def add(self, first: int, undecodable: int | None, too_long: int | None) -> None:
        """Add the findings of a block whose first line has the number ``first``."""
        if self.undecodable is None and undecodable is not None:
            self.undecodable = first + undecodable
        if self.too_long is None and too_long is not None:
            self.too_long = first + too_long


def blame(inputs: Iterable[Input]) -> None:
    """Raise the error of the first file of a delivery that has one.

    Parameters
    ----------
    inputs : iterable of Input

    Raises
    ------
    InputError
        If a file cannot be read to its end, or has a line that is too long.
    StorageError
        If its storage does not answer.
    QualityGateError
        If a file is not UTF-8.
    """
    for given in inputs:
        is_parquet = given.source.name == "parquet"
        place = "row" if is_parquet else "line"
        for file in given.files:
            try:
                found = _parquet(given.source, file) if is_parquet else _text(file)
            except storage.READ_ERRORS as error:
                raise storage.unreadable(file.relative, error) from None
            if found.too_long is not None:
                raise _too_long(file, f"{place} {found.too_long:,}")
            if found.undecodable is not None:
                raise file_types.not_utf8(file.relative, f"{place} {found.undecodable:,}")


def _text(file: File) -> _Findings:
    found, before = _Findings(), 0
    with storage.unpacked(file.uri) as stream:
        for block in pieces.whole_lines(stream):
            before += _look(found, before, block)
    return found


def _look(found: _Findings, before: int, data: bytes) -> int:
    """Check a block of whole lines; return how many there are."""
    split = lines.LINE_END.split(data)
    if not split[-1]:
        split.pop()
    long = next((at for at, line in enumerate(split) if len(line) > lines.LONGEST), None)
    torn = None
    if not _is_utf8(data):
        each = (at for at, line in enumerate(split) if at != long and not _is_utf8(line))
        torn = next(each, None)
    found.add(before + 1, torn, long)
    return len(split)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _parquet(source: Source, file: File) -> _Findings:
    found, before = _Findings(), 0
    with storage.opened(file.uri) as stream:
        inside = pq.ParquetFile(stream, page_checksum_verification=True)
        untyped = pieces.untyped_columns(inside.schema_arrow, source)
        for batch in inside.iter_batches(pieces.BLOCK_ROWS, columns=list(source.columns)):
            table = pa.Table.from_batches([batch])
            sizes = pieces.row_sizes(pieces.as_text(table, source))
            long = (sizes > lines.LONGEST).arg_true()
            torn = _first_torn(table, untyped)
            found.add(before + 1, torn, long[0] if len(long) else None)
            before += batch.num_rows
    return found


def _first_torn(table: pa.Table, untyped: list[str]) -> int | None:
    for row, values in enumerate(zip(*(table.column(n).to_pylist() for n in untyped), strict=True)):
        if any(value is not None and not _is_utf8(value) for value in values):
            return row
    return None


def _too_long(file: File, place: str) -> InputError:
    return InputError(
        file.relative,
        found=f"{place} is longer than {lines.LONGEST:,} bytes",
        expected="a record of the register, of a few hundred bytes",
        next_step="Ask the sender to fix it, and run the same command with the new file.",
    )
