"""Reading a delivery's files with declared columns: nothing is guessed and no line is lost.

Columns are found by name in every file. An unknown extra column is reported and ignored, a missing
one stops the run. A line that cannot be split into its columns is kept whole, with its reason.
What can be seen at a file's start is refused here; what shows only while all of it is read is
found by :mod:`client_health.inspection`.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.types import BinaryType, StructType

from client_health import contract, headers, lines, signature, storage
from client_health.contract import Gate, Source
from client_health.errors import InputError, QualityGateError, StorageError
from client_health.sources import MALFORMED_LINE
from client_health.storage import File

logger = logging.getLogger(__name__)

# A header, and enough records to have seen every key.
_START = 1 << 18
# Enough to tell what a file is.
_MARK = 8
_JSON_SAMPLE_LINES = 1000
_LINE_END = re.compile(rb"\r\n|\r|\n")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_REPEATED_COLUMN = "COLUMN_ALREADY_EXISTS"
# Behind a Parquet file's footer stand its length and the format's mark.
_TAIL = 8
_LONGEST_FOOTER = 8 << 20
_AGAIN = "Deliver the file again, whole, and run the same command."


# Frame, unknown columns, and whether text was decoded.
_Read = tuple[DataFrame, list[str], bool]


@dataclass(frozen=True)
class Input:
    """A source as read.

    Parameters
    ----------
    source : Source
    files : tuple of File
    frame : DataFrame
        The contract's columns of the source, all text, and ``malformed_line``.
    ignored : tuple of str
        Columns that nobody knows: reported, not read. Where a name might be data, how many.
    decoded : bool
        Whether its text came as bytes, whose encoding nobody vouches for.
    """

    source: Source
    files: tuple[File, ...]
    frame: DataFrame
    ignored: tuple[str, ...]
    decoded: bool = True


def read_source(spark: SparkSession, name: str, uri: str) -> Input:
    """Read one source of a delivery.

    Parameters
    ----------
    spark : SparkSession
    name : str
        ``parquet``, ``csv`` or ``json``.
    uri : str
        A file, or a folder of files.

    Returns
    -------
    Input

    Raises
    ------
    InputError
        When there is no such file, or one that is empty, cannot be read, or has another format.
    QualityGateError
        When a column is missing or named twice, or the encoding is another one.
    """
    source = next(source for source in contract.SOURCES if source.name == name)
    found = tuple(storage.files(spark, uri))
    empty = [file.relative for file in found if not file.size]
    if empty or not found:
        there = "a folder without data files" if storage.exists(spark, uri) else "no such file"
        raise InputError(
            empty[0] if empty else uri.rstrip("/").rsplit("/", 1)[-1],
            found="an empty file" if empty else there,
            expected=f"the {name} source of the delivery",
            next_step="Check the path, deliver the file again, and run the same command.",
        )
    readers = {"parquet": _read_parquet, "csv": _read_csv, "json": _read_json}
    frame, unknown, decoded = readers[name](spark, source, found)
    ignored = headers.shown(sorted(set(unknown)))
    if ignored:
        logger.warning("%s: unknown columns ignored: %s", name, ", ".join(ignored))
    return Input(source, found, frame, ignored, decoded)


def parquet_columns(schema: StructType, source: Source) -> list[Column]:
    """Return a source's columns of a Parquet file as text, under their names."""
    untyped = untyped_columns(schema, source)

    def text(name: str) -> Column:
        given = F.col(name)
        return F.decode(given, "UTF-8") if name in untyped else given.cast("string")

    return [text(name).alias(name) for name in source.columns]


def untyped_columns(schema: StructType, source: Source) -> list[str]:
    """Return the columns whose text was not declared as such, and may have any encoding."""
    return [name for name in source.columns if isinstance(schema[name].dataType, BinaryType)]


def octets(source: Source) -> Column:
    """Return how many bytes a row of text columns has."""
    sizes = (F.coalesce(F.octet_length(name), F.lit(0)).cast("bigint") for name in source.columns)
    return reduce(Column.__add__, sizes)


