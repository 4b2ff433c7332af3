"""The rules file of a run: read before a session is created, and handed over to it."""

import yaml

from register_contract import rule_file, rule_set, runs
from register_contract.rule_set import RulesError, RuleSet
from register_run import storage
from register_run.errors import RulesFileError


def read(lake: str, given: str = "") -> RuleSet:
    """Return the rules that hold: those of a file, or of the contract if there is none.

    Parameters
    ----------
    lake : str
        Its file ``rules.yaml`` is read, if there is one.
    given : str, optional
        Path or URI of another file, which must exist.

    Raises
    ------
    RulesFileError
        The file doesn't exist or can't be used; the message names every problem with its line.
    """
    uri = given or storage.join(lake, rule_set.FILE)
    name = uri.rstrip("/").rsplit("/", 1)[-1]
    try:
        content = storage.read_bytes(uri)
    except OSError as error:
        raise RulesFileError(name, [f"it can't be read: {error.strerror}"]) from error
    if content is None:
        if given:
            raise RulesFileError(name, ["there is no such file"])
        return RuleSet()
    try:
        return rule_file.read(content, name, yaml)
    except RulesError as error:
        raise RulesFileError(name, error.problems) from error


def hand_over(lake: str, run_id: str, rules: RuleSet) -> None:
    """Write a run's rules for its session, or remove those of an earlier start.

    Parameters
    ----------
    lake, run_id : str
    rules : RuleSet
    """
    uri = storage.join(lake, runs.rules_path(run_id))
    if rules == RuleSet():
        storage.delete(uri)
    else:
        storage.write_text(uri, rules.dump())
