"""The tasks of one call: a failed task is logged, and the others still run."""

import json
import os
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
    """A task failed. This is raised after all others are done, so that Lambda retries the call."""


@dataclass
class Tasks:
    """The tasks of one call."""

    log: Log
    failed: list[str] = field(default_factory=list)

    @contextmanager
    def attempt(self, task: str, wait: str = "") -> Iterator[None]:
        """Run a task; if it fails, log the reason and continue.

        Parameters
        ----------
        task
            Its name in the log.
        wait
            Code of an error that isn't a failure: the next call tries again.
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
        """Fail if a task has failed.

        Raises
        ------
        ReconcileError
            Names the failed tasks.
        """
        if self.failed:
            raise ReconcileError(f"failed, all else is done: {'; '.join(self.failed)}; see log")


def emit(event: str, metric: str = "", **facts: object) -> None:
    """Print a line of JSON; for each such line, CloudWatch adds one to ``metric``."""
    line: dict[str, Any] = {"event": event, **facts}
    if metric:
        namespace = os.environ.get("METRICS_NAMESPACE", "ClientHealth")
        head = {"Namespace": namespace, "Dimensions": [[]], "Metrics": [{"Name": metric}]}
        at = int(datetime.now(UTC).timestamp() * 1000)
        line |= {metric: 1, "_aws": {"Timestamp": at, "CloudWatchMetrics": [head]}}
    sys.stdout.write(json.dumps(line) + "\n")
