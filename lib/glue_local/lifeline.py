"""End a session's process, and everything it started, when the service is gone.

The service holds the other end of a pipe. However it ends, even by SIGKILL, the operating system
closes that end, and the thread here wakes up.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import psutil


def session_members(leader: int) -> list[psutil.Process]:
    """Return the living processes of a POSIX session, its leader last.

    Spark's Python workers leave the process group, so the group alone would miss them.
    """
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
    return sorted(members, key=lambda process: process.pid == leader)


def signal_session(leader: int, number: signal.Signals) -> int:
    """Send a signal to every process of a POSIX session; return how many there were."""
    members = session_members(leader)
    for process in members:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)
    return len(members)


def take() -> int:
    """Take the pipe off stdin, so that no statement reads from it; return its descriptor."""
    pipe = os.dup(0)
    os.set_inheritable(pipe, False)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return pipe


def watch(pipe: int, folder: Path) -> threading.Event:
    """Wait in a thread for the pipe's end; then leave neither process nor file.

    Parameters
    ----------
    pipe : int
        What :func:`take` returned.
    folder : Path
        The session's folder.

    Returns
    -------
    Event
        Set from the moment the end begins; whatever dies then is no failure.
    """
    ending = threading.Event()

    def wait() -> None:
        while os.read(pipe, 1):
            pass
        ending.set()
        own = os.getpid()
        # Only when all others are gone does nobody write into the folder any more.
        while others := [process for process in session_members(own) if process.pid != own]:
            for process in others:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            time.sleep(0.02)
        shutil.rmtree(folder, ignore_errors=True)
        os.kill(own, signal.SIGKILL)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
    return ending
