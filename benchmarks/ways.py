"""The three compared ways to publish a delivery."""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.deliveries import COMMAND
from register_contract import contract

STAGES = ("01_ingest", "02_transform", "03_quality")


class Way(ABC):
    """A way to publish a delivery, as a command.

    Parameters
    ----------
    name
        Its name here and in the table.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def command(self, raw: Path, out: Path) -> list[str]:
        """Return the command that publishes the delivery in `raw` into the new folder `out`."""

    @abstractmethod
    def rows(self, out: Path) -> int:
        """Return the number of published rows."""

    def stages(self, out: Path) -> Mapping[str, float]:
        """Return the seconds of each stage, by its name."""
        return {}


class Script(Way):
    """A module of this package that reads three files and writes a folder of Parquet files."""

    def __init__(self, name: str, module: str) -> None:
        super().__init__(name)
        self._module = module

    def command(self, raw: Path, out: Path) -> list[str]:
        """Return the command."""
        files = [str(raw / source.file) for source in contract.SOURCES]
        return [sys.executable, "-m", f"{__package__}.{self._module}", *files, str(out)]

    def rows(self, out: Path) -> int:
        """Return the number of rows in all files."""
        return sum(pq.read_metadata(path).num_rows for path in out.rglob("*.parquet"))


class Pipeline(Way):
    """`client-health run`, as a user starts it, into a new lake."""

    def command(self, raw: Path, out: Path) -> list[str]:
        """Return the command."""
        return [str(COMMAND), "run", "--raw", str(raw), "--lake", str(out)]

    def rows(self, out: Path) -> int:
        """Return the number of rows that the last stage reports as published."""
        rows = self._receipt(out, STAGES[-1])["rows"]
        return sum(int(counts["out"]) for counts in rows.values())

    def stages(self, out: Path) -> Mapping[str, float]:
        """Return the seconds in each stage's receipt."""
        return {stage: float(self._receipt(out, stage)["duration_seconds"]) for stage in STAGES}

    @staticmethod
    def _receipt(out: Path, stage: str) -> dict[str, Any]:
        (path,) = out.glob(f"runs/*/{stage}.json")
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return content


FIRST_VERSION = Script("first version", "first_version")
OURS = Pipeline("client-health run")
LIMIT = Script("one DuckDB query", "duckdb_query")
# The order of a round.
WAYS: tuple[Way, ...] = (FIRST_VERSION, OURS, LIMIT)
