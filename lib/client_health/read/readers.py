"""Checks a delivery's files before they are read, and cuts them into pieces for workers.

Columns are found by name in every file. An unknown extra column is reported and ignored; a missing
column stops the run. Errors at a file's start are found here. :mod:`client_health.read.inspection`
finds those that only appear when the whole file is read.
"""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow.parquet as pq

from client_health import storage
from client_health.errors import InputError, QualityGateError, StorageError
from client_health.read import file_types, headers, lines
from client_health.storage import File
from register_contract import contract
from register_contract.contract import Gate, Source

logger = logging.getLogger(__name__)

# Enough for a header, and for enough records to see every key.
_START = 1 << 18
# Enough to detect a file's format.
_MARK = 8
_JSON_SAMPLE_LINES = 1000
# A Parquet file's footer is followed by its length and the format's mark.
_TAIL = 8
_LONGEST_FOOTER = 8 << 20
_AGAIN = "Deliver the complete file again, and run the same command."
# What a worker reads at once: small enough for a few hundred megabytes of memory, large enough to
# be worth a task.
PIECE_BYTES = 32 << 20


@dataclass(frozen=True)
class Piece:
    """A part of a file that one task reads.

    Parameters
    ----------
    source : str
    uri, relative : str
        The file, and its name for messages.
    start : int
        First byte of a text file's part, or the number of a row group.
    size : int
        Bytes of the part; a compressed file has only one part.
    header : str
        Header of a CSV file.
    """

    source: str
    uri: str
    relative: str
    start: int
    size: int
    header: str = ""


@dataclass(frozen=True)
class Input:
    """A source whose files have been checked.

    Parameters
    ----------
    source : Source
    files : tuple of File
    pieces : tuple of Piece
        Everything that there is to read.
    ignored : tuple of str
        Unknown columns, which are reported but not read. Names that might be data are only counted.
    """

    source: Source
    files: tuple[File, ...]
    pieces: tuple[Piece, ...]
    ignored: tuple[str, ...]


def read_source(name: str, uri: str) -> Input:
    """Check the files of one source of a delivery.

    Parameters
    ----------
    name : str
        ``parquet``, ``csv``, or ``json``.
    uri : str
        A file, or a folder of files.

    Returns
    -------
    Input

    Raises
    ------
    InputError
        If a file does not exist, is empty, cannot be read, or has another format.
    QualityGateError
        If a column is missing or present twice, or the encoding is another one.
    """
    source = next(source for source in contract.SOURCES if source.name == name)
    found = tuple(storage.files(uri))
    empty = [file.relative for file in found if not file.size]
    if empty or not found:
        there = "a folder without data files" if storage.exists(uri) else "no such file"
        raise InputError(
            empty[0] if empty else storage.name_of(uri),
            found="an empty file" if empty else there,
            expected=f"the {name} source of the delivery",
            next_step="Check the path, deliver the file again, and run the same command.",
        )
    look = {"parquet": _look_at_parquet, "csv": _look_at_csv, "json": _look_at_json}[name]
    pieces: list[Piece] = []
    unknown: list[str] = []
    for file in found:
        parts, others = look(source, file)
        pieces += parts
        unknown += others
    ignored = headers.shown(sorted(set(unknown)))
    if ignored:
        logger.warning("%s: unknown columns ignored: %s", name, ", ".join(ignored))
    return Input(source, found, tuple(pieces), ignored)


def _look_at_parquet(source: Source, file: File) -> tuple[list[Piece], Sequence[str]]:
    _check_parquet(file)
    try:
        with storage.opened(file.uri) as stream:
            inside = pq.ParquetFile(stream)
            names = list(inside.schema_arrow.names)
            groups = [
                inside.metadata.row_group(at).total_byte_size
                for at in range(inside.metadata.num_row_groups)
            ]
    except storage.READ_ERRORS as error:
        told = storage.unreadable(file.relative, error)
        if isinstance(told, StorageError):
            raise told from None
        raise _not_parquet(file, "a footer that cannot be read") from None
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise headers.repeated(file.relative, twice[0])
    unknown = headers.check(source, file.relative, names)
    return [
        Piece(source.name, file.uri, file.relative, at, size) for at, size in enumerate(groups)
    ], unknown


def _check_parquet(file: File) -> None:
    start = storage.start_of(file, len(file_types.PARQUET))
    tail = storage.end_of(file, _TAIL)
    if start != file_types.PARQUET:
        is_text = all(byte in b"\t\r\n" or byte >= 0x20 for byte in start)
        kind = file_types.format_of(start) or ("text" if is_text else "other data")
        raise _not_parquet(file, f"{kind} under another format's name")
    if tail[-len(file_types.PARQUET) :] != file_types.PARQUET:
        raise _not_parquet(file, "a Parquet file without its end, cut off")
    footer = int.from_bytes(tail[: _TAIL - len(file_types.PARQUET)], "little")
    if footer > _LONGEST_FOOTER:
        raise _not_parquet(file, f"a footer of {footer:,} bytes, as for very many columns")


