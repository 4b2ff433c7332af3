"""Reading the files of a drop with declared columns, so that nothing is guessed and no line lost.

Columns are found by name in every file. An unknown extra column is reported and ignored, a missing
one stops the run. A line that cannot be split into its columns is kept whole, with its reason.
"""

from __future__ import annotations

import csv
import json
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.types import StringType, StructField, StructType

from client_health import contract, storage
from client_health.contract import Source
from client_health.errors import InputError, QualityGateError
from client_health.sources import MALFORMED_LINE
from client_health.storage import File

logger = logging.getLogger(__name__)

_JSON_SAMPLE_LINES = 1000
_BYTE_ORDER_MARK = "\ufeff"
_REPEATED_COLUMN = "COLUMN_ALREADY_EXISTS"
_NO_FOOTER = "CANNOT_READ_FILE_FOOTER"


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
        Columns that nobody knows: reported, not read.
    """

    source: Source
    files: tuple[File, ...]
    frame: DataFrame
    ignored: tuple[str, ...]


def read_source(spark: SparkSession, name: str, uri: str) -> Input:
    """Read one source of a drop.

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
        When there is no such file, or one that is empty or cannot be read.
    QualityGateError
        When a column is missing or named twice.
    """
    source = next(source for source in contract.SOURCES if source.name == name)
    found = tuple(storage.files(spark, uri))
    empty = [file.relative for file in found if not file.size]
    if empty or not found:
        raise InputError(
            empty[0] if empty else uri.rstrip("/").rsplit("/", 1)[-1],
            found="an empty file" if empty else "no such file",
            expected=f"the {name} source of the drop",
            next_step="Check the path, deliver the file again, and run the same command.",
        )
    readers = {"parquet": _read_parquet, "csv": _read_csv, "json": _read_json}
    frame, ignored = readers[name](spark, source, found)
    if ignored:
        logger.warning("%s: unknown columns ignored: %s", name, ", ".join(ignored))
    return Input(source, found, frame, ignored)


def _text_schema(columns: Iterable[str]) -> StructType:
    return StructType([StructField(name, StringType()) for name in (*columns, MALFORMED_LINE)])


def _check_columns(source: Source, file: str, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the unknown columns; stop when one is missing or there twice."""
    missing = [name for name in source.columns if name not in columns]
    twice = sorted({name for name in columns if list(columns).count(name) > 1})
    if missing or twice:
        found = [f"no column {name!r}" for name in missing]
        found += [f"column {name!r} more than once" for name in twice]
        shown = ", ".join(columns[:30]) or "none"
        detail = f"{file} has {', '.join(found)} (its columns: {shown:.300})"
        raise QualityGateError([("colunas_de_entrada", detail)])
    known = {*source.columns, *source.ignored}
    return tuple(name for name in columns if name not in known)


def _combine(frames: list[DataFrame], ignored: Iterable[str]) -> tuple[DataFrame, tuple[str, ...]]:
    return reduce(DataFrame.unionByName, frames), tuple(sorted(set(ignored)))


def _read_parquet(
    spark: SparkSession, source: Source, files: Sequence[File]
) -> tuple[DataFrame, tuple[str, ...]]:
    frames: list[DataFrame] = []
    ignored: list[str] = []
    for file in files:
        try:
            frame = spark.read.parquet(_exactly(file))
        except AnalysisException as error:
            if error.getErrorClass() == _REPEATED_COLUMN:
                raise _repeated_column(file, error) from error
            raise _not_parquet(file) from error
        except Py4JJavaError as error:
            if _NO_FOOTER not in str(error.java_exception):
                raise
            raise _not_parquet(file) from error
        ignored += _check_columns(source, file.relative, frame.columns)
        frames.append(frame.select(*(F.col(c).cast("string") for c in source.columns)))
    combined, unknown = _combine(frames, ignored)
    return combined.withColumn(MALFORMED_LINE, F.lit(None).cast("string")), unknown


def _not_parquet(file: File) -> InputError:
    return InputError(
        file.relative,
        found="no Parquet file that can be read",
        expected="Parquet",
        next_step="Deliver the file again, whole, and run the same command.",
    )


def _repeated_column(file: File, error: AnalysisException) -> QualityGateError:
    name = (error.getMessageParameters() or {}).get("columnName", "").strip("`")
    detail = f"{file.relative} has column {name!r} more than once"
    return QualityGateError([("colunas_de_entrada", detail)])


def _exactly(file: File) -> str:
    """Return a file's URI for Spark's readers, which take some characters for patterns."""
    return re.sub(r"([][{}*?\\])", r"\\\1", file.uri)


def _first_lines(spark: SparkSession, file: File, count: int) -> list[str]:
    lines = spark.read.text(_exactly(file))
    return [str(row[0]) for row in lines.filter(F.trim("value") != "").head(count)]


def _read_csv(
    spark: SparkSession, source: Source, files: Sequence[File]
) -> tuple[DataFrame, tuple[str, ...]]:
    # Spark applies a declared schema by position: files are read together only where their
    # headers are the same, each group with the schema of its own header.
    groups: dict[tuple[str, ...], list[str]] = {}
    ignored: list[str] = []
    for file in files:
        lines = _first_lines(spark, file, 1)
        header = next(csv.reader(lines, delimiter=contract.CSV_DELIMITER), [])
        columns = tuple(name.removeprefix(_BYTE_ORDER_MARK).strip() for name in header)
        ignored += _check_columns(source, file.relative, columns)
        groups.setdefault(columns, []).append(_exactly(file))
    frames = [
        spark.read.csv(
            uris,
            schema=_text_schema(columns),
            sep=contract.CSV_DELIMITER,
            header=True,
            quote='"',
            escape='"',
            mode="PERMISSIVE",
            columnNameOfCorruptRecord=MALFORMED_LINE,
            encoding="UTF-8",
        ).select(*source.columns, MALFORMED_LINE)
        for columns, uris in groups.items()
    ]
    return _combine(frames, ignored)


def _keys(line: str) -> list[str]:
    try:
        record = json.loads(line)
    except ValueError:
        return []
    return list(record) if isinstance(record, dict) else []


def _read_json(
    spark: SparkSession, source: Source, files: Sequence[File]
) -> tuple[DataFrame, tuple[str, ...]]:
    ignored: list[str] = []
    for file in files:
        sample = _first_lines(spark, file, _JSON_SAMPLE_LINES)
        seen = list(dict.fromkeys(key for line in sample for key in _keys(line)))
        # A writer may leave out nulls: a key is missing when no line of the file has it.
        text = spark.read.text(_exactly(file))
        for name in source.columns:
            if name not in seen and text.filter(F.col("value").rlike(f'"{name}"\\s*:')).head(1):
                seen.append(name)
        ignored += _check_columns(source, file.relative, seen)
    frame = spark.read.json(
        [_exactly(file) for file in files],
        schema=_text_schema(source.columns),
        mode="PERMISSIVE",
        columnNameOfCorruptRecord=MALFORMED_LINE,
        encoding="UTF-8",
        lineSep="\n",
    )
    return frame, tuple(sorted(set(ignored)))
