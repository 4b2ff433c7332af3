"""A check, and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from infra.smoke.trial import Trial


class State(StrEnum):
    """How a check ended."""

    PASS = "PASS"  # noqa: S105 - not a password
    FAIL = "FAIL"
    SKIPPED = "SKIPPED"


class NotAsExpectedError(Exception):
    """A check found something other than what it expects; its text says both."""


@dataclass(frozen=True)
class Check:
    """A check of the deployed chain.

    Parameters
    ----------
    id : str
        Its name in the report and in docs/deploy.md.
    title : str
        What it checks, in words.
    run : callable
        Returns what it found, in words; raises if that isn't what it expects.
    needs : tuple of str
        Ids of checks without which it can't run.
    """

    id: str
    title: str
    run: Callable[[Trial], str]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """How a check ended, with the reason in words."""

    id: str
    title: str
    state: State
    words: str
    seconds: float = 0.0


def expect(holds: object, words: str) -> None:
    """Fail the check unless something holds.

    Parameters
    ----------
    holds
        What must be true.
    words
        What was found and what was expected.

    Raises
    ------
    NotAsExpectedError
        It doesn't hold.
    """
    if not holds:
        raise NotAsExpectedError(words)
