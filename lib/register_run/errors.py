"""What can end a run besides its session; see :mod:`strict_glue.errors` for that."""

from collections.abc import Sequence

from register_contract.runs import EXIT_GATE, EXIT_OTHER, EXIT_SESSION, EXIT_USAGE
from strict_glue import StrictGlueError


class InputError(StrictGlueError):
    """The delivery is missing, doubled, empty, unreadable or truncated.

    Why: an upload has not ended, went elsewhere or came twice, a file was cut off, or this account
    may not read it. A notebook's own settings, such as the id key, end a run this way as well.
    What to do: deliver the file that the message names again, or give its right path, then run the
    same command. Other files are another delivery and so another run: the failed one needs no
    cleaning up.
    """

    exit_code = EXIT_USAGE


class GateStopped(StrictGlueError):  # noqa: N818 - says what happened
    """A gate of the notebooks refused to publish.

    Why: the input could be read, and what came of it must not be published. The message names every
    gate that refused; [QualityGateError](#qualitygateerror) has a line on each. Readers still see
    the last publication.
    What to do: do what stands beside the gate's name in the table of gates. The same command on the
    same input ends the same way.
    """

    exit_code = EXIT_GATE


class MainMoved(StrictGlueError):  # noqa: N818 - says what happened
    """The table was published by others while this run was between two stages, again and again.

    Why: other runs, or people, wrote to the table at the same time. Each time this run wrote its
    rows anew on top of theirs, and gave up in the end.
    What to do: see that nobody else writes to the table, then run the same command: the last two
    stages are repeated, the others are not.
    """

    exit_code = EXIT_OTHER


class NotebookFailed(StrictGlueError):  # noqa: N818 - says what happened
    """A notebook's own code raised.

    Why: the code of a cell met something that it does not foresee, such as a full disk, too little
    memory or a defect. The name after the cell's number is the true one.
    What to do: open the executed notebook at the cell that the message names: the whole traceback
    is there. When the cause is gone, the same command goes on after the last finished stage. If it
    is a defect, go back to the version that worked last.
    """

    exit_code = EXIT_OTHER


class ReceiptError(StrictGlueError):
    """A stage left no receipt, or one that is incomplete or untrue.

    Why: the notebook ended before its last cell, its numbers do not add up, or the files it handed
    over are no longer those it wrote. Without a true receipt the stage has not happened.
    What to do: run the same command again: the stage starts afresh. If the same problem is named
    twice, start the run afresh with `--force`, and look who else writes into the lake.
    """

    exit_code = EXIT_SESSION

    @classmethod
    def missing(cls, stage: str, uri: str) -> "ReceiptError":
        """Build for a stage that ended without writing its receipt."""
        return cls(
            f"no receipt at {uri}: the notebook ended before its last cell wrote one",
            stage=stage,
            next_step="run again: the stage starts afresh; if it stays, see the last cell that ran",
        )

    @classmethod
    def untrue(cls, stage: str, uri: str, problems: Sequence[str]) -> "ReceiptError":
        """Build from everything that is wrong with a receipt, named at once."""
        return cls(
            f"receipt {uri} is not accepted: {'; '.join(problems)}",
            stage=stage,
            next_step="run again: the stage starts afresh; --force starts the whole run afresh",
        )


class RunInProgress(StrictGlueError):  # noqa: N818 - says what happened
    """Another process works on the same run.

    Why: the same delivery was started twice. The other process goes on undisturbed.
    What to do: wait for it, and look at its outcome. Only if that process is gone or hangs, end it
    and run the same command again.
    """

    exit_code = EXIT_SESSION


class Terminated(SystemExit):
    """The run was stopped from outside (SIGTERM), its session as well.

    Why: somebody, or the host that shuts down, asked the run to stop.
    What to do: run the same command again: it goes on after the last finished stage.
    """

    # Unwinds like a SystemExit, so that everything is cleaned up on its way.

    def __init__(self) -> None:
        super().__init__(EXIT_SESSION)
