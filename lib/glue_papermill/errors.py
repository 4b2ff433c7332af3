"""What can end a run, and with which exit code.

Every error carries its facts as attributes; ``str(error)`` is the few lines a person
needs: stage and cell, the true cause, the executed notebook, the next step.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Optional, TypeVar

_Error = TypeVar("_Error", bound="GluePapermillError")

_CAUSE_LINES = 3
_CAUSE_CHARACTERS = 600


class GluePapermillError(Exception):
    """Root of everything this package raises.

    Parameters
    ----------
    message : str
        What was found and what was expected.
    next_step : str
        What the reader can do about it.
    stage, notebook : str, optional
        Stage that was running, and where its executed notebook is kept.
    cell : int, optional
        Position of the cell that failed, counted from 1 over all cells of the notebook.
    ename, evalue : str, optional
        Name and message of the error as the session or the service gave them.
    traceback : sequence of str
        The session's traceback; never part of ``str(error)``.
    """

    exit_code = 1
    #: Name under which the strict kernel reports this error in a notebook.
    reported_as = "GluePapermillError"

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
        """Add where it happened, unless that is known already."""
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
        return "\n".join(lines)


class ConfigurationError(GluePapermillError):
    """The request itself cannot be carried out: usage, settings, a notebook's magics."""

    exit_code = 2
    reported_as = "GlueConfigurationError"


class InputError(GluePapermillError):
    """The drop is missing, doubled, empty, unreadable or truncated."""

    exit_code = 2


class GateStopped(GluePapermillError):  # noqa: N818 - says what happened
    """A gate of the notebooks refused to publish."""

    exit_code = 3


class NotebookFailed(GluePapermillError):  # noqa: N818 - says what happened
    """A notebook's own code raised."""

    exit_code = 1


class SessionError(GluePapermillError):
    """A session could not be created, or ended before its work was done."""

    exit_code = 4
    reported_as = "GlueSessionError"

    @classmethod
    def not_created(cls, session_id: str, cause: str) -> "SessionError":
        """Build from the service's refusal to create the session."""
        return cls(
            f"session {session_id} could not be created: {cause}",
            next_step="check role, workers, limits and arguments of the session, then run again",
        )

    @classmethod
    def ended(cls, session_id: str, session: Mapping[str, Any]) -> "SessionError":
        """Build from what GetSession says of a session that takes no more statements."""
        status = session.get("Status", "unknown")
        reason = session.get("ErrorMessage") or session.get("Description") or ""
        return cls(
            f"session {session_id} is {status}, expected READY" + (f": {reason}" if reason else ""),
            next_step="what the session held is lost: run again from the first cell, in a new one",
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
            next_step="look for missing capacity or raise the provisioning limit, then run again",
        )


class StatementError(GluePapermillError):
    """A statement ended in another way than available and ok, without an error of its own."""

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
            next_step="nothing is known of how far its code came: run the notebook again",
            traceback=output.get("Traceback") or (),
        )

    @classmethod
    def incomplete(cls, statement: Mapping[str, Any]) -> "StatementError":
        """Build from an AVAILABLE statement whose output is neither ok nor an error."""
        status = (statement.get("Output") or {}).get("Status")
        return cls(
            f"statement {statement.get('Id')} is AVAILABLE with output status {status!r},"
            " expected 'ok'",
            next_step="run the notebook again; if it stays, look into the session's logs",
        )

    @classmethod
    def too_long(cls, length: int, limit: int) -> "StatementError":
        """Build for code that is longer than the service takes."""
        return cls(
            f"this cell has {length:,} characters, a statement may have {limit:,}",
            next_step="split the cell, or move its code into a module",
        )


class ServiceError(GluePapermillError):
    """The service could not be reached, refused the credentials, or kept failing."""

    exit_code = 4
    reported_as = "GlueServiceError"


class KernelDied(GluePapermillError):  # noqa: N818 - says what happened
    """The kernel process on this host ended while a cell ran."""

    exit_code = 4
    reported_as = "DeadKernelError"


class StageTimeout(GluePapermillError):  # noqa: N818 - says what happened
    """A stage took longer than its limit."""

    exit_code = 4
    reported_as = "CellTimeoutError"


class ReceiptError(GluePapermillError):
    """A stage left no receipt, or one that is incomplete or untrue."""

    exit_code = 4

    @classmethod
    def missing(cls, stage: str, uri: str) -> "ReceiptError":
        """Build for a stage that ended without writing its receipt."""
        return cls(
            f"no receipt at {uri}: the notebook ended without its last act",
            stage=stage,
            next_step="see that its last cell writes the receipt, then run again",
        )

    @classmethod
    def untrue(cls, stage: str, uri: str, problems: Sequence[str]) -> "ReceiptError":
        """Build from everything that is wrong with a receipt, named at once."""
        return cls(
            f"receipt {uri} is not accepted: {'; '.join(problems)}",
            stage=stage,
            next_step="run again: the stage starts afresh; --force starts the whole run afresh",
        )


class RunInProgress(GluePapermillError):  # noqa: N818 - says what happened
    """Another process works on the same run."""

    exit_code = 4


class Terminated(SystemExit):
    """SIGTERM arrived: unwinds like ``SystemExit``, so that the session is stopped on the way."""

    def __init__(self) -> None:
        super().__init__(4)


def shorten(text: str) -> str:
    """Keep the first lines of a cause: messages from the JVM carry whole stack traces."""
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


_REPORTED: tuple[type[GluePapermillError], ...] = (
    ConfigurationError,
    SessionError,
    StatementError,
    ServiceError,
    KernelDied,
    StageTimeout,
)


def from_cell(
    *,
    stage: str,
    cell: int,
    ename: str,
    evalue: str,
    traceback: Sequence[str],
    notebook: str,
    input_errors: Sequence[str],
    gate_errors: Sequence[str],
) -> GluePapermillError:
    """Turn the error of a notebook's cell into the one of its kind, by its name.

    Parameters
    ----------
    input_errors, gate_errors : sequence of str
        Names that the notebooks' own library gives to unusable input and to gates.
    """
    kinds: dict[str, type[GluePapermillError]] = {kind.reported_as: kind for kind in _REPORTED}
    kinds.update(dict.fromkeys(input_errors, InputError))
    kinds.update(dict.fromkeys(gate_errors, GateStopped))
    kind = kinds.get(ename, NotebookFailed)
    steps = {
        InputError: "mend or replace the input, then run again",
        GateStopped: "nothing was published; see the notebook for what the gate found",
        NotebookFailed: "open the executed notebook: the whole traceback is in that cell",
    }
    return kind(
        f"{ename}: {evalue}" if evalue else ename,
        next_step=steps.get(kind, "run again: finished stages are not repeated"),
        stage=stage,
        cell=cell,
        ename=ename,
        evalue=evalue,
        traceback=traceback,
        notebook=notebook,
    )
