"""Limits for the rules file, proposed from the history of a lake."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml

from client_health_cli.errors import LakeError
from client_health_cli.published import opened
from register_contract import rule_set, tables
from register_contract.contract import Criticality
from register_contract.rule_set import RuleSet

LAST: Final = 30
"""Number of published runs that are looked at."""
MARGIN: Final = 1.2
"""A proposed limit is this many times the largest share that was seen."""
LEAST: Final = 0.001
"""The smallest proposed limit: a rule that was never broken may be broken once."""
_COLUMNS = ("run_id", "day", "recorded_at", "source", "rule", "share", "passed")


def suggest(lake: str, rules: RuleSet) -> str:
    """Return limits as YAML for the rules file, a little above what published runs had.

    Parameters
    ----------
    lake
        The lake with the history, the table `quality_results`.
    rules
        The rules that hold: those of a team's own that are gates get a share.

    Raises
    ------
    LakeError
        If there is no history, or no published run in it.
    """
    table = tables.QUALITY_RESULTS.name
    with opened(lake, table) as history:
        results = history.scan(selected_fields=_COLUMNS).to_arrow().to_pylist()
    found = proposals(results, rules)
    if found is None:
        raise LakeError(
            lake,
            f"the table {table} in {lake} has no published run with a share to compare with: "
            "publish some deliveries first",
        )
    return found


def proposals(results: Iterable[Mapping[str, Any]], rules: RuleSet) -> str | None:
    """Return the limits as YAML; None if the results have no share for any of them.

    Parameters
    ----------
    results
        Rows of `quality_results`; those of a run that a gate stopped are ignored.
    rules
        The rules that hold.
    """
    kept = _published(results)
    largest: dict[str, float] = {}
    for one in kept:
        share = one["share"]
        # Rows of a single source are not what a limit is compared with.
        if share is not None and one["source"] is None and math.isfinite(share):
            largest[one["rule"]] = max(share, largest.get(one["rule"], 0.0))
    limits = {
        name: _above(largest[rule], is_share=name in rule_set.SHARES)
        for name, rule in rule_set.LIMITED.items()
        if rule in largest
    }
    gates = [
        {
            "name": own.rule.name,
            "column": own.rule.column,
            "expression": own.expression,
            "criticality": own.rule.criticality.value,
            "share": _above(largest[own.rule.name], is_share=True),
            "meaning": own.rule.meaning,
            "significado": own.rule.significado,
        }
        for own in rules.own
        if own.rule.criticality is Criticality.GATE and own.rule.name in largest
    ]
    if not limits and not gates:
        return None
    days = sorted(str(one["day"]) for one in kept)
    runs = len({one["run_id"] for one in kept})
    head = (
        f"# {MARGIN:g} times the largest share in the last {runs} published runs, of {days[0]} to "
        f"{days[-1]}.\n"
    )
    body = {"limits": limits, "rules": gates}
    return head + yaml.safe_dump(
        {name: part for name, part in body.items() if part}, sort_keys=False, allow_unicode=True
    )


def _published(results: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the results of the last runs that no gate stopped."""
    found = list(results)
    stopped = {one["run_id"] for one in found if one["passed"] is False}
    times = {
        one["run_id"]: str(one["recorded_at"]) for one in found if one["run_id"] not in stopped
    }
    last = set(sorted(times, key=lambda run: times[run])[-LAST:])
    return [one for one in found if one["run_id"] in last]


def _above(value: float, *, is_share: bool) -> float:
    """Return a limit above a value: two digits, and no share above 1."""
    wanted = max(value * MARGIN, LEAST)
    digit = 10.0 ** (math.floor(math.log10(wanted)) - 1)
    limit = round(math.ceil(round(wanted / digit, 6)) * digit, 6)
    return min(limit, 1.0) if is_share else limit
