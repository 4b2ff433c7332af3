"""Errors that can end a run, with their exit codes.

Every error has its facts as attributes. ``str(error)`` is the few lines that a person needs: stage
and cell, the original cause, the executed notebook, the next step, and a link to the page of
errors. That page, ``docs/errors.md``, is generated from the docstrings of the classes.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Optional, TypeVar

_Error = TypeVar("_Error", bound="StrictGlueError")

PAGE = "docs/errors.md"
#: The last line of the strict kernel's own errors is this and the next step.
NEXT = "next: "
_CAUSE_LINES = 3
_CAUSE_CHARACTERS = 600


class StrictGlueError(Exception):
    """Something unexpected ended the run; root of this package's errors.

    Why: something that the run relies on is missing, although nothing should have removed it: for
    example, the table's metadata file that the catalog names.
    What to do: restore what the message names, then run the same command again.

    Parameters
    ----------
    message : str
        What was found and what was expected.
    next_step : str
        What the reader can do about it.
    stage, notebook : str, optional
        Stage that was running, and the location of its executed notebook.
    cell : int, optional
        Position of the cell that failed, counted from 1 over all cells of the notebook.
    ename, evalue : str, optional
        Name and message of the error as the session or the service gave them.
    traceback : sequence of str
        The session's traceback; never part of ``str(error)``.
    """

    exit_code = 1
    #: Name under which the strict kernel reports this error in a notebook.
    reported_as = "StrictGlueError"

    def __init__(
        self,
        message: str,
        *,
        next_step: str = "",
        stage: Optional[str] = None,
        cell: Optional[int] = None,
        ename: Optional[str] = None,
        evalue: Optional[str] = None,
        traceback: Sequence[str] = (),
        notebook: Optional[str] = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.stage = stage
        self.cell = cell
        self.ename = ename
        self.evalue = evalue
        self.traceback = list(traceback)
        self.notebook = notebook

    def at(self: _Error, *, stage: str, notebook: Optional[str] = None) -> _Error:
        """Add where it happened, unless already known."""
        self.stage = self.stage or stage
        self.notebook = self.notebook or notebook
        return self

    def __str__(self) -> str:
        where = self.stage or ""
        if where and self.cell is not None:
            where = f"{where}, cell {self.cell}"
        lines = [f"{where}: {shorten(self.message)}" if where else shorten(self.message)]
        if self.notebook:
            lines.append(f"  executed notebook: {self.notebook}")
        if self.next_step:
            lines.append(f"  next: {self.next_step}")
        lines.append(f"  more: {PAGE}#{type(self).__name__.lower()}")
        return "\n".join(lines)


class ConfigurationError(StrictGlueError):
    """The run cannot be carried out as requested by arguments, settings, and notebook magics.

    Why: an argument, a variable, or the `%%configure` cell of a notebook asks for something that
    is not possible; or a notebook is not at the given path.
    What to do: fix what the message names, then run the same command again.
    """

    exit_code = 2
    reported_as = "GlueConfigurationError"


class SessionError(StrictGlueError):
    """A session could not be created, or ended before its work was done.

    Why: the service refused the session (role, workers, limits, arguments), could not start it, or
    ended it: it was idle or ran for too long, its driver ran out of memory, or someone stopped it.
    What to do: read the reason after the session's state. If the service refused the session, fix
    what it names. Otherwise, run the same command again: it creates a new session and continues
    after the last finished stage. If the driver ran out of memory, ask for larger workers first.
    With `ResourceNumberLimitExceededException`, the account's quota of sessions or DPUs is used up:
    stop other sessions, or have the quota raised.
    """

    exit_code = 4
    reported_as = "GlueSessionError"

    @classmethod
    def not_created(cls, session_id: str, cause: str) -> "SessionError":
        """Build from the service's refusal to create the session."""
        return cls(
            f"session {session_id} could not be created: {cause}",
            next_step="fix what the service names (role, workers, limits, arguments), run again",
        )

    @classmethod
    def ended(cls, session_id: str, session: Mapping[str, Any]) -> "SessionError":
        """Build from GetSession's answer for a session that accepts no more statements."""
        status = session.get("Status", "unknown")
        reason = session.get("ErrorMessage") or session.get("Description") or ""
        return cls(
            f"session {session_id} is {status}, expected READY" + (f": {reason}" if reason else ""),
            next_step="its variables are lost: run again from the first cell, in a new session",
        )

    @classmethod
    def not_found(cls, session_id: str) -> "SessionError":
        """Build for a session that the service does not know."""
        return cls(
            f"session {session_id} does not exist in this account and region",
            next_step="check region and endpoint; run again to get a new session",
        )

    @classmethod
    def not_ready(cls, session_id: str, status: str, seconds: float) -> "SessionError":
        """Build for a session whose provisioning took longer than its limit."""
        return cls(
            f"session {session_id} is still {status} after {seconds:.0f} s, expected READY",
            next_step="check the available capacity or raise the provisioning limit, run again",
        )


