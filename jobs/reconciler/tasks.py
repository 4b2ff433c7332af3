"""Tasks of one call: what fails is logged, the others still have their turn."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

#: Writes a line: its event, the metric that counts it (or ""), and facts by name.
Log = Callable[..., None]


class ReconcileError(Exception):
    """A task failed; raised when all others are done, so that Lambda makes the call again."""


@dataclass
class Tasks:
    """What one call does, task by task."""

    log: Log
    failed: list[str] = field(default_factory=list)

    @contextmanager
    def attempt(self, task: str, wait: str = "") -> Iterator[None]:
        """Do a task; when it fails, log why and go on.

        Parameters
        ----------
        task
            Its name in the log.
        wait
            Code of the error that is no failure: the next call tries again.
        """
        try:
            yield
        except (BotoCoreError, ClientError, KeyError, ValueError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else None
            if code == wait:
                self.log("task_waits", task=task, cause=repr(error))
            else:
                self.log("task_failed", task=task, cause=repr(error))
                self.failed.append(task)

    def end(self) -> None:
        """Make the call fail when a task has.

        Raises
        ------
        ReconcileError
            With the names of the tasks.
        """
        if self.failed:
            raise ReconcileError(f"failed, all else is done: {'; '.join(self.failed)}; see log")


def emit(event: str, metric: str = "", **facts: object) -> None:
    """Write a line of JSON; CloudWatch adds one to ``metric`` when it reads it."""
    line: dict[str, Any] = {"event": event, **facts}
    if metric:
        head = {"Namespace": "ClientHealth", "Dimensions": [[]], "Metrics": [{"Name": metric}]}
        at = int(datetime.now(UTC).timestamp() * 1000)
        line |= {metric: 1, "_aws": {"Timestamp": at, "CloudWatchMetrics": [head]}}
    sys.stdout.write(json.dumps(line) + "\n")
