"""Compares a run with the last published ones: categories, missing values, registrations.

What is usual is the median of the last published runs. Nothing is judged before there are enough of
them, and nothing that concerns few rows: shares of few rows say little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from statistics import median

from register_contract import contract
from register_contract.contract import Gate, Limits
from register_contract.receipts import Profile

#: Names of the warnings about a whole run.
NEW_OR_GONE, UNUSUAL_DAY = "convenios_diferentes", "cadastros_incomuns"


@dataclass(frozen=True)
class Columns:
    """What one run's columns contain.

    Parameters
    ----------
    day : str
        Day of the delivery, as an ISO date.
    rows : int
        Published rows.
    categories : mapping of str to mapping of str to float
        Share of the rows by column and category, from 0 to 1.
    nulls : mapping of str to float
        Share of missing values by column, from 0 to 1.
    registrations : mapping of str to int
        Registrations by day, as ISO dates.
    """

    day: str
    rows: int
    categories: Mapping[str, Mapping[str, float]]
    nulls: Mapping[str, float]
    registrations: Mapping[str, int]

    @classmethod
    def of(cls, day: str, profile: Profile, shares: Mapping[str, int]) -> Columns:
        """Return the columns of a run, from its profile and its rows by health plan."""
        rows = sum(shares.values())
        counted = {contract.PARTITION_COLUMN: shares, **profile["categories"]}
        return cls(
            day,
            rows,
            {
                name: {category: count / max(1, rows) for category, count in found.items()}
                for name, found in counted.items()
            },
            {name: count / max(1, rows) for name, count in profile["nulls"].items()},
            profile["registrations"],
        )

    @property
    def last_full_day(self) -> int:
        """Registrations on the day before the delivery's, which is complete."""
        before = date.fromisoformat(self.day) - timedelta(days=1)
        return self.registrations.get(before.isoformat(), 0)


@dataclass(frozen=True)
class Finding:
    """One thing that is unusual.

    Parameters
    ----------
    rule : str
        A gate, or a warning about the whole run.
    detail : str
        The numbers, the limit, and the days that they are compared with.
    value, limit : float, optional
        What was measured, and the largest allowed value.
    """

    rule: str
    detail: str
    value: float | None = None
    limit: float | None = None


@dataclass(frozen=True)
class Drift:
    """The comparison of a run with the last published ones.

    Parameters
    ----------
    days : sequence of str
        Days of the deliveries that it was compared with; empty if there are too few.
    stops : sequence of Finding
        Gates that stop the run.
    warnings : sequence of Finding
    least : int
        With fewer published runs than this, nothing is compared.
    """

    days: Sequence[str] = ()
    stops: Sequence[Finding] = field(default=())
    warnings: Sequence[Finding] = field(default=())
    least: int = contract.LIMITS.drift_least_runs

    def described(self) -> list[tuple[str, str]]:
        """Return each finding, for a table."""
        if not self.days:
            return [("none", f"compared as soon as {self.least} runs are published")]
        found = [(one.rule, one.detail) for one in (*self.stops, *self.warnings)]
        return found or [("none", f"as usual, compared with {_named(self.days)}")]


def compare(now: Columns, before: Sequence[Columns], limits: Limits = contract.LIMITS) -> Drift:
    """Compare a run with the last published ones.

    Parameters
    ----------
    now : Columns
        The run.
    before : sequence of Columns
        Published runs, oldest first.
    limits : Limits

    Returns
    -------
    Drift
    """
    usual = [one for one in before if one.rows >= limits.drift_least_rows][-limits.drift_runs :]
    if len(usual) < limits.drift_least_runs or now.rows < limits.drift_least_rows:
        return Drift(least=limits.drift_least_runs)
    days = [one.day for one in usual]
    against = f"the median of {_named(days)}"
    stops = [*_shifts(now, usual, limits, against), *_rises(now, usual, limits, against)]
    return Drift(
        days,
        stops,
        [*_plans(now, usual[-1]), *_registrations(now, usual, limits, against)],
    )


def _shifts(now: Columns, usual: Sequence[Columns], limits: Limits, against: str) -> list[Finding]:
    found, most = [], 0.0
    for column in sorted(now.categories):
        known = {category for one in usual for category in one.categories.get(column, {})}
        for category in sorted(known | set(now.categories[column])):
            share = now.categories[column].get(category, 0.0)
            typical = median(one.categories.get(column, {}).get(category, 0.0) for one in usual)
            if abs(share - typical) > limits.category_shift:
                most = max(most, abs(share - typical))
                found.append(f"{column} {category} {share:.1%} instead of {typical:.1%}")
    return _gate(Gate.DISTRIBUICAO_DIFERENTE, found, most, limits.category_shift, against)


def _rises(now: Columns, usual: Sequence[Columns], limits: Limits, against: str) -> list[Finding]:
    found, most = [], 0.0
    for column in sorted(now.nulls):
        typical = median(one.nulls.get(column, 0.0) for one in usual)
        rise = now.nulls[column] - typical
        if rise > limits.null_rise:
            most = max(most, rise)
            found.append(f"{column} {now.nulls[column]:.1%} missing instead of {typical:.1%}")
    return _gate(Gate.NULOS_EM_ALTA, found, most, limits.null_rise, against)


def _gate(
    gate: Gate, found: Sequence[str], most: float, limit: float, against: str
) -> list[Finding]:
    if not found:
        return []
    detail = f"{', '.join(found)} ({against}; the limit is {100 * limit:g} points)"
    return [Finding(gate, detail, most, limit)]


def _plans(now: Columns, last: Columns) -> list[Finding]:
    plan = contract.PARTITION_COLUMN
    new = sorted(set(now.categories[plan]) - set(last.categories.get(plan, {})))
    gone = sorted(set(last.categories.get(plan, {})) - set(now.categories[plan]))
    parts = [
        f"{len(names):,} {word}: {', '.join(names[:_FEW])}{', …' if len(names) > _FEW else ''}"
        for word, names in (("new", new), ("gone", gone))
        if names
    ]
    if not parts:
        return []
    return [Finding(NEW_OR_GONE, f"{'; '.join(parts)} (compared with {last.day})")]


def _registrations(
    now: Columns, usual: Sequence[Columns], limits: Limits, against: str
) -> list[Finding]:
    count, typical = now.last_full_day, median(one.last_full_day for one in usual)
    if max(count, typical) < limits.drift_least_rows:
        return []
    factor = max(count, typical) / max(1, min(count, typical))
    if factor <= limits.registrations_factor:
        return []
    detail = (
        f"{count:,} registrations on the day before the delivery instead of {typical:,.0f}"
        f" ({against}; the limit is {limits.registrations_factor:g} times more or fewer)"
    )
    return [Finding(UNUSUAL_DAY, detail, factor, limits.registrations_factor)]


# As many health plans as a message names.
_FEW = 5


def _named(days: Sequence[str]) -> str:
    return f"{len(days)} publications, {days[0]} to {days[-1]}"
