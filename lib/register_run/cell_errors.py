"""Maps the error of a notebook's cell to one of the runner's errors, by its name."""

from collections.abc import Sequence

from register_contract import runs
from register_run.errors import GateStopped, InputError, MainMoved, NotebookFailed
from strict_glue import (
    NEXT,
    ConfigurationError,
    KernelDied,
    ServiceError,
    SessionError,
    StageTimeout,
    StatementError,
    StrictGlueError,
)

_AGAIN = "run again: finished stages are not repeated"
_REPORTED: tuple[type[StrictGlueError], ...] = (
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
    input_errors: Sequence[str] = runs.INPUT_ERRORS,
    gate_errors: Sequence[str] = runs.GATE_ERRORS,
    moved_errors: Sequence[str] = runs.MOVED_ERRORS,
) -> StrictGlueError:
    """Return the runner's error for the error of a notebook's cell, chosen by its name.

    Parameters
    ----------
    input_errors, gate_errors, moved_errors : sequence of str
        Names that the notebooks' library uses for unusable input, for gates, and for a table that
        others have published to in the meantime.
    """
    kinds: dict[str, type[StrictGlueError]] = {kind.reported_as: kind for kind in _REPORTED}
    kinds.update(dict.fromkeys(input_errors, InputError))
    kinds.update(dict.fromkeys(gate_errors, GateStopped))
    kinds.update(dict.fromkeys(moved_errors, MainMoved))
    kind = kinds.get(ename, NotebookFailed)
    steps = {
        InputError: "fix or replace what the message names, then run again",
        GateStopped: "do what the gate asks for; the notebook shows all its findings",
        MainMoved: "make sure that nothing else writes to the table, then run again",
        NotebookFailed: "open the executed notebook: that cell has the full traceback",
    }
    return kind(
        f"{ename}: {evalue}" if evalue else ename,
        next_step=steps.get(kind) or _told(traceback) or _AGAIN,
        stage=stage,
        cell=cell,
        ename=ename,
        evalue=evalue,
        traceback=traceback,
        notebook=notebook,
    )


def _told(traceback: Sequence[str]) -> str:
    last = traceback[-1] if traceback else ""
    return last[len(NEXT) :] if last.startswith(NEXT) else ""
