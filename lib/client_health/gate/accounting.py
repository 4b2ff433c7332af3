"""The accounting: every row in is handed over, rejected, a duplicate, or suppressed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from register_contract import contract, receipts
from register_contract.receipts import Counts


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
        """Rows that are unaccounted for; zero if all is well."""
        return receipts.missing(self.as_receipt())

    def as_receipt(self) -> Counts:
        """Return the counts under the receipt's names."""
        return {
            "in": self.rows_in,
            "out": self.rows_out,
            "rejected": self.rejected,
            "duplicates": self.duplicates,
            "suppressed": self.suppressed,
        }

    @classmethod
    def from_receipt(cls, counts: Counts) -> SourceRows:
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
    """The rows of all sources in one stage, with the rules' findings.

    Parameters
    ----------
    sources : mapping of str to SourceRows
    rejections, warnings : mapping of str to int
        Rows by rule; a row may break several.
    badly_formed_cpfs : int
        Rows handed over whose CPF is not 11 digits: none, unless the library has a defect.
    suppressions : str
        Fingerprint of the list of suppressed ids that was applied; empty if there is none.
    """

    sources: Mapping[str, SourceRows]
    rejections: Mapping[str, int] = field(default_factory=dict)
    warnings: Mapping[str, int] = field(default_factory=dict)
    badly_formed_cpfs: int = 0
    suppressions: str = ""

    @property
    def rows_in(self) -> int:
        """Rows read, over all sources."""
        return sum(rows.rows_in for rows in self.sources.values())

    @property
    def rows_out(self) -> int:
        """Rows handed over, over all sources."""
        return sum(rows.rows_out for rows in self.sources.values())

    @property
    def rejected(self) -> int:
        """Rows rejected, over all sources."""
        return sum(rows.rejected for rows in self.sources.values())


@dataclass(frozen=True)
class Selected:
    """The counts after the shuffle, taken while the files were written.

    Parameters
    ----------
    arrived, kept : mapping of str to int
        Rows by source that came through the shuffle, and those that were kept.
    warnings : mapping of str to int
        Kept rows, by rule.
    badly_formed_cpfs : int
        Kept rows whose CPF is not 11 digits.
    """

    arrived: Mapping[str, int]
    kept: Mapping[str, int]
    warnings: Mapping[str, int]
    badly_formed_cpfs: int

    @classmethod
    def total(cls, parts: Sequence[Selected]) -> Selected:
        """Return the sum of all tasks' counts."""

        def added(counts: Iterable[Mapping[str, int]], names: Sequence[str]) -> dict[str, int]:
            found = list(counts)
            return {name: sum(one[name] for one in found) for name in names}

        warnings = [rule.name for rule in contract.rules(contract.Criticality.WARN)]
        return cls(
            added((part.arrived for part in parts), contract.SOURCE_NAMES),
            added((part.kept for part in parts), contract.SOURCE_NAMES),
            added((part.warnings for part in parts), warnings),
            sum(part.badly_formed_cpfs for part in parts),
        )


def transformed(
    ingested: Mapping[str, int],
    refused: Mapping[str, int],
    rejections: Mapping[str, int],
    selected: Selected,
    suppressed: Mapping[str, int] | None = None,
) -> StageRows:
    """Return the accounting of ``02_transform`` from counts at three places.

    Parameters
    ----------
    ingested : mapping of str to int
        Rows by source that the previous stage handed over.
    refused, rejections : mapping of str to int
        Rejected rows by source, and by rule.
    selected : Selected
        What came through the shuffle, and what was kept. A row that was lost there is missing from
        the sum, and stops the run.
    suppressed : mapping of str to int, optional
        Rows of erased people, by source; None if there are none.
    """
    return StageRows(
        {
            name: SourceRows(
                rows_in=ingested[name],
                rows_out=selected.kept[name],
                rejected=refused[name],
                duplicates=selected.arrived[name] - selected.kept[name],
                suppressed=(suppressed or {}).get(name, 0),
            )
            for name in contract.SOURCE_NAMES
        },
        rejections,
        selected.warnings,
        selected.badly_formed_cpfs,
    )
