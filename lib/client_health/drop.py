"""A drop: the complete register of a day, one source of each format."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from pyspark.sql import DataFrame

from client_health import contract
from client_health.accounting import RowCounter, SourceRows, StageRows
from client_health.errors import QualityGateError, SettingsError
from client_health.readers import Input, read_source
from client_health.stage import Stage


@dataclass(frozen=True)
class Drop:
    """The three sources as read.

    Parameters
    ----------
    drop_id : str
        Fingerprint of the drop's objects.
    as_of : date
        Day of the drop (UTC): later dates are in the future.
    inputs : mapping of str to Input
    """

    drop_id: str
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


def read_drop(
    stage: Stage,
    *,
    parquet_path: str = "",
    csv_path: str = "",
    json_path: str = "",
    drop_id: str = "",
    as_of: str = "",
) -> Drop:
    """Read the three sources of a drop.

    Parameters
    ----------
    stage : Stage
    parquet_path, csv_path, json_path : str
        A file or a folder each; empty means "from the session's configuration".
    drop_id, as_of : str
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
    return Drop(stage.setting("drop_id", drop_id, "d" + digest[:16]), parsed, inputs)


def count_ingested(counter: RowCounter) -> StageRows:
    """Return the accounting of ``01_ingest``: every row is handed on, malformed lines as well.

    Raises
    ------
    QualityGateError
        When a source has no row: better now than after an hour.
    """
    rows = counter.by_source()
    empty = [
        f"{source.file} and its like ({source.name})"
        for source in contract.SOURCES
        if not rows[source.name]
    ]
    if empty:
        raise QualityGateError([("fonte_vazia", f"no row in: {', '.join(empty)}")])
    return StageRows({name: SourceRows(count, count) for name, count in rows.items()})
