"""End a session's process, and everything it started, when the service is gone.

What a session starts is known by its POSIX session, and what left that by a variable that every
child inherits: a process in the background must not outlive the session, as it would not on AWS.

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

# Set for every process of a session: the session's folder, which is no other's.
MARK = "GLUE_LOCAL_SESSION"


def session_members(leader: int, folder: Path) -> list[psutil.Process]:
    """Return the living processes of a session, its leader last.

    Parameters
    ----------
    leader : int
        The session's own process, which leads a POSIX session.
    folder : Path
        The session's folder.
    """
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            of_session = os.getsid(process.pid) == leader or _is_marked(process, folder)
            if of_session and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
    return sorted(members, key=lambda process: process.pid == leader)


def _is_marked(process: psutil.Process, folder: Path) -> bool:
    return process.environ().get(MARK) == str(folder)


def signal_session(leader: int, folder: Path, number: signal.Signals) -> int:
    """Send a signal to every process of a session; return how many there were."""
    members = session_members(leader, folder)
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
        Set from the moment the end begins; whatever dies then isn't a failure.
    """
    ending = threading.Event()

    def wait() -> None:
        while os.read(pipe, 1):
            pass
        ending.set()
        own = os.getpid()
        # Only when all others are gone does nobody write into the folder any more.
        while others := [member for member in session_members(own, folder) if member.pid != own]:
            for process in others:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            time.sleep(0.02)
        shutil.rmtree(folder, ignore_errors=True)
        os.kill(own, signal.SIGKILL)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
    return ending
