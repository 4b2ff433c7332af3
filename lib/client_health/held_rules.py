"""The rules of a run, as a stage finds them."""

from __future__ import annotations

from client_health import storage
from client_health.clean import own_rules
from client_health.errors import SettingsError
from register_contract import rule_file, rule_set, runs
from register_contract.rule_set import RulesError, RuleSet


def held_rules(lake: str, run_id: str, *, settle: bool) -> RuleSet:
    """Return the rules that hold in a run, checked.

    Parameters
    ----------
    lake : str
        URI of the lake.
    run_id : str
    settle : bool
        Whether to read the lake's rules file and write it for the run's other stages. The runner
        does this before the session exists; without one, the first stage does it.

    Raises
    ------
    SettingsError
        If the rules can't be used; the message names every problem with its line.
    """
    uri = storage.join(lake, runs.rules_path(run_id))
    try:
        found = _of_lake(lake) if settle else _handed_over(uri)
        own_rules.check(found)
    except RulesError as error:
        raise SettingsError("\n".join(error.problems)) from None
    if settle and found == RuleSet():
        storage.delete(uri)
    elif settle:
        storage.write_text(uri, found.dump())
    return found


def _handed_over(uri: str) -> RuleSet:
    text = storage.read_text(uri)
    return RuleSet() if text is None else RuleSet.load(text)


def _of_lake(lake: str) -> RuleSet:
    import yaml  # noqa: PLC0415 - only for a notebook that is run by hand

    try:
        content = storage.read_bytes(storage.join(lake, rule_set.FILE))
    except FileNotFoundError:
        return RuleSet()
    return rule_file.read(content, rule_set.FILE, yaml)
