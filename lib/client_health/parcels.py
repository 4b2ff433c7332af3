"""Rows in Spark's shuffle: Arrow data in a binary column, one parcel for each task.

The JVM would take each row apart, sort it, and put it together again. So workers pack the rows for
each task of the next step into one value, Spark moves the values to their tasks, and workers unpack
them.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator

import polars as pl
import pyarrow as pa
from polars_hash import NonCryptographicHashingNameSpace as Hashes

TASK, ROWS, NOTE = "task", "rows", "note"
# The shuffle's columns, as Spark's schema.
SCHEMA = f"{TASK} int, {ROWS} binary, {NOTE} string"
# How many values Spark passes to a worker at once.
VALUES_AT_ONCE = 4
_TYPES: dict[str, pa.DataType] = {TASK: pa.int32(), ROWS: pa.binary(), NOTE: pa.string()}
_ARROW = pa.schema(_TYPES)
# The seed of Spark's hash.
_SEED = 42
_NUMBER = "task number"


def tasks(count: int) -> tuple[int, ...]:
    """Return numbers that Spark's shuffle sends to tasks 0, 1, ... ``count - 1``, in that order.

    Spark chooses a number's task by hash. With the numbers 0, 1, ... themselves, some tasks would
    get two parcels and others none.

    Notes
    -----
    Rule: ``HashPartitioning`` in Spark 3.5 takes the 32-bit Murmur3 hash modulo the number of
    tasks. If that changes, tasks have unequal sizes, but results stay the same.
    """
    found: dict[int, int] = {}
    start = 0
    while len(found) < count:
        numbers = range(start, start + 16 * count)
        values = pl.Series([struct.pack("<i", number) for number in numbers], dtype=pl.Binary)
        hashes = values.to_frame("n").select(Hashes(pl.col("n")).murmur32(seed=_SEED))
        signed = hashes.to_series().reinterpret(signed=True).cast(pl.Int64)
        for number, task in zip(numbers, signed % count, strict=True):
            found.setdefault(task, number)
        start += len(numbers)
    return tuple(found[task] for task in range(count))


def pack(
    rows: pl.DataFrame, column: str, numbers: tuple[int, ...], note: str | None = None
) -> Iterator[pa.RecordBatch]:
    """Pack rows by the value of a column: rows with the same value go to the same task.

    Parameters
    ----------
    rows : DataFrame
    column : str
        A column of text.
    numbers : tuple of int
        Numbers of the tasks, from :func:`tasks`.
    note : str, optional
        A text that is sent with the first parcel.
    """
    task = (Hashes(pl.col(column)).xxh3_64() % len(numbers)).alias(_NUMBER)
    parts = rows.with_columns(task).partition_by(_NUMBER, include_key=False, as_dict=True)
    for (number,), part in parts.items():
        file = io.BytesIO()
        part.write_ipc_stream(file)
        parcel = {TASK: [numbers[number]], ROWS: [file.getvalue()], NOTE: [note]}
        yield pa.RecordBatch.from_pydict(parcel, schema=_ARROW)
        note = None


def unpack(batches: Iterable[pa.RecordBatch]) -> tuple[pl.DataFrame | None, list[str]]:
    """Return all rows of a task, in any order, and the notes that came with them.

    Returns
    -------
    tuple of DataFrame or None, and list of str
        ``None`` if there were no rows.
    """
    frames, notes = [], []
    for batch in batches:
        for rows, note in zip(batch.column(ROWS), batch.column(NOTE).to_pylist(), strict=True):
            frames.append(pl.read_ipc_stream(io.BytesIO(rows.as_buffer())))
            notes += [note] if note is not None else []
    return (pl.concat(frames, rechunk=True) if frames else None), notes
