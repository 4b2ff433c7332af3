"""A delivery: a day's complete register, one source in each format."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from client_health import corrections, storage
from client_health.errors import InputError, QualityGateError, SettingsError, StorageError
from client_health.gate.accounting import SourceRows, StageRows
from client_health.publish import quality_history
from client_health.read import inspection
from client_health.read.readers import PIECE_BYTES, Input, Piece, read_source
from client_health.stages import INGESTED, Stage
from client_health.storage import File
from client_health.worker import Ingestion
from register_contract import contract, receipts, runs
from register_contract.contract import Gate
from register_contract.manifest import Line

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Delivery:
    """The three sources of a delivery, as found.

    Parameters
    ----------
    delivery_id : str
        Fingerprint of the delivery's objects.
    as_of : date
        Day of the delivery (UTC): later dates are in the future.
    inputs : mapping of str to Input
    resubmissions : tuple of str
        Batches of corrected rows that are taken in with it.
    """

    delivery_id: str
    as_of: date
    inputs: Mapping[str, Input]
    resubmissions: tuple[str, ...] = ()

    def described(self) -> list[list[Any]]:
        """Return source, files, bytes, and ignored columns, for a table."""
        return [
            [name, len(given.files), sum(f.size for f in given.files), ", ".join(given.ignored)]
            for name, given in self.inputs.items()
        ]

    def as_receipt(self) -> list[receipts.Input]:
        """Return the receipt's list of inputs: names without their folders, sizes, versions."""
        return [
            {
                "source": name,
                "name": file.relative,
                "size": file.size,
                "version": file.modified.isoformat(timespec="milliseconds"),
            }
            for name, given in self.inputs.items()
            for file in given.files
        ]


def read_delivery(
    stage: Stage,
    *,
    parquet_path: str = "",
    csv_path: str = "",
    json_path: str = "",
    delivery_id: str = "",
    as_of: str = "",
    resubmissions: str = "",
) -> Delivery:
    """Read the three sources of a delivery.

    Parameters
    ----------
    stage : Stage
    parquet_path, csv_path, json_path : str
        A file or folder each; empty means "from the session's configuration".
    delivery_id, as_of : str
        From the runner. If a notebook is run by hand, they are derived from the files' names,
        sizes, and times of change.
    resubmissions : str
        From the runner: the batches of corrected rows to take in, between commas.

    Raises
    ------
    InputError
        If a source is missing or unreadable.
    QualityGateError
        If a column is missing or present twice.
    SettingsError
        If ``as_of`` isn't a date.
    """
    paths = {"parquet": parquet_path, "csv": csv_path, "json": json_path}
    with quality_history.stops(stage, delivery_id, as_of):
        inputs = {
            name: read_source(name, stage.setting(f"{name}_path", given))
            for name, given in paths.items()
        }
    files = [(name, file) for name, given in inputs.items() for file in given.files]
    lines = sorted(f"{name} {file.relative} {file.size} {file.modified}" for name, file in files)
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    newest = max(file.modified for _, file in files).date().isoformat()
    day = stage.setting("as_of", as_of, newest)
    try:
        parsed = date.fromisoformat(day)
    except ValueError as error:
        raise SettingsError(f"as_of is {day!r}; a date like 2026-01-31 was expected.") from error
    named = stage.setting("resubmissions", resubmissions, "")
    batches = tuple(filter(None, named.split(",")))
    return Delivery(
        stage.setting("delivery_id", delivery_id, "d" + digest[:16]), parsed, inputs, batches
    )


def ingest(stage: Stage, delivery: Delivery) -> list[Line]:
    """Bring the delivery's rows into one shape and stage them, or report which file has an error.

    Parameters
    ----------
    stage : Stage
    delivery : Delivery

    Returns
    -------
    list of Line
        The manifest: the staged files, each with its counts.

    Raises
    ------
    InputError
        If a file cannot be read to its end, or has a line that is too long.
    StorageError
        If the storage does not answer.
    QualityGateError
        If a file is not UTF-8, or a source has no row.
    """
    storage.protect(stage.lake.path(runs.STAGING))
    folder = stage.folder(INGESTED)
    # No manifest names an earlier attempt's files; they would only use space.
    storage.delete(folder)
    tasks = split(delivery)
    work = Ingestion(tuple(tasks), folder)
    numbers = stage.spark.range(0, len(tasks), 1, len(tasks))
    answers = numbers.mapInArrow(work.run, "line string").collect()
    found = [json.loads(answer["line"]) for answer in answers]
    with quality_history.stops(stage, delivery.delivery_id, delivery.as_of.isoformat()):
        return [*_staged(delivery, found), *_resubmitted(stage, delivery)]


