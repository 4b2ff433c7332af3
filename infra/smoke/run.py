"""Runs the checks in order, and removes everything at the end, whatever happened."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from botocore.exceptions import BotoCoreError, ClientError

from infra.errors import DeployError, SettingsError
from infra.smoke.checks import Check, NotAsExpectedError, Result, State
from infra.smoke.order import CHECKS, REMOVAL, REMOVAL_TITLE
from infra.smoke.removal import Removal
from infra.smoke.trial import TooLateError, Trial
from strict_glue import StrictGlueError

#: What a check can report in one line; anything else is a fault of the check itself.
_EXPECTED = (
    NotAsExpectedError,
    TooLateError,
    DeployError,
    StrictGlueError,
    ClientError,
    BotoCoreError,
)
_STOPPED = "stopped from outside"
_LONGEST = 600


def need(prefix: str) -> None:
    """Refuse to run without a prefix.

    Raises
    ------
    SettingsError
        It is empty.
    """
    if not prefix:
        raise SettingsError(
            "a smoke run removes everything with its prefix, so it needs one: --prefix smoke-"
        )


def refuse(trial: Trial) -> None:
    """Refuse to run where others could lose something.

    Raises
    ------
    SettingsError
        Something has the prefix that no smoke run made.
    """
    need(trial.prefix)
    if trial.marker.exists():
        return
    found = Removal(trial).remains()
    if found:
        raise SettingsError(
            f"{', '.join(found)} exists already, and no smoke run made it (there is no stack "
            f"{trial.marker.name}): give another prefix, such as --prefix smoke2-"
        )


def run(
    trial: Trial,
    *,
    keep: bool = False,
    checks: Sequence[Check] = CHECKS,
    told: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Run the checks, then remove everything.

    Parameters
    ----------
    trial
        The smoke run.
    keep
        Whether to leave everything in place.
    checks
        In order.
    told
        Called with each result.

    Returns
    -------
    list of Result
        Of each check, and of the removal.
    """
    results: dict[str, Result] = {}
    stopped = False

    def end(result: Result) -> None:
        results[result.id] = result
        told(result)

    try:
        for check in checks:
            reason = _STOPPED if stopped else _reason(check, trial, results)
            if reason:
                end(Result(check.id, check.title, State.SKIPPED, reason))
                continue
            result = _run_one(check, trial)
            stopped = result.words == _STOPPED
            end(result)
    finally:
        # Also for a fault of this program: what costs money must not stay.
        end(_removed(trial, keep=keep))
    return list(results.values())


def _reason(check: Check, trial: Trial, results: dict[str, Result]) -> str:
    """Return why a check can't run; empty if it can."""
    if check.id in trial.differences:
        return trial.differences[check.id]
    missing = [name for name in check.needs if results[name].state is not State.PASS]
    return f"needs {', '.join(missing)}" if missing else ""


def _run_one(check: Check, trial: Trial) -> Result:
    started = time.monotonic()
    trial.note(f"{check.id}: {check.title}")
    try:
        state, words = State.PASS, check.run(trial)
    except KeyboardInterrupt:
        state, words = State.FAIL, _STOPPED
    except _EXPECTED as error:
        state, words = State.FAIL, f"{error}"[:_LONGEST]
    except Exception as error:  # the other checks and the removal must still run
        state, words = State.FAIL, f"the check itself failed: {type(error).__name__}: {error}"
    return Result(check.id, check.title, state, words, time.monotonic() - started)


def _removed(trial: Trial, *, keep: bool) -> Result:
    started = time.monotonic()
    if keep:
        return Result(
            REMOVAL, REMOVAL_TITLE, State.SKIPPED, "--keep: everything costs money until removed"
        )
    try:
        left = Removal(trial).remove()
    except KeyboardInterrupt:
        left = [f"{_STOPPED}; to go on: make smoke with REMOVE=1"]
    except (*_EXPECTED, OSError) as error:
        left = [f"{error}"]
    words = "; ".join(left)[:_LONGEST] or "nothing remains but a key, deleted after 7 days"
    state = State.FAIL if left else State.PASS
    return Result(REMOVAL, REMOVAL_TITLE, state, words, time.monotonic() - started)
