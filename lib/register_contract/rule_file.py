"""A team's rules file: YAML with limits, criticalities, and rules of its own.

The caller gives PyYAML, so that this package needs only the standard library. Every problem names
its line.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

from register_contract import contract, rule_expressions, rule_set
from register_contract.contract import Criticality, Rule
from register_contract.rule_set import OwnRule, RulesError, RuleSet

#: The largest file, in bytes.
LARGEST = 100_000
_SECTIONS = ("limits", "criticality", "rules")
_REQUIRED = ("name", "column", "expression", "criticality", "meaning", "significado")
_KEYS = (*_REQUIRED, "share")
_NAME = re.compile(r"\A[a-z][a-z0-9_]{2,39}\Z")
_LONGEST_MEANING = 200
# Nodes of PyYAML: `id`, `value`, and `start_mark`.
_Node = Any


def read(content: bytes, name: str, yaml: Any) -> RuleSet:  # noqa: ANN401 - a module
    """Return the rules of a file.

    Parameters
    ----------
    content : bytes
        The file.
    name : str
        Its name, for messages.
    yaml : module
        PyYAML.

    Raises
    ------
    RulesError
        With all problems. What an expression means to Polars is not checked here.
    """
    if len(content) > LARGEST:
        raise RulesError([f"{name} has more than {LARGEST:,} bytes"])
    try:
        root = yaml.compose(content.decode(), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise RulesError([f"{name} isn't UTF-8: {error.reason}"]) from None
    except yaml.YAMLError as error:
        raise RulesError([_syntax_problem(name, error)]) from None
    reader = _Reader(name)
    found = reader.rule_set(root)
    if reader.problems:
        raise RulesError([text for _, text in sorted(reader.problems, key=lambda one: one[0])])
    return found


def _syntax_problem(name: str, error: Any) -> str:  # noqa: ANN401 - of PyYAML
    mark = getattr(error, "problem_mark", None)
    where = f"{name}, line {mark.line + 1}" if mark else name
    return f"{where}: not YAML: {getattr(error, 'problem', None) or 'it has unusual characters'}"


class _Reader:
    """What a file says, and what is wrong with it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: list[tuple[int, str]] = []

    def refuse(self, node: _Node, problem: str, rule: str = "") -> None:
        line = _line(node)
        where = f"{self.name}, line {line}" + (f", rule {rule}" if rule else "")
        self.problems.append((line, f"{where}: {problem}"))

    def rule_set(self, root: _Node | None) -> RuleSet:
        sections = dict(self.entries(root, "the file", _SECTIONS)) if root is not None else {}
        values = dict(self.limits(sections.get("limits")))
        return RuleSet(
            dataclasses.replace(contract.LIMITS, **values),
            tuple(sorted(self.moved(sections.get("criticality")))),
            tuple(self.own(sections.get("rules"))),
            self.name,
        )

    def entries(
        self, node: _Node | None, what: str, known: tuple[str, ...] = ()
    ) -> Iterator[tuple[str, _Node]]:
        """Yield the entries of a mapping; each key is one of the known ones, once."""
        if node is None or _is_empty(node):
            return
        if node.id != "mapping":
            self.refuse(node, f"{what} must be a mapping (name: value)")
            return
        seen = set()
        for key, value in node.value:
            name = key.value if key.id == "scalar" else ""
            if known and name not in known:
                self.refuse(key, f"{what} has no {name or 'such entry'}; it has {', '.join(known)}")
            elif name in seen:
                self.refuse(key, f"{name} is given twice")
            else:
                seen.add(name)
                yield name, value

    def limits(self, node: _Node | None) -> Iterator[tuple[str, Any]]:
        fields = tuple(field.name for field in dataclasses.fields(contract.LIMITS))
        for name, value in self.entries(node, "limits", fields):
            number = self.number(value, name)
            if number is None:
                continue
            problem = rule_set.limit_problem(name, number)
            if problem:
                self.refuse(value, problem)
            else:
                yield name, type(getattr(contract.LIMITS, name))(number)

    def number(self, node: _Node, name: str, rule: str = "") -> float | None:
        try:
            if node.id == "scalar" and node.style is None:
                return float(node.value)
        except ValueError:
            pass
        self.refuse(node, f"{name} must be a number, such as 0.05", rule)
        return None

    def moved(self, node: _Node | None) -> Iterator[tuple[str, Criticality]]:
        now = {str(rule.name): rule.criticality for rule in contract.RULES}
        for name, value in self.entries(node, "criticality"):
            to = self.text(value, name)
            if not to:
                continue
            problem = rule_set.move_problem(name, to)
            if problem:
                self.refuse(value, problem)
            elif now[name].value != to:
                yield name, Criticality(to)

    def own(self, node: _Node | None) -> Iterator[OwnRule]:
        if node is None or _is_empty(node):
            return
        if node.id != "sequence":
            self.refuse(node, "rules must be a list, each entry starting with a dash")
            return
        if len(node.value) > rule_set.MOST:
            self.refuse(
                node.value[rule_set.MOST],
                f"{len(node.value)} rules of your own; at most {rule_set.MOST} are possible",
            )
        taken = {str(rule.name) for rule in contract.RULES}
        for entry in node.value:
            found = self.own_rule(entry, taken)
            if found is not None:
                yield found

    def own_rule(self, node: _Node, taken: set[str]) -> OwnRule | None:
        before = len(self.problems)
        if node.id != "mapping":
            self.refuse(node, "a rule must be a mapping (name: value)")
            return None
        given = dict(self.entries(node, "a rule", _KEYS))
        shown = given["name"].value if "name" in given and given["name"].id == "scalar" else ""
        absent = [key for key in _REQUIRED if key not in given]
        if absent:
            self.refuse(node, f"a rule needs {', '.join(absent)}", shown)
        texts = {key: self.text(given[key], key, shown) for key in _REQUIRED if key in given}
        for key, text in texts.items():
            if text:
                self.check(given[key], key, text, shown)
        if shown in taken:
            self.refuse(given["name"], f"the name {shown} is taken", shown)
        taken.add(shown)
        share = self.share(given, texts.get("criticality", ""), node, shown)
        if len(self.problems) > before or len(texts) < len(_REQUIRED):
            return None
        rule = Rule(
            texts["name"],
            Criticality(texts["criticality"]),
            texts["meaning"],
            texts["significado"],
            texts["column"],
        )
        return OwnRule(rule, texts["expression"], share, _line(given["expression"]))

    def check(self, node: _Node, key: str, text: str, rule: str) -> None:
        if key == "name" and not _NAME.match(text):
            self.refuse(
                node, f"{text!r} is no name: use 3 to 40 small letters, digits, and _", rule
            )
        elif key == "column" and text not in rule_expressions.NAMES[:-1]:
            self.refuse(node, f"there is no column {text}", rule)
        elif key == "criticality" and text not in {one.value for one in Criticality}:
            self.refuse(node, f"{text!r} is no criticality; expected error, warn, or gate", rule)
        elif key in {"meaning", "significado"} and (
            len(text) > _LONGEST_MEANING or not text.isprintable()
        ):
            self.refuse(node, f"{key} must be one line of {_LONGEST_MEANING} characters", rule)
        elif key == "expression":
            for problem in rule_expressions.problems(text):
                self.refuse(node, problem, rule)

    def share(
        self, given: dict[str, _Node], criticality: str, node: _Node, rule: str
    ) -> float | None:
        is_gate = criticality == Criticality.GATE.value
        if "share" not in given:
            if is_gate:
                self.refuse(node, "a gate needs share, the largest share of rows", rule)
            return None
        if not is_gate:
            self.refuse(given["share"], "only a gate has a share", rule)
            return None
        number = self.number(given["share"], "share", rule)
        if number is not None and not 0 <= number <= 1:
            self.refuse(given["share"], f"share is {number:g}; expected 0 to 1", rule)
        return number

    def text(self, node: _Node, key: str, rule: str = "") -> str:
        if node.id == "scalar" and node.value.strip():
            return str(node.value).strip()
        self.refuse(node, f"{key} must be a text", rule)
        return ""


def _line(node: _Node) -> int:
    return int(node.start_mark.line) + 1


def _is_empty(node: _Node) -> bool:
    """Return whether a section has no content, as where all its lines are comments."""
    return bool(node.id == "scalar" and node.style is None and node.value in {"", "~", "null"})