def _read_parquet(spark: SparkSession, source: Source, files: Sequence[File]) -> _Read:
    frames: list[DataFrame] = []
    unknown: list[str] = []
    decoded = False
    for file in files:
        _check_parquet(spark, file)
        try:
            frame = spark.read.parquet(storage.literal(file.uri))
        except AnalysisException as error:
            if error.getErrorClass() == _REPEATED_COLUMN:
                name = (error.getMessageParameters() or {}).get("columnName", "").strip("`")
                raise headers.repeated(file.relative, name) from None
            raise _not_parquet(file, "a footer that cannot be read") from None
        except Py4JJavaError as error:
            told = storage.unreadable(file.relative, error.java_exception)
            if isinstance(told, StorageError):
                raise told from None
            raise _not_parquet(file, "a footer that cannot be read") from None
        unknown += headers.check(source, file.relative, frame.columns)
        decoded |= bool(untyped_columns(frame.schema, source))
        frames.append(frame.select(*parquet_columns(frame.schema, source)))
    combined = reduce(DataFrame.unionByName, frames)
    too_long = F.when(lines.too_long(octets(source)), lines.stop())
    return combined.withColumn(MALFORMED_LINE, too_long), unknown, decoded


def _check_parquet(spark: SparkSession, file: File) -> None:
    start = storage.start_of(spark, file, len(signature.PARQUET))
    tail = storage.end_of(spark, file, _TAIL)
    if start != signature.PARQUET:
        is_text = all(byte in b"\t\r\n" or byte >= 0x20 for byte in start)
        kind = signature.format_of(start) or ("text" if is_text else "other data")
        raise _not_parquet(file, f"{kind} under another format's name")
    if tail[-len(signature.PARQUET) :] != signature.PARQUET:
        raise _not_parquet(file, "a Parquet file without its end, cut off")
    footer = int.from_bytes(tail[: _TAIL - len(signature.PARQUET)], "little")
    if footer > _LONGEST_FOOTER:
        raise _not_parquet(file, f"a footer of {footer:,} bytes, as of very many columns")


def _not_parquet(file: File, found: str) -> InputError:
    return InputError(file.relative, found=found, expected="a whole Parquet file", next_step=_AGAIN)


def _first_lines(spark: SparkSession, source: Source, file: File) -> list[bytes]:
    """Return the lines at the start of a text file that say something, without the last if torn."""
    signature.check_packing(file.relative, storage.start_of(spark, file, _MARK))
    expected = {"csv": "CSV", "json": "JSON lines"}[source.name]
    for size in (_START, lines.LONGEST):
        start = storage.start_of(spark, file, size, unpacked=True)
        signature.check_text(file.relative, start, expected)
        found = _LINE_END.split(start.removeprefix(_BYTE_ORDER_MARK))
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


def _read_csv(spark: SparkSession, source: Source, files: Sequence[File]) -> _Read:
    # Spark applies a declared schema by position: files are read together only where their
    # headers are the same.
    groups: dict[str, list[str]] = {}
    unknown: list[str] = []
    for file in files:
        first = _first_lines(spark, source, file)[0]
        try:
            header = first.decode()
        except UnicodeDecodeError:
            raise signature.not_utf8(file.relative, "its first line") from None
        if header.lstrip().startswith(("{", "[")):
            raise InputError(
                file.relative,
                found="JSON under another format's name",
                expected=f"CSV, its columns between '{contract.CSV_DELIMITER}'",
                next_step=_AGAIN,
            )
        headers.check_delimiter(source, file.relative, header)
        unknown += headers.check(source, file.relative, headers.split(header))
        groups.setdefault(header, []).append(storage.literal(file.uri))
    frames = [
        lines.read_csv(spark, uris, header, headers.split(header), source.columns)
        for header, uris in groups.items()
    ]
    return reduce(DataFrame.unionByName, frames), unknown, True


def _read_json(spark: SparkSession, source: Source, files: Sequence[File]) -> _Read:
    unknown: list[str] = []
    for file in files:
        sample = _first_lines(spark, source, file)[:_JSON_SAMPLE_LINES]
        records = [record for line in sample if (record := _keys(line)) is not None]
        if not records:
            raise _no_json_lines(file, sample)
        seen = list(dict.fromkeys(key for record in records for key in record))
        # A writer may leave out nulls: a key is missing when no line of the file has it.
        text = spark.read.text(storage.literal(file.uri))
        for name in source.columns:
            if name not in seen and text.filter(F.col("value").rlike(f'"{name}"\\s*:')).head(1):
                seen.append(name)
        twice = {key for record in records for key in record if record.count(key) > 1}
        unknown += headers.check(source, file.relative, [*seen, *sorted(twice)])
    uris = [storage.literal(file.uri) for file in files]
    return lines.read_json(spark, uris, source.columns), unknown, True


def _keys(line: bytes) -> list[str] | None:
    """Return the keys of a record, as often as they are there; None when it is no object."""
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
        found = "JSON that is cut off, or that takes several lines for a record"
    else:
        found = "text that is no JSON"
    return InputError(
        file.relative,
        found=found,
        expected="JSON lines: one whole object on each line",
        next_step="Deliver the file again in this format, and run the same command.",
    )
