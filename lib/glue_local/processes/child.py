"""Runs a program to its end, unless it is cancelled."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from threading import Event

from glue_local.errors import GlueLocalError

_LOOK_SECONDS = 0.1


class CancelledError(GlueLocalError):
    """A program was stopped because its session was stopped.

    Shown: nowhere, because the session was stopped on purpose.
    Why: the session was stopped while it was still fetching what it needs.
    What to do: nothing.
    """


def run(
    command: list[str], *, cwd: Path | None = None, cancelled: Event | None = None
) -> tuple[int, str]:
    """Run a program; return its exit code and all of its output.

    Parameters
    ----------
    command : list of str
        Program and arguments; no shell reads them.
    cwd : Path, optional
        Where it runs.
    cancelled : Event, optional
        When set, the program is killed, with everything that it started.

    Raises
    ------
    CancelledError
        If it was killed for this reason.
    """
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        start_new_session=True,
    ) as process:
        while True:
            try:
                output, _ = process.communicate(timeout=_LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                if cancelled is not None and cancelled.is_set():
                    # Kills its child processes too: an installer builds in further processes.
                    os.killpg(process.pid, signal.SIGKILL)
                    raise CancelledError(f"{Path(command[0]).name} was stopped.") from None
            else:
                return process.returncode, output
