"""Rejected rows that stewards have corrected: read, checked, and handed in for the next run.

The corrected files have the format of their source, with one more column that names the rejection.
They become a batch: one file in the lake, named by its content, which the next run takes in.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from client_health import storage
from client_health.clean import rejected_rows, rules, text
from client_health.clean.rejected_rows import RECORD
from client_health.errors import InputError, SettingsError
from client_health.read import headers, lines, pieces, sources
from client_health.read.sources import MALFORMED_LINE, REJECTION_ID, SOURCE
from register_contract import contract, resubmissions
from register_contract.contract import Source

LINE = "line"
_FILE, _PROBLEM, _TEXT = "file", "problem", "text"
#: The column of :func:`handed_in` that names the batch.
_BATCH_ID = "batch"
_ENDINGS = {
    ".parquet": "parquet", ".csv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json"
}  # fmt: skip
_SOURCES = {source.name: source for source in contract.SOURCES}
_BATCH = pl.Schema({SOURCE: pl.String(), REJECTION_ID: pl.String(), RECORD: pl.String()})
_BLANK = " \t\x0b\x0c"
_SHOWN = 10


@dataclass(frozen=True)
class Corrected:
    """The corrected rows of one file.

    Parameters
    ----------
    file : str
        Its name, for messages.
    source : str
    rows : DataFrame
        ``line``, ``rejection_id``, the source's columns, and ``malformed_line``, all but the first
        as text.
    """

    file: str
    source: str
    rows: pl.DataFrame


def _refused(problems: Sequence[str]) -> SettingsError:
    """Return the error for rows that can't be taken in; a problem never quotes a value."""
    more = len(problems) - _SHOWN
    others = [f"and {more:,} more"] if more > 0 else []
    return SettingsError("; ".join([*problems[:_SHOWN], *others]))


def read(file: str, content: bytes) -> Corrected:
    """Read a corrected file in the format of its source.

    Parameters
    ----------
    file : str
        Its name; the ending says the source.
    content : bytes

    Raises
    ------
    SettingsError
        The file has another format, or a column is missing or present twice.
    """
    ending = next((one for one in _ENDINGS if file.lower().endswith(one)), None)
    if ending is None:
        raise _refused([f"{file}: its name ends in none of {', '.join(_ENDINGS)}"])
    source = _SOURCES[_ENDINGS[ending]]
    reader = {"parquet": _parquet, "csv": _csv, "json": _json}[source.name]
    return Corrected(file, source.name, reader(file, content, source))


def _parquet(file: str, content: bytes, source: Source) -> pl.DataFrame:
    try:
        table = pq.read_table(io.BytesIO(content))
    except (pa.ArrowException, OSError):
        raise _refused([f"{file}: it isn't a whole Parquet file"]) from None
    _check(file, source, table.column_names)
    rows = pieces.as_text(table, source)
    named = table.column(REJECTION_ID).cast(pa.string())
    return rows.with_columns(
        pl.Series(REJECTION_ID, named.to_pylist(), pl.String),
        pl.lit(None, pl.String).alias(MALFORMED_LINE),
    ).with_row_index(LINE, 1)


def _csv(file: str, content: bytes, source: Source) -> pl.DataFrame:
    numbered = _numbered(file, content)
    header = str(numbered[_TEXT][0])
    names = headers.split(header)
    _check(file, source, names)
    wanted = (REJECTION_ID, *source.columns)
    parsed = lines.parse_csv(content.removeprefix(lines.BYTE_ORDER_MARK), header, names, wanted)
    # The header is never a row, wherever it occurs.
    own = numbered.filter(pl.col(_TEXT) != header)
    return _with_lines(parsed.frame, own)


def _json(file: str, content: bytes, source: Source) -> pl.DataFrame:
    numbered = _numbered(file, content)
    wanted = (REJECTION_ID, *source.columns)
    seen = [name for name in wanted if re.search(rb'"%s"\s*:' % name.encode(), content)]
    _check(file, source, seen)
    parsed = lines.parse_json(content.removeprefix(lines.BYTE_ORDER_MARK), wanted)
    return _with_lines(parsed.frame, numbered)


