"""One statement of a session, and its states."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class StatementState(StrEnum):
    """The states in the API. If code raised an error, the state is AVAILABLE; see the output."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    AVAILABLE = "AVAILABLE"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    ERROR = "ERROR"

    @property
    def final(self) -> bool:
        """Whether the state can't change anymore."""
        return self in (self.AVAILABLE, self.CANCELLED, self.ERROR)


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Statement:
    """A statement and its state.

    Parameters
    ----------
    number : int
        Its id within the session, from 0.
    code : str
        Its code.
    """

    number: int
    code: str
    state: StatementState = StatementState.WAITING
    progress: float = 0.0
    output: dict[str, Any] | None = None
    started_on: int = field(default_factory=_milliseconds)
    completed_on: int | None = None

    def begin(self) -> None:
        """Mark the statement as running."""
        self.state = StatementState.RUNNING
        self.started_on = _milliseconds()

    def finish(self, state: StatementState, output: dict[str, Any] | None = None) -> None:
        """Mark the statement as done."""
        self.state = state
        self.output = output
        self.progress = 1.0 if state is StatementState.AVAILABLE else self.progress
        self.completed_on = _milliseconds()

    def describe(self) -> dict[str, Any]:
        """Return the statement in the API's shape."""
        described: dict[str, Any] = {
            "Id": self.number,
            "Code": self.code,
            "State": self.state.value,
            "Progress": self.progress,
            "StartedOn": self.started_on,
        }
        if self.output is not None:
            described["Output"] = self.output
        if self.completed_on is not None:
            described["CompletedOn"] = self.completed_on
        return described