def _not_parquet(file: File, found: str) -> InputError:
    return InputError(file.relative, found=found, expected="a whole Parquet file", next_step=_AGAIN)


def _text_pieces(source: Source, file: File, header: str = "") -> list[Piece]:
    whole = bool(file_types.packing(file.uri))
    cuts = [(0, file.size)] if whole else lines.cut(file.size, PIECE_BYTES)
    return [
        Piece(source.name, file.uri, file.relative, start, size, header) for start, size in cuts
    ]


def _first_lines(source: Source, file: File) -> list[bytes]:
    """Return the non-blank lines at the start of a text file, without an incomplete last one."""
    file_types.check_packing(file.relative, storage.start_of(file, _MARK))
    expected = {"csv": "CSV", "json": "JSON lines"}[source.name]
    for size in (_START, lines.LONGEST):
        start = storage.start_of(file, size, unpack=True)
        file_types.check_text(file.relative, start, expected)
        found = lines.LINE_END.split(start.removeprefix(lines.BYTE_ORDER_MARK))
        if len(start) < size:
            break
        found.pop()
        if found:
            break
    else:
        raise InputError(
            file.relative,
            found=f"no line end in its first {lines.LONGEST:,} bytes",
            expected=expected,
            next_step=_AGAIN,
        )
    told = [line for line in found if line.strip()]
    if not told:
        detail = f"{file.relative} has nothing but blank lines; expected rows"
        raise QualityGateError([(Gate.FONTE_VAZIA, detail)])
    return told


def _look_at_csv(source: Source, file: File) -> tuple[list[Piece], Sequence[str]]:
    first = _first_lines(source, file)[0]
    try:
        header = first.decode()
    except UnicodeDecodeError:
        raise file_types.not_utf8(file.relative, "its first line") from None
    if header.lstrip().startswith(("{", "[")):
        raise InputError(
            file.relative,
            found="JSON under another format's name",
            expected=f"CSV, its columns between '{contract.CSV_DELIMITER}'",
            next_step=_AGAIN,
        )
    headers.check_delimiter(source, file.relative, header)
    unknown = headers.check(source, file.relative, headers.split(header))
    return _text_pieces(source, file, header), unknown


def _look_at_json(source: Source, file: File) -> tuple[list[Piece], Sequence[str]]:
    sample = _first_lines(source, file)[:_JSON_SAMPLE_LINES]
    records = [record for line in sample if (record := _keys(line)) is not None]
    if not records:
        raise _no_json_lines(file, sample)
    seen = list(dict.fromkeys(key for record in records for key in record))
    # A writer may leave out nulls: a key is missing only if no line of the file has it.
    seen += [name for name in source.columns if name not in seen and _has_key(file, name)]
    twice = {key for record in records for key in record if record.count(key) > 1}
    unknown = headers.check(source, file.relative, [*seen, *sorted(twice)])
    return _text_pieces(source, file), unknown


def _has_key(file: File, name: str) -> bool:
    """Return whether any line of a file has a key."""
    key = re.compile(rb'"%s"\s*:' % re.escape(name.encode()))

    def search() -> bool:
        before = b""
        with storage.unpacked(file.uri) as stream:
            while block := stream.read(PIECE_BYTES):
                if key.search(before + block):
                    return True
                before = block[-_START:]
        return False

    return storage.readable(file.relative, search)


def _keys(line: bytes) -> list[str] | None:
    """Return the keys of a record, with repetitions; None if it isn't an object."""
    pairs: list[list[str]] = []

    def remember(given: list[tuple[str, object]]) -> dict[str, object]:
        pairs.append([key for key, _ in given])
        return dict(given)

    try:
        record = json.loads(line.decode(errors="replace"), object_pairs_hook=remember)
    except (ValueError, RecursionError):
        return None
    # The outermost object is the last one that ends.
    return pairs[-1] if isinstance(record, dict) else None


def _no_json_lines(file: File, sample: Sequence[bytes]) -> InputError:
    first = sample[0].lstrip()
    if first.startswith(b"["):
        found = "a JSON array"
    elif first.startswith(b"{"):
        found = "JSON that is cut off, or has several lines for a record"
    else:
        found = "text that is not JSON"
    return InputError(
        file.relative,
        found=found,
        expected="JSON lines: one whole object on each line",
        next_step="Deliver the file again in this format, and run the same command.",
    )
