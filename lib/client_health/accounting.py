"""The accounting: every row that comes in is handed on, rejected, a duplicate, or suppressed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from client_health import contract
from client_health.survivors import Counted


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
    badly_formed_cpfs : int
        Rows handed on whose CPF is not 11 digits: none, unless the library has a defect.
    """

    sources: Mapping[str, SourceRows]
    rejections: Mapping[str, int] = field(default_factory=dict)
    warnings: Mapping[str, int] = field(default_factory=dict)
    badly_formed_cpfs: int = 0

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


def transformed(
    ingested: Mapping[str, int],
    refused: Mapping[str, int],
    rejections: Mapping[str, int],
    counted: Counted,
) -> StageRows:
    """Return the accounting of ``02_transform`` from what passed at three places.

    Parameters
    ----------
    ingested : mapping of str to int
        Rows by source that the stage before handed over.
    refused, rejections : mapping of str to int
        Rejected rows by source, and by rule.
    counted : Counted
        What came through the shuffle, and what stayed. A row that was lost there is missing from
        the sum, and stops the run.
    """
    return StageRows(
        {
            name: SourceRows(
                rows_in=ingested[name],
                rows_out=counted.kept[name],
                rejected=refused[name],
                duplicates=counted.arrived[name] - counted.kept[name],
            )
            for name in contract.SOURCE_NAMES
        },
        rejections,
        counted.warnings,
        counted.badly_formed_cpfs,
    )
