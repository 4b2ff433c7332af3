"""``python -m glue_local.processes.keeper FOLDER PROGRAM``: run what must not outlive its owner.

The owner holds the other end of stdin. When the owner ends for any reason, stdin closes: then the
program and all that it started are killed, and the folder is removed. SIGTERM is passed on only to
the program, which can then end its own processes properly.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from glue_local.processes import lifeline


def command(folder: Path, program: list[str]) -> list[str]:
    """Return the command line that runs a program under a keeper.

    Parameters
    ----------
    folder : Path
        The program's own folder, removed when the owner dies. The environment must contain it as
        :data:`glue_local.processes.lifeline.MARK`.
    program : list of str
        The program and its arguments.
    """
    return [sys.executable, "-P", "-m", "glue_local.processes.keeper", str(folder), *program]


def main(folder: Path, program: list[str]) -> int:
    """Run the program; return its exit code, like a shell's if a signal ended it."""
    ending = lifeline.watch(lifeline.take(), folder)
    told = []
    started: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, _: FrameType | None) -> None:
        told.append(number)
        for process in started:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    signal.signal(signal.SIGTERM, pass_on)
    process = subprocess.Popen(program)
    started.append(process)
    if told:
        # The signal arrived while the program was being started.
        process.send_signal(signal.SIGTERM)
    code = process.wait()
    while ending.is_set():
        # The lifeline ended the program, and ends this process when the folder is removed.
        time.sleep(1)
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    # Exits at once: nothing needs this interpreter's cleanup.
    status = main(Path(sys.argv[1]), sys.argv[2:])
    sys.stdout.flush()
    os._exit(status)
