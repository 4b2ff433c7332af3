"""Ends a session's process, and everything it started, when the service ends.

A session's processes are found by their POSIX session, and those that left it by a variable that
every child inherits: as on AWS, a process in the background must not outlive the session.

The service holds the other end of a pipe. However the service ends, even by SIGKILL, the operating
system closes that end, and the thread in this process wakes up.
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

# Set for every process of a session: the session's own folder.
MARK = "GLUE_LOCAL_SESSION"


def session_members(leader: int, folder: Path) -> list[psutil.Process]:
    """Return the running processes of a session, its leader last.

    Parameters
    ----------
    leader : int
        Id of the session's own process, which leads a POSIX session.
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
    """Move the pipe away from stdin, so that no statement reads it; return its descriptor."""
    pipe = os.dup(0)
    os.set_inheritable(pipe, False)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return pipe


def watch(pipe: int, folder: Path) -> threading.Event:
    """Wait in a thread for the pipe's end; then remove all processes and files.

    Parameters
    ----------
    pipe : int
        The result of :func:`take`.
    folder : Path
        The session's folder.

    Returns
    -------
    Event
        Set when the end begins; a process that dies after that isn't a failure.
    """
    ending = threading.Event()

    def wait() -> None:
        while os.read(pipe, 1):
            pass
        ending.set()
        own = os.getpid()
        # The folder is removed last: until all other processes are gone, they may write to it.
        while others := [member for member in session_members(own, folder) if member.pid != own]:
            for process in others:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            time.sleep(0.02)
        shutil.rmtree(folder, ignore_errors=True)
        os.kill(own, signal.SIGKILL)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
    return ending
