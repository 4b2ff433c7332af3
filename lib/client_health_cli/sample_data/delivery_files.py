"""Writes the three files of a delivery, batch by batch."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from client_health_cli.errors import SettingsError
from client_health_cli.sample_data.arrays import choose, concatenated, join, json_values, rewrite
from client_health_cli.sample_data.defects import MALFORMED_LINE, SampleSettings
from client_health_cli.sample_data.draws import Draws
from client_health_cli.sample_data.people import People
from client_health_cli.sample_data.spelling import Batch, Spelling
from register_contract.columns import REGISTER_COLUMNS
from register_contract.sources import CSV_DELIMITER, SOURCES, Source

Listener = Callable[[int], None]
"""Called after each batch with its number of rows."""

# Values of the columns that the register ignores.
_COUNTRY = "Brasil"
_PANDAS_INDEX = "__index_level_0__"
_JSON_NUMBER_TYPES = ("int", "timestamp_ntz")


@dataclass(frozen=True)
class SampleFile:
    """A written file.

    Parameters
    ----------
    source : str
        `parquet`, `csv`, or `json`.
    path : Path
        Its path.
    rows : int
        Number of its rows, including malformed ones.
    size : int
        Its size in bytes.
    defects : Mapping[str, int]
        Number of rows that break each rule.
    """

    source: str
    path: Path
    rows: int
    size: int
    defects: Mapping[str, int]


def write(
    out: Path,
    rows: int,
    seed: int,
    settings: SampleSettings | None = None,
    listener: Listener | None = None,
) -> tuple[SampleFile, ...]:
    """Write a sample delivery: `rows` rows in each of three files.

    The same arguments make the same bytes. The files get their names only when all three are
    complete; existing files are replaced.

    Parameters
    ----------
    out : Path
        The folder to write to; created if needed.
    rows : int
        Rows of each file, 1 or more.
    seed : int
        Determines every value.
    settings : SampleSettings, optional
        Quirks and faults.
    listener : callable, optional
        Called after each batch with its number of rows.

    Returns
    -------
    tuple of SampleFile
        The Parquet, CSV, and JSON files.

    Raises
    ------
    SettingsError
        If there are no rows to write, or the files can't be written.
    """
    if rows < 1:
        raise SettingsError(f"{rows} rows were requested: give 1 or more")
    people = People(rows * len(SOURCES), seed, settings or SampleSettings())
    paths = [out / source.file for source in SOURCES]
    partial = [path.with_name(f".{path.name}.partial") for path in paths]
    counts: list[Counter[str]] = [Counter() for _ in SOURCES]
    try:
        out.mkdir(parents=True, exist_ok=True)
        for number, source in enumerate(SOURCES):
            numbers = range(number * rows, (number + 1) * rows)
            batches = _batches(source, people, numbers, counts[number], listener)
            _WRITERS[source.name](partial[number], source, batches, people.draws)
        for whole, path in zip(partial, paths, strict=True):
            whole.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError(f"the sample can't be written to {out}: {reason}") from error
    finally:
        for path in partial:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
    return tuple(
        SampleFile(source.name, path, rows, path.stat().st_size, dict(defects))
        for source, path, defects in zip(SOURCES, paths, counts, strict=True)
    )


def _batches(
    source: Source, people: People, rows: range, counts: Counter[str], listener: Listener | None
) -> Iterator[Batch]:
    """Yield a source's rows; after a batch is written, count those that break each rule."""
    spelling = Spelling(source, people)
    for first in rows[:: people.settings.batch_rows]:
        end = min(first + people.settings.batch_rows, rows.stop)
        batch = spelling.batch(np.arange(first, end, dtype=np.uint64))
        yield batch
        counts.update({rule: int(mask.sum()) for rule, mask in batch.broken.items()})
        if listener:
            listener(len(batch.rows))


def _write_parquet(path: Path, source: Source, batches: Iterable[Batch], draws: Draws) -> None:
    """Write all columns as text, one row group per batch, with the index of a pandas export."""
    names = [*source.columns, *source.ignored]
    schema = pa.schema({n: pa.int64() if n == _PANDAS_INDEX else pa.string() for n in names})
    rows = 0
    # Fixed options, so that the same rows make the same bytes.
    with pq.ParquetWriter(
        path, schema, compression="snappy", version="2.6", store_schema=False
    ) as file:
        for batch in batches:
            first, rows = rows, rows + len(batch.rows)
            columns = {
                **dict.fromkeys(names, pa.repeat(_COUNTRY, len(batch.rows))),
                **batch.columns,
                _PANDAS_INDEX: pa.array(np.arange(first, rows, dtype=np.int64)),
            }
            file.write_batch(pa.record_batch([columns[n] for n in names], schema=schema))


def _write_csv(path: Path, source: Source, batches: Iterable[Batch], draws: Draws) -> None:
    """Write a header and one line per row, unquoted; a malformed line has too many fields."""
    country = [_COUNTRY for _ in source.ignored]
    too_many = f"{CSV_DELIMITER}sobra{CSV_DELIMITER}campo\n"
    with path.open("wb") as file:
        file.write(f"{CSV_DELIMITER.join([*source.columns, *source.ignored])}\n".encode())
        for batch in batches:
            line = join(*batch.columns.values(), *country, separator=CSV_DELIMITER)
            end = choose(batch.broken[MALFORMED_LINE], too_many, "\n")
            file.write(concatenated(join(line, end)))


def _write_json(path: Path, source: Source, batches: Iterable[Batch], draws: Draws) -> None:
    """Write one object per line; a malformed one is cut off somewhere in its first half."""
    with path.open("wb") as file:
        for batch in batches:
            lines = join("{", *_json_members(batch, draws), "}\n")
            broken = batch.broken[MALFORMED_LINE]
            lengths = draws.below("cut", batch.rows[broken], 100) + 1
            lines = rewrite(lines, broken, lambda line, length: f"{line[:length]}\n", lengths)
            file.write(concatenated(lines))


def _json_members(batch: Batch, draws: Draws) -> Iterator[pa.StringArray]:
    # The key of a null is written or left out, row by row. The first member is always written, so
    # that there are commas only between members.
    left_out = draws.chance("left out", batch.rows, 0.5)
    columns = zip(REGISTER_COLUMNS, batch.columns.items(), strict=True)
    for position, (column, (name, texts)) in enumerate(columns):
        value = json_values(texts, numbers=column.type in _JSON_NUMBER_TYPES)
        if position == 0:
            yield join(f'"{name}": ', value)
        else:
            absent = left_out & texts.is_null().to_numpy(zero_copy_only=False)
            yield choose(absent, "", join(f', "{name}": ', value))


_WRITERS = {"parquet": _write_parquet, "csv": _write_csv, "json": _write_json}
