"""Reports the progress of the running statement's Spark jobs to the service."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

MESSAGE_TYPE = "glue_progress"
_EVERY_SECONDS = 0.5
# The number of tasks that a statement will still submit is unknown. Always expecting this many
# makes the share grow with the work done, without ever reaching 100%.
_EXPECTED_TASKS = 8


class ProgressReporter:
    """A thread in the session's process that counts finished tasks.

    Parameters
    ----------
    context : callable
        Returns the live SparkContext, or None.
    send : callable
        Takes the share done, between 0 and 1, whenever it has risen.
    """

    def __init__(self, context: Callable[[], Any], send: Callable[[float], None]) -> None:
        self._context = context
        self._send = send
        self._running = threading.Event()
        self._stages: dict[int, tuple[int, int]] = {}
        self._reported = 0.0
        threading.Thread(target=self._loop, name="progress", daemon=True).start()

    def begin(self) -> None:
        """Restart the count at the start of a statement."""
        self._stages = {}
        self._reported = 0.0
        self._running.set()

    def end(self) -> None:
        """Stop counting at the end of the statement."""
        self._running.clear()

    def _loop(self) -> None:
        pause = threading.Event()
        while self._running.wait():
            pause.wait(_EVERY_SECONDS)
            if self._running.is_set():
                try:
                    self._report()
                except Exception:  # noqa: S112 - Spark may be stopped or restarted
                    continue

    def _report(self) -> None:
        context = self._context()
        if context is None:
            return
        stages = self._stages
        tracker = context.statusTracker()
        active = set(tracker.getActiveStageIds())
        for stage in set(stages) - active:
            stages[stage] = (stages[stage][1],) * 2
        for stage in active:
            info = tracker.getStageInfo(stage)
            if info is not None:
                stages[stage] = (info.numCompletedTasks, info.numTasks)
        done = sum(finished for finished, _ in stages.values())
        share = done / (sum(tasks for _, tasks in stages.values()) + _EXPECTED_TASKS)
        if share > self._reported and stages is self._stages:
            self._reported = share
            self._send(share)