def _staged(delivery: Delivery, found: Sequence[Mapping[str, Any]]) -> list[Line]:
    """Return the manifest from what the workers report, or raise what stops the run."""
    _raise_first(delivery, found)
    lines = [Line(**told) for told in found]
    rows = rows_by_source(lines)
    empty = [_named(delivery.inputs[name].files) for name, count in rows.items() if not count]
    if empty:
        # It is better to stop now than after an hour.
        raise QualityGateError([(Gate.FONTE_VAZIA, f"no row in {' nor in '.join(empty)}")])
    damaged = sum(line.undecodable for line in lines)
    if damaged:
        inspection.blame(delivery.inputs.values())
        logger.warning("%d rows came with U+FFFD: letters lost before they were delivered", damaged)
    return lines


def _resubmitted(stage: Stage, delivery: Delivery) -> list[Line]:
    """Stage the corrected rows, a file for each batch and source; return the files' lines."""
    lines = []
    for batch, source, rows in corrections.of_batches(stage.lake.uri, delivery.resubmissions):
        name = f"{source}-resubmitted-{batch}.parquet"
        with storage.replacing(storage.join(stage.folder(INGESTED), name), private=True) as file:
            pq.write_table(rows.to_arrow(), file, compression="lz4")
            size = file.tell()
        plans = rows[contract.PARTITION_COLUMN].n_unique()
        lines.append(Line(name, source, rows.height, size, convenios=plans, batch=batch))
    return lines


def split(delivery: Delivery) -> list[tuple[Piece, ...]]:
    """Return a delivery's pieces by task, the largest first; small files share a task."""
    tasks: list[tuple[Piece, ...]] = []
    for given in delivery.inputs.values():
        together: list[Piece] = []
        for piece in given.pieces:
            if together and sum(one.size for one in (*together, piece)) > PIECE_BYTES:
                tasks.append(tuple(together))
                together = []
            together.append(piece)
        tasks += [tuple(together)] if together else []
    return sorted(tasks, key=lambda pieces: -sum(one.size for one in pieces))


def _raise_first(delivery: Delivery, found: Sequence[Mapping[str, Any]]) -> None:
    """Raise the error that a worker reported for a file; of several, the first file's."""
    failed = [told for told in found if "failed" in told]
    if not failed:
        return
    order = [file.relative for given in delivery.inputs.values() for file in given.files]
    first = min(failed, key=lambda told: order.index(told["file"]))
    if first["failed"] == "too_long":
        inspection.blame(delivery.inputs.values())
    if first["failed"] == "storage":
        raise StorageError(first["message"])
    raise InputError(
        first["file"],
        found=first["found"],
        expected=first["expected"],
        next_step=first["next_step"],
    )


def accounting(lines: Sequence[Line]) -> StageRows:
    """Return the accounting of ``01_ingest``: every row is handed over, even malformed lines."""
    rows, corrected = rows_by_source(lines), resubmitted_by_source(lines)
    return StageRows(
        {
            name: SourceRows(count, count + corrected[name], resubmitted=corrected[name])
            for name, count in rows.items()
        },
        resubmissions=batches(lines),
    )


def first_rows(stage: Stage, lines: Sequence[Line]) -> pl.DataFrame:
    """Return the first staged row of each source."""
    firsts = []
    for name in contract.SOURCE_NAMES:
        files = sorted(
            line.file for line in lines if line.source == name and line.rows and not line.batch
        )
        with storage.opened(storage.join(stage.folder(INGESTED), files[0])) as file:
            firsts.append(pl.DataFrame(pl.from_arrow(next(pq.ParquetFile(file).iter_batches(1)))))
    return pl.concat(firsts)


def rows_by_source(lines: Sequence[Line]) -> dict[str, int]:
    """Return the delivered rows of each source in a manifest."""
    return {
        name: sum(line.rows for line in lines if line.source == name and not line.batch)
        for name in contract.SOURCE_NAMES
    }


def resubmitted_by_source(lines: Sequence[Line]) -> dict[str, int]:
    """Return the corrected rows of each source in a manifest."""
    return {
        name: sum(line.rows for line in lines if line.source == name and line.batch)
        for name in contract.SOURCE_NAMES
    }


def batches(lines: Sequence[Line]) -> tuple[str, ...]:
    """Return the batches of corrected rows in a manifest, sorted."""
    return tuple(sorted({line.batch for line in lines if line.batch}))


def _named(files: Sequence[File]) -> str:
    first, *others = (file.relative for file in files)
    return f"{first} and {len(others)} more" if others else first
