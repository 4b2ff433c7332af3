"""Finding the file and line to blame, once reading has shown that something is wrong.

A pass over good data would be too dear for this, and over bad data it may take its time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from client_health import contract, lines, signature, storage
from client_health.errors import InputError
from client_health.readers import Input, octets, parquet_columns, untyped_columns
from client_health.sources import MALFORMED_LINE, SOURCE
from client_health.storage import File

logger = logging.getLogger(__name__)

# What Java puts in the place of bytes that are no UTF-8.
_REPLACEMENT = "\ufffd"
_PLACES_A_PARTITION = 1 << 33


@dataclass(frozen=True)
class _Findings:
    """The first place of each fault, counted from 1; None where there is none."""

    undecodable: int | None
    too_long: int | None


def is_undecodable(sources: Iterable[str]) -> Column:
    """Say whether a row of the register seems to come from bytes that are no UTF-8.

    A malformed line does not count: it is rejected anyway, and a file that was cut off may end
    within a letter.

    Parameters
    ----------
    sources : iterable of str
        Names of the sources whose text had to be decoded.
    """
    texts = [c.name for c in contract.REGISTER_COLUMNS if c.type == "string"]
    judged = F.col(SOURCE).isin(*sources) & F.col(MALFORMED_LINE).isNull()
    return judged & F.concat_ws("", *texts).contains(_REPLACEMENT)


def blame(spark: SparkSession, inputs: Iterable[Input]) -> None:
    """Look for what is wrong with the files of a delivery.

    Parameters
    ----------
    spark : SparkSession
    inputs : iterable of Input

    Raises
    ------
    InputError
        When a file cannot be read to its end, or has a line that is none.
    QualityGateError
        When a file is no UTF-8.
    """
    for given in inputs:
        for file in given.files:
            try:
                found = _parquet(spark, given, file) if _is_parquet(given) else _text(spark, file)
            except Py4JJavaError as error:
                raise storage.unreadable(file.relative, error.java_exception) from None
            except PySparkException:
                raise _damaged(file) from None
            place = "row" if _is_parquet(given) else "line"
            if found.too_long is not None:
                raise _too_long(file, f"{place} {found.too_long:,}")
            if found.undecodable is not None:
                raise signature.not_utf8(file.relative, f"{place} {found.undecodable:,}")


def _is_parquet(given: Input) -> bool:
    return given.source.name == "parquet"


def _text(spark: SparkSession, file: File) -> _Findings:
    line = F.col("value")
    raw = line.cast("binary")
    long = lines.too_long(F.octet_length(line))
    undecodable = ~long & _is_no_utf8(raw)
    place = F.monotonically_increasing_id()
    parts = (
        spark.read.text(storage.literal(file.uri))
        .select(F.spark_partition_id().alias("part"), place.alias("place"), long, undecodable)
        .toDF("part", "place", "long", "undecodable")
        .groupBy("part")
        .agg(
            F.count("*"),
            F.min(F.when(F.col("undecodable"), F.col("place"))),
            F.min(F.when(F.col("long"), F.col("place"))),
        )
        .orderBy("part")
        .collect()
    )
    before = 0
    first: list[int | None] = [None, None]
    for _, count, *places in parts:
        for at, found in enumerate(places):
            if first[at] is None and found is not None:
                first[at] = before + found % _PLACES_A_PARTITION + 1
        before += count
    return _Findings(*first)


def _is_no_utf8(raw: Column) -> Column:
    return raw != F.encode(F.decode(raw, "UTF-8"), "UTF-8")


def _parquet(spark: SparkSession, given: Input, file: File) -> _Findings:
    frame = spark.read.parquet(storage.literal(file.uri))
    row = F.col("_metadata.row_index") + 1
    undecodable = F.lit(False)
    for name in untyped_columns(frame.schema, given.source):
        undecodable |= F.coalesce(_is_no_utf8(F.col(name)), F.lit(False))
    rows = frame.select(
        row.alias("row"), undecodable.alias("bad"), *parquet_columns(frame.schema, given.source)
    )
    found = rows.agg(
        F.min(F.when(F.col("bad"), F.col("row"))),
        F.min(F.when(lines.too_long(octets(given.source)), F.col("row"))),
    ).head()
    return _Findings(*(found or (None, None)))


def _too_long(file: File, place: str) -> InputError:
    return InputError(
        file.relative,
        found=f"{place} is longer than {lines.LONGEST:,} bytes",
        expected="a record of the register, of some hundred bytes",
        next_step="Ask the sender to mend it, and run the same command with the new file.",
    )


def _damaged(file: File) -> InputError:
    return InputError(
        file.relative,
        found="it cannot be read to its end: damaged",
        expected="a whole file",
        next_step="Deliver the file again, and run the same command.",
    )
