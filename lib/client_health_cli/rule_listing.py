"""The rules that hold for a lake, checked as the session checks them, and listed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from client_health_cli.errors import RunFailedError, SettingsError
from register_contract import contract, rule_set
from register_contract.rule_set import RulesError, RuleSet

COLUMNS = ("rule", "criticality", "column", "meaning", "limit", "origin")
DEFAULT, FILE = "default", "file"


def held(lake: str = "", file: str = "") -> RuleSet:
    """Return the rules that hold, after every check that is possible without data.

    Parameters
    ----------
    lake
        A lake, whose rules file is read if there is one; may be empty.
    file
        Another rules file; may be empty.

    Raises
    ------
    SettingsError
        If the file can't be used; the message names every problem with its line.
    RunFailedError
        If the lake doesn't answer.
    """
    if not lake and not file:
        return RuleSet()

    # These take a while to load.
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    from register_run import RulesFileError, storage, team_rules  # noqa: PLC0415
    from strict_glue import failure  # noqa: PLC0415

    try:
        found = team_rules.read(storage.normalise(lake) if lake else "", file)
        if found.own:
            from client_health import own_rules  # noqa: PLC0415 - loads Polars

            own_rules.check(found)
    except (RulesFileError, RulesError) as error:
        problems = "\n".join(f"  {problem}" for problem in error.problems)
        raise SettingsError(f"the rules file can't be used:\n{problems}") from error
    except (ClientError, BotoCoreError) as error:
        failed = failure("lake", error)
        raise RunFailedError(str(failed), failed.exit_code) from error
    return found


def rows(rules: RuleSet) -> Iterator[dict[str, Any]]:
    """Yield a row for each rule, and for each limit without a rule; see `COLUMNS`.

    Parameters
    ----------
    rules
        What holds.
    """
    moved = {name for name, _ in rules.moved}
    shares = {one.rule.name: one.share for one in rules.own}
    changed = rule_set.changed_limits(rules.limits)
    limits = {str(rule): name for name, rule in rule_set.LIMITED.items()}
    for rule in rules.rules():
        limit = limits.get(rule.name)
        share = shares.get(rule.name)
        from_file = rule.name in shares or rule.name in moved or limit in changed
        yield {
            "rule": str(rule.name),
            "criticality": rule.criticality.value,
            "column": rule.column,
            "meaning": rule.meaning,
            "limit": _limit(rules, limit) if limit else "" if share is None else f"share {share:g}",
            "origin": FILE if from_file else DEFAULT,
        }
    for field in dataclasses.fields(contract.LIMITS):
        if field.name not in rule_set.LIMITED:
            yield {
                **dict.fromkeys(COLUMNS, ""),
                "rule": field.name,
                "limit": _limit(rules, field.name),
                "origin": FILE if field.name in changed else DEFAULT,
            }


def _limit(rules: RuleSet, name: str) -> str:
    return f"{name} {getattr(rules.limits, name):g}"
