"""The rules that hold in a run: the contract's, with the changes of a team's rules file.

:mod:`register_contract.rule_file` reads the file; the runner hands its content over to the session
as JSON.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from register_contract import contract
from register_contract.contract import RULES, Criticality, Gate, Limits, Rule

#: Name of a lake's rules file, in the lake itself.
FILE = "rules.yaml"
#: The most rules of one's own: each has a bit in the rows' 64.
MOST = 24
#: The rule of each limit. A limit without one is listed under its own name.
LIMITED: Mapping[str, str] = MappingProxyType(
    {
        "rejected_share": Gate.REJEITADOS_DEMAIS,
        "volume_change": Gate.VOLUME_DIFERENTE,
        "category_shift": Gate.DISTRIBUICAO_DIFERENTE,
        "null_rise": Gate.NULOS_EM_ALTA,
        "registrations_factor": "cadastros_incomuns",
    }
)
#: Limits that compare shares of rows, and so can't be above 1.
SHARES = frozenset({"rejected_share", "category_shift", "null_rise"})


class RulesError(ValueError):
    """A rules file can't be used.

    Parameters
    ----------
    problems : sequence of str
        All of them, each with file and line.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


@dataclass(frozen=True)
class OwnRule:
    """A rule of a team's own.

    Parameters
    ----------
    rule : Rule
        Its name, criticality, meanings, and column.
    expression : str
        SQL that is true for a good row. A row for which it is null is not broken, as with SQL's
        own ``CHECK``.
    share : float, optional
        Of a gate: the largest share of published rows that may break it.
    line : int
        The line of the expression in the file.
    """

    rule: Rule
    expression: str
    share: float | None = None
    line: int = dataclasses.field(default=0, compare=False)


@dataclass(frozen=True)
class RuleSet:
    """The rules and limits that hold.

    Parameters
    ----------
    limits : Limits
    moved : tuple of (str, Criticality)
        The contract's rules that have another criticality.
    own : tuple of OwnRule
    file : str
        Name of the file that they come from, for messages; empty if there is none.
    """

    limits: Limits = contract.LIMITS
    moved: tuple[tuple[str, Criticality], ...] = ()
    own: tuple[OwnRule, ...] = ()
    file: str = dataclasses.field(default="", compare=False)

    def rules(self, *criticalities: Criticality) -> tuple[Rule, ...]:
        """Return the rules of some criticalities, or all: the contract's, then the team's own."""
        moved = dict(self.moved)
        held = [
            dataclasses.replace(rule, criticality=moved[rule.name]) if rule.name in moved else rule
            for rule in RULES
        ]
        held += [one.rule for one in self.own]
        return tuple(one for one in held if not criticalities or one.criticality in criticalities)

    @property
    def rejecting(self) -> tuple[str, ...]:
        """Names of the rules that reject a row: the contract's, those moved there, own ones."""
        own = {one.rule.name for one in self.own}
        found = self.rules(Criticality.ERROR)
        fixed = {rule.name for rule in contract.rules(Criticality.ERROR)}
        # Stable: the contract's own rejecting rules come first, whatever the file changes.
        order = sorted(found, key=lambda rule: (rule.name in own, rule.name not in fixed))
        return tuple(rule.name for rule in order)

    @property
    def counted(self) -> tuple[str, ...]:
        """Names of the rules that are counted in published rows; own gates are among them."""
        gates = {str(gate) for gate in Gate}
        found = self.rules(Criticality.WARN, Criticality.GATE)
        return tuple(rule.name for rule in found if rule.name not in gates and not rule.of_run)

    def fingerprint(self, declared: str = "") -> str:
        """Return the fingerprint of what holds; the contract's own if nothing is changed.

        Parameters
        ----------
        declared : str, optional
            The contract's fingerprint, if it is already known.
        """
        base = declared or contract.rules_fingerprint()
        if self == RuleSet():
            return base
        described = [
            base,
            changed_limits(self.limits),
            sorted((name, to.value) for name, to in self.moved),
            sorted(
                (
                    one.rule.name,
                    one.rule.criticality.value,
                    one.rule.column,
                    one.expression,
                    str(one.share),
                )
                for one in self.own
            ),
        ]
        text = json.dumps(described, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def dump(self) -> str:
        """Return the changes as JSON."""
        content = {
            "file": self.file,
            "limits": changed_limits(self.limits),
            "criticality": {name: to.value for name, to in self.moved},
            "rules": [
                {
                    "name": one.rule.name,
                    "column": one.rule.column,
                    "expression": one.expression,
                    "criticality": one.rule.criticality.value,
                    "meaning": one.rule.meaning,
                    "significado": one.rule.significado,
                    "share": one.share,
                    "line": one.line,
                }
                for one in self.own
            ],
        }
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def load(cls, text: str) -> RuleSet:
        """Return what :meth:`dump` wrote.

        Raises
        ------
        RulesError
            If it is something else.
        """
        try:
            content: dict[str, Any] = json.loads(text)
            return cls(
                dataclasses.replace(contract.LIMITS, **content["limits"]),
                tuple((name, Criticality(to)) for name, to in content["criticality"].items()),
                tuple(_loaded(one) for one in content["rules"]),
                content["file"],
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise RulesError(["the rules that were handed over can't be read"]) from None


def _loaded(one: Mapping[str, Any]) -> OwnRule:
    rule = Rule(
        one["name"],
        Criticality(one["criticality"]),
        one["meaning"],
        one["significado"],
        one["column"],
    )
    return OwnRule(rule, one["expression"], one["share"], one["line"])


def changed_limits(limits: Limits) -> dict[str, int | float]:
    """Return the limits that differ from the contract's, by name."""
    return {
        field.name: getattr(limits, field.name)
        for field in dataclasses.fields(limits)
        if getattr(limits, field.name) != getattr(contract.LIMITS, field.name)
    }


def limit_problem(name: str, value: float) -> str:
    """Return why a limit can't have a value; empty if it can.

    Shares are between 0 and 1, all others not negative; what is counted is a whole number, and at
    least 1.
    """
    usual = getattr(contract.LIMITS, name)
    if not math.isfinite(value) or value < 0:
        return f"{name} is {value:g}; a number that is not negative was expected"
    if name in SHARES and value > 1:
        return f"{name} is {value:g}; a share between 0 and 1 was expected"
    if isinstance(usual, int) and (value != int(value) or value < 1):
        return f"{name} is {value:g}; a whole number of at least 1 was expected"
    return ""


def move_problem(name: str, to: str) -> str:
    """Return why one of the contract's rules can't have a criticality; empty if it can.

    A warning about a row may become a rejection. A rejection stays one, because an id needs the 11
    digits of a CPF. A gate stays one, because what it stops is wrong in every row, or has a limit.
    """
    known: dict[str, Rule] = {str(rule.name): rule for rule in RULES}
    if name not in known:
        return f"there is no rule {name}"
    if to not in {one.value for one in Criticality}:
        return f"{to!r} is no criticality; expected error or warn"
    now = known[name].criticality
    problem = ""
    if now.value == to:
        return problem
    if now is Criticality.GATE:
        limits = [limit for limit, rule in LIMITED.items() if rule == name]
        problem = f"{name} is a gate and stays one"
        problem += f"; change its limit {limits[0]} instead" if limits else ""
    elif now is Criticality.ERROR:
        problem = f"{name} must reject: without a CPF of 11 digits, a row has no id"
    elif known[name].of_run:
        problem = f"{name} is about a whole run, so no row can be rejected for it"
    elif to == Criticality.GATE.value:
        problem = f"{name} can't be a gate: only a rule of your own can, with a share"
    return problem
