"""The rules and the columns over the last runs, with a light for each result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from client_health_cli import queries
from client_health_cli.dashboard.wording import day, iso_day, percent
from client_health_cli.errors import LakeError
from client_health_cli.published import PublishedTable, Snapshot
from register_contract import contract
from register_contract.contract import Criticality
from register_contract.rule_set import RuleSet

LAST: Final = 7
"""Number of runs that the page compares."""
GOOD, WARN, BAD = "good", "warn", "bad"
_WORSE: Final = 2.0
"""A rule that is broken this many times more often than usual is worth a look..."""
_LEAST: Final = 0.005
"""... if its share has risen by at least this much."""
_RESULTS: Final = """
    SELECT run_id, day, recorded_at, source, rule, criticality, rows_checked, rows_failed, share,
        passed, finding
    FROM quality_results
"""
_PROFILES: Final = """
    SELECT run_id, recorded_at, column_name, null_share, distinct_count, minimum, maximum
    FROM column_profiles
    WHERE category IS NULL
"""


@dataclass(frozen=True)
class Head:
    """One run: its name, the day of its delivery, and whether a gate stopped it."""

    run_id: str
    day: str
    stopped: bool


@dataclass(frozen=True)
class Cell:
    """The result of a rule in a run: its light, its word for readers, and its number."""

    light: str = ""
    word: str = "sem dados"
    number: str = ""


@dataclass(frozen=True)
class Line:
    """The results of one rule, one for each run."""

    rule: str
    meaning: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class ColumnLine:
    """What a column contained in the last published run, and what is usual.

    Attributes
    ----------
    nulls, usual
        Share of missing values, and its median in the runs before; None if there are none.
    distinct
        Number of different values, if it was counted.
    extremes
        Earliest and latest date; empty for other columns.
    """

    name: str
    nulls: float
    usual: float | None
    distinct: int | None
    extremes: str


@dataclass(frozen=True)
class RuleHistory:
    """The last runs, oldest first, with their rules and columns."""

    runs: tuple[Head, ...] = ()
    lines: tuple[Line, ...] = ()
    columns: tuple[ColumnLine, ...] = ()


def rule_history(table: PublishedTable, rules: RuleSet | None = None) -> RuleHistory:
    """Return the history of rules and columns; empty for a lake that has none.

    Parameters
    ----------
    table
        The published table of the lake.
    rules
        The rules that hold; None for the default ones.
    """
    found = _read(table, _RESULTS)
    at = {one["run_id"]: one["recorded_at"] for one in found}
    last = sorted(at, key=lambda run_id: (at[run_id], run_id))[-LAST:]
    by_run = {run_id: [one for one in found if one["run_id"] == run_id] for run_id in last}
    heads = tuple(_head(run_id, rows) for run_id, rows in by_run.items())
    meanings = {str(rule.name): rule.significado for rule in (rules or RuleSet()).rules()}
    return RuleHistory(heads, _lines(by_run, meanings), _columns(table, _read(table, _PROFILES)))


def _read(table: PublishedTable, sql: str) -> list[dict[str, Any]]:
    try:
        with queries.query(table, sql) as answer:
            rows: list[dict[str, Any]] = answer.read_all().to_pylist()
    except LakeError:
        # An earlier version has written the lake, or no run has ended.
        return []
    return rows


def _head(run_id: str, rows: Sequence[Mapping[str, Any]]) -> Head:
    first = rows[0]
    known = iso_day(str(first["day"])) if first["day"] else day(first["recorded_at"])
    return Head(run_id, known, not all(one["passed"] for one in rows))


def _lines(
    by_run: Mapping[str, Sequence[Mapping[str, Any]]], meanings: Mapping[str, str]
) -> tuple[Line, ...]:
    """Return a line for each rule that was ever broken, then one for all gates that never were."""
    kinds = {one["rule"]: one["criticality"] for rows in by_run.values() for one in rows}
    order = {name: place for place, name in enumerate(meanings)}
    lines, quiet = [], []
    for name in sorted(kinds, key=lambda one: (order.get(one, len(order)), one)):
        is_gate = kinds[name] == Criticality.GATE.value
        found = [[one for one in rows if one["rule"] == name] for rows in by_run.values()]
        cells = tuple(map(_gate, found)) if is_gate else _row_rule(found)
        if any(cell.light in {WARN, BAD} or (cell.number and not is_gate) for cell in cells):
            lines.append(Line(name, meanings.get(name, ""), cells))
        elif is_gate:
            quiet.append(cells)
    if quiet:
        cells = tuple(
            max(column, key=lambda cell: bool(cell.light)) for column in zip(*quiet, strict=True)
        )
        lines.append(Line("demais bloqueios", f"{len(quiet)} regras que nada barrou", cells))
    return tuple(lines)


def _gate(rows: Sequence[Mapping[str, Any]]) -> Cell:
    if not rows:
        return Cell()
    (one, *_) = rows
    number = percent(one["share"]) if one["share"] is not None else ""
    if not one["passed"]:
        return Cell(BAD, "barrou", number)
    return Cell(WARN, "liberado", number) if one["finding"] else Cell(GOOD, "ok", number)


def _row_rule(found: Sequence[Sequence[Mapping[str, Any]]]) -> tuple[Cell, ...]:
    """Return the cells of a rule about rows, or of a warning about whole runs."""
    shares: list[float | None] = []
    for rows in found:
        checked = sum(one["rows_checked"] or 0 for one in rows if one["rows_failed"] is not None)
        failed = sum(one["rows_failed"] or 0 for one in rows)
        shares.append(failed / checked if checked else None)
    cells = []
    for place, (rows, share) in enumerate(zip(found, shares, strict=True)):
        if any(one["finding"] for one in rows):
            cells.append(Cell(WARN, "mudou"))
        elif share is None:
            cells.append(Cell())
        else:
            before = [one for one in shares[:place] if one is not None]
            usual = median(before) if before else share
            worse = share > _WORSE * usual and share - usual >= _LEAST
            number = percent(share) if share else ""
            cells.append(Cell(WARN, "subiu", number) if worse else Cell(GOOD, "normal", number))
    return tuple(cells)


def _columns(
    table: PublishedTable, profiles: Sequence[Mapping[str, Any]]
) -> tuple[ColumnLine, ...]:
    """Return the columns of the last published run, in the order of the contract."""
    published: Sequence[Snapshot] = table.published
    runs = list(dict.fromkeys(one.run_id for one in reversed(published)))
    by_run: dict[str, dict[str, Mapping[str, Any]]] = {}
    for one in profiles:
        by_run.setdefault(one["run_id"], {})[one["column_name"]] = one
    known = [by_run[run_id] for run_id in runs if run_id in by_run][: LAST + 1]
    if not known:
        return ()
    (now, *before) = known
    return tuple(
        _column(now[column.name], [one[column.name] for one in before if column.name in one])
        for column in contract.COLUMNS
        if column.name in now
    )


def _column(now: Mapping[str, Any], before: Sequence[Mapping[str, Any]]) -> ColumnLine:
    usual = [one["null_share"] for one in before]
    dates = [iso_day(str(one)) for one in (now["minimum"], now["maximum"]) if one]
    return ColumnLine(
        now["column_name"],
        now["null_share"],
        median(usual) if usual else None,
        now["distinct_count"],
        " a ".join(dates),
    )