def _numbered(file: str, content: bytes) -> pl.DataFrame:
    """Return the lines that are not blank, with their numbers."""
    try:
        content.decode()
    except UnicodeDecodeError:
        raise _refused([f"{file}: it isn't UTF-8"]) from None
    given = lines.split(content.removeprefix(lines.BYTE_ORDER_MARK)).alias(_TEXT)
    numbered = given.to_frame().with_row_index(LINE, 1)
    found = numbered.filter(pl.col(_TEXT).str.strip_chars_start(_BLANK) != "")
    if found.is_empty():
        raise _refused([f"{file}: it has no rows"])
    return found


def _with_lines(rows: pl.DataFrame, numbered: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(numbered[LINE]) if rows.height else rows.with_row_index(LINE, 1)


def _check(file: str, source: Source, names: Collection[str]) -> None:
    wanted = (REJECTION_ID, *source.columns)
    problems = [f"{file}: no column {name}" for name in wanted if name not in names]
    listed = list(names)
    problems += [
        f"{file}: column {name} more than once" for name in wanted if listed.count(name) > 1
    ]
    if problems:
        raise _refused(problems)


def check(given: Iterable[Corrected], known: pl.DataFrame, taken: pl.DataFrame) -> None:
    """Check corrected rows; report everything that is wrong with them at once.

    Parameters
    ----------
    given : iterable of Corrected
    known : DataFrame
        ``rejection_id`` and ``source`` of each rejection.
    taken : DataFrame
        ``rejection_id`` and ``batch`` of each rejection that was corrected before.

    Raises
    ------
    SettingsError
    """
    files = list(given)
    empty = [f"{one.file}: it has no rows" for one in files if one.rows.is_empty()]
    if empty or not files:
        raise _refused(empty or ["no file was given"])
    rows = pl.concat(_judged(one) for one in files)
    told = (
        rows.join(known.unique(REJECTION_ID), on=REJECTION_ID, how="left", suffix="_known")
        .join(taken.unique(REJECTION_ID), on=REJECTION_ID, how="left")
        .with_columns(_problem().alias(_PROBLEM))
        .filter(pl.col(_PROBLEM).is_not_null())
        .sort(_FILE, LINE)
        .select(pl.format("{}, {} {}: {}", _FILE, "unit", LINE, _PROBLEM))
    )
    if told.height:
        raise _refused(told.to_series().to_list())


def _judged(one: Corrected) -> pl.DataFrame:
    cpf = text.normalise_cpf(pl.col(_SOURCES[one.source].column("cpf")))
    return one.rows.select(
        pl.lit(one.file).alias(_FILE),
        pl.lit("row" if one.source == "parquet" else "line").alias("unit"),
        pl.lit(one.source).alias(SOURCE),
        pl.col(LINE).cast(pl.UInt32),
        pl.col(REJECTION_ID).str.strip_chars(),
        pl.col(MALFORMED_LINE).is_not_null().alias("malformed"),
        text.cpf_is_well_formed(cpf).fill_null(value=False).alias("well_formed"),
    )


def _problem() -> pl.Expr:
    """Return what is wrong with a row; null if nothing is."""
    known = pl.col(f"{SOURCE}_known")
    before = pl.format("it was handed in before, in batch {}", _BATCH_ID)
    return (
        pl.when("malformed")
        .then(pl.lit("it can't be split into its columns"))
        .when(pl.col(REJECTION_ID).is_null())
        .then(pl.lit("it has no rejection_id"))
        .when(known.is_null() | (known != pl.col(SOURCE)))
        .then(pl.lit("no rejected row of this source has its rejection_id"))
        .when(pl.col(_BATCH_ID).is_not_null())
        .then(before)
        .when(pl.col(REJECTION_ID).is_duplicated())
        .then(pl.lit("another row has the same rejection_id"))
        .when(~pl.col("well_formed"))
        .then(pl.lit("its CPF is not 11 digits"))
    )


def batch_of(given: Iterable[Corrected]) -> pl.DataFrame:
    """Return the rows of a batch: source, rejection, and record, in one order."""
    parts = []
    for one in given:
        columns = _SOURCES[one.source].columns
        parts.append(
            one.rows.select(
                pl.lit(one.source).alias(SOURCE),
                pl.col(REJECTION_ID).str.strip_chars(),
                pl.struct(columns).struct.json_encode().alias(RECORD),
            )
        )
    return pl.concat(parts).cast(_BATCH).sort(_BATCH.names())


def name_of(batch: pl.DataFrame) -> str:
    """Return the name of a batch, made from its rows."""
    rows = batch.select(pl.concat_str(pl.all(), separator="\t", ignore_nulls=True)).to_series()
    return resubmissions.name_batch(rows.to_list())


def write(lake: str, batch_id: str, batch: pl.DataFrame) -> None:
    """Write a batch into a lake, readable for this account only.

    If another batch that corrects one of the same rejections was written meanwhile, this one is
    removed again.

    Parameters
    ----------
    lake : str
        A folder, or an ``s3://`` prefix.
    batch_id : str
        From :func:`name_of`.
    batch : DataFrame
        From :func:`batch_of`.

    Raises
    ------
    SettingsError
        There is such another batch.
    """
    storage.protect(storage.join(lake, resubmissions.FOLDER.partition("/")[0]))
    uri = storage.join(lake, resubmissions.path_of(batch_id))
    with storage.replacing(uri, private=True) as file:
        batch.write_parquet(file)
    # There is no lock in S3. But of two batches that are written at once, one sees the other.
    others = handed_in(lake).filter(pl.col(_BATCH_ID) != batch_id)
    both = others.filter(pl.col(REJECTION_ID).is_in(batch[REJECTION_ID].to_list()))
    if both.height:
        storage.delete(uri)
        named = ", ".join(sorted(set(both[_BATCH_ID])))
        raise _refused([f"batch {named}, handed in at the same time, corrects the same rows"])


def handed_in(lake: str) -> pl.DataFrame:
    """Return ``rejection_id`` and ``batch`` of every corrected row in a lake.

    Parameters
    ----------
    lake : str
    """
    parts = [pl.DataFrame(schema={REJECTION_ID: pl.String, _BATCH_ID: pl.String})]
    for batch_id in batches(lake):
        rows = _batch(lake, batch_id, [REJECTION_ID])
        if rows is not None:
            parts.append(rows.with_columns(pl.lit(batch_id).alias(_BATCH_ID)))
    return pl.concat(parts)


def batches(lake: str) -> tuple[str, ...]:
    """Return the names of all batches in a lake, sorted."""
    files = storage.files(storage.join(lake, resubmissions.FOLDER))
    return resubmissions.among(file.relative for file in files)


def _batch(lake: str, batch_id: str, columns: list[str]) -> pl.DataFrame | None:
    """Return columns of a batch; None if it is gone."""
    uri = storage.join(lake, resubmissions.path_of(batch_id))
    if not storage.exists(uri):
        return None
    with storage.opened(uri) as file:
        return pl.read_parquet(file, columns=columns)


def of_batches(lake: str, batch_ids: Iterable[str]) -> Iterator[tuple[str, str, pl.DataFrame]]:
    """Yield the corrected rows of batches in the register's shape, with their rejections.

    Parameters
    ----------
    lake : str
    batch_ids : iterable of str

    Yields
    ------
    tuple of str, str, DataFrame
        Batch, source, and rows; only where there are rows.

    Raises
    ------
    InputError
        A batch is gone, or two batches correct the same rejection.
    """
    seen: dict[str, str] = {}
    for batch_id in batch_ids:
        rows = _batch(lake, batch_id, _BATCH.names())
        if rows is None:
            raise InputError(
                batch_id,
                found="no such batch of corrected rows",
                expected="the file that client-health resubmit wrote",
                next_step="Restore it, or run the same command again if it was removed on purpose.",
            )
        both = rows.filter(pl.col(REJECTION_ID).is_in(list(seen)))
        if both.height:
            raise InputError(
                batch_id,
                found=f"rows that batch {seen[both[REJECTION_ID][0]]} corrects, too",
                expected="one correction for each rejected row",
                next_step=f"Remove one of the two files in {resubmissions.FOLDER}.",
            )
        seen |= dict.fromkeys(rows[REJECTION_ID], batch_id)
        for source in contract.SOURCES:
            own = rows.filter(pl.col(SOURCE) == source.name)
            if own.height:
                shape = getattr(sources, f"transform_{source.name}")
                given = rejected_rows.delivered(
                    own.with_columns(pl.lit("").alias(rules.REASONS)), source
                )
                typed = shape(given).with_columns(given[REJECTION_ID])
                yield batch_id, source.name, typed
