"""The accounting: every row taken in is handed over, rejected, a duplicate, or suppressed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from client_health.clean import profile
from client_health.clean.profile import Part
from register_contract import contract, receipts
from register_contract.receipts import Counts, Profile
from register_contract.rule_set import RuleSet

#: Rows by source and rule.
Findings = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class SourceRows:
    """The rows of one source in one stage.

    ``in + resubmitted = out + rejected + duplicates + suppressed``
    """

    rows_in: int
    rows_out: int
    rejected: int = 0
    duplicates: int = 0
    suppressed: int = 0
    resubmitted: int = 0

    @property
    def taken(self) -> int:
        """All rows that the stage took in."""
        return receipts.taken(self.as_receipt())

    @property
    def missing(self) -> int:
        """Rows that are unaccounted for; zero if all is well."""
        return receipts.missing(self.as_receipt())

    def as_receipt(self) -> Counts:
        """Return the counts under the receipt's names."""
        return {
            "in": self.rows_in,
            "resubmitted": self.resubmitted,
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
            counts.get("resubmitted", 0),
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
    findings : mapping of str to mapping of str to int
        The same rows as in ``rejections`` and ``warnings``, by source and rule.
    suppressions : str
        Fingerprint of the list of suppressed ids that was applied; empty if there is none.
    resubmissions : sequence of str
        The batches of corrected rows among them.
    id_key : str
        Version of the key that the ids were made with; empty if the stage makes none.
    earlier_ids : mapping of str to int
        Entries with an id of an earlier key only, by list of people.
    """

    sources: Mapping[str, SourceRows]
    rejections: Mapping[str, int] = field(default_factory=dict)
    warnings: Mapping[str, int] = field(default_factory=dict)
    badly_formed_cpfs: int = 0
    findings: Findings = field(default_factory=dict)
    suppressions: str = ""
    resubmissions: Sequence[str] = ()
    id_key: str = ""
    earlier_ids: Mapping[str, int] = field(default_factory=dict)

    @property
    def rows_in(self) -> int:
        """Rows delivered or handed over, over all sources."""
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
    findings : mapping of str to mapping of str to int
        Kept rows with a warning, by source and rule.
    badly_formed_cpfs : int
        Kept rows whose CPF is not 11 digits.
    parts : sequence of Part
        What the columns of the kept rows contain, by task.
    """

    arrived: Mapping[str, int]
    kept: Mapping[str, int]
    findings: Findings
    badly_formed_cpfs: int
    parts: Sequence[Part]

    @property
    def profile(self) -> Profile:
        """What the columns of all kept rows contain."""
        return profile.total(self.parts)

    @property
    def warnings(self) -> dict[str, int]:
        """Kept rows with a warning, by rule."""
        return _by_rule(self.findings)

    @classmethod
    def total(cls, parts: Sequence[Selected], rule_set: RuleSet | None = None) -> Selected:
        """Return the sum of all tasks' counts.

        Parameters
        ----------
        parts : sequence of Selected
        rule_set : RuleSet, optional
            The rules that were counted; None for the contract's.
        """

        def added(counts: Iterable[Mapping[str, int]], names: Sequence[str]) -> dict[str, int]:
            found = list(counts)
            return {name: sum(one[name] for one in found) for name in names}

        warnings = (rule_set or RuleSet()).counted
        return cls(
            added((part.arrived for part in parts), contract.SOURCE_NAMES),
            added((part.kept for part in parts), contract.SOURCE_NAMES),
            {
                name: added((part.findings[name] for part in parts), warnings)
                for name in contract.SOURCE_NAMES
            },
            sum(part.badly_formed_cpfs for part in parts),
            [one for part in parts for one in part.parts],
        )


def _by_rule(findings: Findings) -> dict[str, int]:
    names = dict.fromkeys(name for one in findings.values() for name in one)
    return {name: sum(one.get(name, 0) for one in findings.values()) for name in names}


def transformed(
    ingested: Mapping[str, int],
    refused: Mapping[str, int],
    rejections: Findings,
    selected: Selected,
    suppressed: Mapping[str, int] | None = None,
    *,
    resubmitted: Mapping[str, int] | None = None,
) -> StageRows:
    """Return the accounting of ``02_transform`` from counts at three places.

    Parameters
    ----------
    ingested : mapping of str to int
        Delivered rows by source that the previous stage handed over.
    refused : mapping of str to int
        Rejected rows by source.
    rejections : mapping of str to mapping of str to int
        Rejected rows by source and rule; a row may break several.
    selected : Selected
        What came through the shuffle, and what was kept. A row that was lost there is missing from
        the sum, and stops the run.
    suppressed : mapping of str to int, optional
        Rows of erased people, by source; None if there are none.
    resubmitted : mapping of str to int, optional
        Corrected rows that the previous stage handed over, by source; None if there are none.
    """
    return StageRows(
        {
            name: SourceRows(
                rows_in=ingested[name],
                rows_out=selected.kept[name],
                rejected=refused[name],
                duplicates=selected.arrived[name] - selected.kept[name],
                suppressed=(suppressed or {}).get(name, 0),
                resubmitted=(resubmitted or {}).get(name, 0),
            )
            for name in contract.SOURCE_NAMES
        },
        _by_rule(rejections),
        selected.warnings,
        selected.badly_formed_cpfs,
        {
            name: {**rejections.get(name, {}), **selected.findings[name]}
            for name in contract.SOURCE_NAMES
        },
    )
