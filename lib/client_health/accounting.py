"""Counting rows while they pass, never in a pass of their own.

Spark's observations ride on the job that writes the data, so counting costs next to nothing and
counts exactly what was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyspark import SparkContext
from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F  # noqa: N812

from client_health import contract
from client_health.errors import HandoverError
from client_health.sources import SOURCE

_PATIENCE_MILLISECONDS = 60_000


class RowCounter:
    """Counts rows by source, and rows that meet each of some conditions, as they pass.

    Parameters
    ----------
    conditions : mapping of str to Column of boolean, optional
        What else to count, by name.
    """

    def __init__(self, conditions: Mapping[str, Column] | None = None) -> None:
        self._conditions = dict(conditions or {})
        self._observation = Observation()
        self._context: SparkContext | None = None

    def __call__(self, frame: DataFrame) -> DataFrame:
        """Return the frame, observed; use with ``DataFrame.transform``."""
        self._context = frame.sparkSession.sparkContext

        def count(condition: Column, name: str) -> Column:
            return F.count(F.when(condition, True)).alias(name)

        return frame.observe(
            self._observation,
            *(count(F.col(SOURCE) == name, f"source {name}") for name in contract.SOURCE_NAMES),
            *(count(condition, name) for name, condition in self._conditions.items()),
        )

    def by_source(self) -> dict[str, int]:
        """Return the rows of each source, once the job that writes the frame has run."""
        counted = self._counted()
        return {name: counted.get(f"source {name}", 0) for name in contract.SOURCE_NAMES}

    def by_condition(self) -> dict[str, int]:
        """Return the rows that met each condition."""
        counted = self._counted()
        return {name: counted.get(name, 0) for name in self._conditions}

    def _counted(self) -> dict[str, int]:
        """Return what was observed; nothing when Spark proved that no row would pass.

        ``Observation.get`` waits for ever in that case, since an empty part of a plan is removed
        together with the observation on it. A count that were lost in another way would not
        pass the accounting, which compares every stage with the one before.
        """
        observed = self._observation._jo
        if self._context is None or observed is None:
            raise HandoverError("Rows were asked for before they were counted: write them first.")
        # Counts arrive with the listeners' events, after the job itself.
        self._context._jsc.sc().listenerBus().waitUntilEmpty(_PATIENCE_MILLISECONDS)
        metrics = observed.getClass().getDeclaredField("metrics")
        metrics.setAccessible(True)
        if metrics.get(observed).isEmpty():
            return {}
        return {name: int(count) for name, count in self._observation.get.items()}


@dataclass(frozen=True)
class SourceRows:
    """The rows of one source in one stage: ``in = out + rejected + duplicates + suppressed``."""

    rows_in: int
    rows_out: int
    rejected: int = 0
    duplicates: int = 0
    suppressed: int = 0

    @property
    def missing(self) -> int:
        """Rows that nobody accounts for; zero when all is well."""
        return self.rows_in - self.rows_out - self.rejected - self.duplicates - self.suppressed

    def as_receipt(self) -> dict[str, int]:
        """Return the counts under the receipt's names."""
        return {
            "in": self.rows_in,
            "out": self.rows_out,
            "rejected": self.rejected,
            "duplicates": self.duplicates,
            "suppressed": self.suppressed,
        }

    @classmethod
    def from_receipt(cls, counts: Mapping[str, int]) -> SourceRows:
        """Return the counts of a receipt."""
        return cls(
            counts["in"],
            counts["out"],
            counts["rejected"],
            counts["duplicates"],
            counts["suppressed"],
        )


@dataclass(frozen=True)
class StageRows:
    """The rows of all sources in one stage, with what the rules found.

    Parameters
    ----------
    sources : mapping of str to SourceRows
    rejections, warnings : mapping of str to int
        Rows by rule; a row may break several.
    """

    sources: Mapping[str, SourceRows]
    rejections: Mapping[str, int] = field(default_factory=dict)
    warnings: Mapping[str, int] = field(default_factory=dict)

    @property
    def rows_in(self) -> int:
        """Rows of all sources that came in."""
        return sum(rows.rows_in for rows in self.sources.values())

    @property
    def rows_out(self) -> int:
        """Rows of all sources that are handed on."""
        return sum(rows.rows_out for rows in self.sources.values())

    @property
    def rejected(self) -> int:
        """Rows of all sources that were rejected."""
        return sum(rows.rejected for rows in self.sources.values())


def count_transformed(
    rejected: RowCounter, accepted: RowCounter, survivors: RowCounter
) -> StageRows:
    """Return the accounting of ``02_transform`` from what passed at three places.

    Parameters
    ----------
    rejected : RowCounter
        On the rejected rows, with a condition for each error rule.
    accepted : RowCounter
        On the accepted rows, before duplicates are removed.
    survivors : RowCounter
        On one row a person, with a condition for each rule that warns.
    """
    refused, passed, kept = rejected.by_source(), accepted.by_source(), survivors.by_source()
    return StageRows(
        {
            name: SourceRows(
                rows_in=refused[name] + passed[name],
                rows_out=kept[name],
                rejected=refused[name],
                duplicates=passed[name] - kept[name],
            )
            for name in contract.SOURCE_NAMES
        },
        rejected.by_condition(),
        survivors.by_condition(),
    )
