"""The result of each rule in a run, with its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from client_health.gate.accounting import StageRows
from register_contract.contract import Criticality, Gate
from register_contract.rule_set import RuleSet


@dataclass(frozen=True)
class Result:
    """The result of one rule.

    Parameters
    ----------
    rule : str
    criticality : Criticality
    passed : bool
        Whether the run could go on; rejected rows and warnings do not stop it.
    source : str, optional
        None for a rule of the whole delivery.
    checked, failed : int, optional
        Rows checked, and rows that break the rule.
    share, limit : float, optional
        What was measured, and the largest allowed value; without a limit, failed of checked.
    finding : str
        What a gate or a warning about the whole run says.
    """

    rule: str
    criticality: Criticality
    passed: bool = True
    source: str | None = None
    checked: int | None = None
    failed: int | None = None
    share: float | None = None
    limit: float | None = None
    finding: str = ""


def of_rows(transformed: StageRows, rules: RuleSet) -> list[Result]:
    """Return the results of the row rules, by source, from the counts of ``02_transform``.

    Gates of the rules file are not among them: what they count has a limit for the whole run.
    """
    results = []
    judged = {rule.name: rule.criticality for rule in rules.rules()}
    for source, rows in transformed.sources.items():
        found = transformed.findings.get(source, {})
        for names, checked in ((rules.rejecting, rows.taken), (rules.counted, rows.rows_out)):
            for name in names:
                if judged[name] is Criticality.GATE:
                    continue
                failed = found.get(name, 0)
                share = failed / checked if checked else 0.0
                results.append(Result(name, judged[name], True, source, checked, failed, share))
    return results


def of_failures(failures: Sequence[tuple[Gate, str]]) -> list[Result]:
    """Return the results of gates that stopped a run, of which only the findings are known."""
    return [Result(gate, Criticality.GATE, passed=False, finding=text) for gate, text in failures]
