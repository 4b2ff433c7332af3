"""Watches the progress of a session's statements in a separate thread."""

import threading
from types import TracebackType
from typing import Callable, Optional

from botocore.exceptions import BotoCoreError, ClientError

from strict_glue.errors import StrictGlueError
from strict_glue.session import Session

_RUNNING = frozenset({"WAITING", "RUNNING"})


class ProgressWatch:
    """Context that reports the running statement's progress.

    Parameters
    ----------
    session : Session
        The session whose statements are watched.
    report : callable
        Called with a fraction from 0 to 1, each time that it has changed.
    seconds : float
        Seconds between two requests.
    """

    def __init__(self, session: Session, report: Callable[[float], None], seconds: float) -> None:
        self._session = session
        self._report = report
        self._seconds = seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="glue-progress", daemon=True)

    def __enter__(self) -> "ProgressWatch":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self._ended.set()
        # A request that hangs in the network must not delay the run.
        self._thread.join(2 * self._seconds + 1)

    def _watch(self) -> None:
        try:
            number = self._session.last_statement() + 1
        except (ClientError, BotoCoreError, StrictGlueError):
            return  # progress is only for information
        last = -1.0
        while not self._ended.wait(self._seconds):
            statement = self._session.progress(number)
            # Statements have consecutive numbers: go to the newest.
            while statement is not None and statement["State"] not in _RUNNING:
                number += 1
                statement = self._session.progress(number)
            fraction = None if statement is None else statement.get("Progress")
            if fraction is not None and fraction != last:
                last = fraction
                self._report(float(fraction))
