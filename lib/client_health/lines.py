"""Lines of text files, split into columns inside the pass that reads them.

The line stays at hand until it is known to be whole: one that is not is kept as it came. Spark's
own readers of CSV and JSON files give no line for what they skip without a word: a second record
on a JSON line, an empty array. They also fail as a whole at a line of very many columns.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from client_health import contract
from client_health.session import jvm
from client_health.sources import MALFORMED_LINE

# A line of a register has some hundred bytes. A longer one than this is no line of one, and could
# fill the memory of whoever holds it.
LONGEST = 16 << 20
# The CSV parser refuses more columns by ending the job; below this size no line can have them.
_MOST_COLUMNS = 20_000
_OPTIONS = {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": MALFORMED_LINE}
_PARSED = "parsed"
# No JSON begins with it.
_NO_JSON = "!"

Paths = str | list[str]


def read_csv(
    spark: SparkSession, paths: Paths, header: str, columns: Sequence[str], wanted: Sequence[str]
) -> DataFrame:
    """Read CSV files that have the same header.

    Parameters
    ----------
    spark : SparkSession
    paths : str or list of str
    header : str
        Their header line. It is no row, wherever it stands.
    columns : sequence of str
        The names in it.
    wanted : sequence of str
        The columns to return.

    Returns
    -------
    DataFrame
        The wanted columns as text, and ``malformed_line``.
    """
    # A name that is not wanted may be anything, so only its place goes into the schema.
    names = [name if name in wanted else f"unread_{at}" for at, name in enumerate(columns)]
    line = F.col("value")
    delimiter = F.lit(contract.CSV_DELIMITER)
    delimiters = F.octet_length(line) - F.octet_length(F.replace(line, delimiter, F.lit("")))
    splittable = (F.octet_length(line) <= _MOST_COLUMNS) | (delimiters < _MOST_COLUMNS)
    parsed = F.from_csv(
        F.when(splittable, line),
        _schema(names),
        {**_OPTIONS, "sep": contract.CSV_DELIMITER, "quote": '"', "escape": '"'},
    )
    found = F.col(_PARSED)
    malformed = found.isNull() | found.getField(MALFORMED_LINE).isNotNull()
    # What is no UTF-8 is replaced: staging is text that every reader can open.
    kept = F.decode(line.cast("binary"), "UTF-8")
    rows = _lines(spark, paths).filter(line != header).select(line, parsed.alias(_PARSED))
    return rows.select(
        *(found.getField(name).alias(name) for name in wanted),
        F.when(malformed, kept).alias(MALFORMED_LINE),
    )


def read_json(spark: SparkSession, paths: Paths, wanted: Sequence[str]) -> DataFrame:
    """Read files with one JSON object a line.

    Parameters
    ----------
    spark : SparkSession
    paths : str or list of str
    wanted : sequence of str
        The keys to return.

    Returns
    -------
    DataFrame
        The wanted columns as text, and ``malformed_line``.
    """
    line = F.col("value")
    # The parser stops behind the first value, and takes an array for rows. Nearly every line is
    # one flat object: its only closing brace is its last byte.
    up_to_brace = F.octet_length(F.substring_index(line, "}", 1))
    flat = line.startswith("{") & (up_to_brace + 1 == F.octet_length(line))
    items = F.json_array_length(F.concat(F.lit("["), line, F.lit("]")))
    whole = flat | (line.rlike(r"\A\s*\{") & (items == 1))
    marked = F.when(whole, line).otherwise(F.concat(F.lit(_NO_JSON), line))
    reader = spark.read.options(**_OPTIONS).schema(_schema(wanted))
    text = _lines(spark, paths).select(marked.alias("value"))
    # Faster than `from_json` by a third; Python's own reader takes lines only from Python.
    encoder = jvm(spark).org.apache.spark.sql.Encoders.STRING()
    parsed = DataFrame(reader._jreader.json(getattr(text._jdf, "as")(encoder)), spark)
    kept = F.col(MALFORMED_LINE)
    begun = kept.startswith(_NO_JSON)
    return parsed.select(
        *wanted,
        F.when(begun, F.substr(kept, F.lit(2))).otherwise(kept).alias(MALFORMED_LINE),
    )


def too_long(octets: Column) -> Column:
    """Say whether a row has more bytes than any row of a register."""
    return octets > LONGEST


def stop() -> Column:
    """End the job; :mod:`client_health.inspection` then finds file and line."""
    return F.raise_error(F.lit(f"a row of more than {LONGEST} bytes")).cast("string")


def _lines(spark: SparkSession, paths: Paths) -> DataFrame:
    blank = F.expr(r"trim(LEADING ' \t\u000b\f' FROM value) = ''")
    # Here, before anything copies the line.
    long = too_long(F.octet_length("value"))
    return spark.read.text(paths).filter(F.when(long, stop().isNotNull()).otherwise(~blank))


def _schema(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}` STRING" for name in (*names, MALFORMED_LINE))
