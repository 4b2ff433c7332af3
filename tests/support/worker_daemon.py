"""PySpark's daemon of workers, without what costs each task more than the tests' few rows do.

Spark puts a jar with thousands of classes on the workers' search path, and before each task, a
worker reads the names of all of them again. After each task, it looks through all objects of all
modules for garbage.
"""

from __future__ import annotations

import gc
import sys
from typing import IO

sys.path[:] = [path for path in sys.path if not path.endswith(".jar")]
for jar in [path for path in sys.path_importer_cache if path.endswith(".jar")]:
    del sys.path_importer_cache[jar]

from pyspark import daemon, worker  # noqa: E402

# After so many tasks, a worker has imported everything that the tests' tasks need.
_FIRST_TASKS = 12
_done = 0


def main(given: IO[bytes], answers: IO[bytes]) -> None:
    """Do a task as PySpark's worker does."""
    global _done  # noqa: PLW0603 - one worker is one process
    try:
        worker.main(given, answers)
    finally:
        _done += 1
        if _done <= _FIRST_TASKS:
            gc.freeze()


if __name__ == "__main__":
    daemon.worker_main = main
    daemon.manager()
