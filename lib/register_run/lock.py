"""Locks of a local lake: one process at a time works on a run, and none while people are erased.

There is no lock in S3. There, the delivery's claim keeps two jobs apart, and the table's commit
decides if two still run.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from typing import Optional

from register_run import storage
from register_run.errors import RunInProgress


@contextlib.contextmanager
def held(lake: str, run_id: str) -> Iterator[None]:
    """Hold a run's lock; the operating system frees it when this process dies.

    Raises
    ------
    RunInProgress
        Another process holds the lock, or the whole lake.
    """
    if storage.is_s3(lake):
        yield
        return
    with shared(lake), _locked(lake, (run_id,), fcntl.LOCK_EX) as owner:
        if owner is not None:
            raise RunInProgress(
                f"run {run_id} is being worked on by process {owner}",
                next_step="wait for it, or stop it, then run again",
            )
        yield


@contextlib.contextmanager
def shared(lake: str) -> Iterator[None]:
    """Keep erasures away while this process works on a lake, together with others.

    Raises
    ------
    RunInProgress
        People are being erased from the lake.
    """
    if storage.is_s3(lake):
        yield
        return
    with _locked(lake, (), fcntl.LOCK_SH) as owner:
        if owner is not None:
            raise RunInProgress(
                f"process {owner} erases people from the lake {lake}",
                next_step="wait for it, then run again",
            )
        yield


@contextlib.contextmanager
def alone(lake: str) -> Iterator[None]:
    """Keep everybody else away from a lake.

    Raises
    ------
    RunInProgress
        Others work on the lake.
    """
    with _locked(lake, (), fcntl.LOCK_EX) as owner:
        if owner is not None:
            raise RunInProgress(
                f"another process works on the lake {lake}",
                next_step="wait until runs and other work on the lake have ended, then try again",
            )
        yield


@contextlib.contextmanager
def _locked(lake: str, folders: tuple[str, ...], kind: int) -> Iterator[Optional[str]]:
    """Yield None with the lock, or the process that has it."""
    path = storage.local_path(storage.join(lake, "runs", *folders, ".lock"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner: Optional[str] = file.read().strip() or "unknown"
        else:
            owner = None
            if kind == fcntl.LOCK_EX:
                file.truncate(0)
                file.write(f"{os.getpid()}\n")
                file.flush()
        yield owner
