"""A delivery: the complete register of a day, one source of each format."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame

from client_health import inspection
from client_health.accounting import RowCounter, SourceRows, StageRows
from client_health.contract import Gate
from client_health.errors import QualityGateError, SettingsError
from client_health.readers import Input, read_source
from client_health.stage import Handover, Stage
from client_health.storage import File

logger = logging.getLogger(__name__)

_UNDECODABLE = "undecodable"


@dataclass(frozen=True)
class Delivery:
    """The three sources as read.

    Parameters
    ----------
    delivery_id : str
        Fingerprint of the delivery's objects.
    as_of : date
        Day of the delivery (UTC): later dates are in the future.
    inputs : mapping of str to Input
    """

    delivery_id: str
    as_of: date
    inputs: Mapping[str, Input]

    @property
    def parquet(self) -> DataFrame:
        """Rows of the Parquet source, all text."""
        return self.inputs["parquet"].frame

    @property
    def csv(self) -> DataFrame:
        """Rows of the CSV source, all text."""
        return self.inputs["csv"].frame

    @property
    def json(self) -> DataFrame:
        """Rows of the JSON lines source, all text."""
        return self.inputs["json"].frame

    def described(self) -> list[list[Any]]:
        """Return source, files, bytes and ignored columns, for a table."""
        return [
            [name, len(given.files), sum(f.size for f in given.files), ", ".join(given.ignored)]
            for name, given in self.inputs.items()
        ]

    def as_receipt(self) -> list[dict[str, Any]]:
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
) -> Delivery:
    """Read the three sources of a delivery.

    Parameters
    ----------
    stage : Stage
    parquet_path, csv_path, json_path : str
        A file or a folder each; empty means "from the session's configuration".
    delivery_id, as_of : str
        Given by the runner. When a notebook is run by hand, they come from the files' names,
        sizes and times of change.

    Raises
    ------
    InputError
        When a source is missing or unreadable.
    QualityGateError
        When a column is missing or there twice.
    SettingsError
        When ``as_of`` is no date.
    """
    paths = {"parquet": parquet_path, "csv": csv_path, "json": json_path}
    inputs = {
        name: read_source(stage.spark, name, stage.setting(f"{name}_path", given))
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
    return Delivery(stage.setting("delivery_id", delivery_id, "d" + digest[:16]), parsed, inputs)


def hand_over(stage: Stage, delivery: Delivery, ingested: DataFrame) -> tuple[Handover, StageRows]:
    """Hand the delivery's rows on, counted on their way; say which file is to blame when it fails.

    Parameters
    ----------
    stage : Stage
    delivery : Delivery
    ingested : DataFrame
        The three sources in one shape.

    Returns
    -------
    Handover
        What the next stage reads.
    StageRows
        The accounting: what came in is what goes on.

    Raises
    ------
    InputError
        When a file cannot be read to its end, or has a line that is none.
    QualityGateError
        When a file is no UTF-8, or a source has no row.
    """
    decoded = [name for name, given in delivery.inputs.items() if given.decoded]
    counter = RowCounter({_UNDECODABLE: inspection.is_undecodable(decoded)})
    try:
        handover = stage.hand_over(ingested.transform(counter), "ingested", ["source"])
    except (Py4JJavaError, PySparkException):
        inspection.blame(stage.spark, delivery.inputs.values())
        raise
    damaged = counter.by_condition()[_UNDECODABLE]
    if damaged:
        inspection.blame(stage.spark, delivery.inputs.values())
        logger.warning("%d rows came with U+FFFD: letters lost before they were delivered", damaged)
    return handover, _count(counter, delivery)


def _count(counter: RowCounter, delivery: Delivery) -> StageRows:
    """Return the accounting: every row is handed on, malformed lines as well."""
    rows = counter.by_source()
    empty = [_named(delivery.inputs[name].files) for name, count in rows.items() if not count]
    if empty:
        # Better now than after an hour.
        raise QualityGateError([(Gate.FONTE_VAZIA, f"no row in {' nor in '.join(empty)}")])
    return StageRows({name: SourceRows(count, count) for name, count in rows.items()})


def _named(files: Sequence[File]) -> str:
    first, *others = (file.relative for file in files)
    return f"{first} and {len(others)} more" if others else first
