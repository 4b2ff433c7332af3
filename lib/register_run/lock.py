"""A lock that lets only one process at a time work on a run."""

import contextlib
import fcntl
import os
from collections.abc import Iterator

from register_run import storage
from register_run.errors import RunInProgress


@contextlib.contextmanager
def held(lake: str, run_id: str) -> Iterator[None]:
    """Hold the run's lock; the operating system frees it when this process dies.

    There is no lock in S3: there, the delivery's claim keeps two jobs apart, and the table's commit
    decides if two still run.

    Raises
    ------
    RunInProgress
        Another process holds the lock.
    """
    if storage.is_s3(lake):
        yield
        return
    path = storage.local_path(storage.join(lake, "runs", run_id, ".lock"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise RunInProgress(
                f"run {run_id} is being worked on by process {file.read().strip() or 'unknown'}",
                next_step="wait for it, or stop it, then run again",
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
