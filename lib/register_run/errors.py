"""Errors that can end a run, other than those of its session (:mod:`strict_glue.errors`)."""

from collections.abc import Sequence

from register_contract.runs import EXIT_GATE, EXIT_OTHER, EXIT_SESSION, EXIT_USAGE
from strict_glue import StrictGlueError


class InputError(StrictGlueError):
    """A file of the delivery is missing, duplicated, empty, unreadable, or truncated.

    Why: an upload has not finished, went to another place, or came twice; a file was cut off; or
    this account may not read it. Invalid settings of a notebook, such as the id key, also end a run
    with this error.
    What to do: deliver the file that the message names again, or correct its path, then run the
    same command. Other files are another delivery and so another run: you don't have to clean up
    the failed one.
    """

    exit_code = EXIT_USAGE


class RulesFileError(StrictGlueError):
    """The rules file can't be used.

    Why: the file that `--rules` or `--RULES` names doesn't exist, or a rules file has a mistake.
    The message lists every problem with its line. Nothing was read, and no session was created.
    What to do: correct the file, check it with `client-health rules`, then run the same command.

    Parameters
    ----------
    name : str
        The file.
    problems : sequence of str
        All of them.
    """

    exit_code = EXIT_USAGE

    def __init__(self, name: str, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            f"the rules file {name} can't be used",
            next_step="correct the file; docs/reference.md says what it may contain",
        )

    def __str__(self) -> str:
        """Return the message with all problems: a cause is otherwise shortened."""
        first, *rest = super().__str__().splitlines()
        return "\n".join([first, *(f"  {problem}" for problem in self.problems), *rest])


class GateStopped(StrictGlueError):  # noqa: N818 - says what happened
    """A gate of the notebooks refused to publish.

    Why: the input could be read, but its result must not be published. The message names every gate
    that refused; [QualityGateError](#qualitygateerror) explains each of them. Readers still see the
    last publication.
    What to do: do what the table of gates says for the gate. The same command on the same input
    ends the same way.
    """

    exit_code = EXIT_GATE


class MainMoved(StrictGlueError):  # noqa: N818 - says what happened
    """Others repeatedly published to the table while this run was between two stages.

    Why: other runs, or people, wrote to the table at the same time. Each time, this run wrote its
    rows again on top of theirs, until it gave up.
    What to do: make sure that nothing else writes to the table, then run the same command. It
    repeats the last two stages only.
    """

    exit_code = EXIT_OTHER


class NotebookFailed(StrictGlueError):  # noqa: N818 - says what happened
    """The code of a notebook raised an error.

    Why: the code of a cell met a problem that it does not handle, such as a full disk, too little
    memory, or a defect. The name after the cell's number is that of the original error.
    What to do: open the executed notebook at the cell that the message names: it has the full
    traceback. After you fix the cause, the same command continues after the last finished stage.
    [Disk full, quota reached](operations.md#disk-full-quota-reached) says what may be removed. If
    the cause is a defect, go back to the last version that worked.
    """

    exit_code = EXIT_OTHER


class ReceiptError(StrictGlueError):
    """A stage wrote no receipt, or one that is incomplete or untrue.

    Why: the notebook ended before its last cell, its numbers do not add up, or the files that it
    handed over have changed since. Without a true receipt, the stage counts as not done.
    What to do: run the same command again: the stage starts over. If the same problem is reported
    twice, start the run over with `--force`, and find out what else writes to the lake.
    """

    exit_code = EXIT_SESSION

    @classmethod
    def missing(cls, stage: str, uri: str) -> "ReceiptError":
        """Build for a stage that ended without writing its receipt."""
        return cls(
            f"no receipt at {uri}: the notebook ended before its last cell wrote one",
            stage=stage,
            next_step="run again: the stage starts over; if that fails, see the last cell that ran",
        )

    @classmethod
    def untrue(cls, stage: str, uri: str, problems: Sequence[str]) -> "ReceiptError":
        """Build from all problems of a receipt."""
        return cls(
            f"receipt {uri} is not accepted: {'; '.join(problems)}",
            stage=stage,
            next_step="run again: the stage starts over; --force starts the whole run over",
        )


class RunInProgress(StrictGlueError):  # noqa: N818 - says what happened
    """Another process is working on the same run, or on the whole lake.

    Why: the same delivery was started twice, or people are being erased from the lake, or were to
    be erased while something else works on it. The other process continues.
    What to do: wait for it, and check its result. If it hangs, end it. Once it is gone without a
    result, run the same command again.
    """

    exit_code = EXIT_SESSION


class Terminated(SystemExit):
    """The run was stopped from outside (SIGTERM), and stopped its session.

    Why: a person, or a host that is shutting down, asked the run to stop.
    What to do: run the same command again: it continues after the last finished stage.
    """

    # It is a SystemExit, so that everything is cleaned up while it propagates.

    def __init__(self) -> None:
        super().__init__(EXIT_SESSION)