class StatementError(StrictGlueError):
    """A statement ended with neither a result nor an error of its own.

    Why: the statement was cancelled, failed inside the service, printed more than the service
    keeps, or was longer than the service accepts.
    What to do: run the same command again: the stage starts over. If the statement was cancelled,
    find out who did it. If a cell is too long or prints too much, change that cell.
    """

    exit_code = 4
    reported_as = "GlueStatementError"

    @classmethod
    def from_state(cls, statement: Mapping[str, Any]) -> "StatementError":
        """Build from a statement whose state is final and not AVAILABLE."""
        output = statement.get("Output") or {}
        cause = ": ".join(filter(None, (output.get("ErrorName"), output.get("ErrorValue"))))
        found = f"statement {statement.get('Id')} is {statement.get('State')}, expected AVAILABLE"
        return cls(
            f"{found}: {cause}" if cause else found,
            next_step="it is not known how far its code got: run again, the stage starts over",
            traceback=output.get("Traceback") or (),
        )

    @classmethod
    def incomplete(cls, statement: Mapping[str, Any]) -> "StatementError":
        """Build from an AVAILABLE statement whose output is neither ok nor an error."""
        status = (statement.get("Output") or {}).get("Status")
        return cls(
            f"statement {statement.get('Id')} is AVAILABLE with output status {status!r},"
            " expected 'ok'",
            next_step="run again, the stage starts over; if it fails again, see the session's log",
        )

    @classmethod
    def too_long(cls, length: int, limit: int) -> "StatementError":
        """Build for code that is longer than the service accepts."""
        return cls(
            f"this cell has {length:,} characters, a statement may have {limit:,}",
            next_step="split the cell, or move its code into a module",
        )


class ServiceError(StrictGlueError):
    """The service could not be reached, refused the credentials, or kept failing.

    Why: AWS (or the local service) did not answer, failed until the retries ran out, sent something
    that is not an answer of the API, or refused the credentials or a permission.
    What to do: if the message says so, renew the credentials; otherwise check region, endpoint,
    network, and permissions. Then run the same command again.
    """

    exit_code = 4
    reported_as = "GlueServiceError"


class KernelDied(StrictGlueError):  # noqa: N818 - says what happened
    """The kernel process on this host ended while a cell ran.

    Why: the process next to the runner that sends cells to the session was killed or could not
    start, usually because that host ran out of memory. The session itself has been stopped.
    What to do: make sure that the host has free memory, then run the same command again.
    """

    exit_code = 4
    reported_as = "DeadKernelError"


class StageTimeout(StrictGlueError):  # noqa: N818 - says what happened
    """A stage took longer than its limit.

    Why: the data has grown, the session has too few workers, or a cell waits for something that
    never happens.
    What to do: see in the executed notebook which cell was running. Run the same command again; if
    it takes as long again, raise `GLUE_PAPERMILL_STAGE_SECONDS` or the number of workers.
    """

    exit_code = 4
    reported_as = "CellTimeoutError"


def shorten(text: str) -> str:
    """Return the first lines of a cause: messages from the JVM contain whole stack traces."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    kept = []
    for line in lines[:_CAUSE_LINES]:
        if line.lstrip().startswith(("at ", "Traceback ")):
            break
        kept.append(line)
    short = "\n  ".join(kept or lines[:1])
    if len(short) > _CAUSE_CHARACTERS:
        short = short[:_CAUSE_CHARACTERS] + " …"
    return short
