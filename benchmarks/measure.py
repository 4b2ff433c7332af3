"""Measure a command: wall time, processor time, and peak memory of all its processes together.

`python -m benchmarks.measure LOG COMMAND...` runs the command as a child of a separate process, and
prints the measurement as JSON. That process adopts every orphan below it (Linux's child subreaper),
so that processes that leave their parent or start a new session are still measured.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

_SET_CHILD_SUBREAPER = 36  # prctl(2)
# Largest share of one core's time for sampling memory.
_SAMPLING_SHARE = 0.05
_SHORTEST_PAUSE = 0.05
_PATIENCE = 15.0


class MeasureError(Exception):
    """A command could not be measured."""


@dataclasses.dataclass(frozen=True)
class Measurement:
    """Time and memory that a command took.

    Parameters
    ----------
    exit_code : int
        Exit code of the command itself.
    wall_seconds : float
        From its start to its exit.
    processor_seconds : float
        User and system time of all its processes, including those that outlived it.
    peak_bytes : int
        The most memory that all its processes had at one time (proportional set size: shared
        memory counts once).
    others_share : float
        Share of the machine's processors that all other programs used meanwhile, from 0 to 1.
    """

    exit_code: int
    wall_seconds: float
    processor_seconds: float
    peak_bytes: int
    others_share: float


def measure(command: Sequence[str], log: Path, *, environment: dict[str, str]) -> Measurement:
    """Run a command and measure it.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    log : Path
        File for its output.
    environment : dict of str to str
        Its variables.

    Raises
    ------
    MeasureError
        If this is not Linux, or the command leaves processes behind.
    """
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(log), *command],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if done.returncode:
        raise MeasureError(done.stderr.strip().rpartition("\n")[2])
    return Measurement(**json.loads(done.stdout))


def proportional_set_size(process: int) -> int:
    """Return a process's proportional share of its memory, in bytes; 0 if it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


class _Sampler(threading.Thread):
    """Thread that repeatedly samples all descendants.

    It keeps the largest sum of their memory, and the processor time of processes whose parents
    ignore their children's ends, as Spark's Python daemon does: the kernel does not add this time
    to the parents' time.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self.unaccounted: dict[int, float] = {}
        self._ended = threading.Event()

    def run(self) -> None:
        pause = 0.0
        while not self._ended.wait(pause):
            began = time.thread_time()
            found = psutil.Process().children(recursive=True)
            self.peak = max(self.peak, sum(proportional_set_size(one.pid) for one in found))
            careless = {one.pid for one in found if _ignores_children(one.pid)}
            for one in found:
                # It may have ended meanwhile; the last sample is kept.
                with contextlib.suppress(psutil.Error):
                    if one.ppid() in careless:
                        self.unaccounted[one.pid] = sum(one.cpu_times()[:4])
            pause = max(_SHORTEST_PAUSE, (time.thread_time() - began) / _SAMPLING_SHARE)

    def end(self) -> None:
        self._ended.set()
        self.join()


def _ignores_children(process: int) -> bool:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text("utf-8", "replace").splitlines():
            if line.startswith("SigIgn:"):
                return bool(int(line.split()[1], 16) >> (signal.SIGCHLD - 1) & 1)
    return False


def _supervise(log: Path, command: Sequence[str]) -> Measurement:
    _adopt_orphans()
    sampler = _Sampler()
    busy_before, began = _busy_seconds(), time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        sampler.start()
        exit_code = process.wait()
    wall = time.monotonic() - began
    sampler.end()
    for orphan in _reap(command[0]):
        sampler.unaccounted.pop(orphan, None)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = resource.getrusage(resource.RUSAGE_SELF)
    processor = children.ru_utime + children.ru_stime + sum(sampler.unaccounted.values())
    others = _busy_seconds() - busy_before - processor - own.ru_utime - own.ru_stime
    elapsed = (time.monotonic() - began) * (os.cpu_count() or 1)
    return Measurement(exit_code, wall, processor, sampler.peak, max(0.0, others / elapsed))


def _adopt_orphans() -> None:
    if not sys.platform.startswith("linux"):
        raise MeasureError("processes can be measured together on Linux only")
    if ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise MeasureError(f"prctl: {os.strerror(ctypes.get_errno())}")


def _busy_seconds() -> float:
    """Return the busy seconds of all processors since the machine started."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)


def _reap(name: str) -> list[int]:
    """Wait for processes that outlived the command: only then is their processor time known."""
    orphans: list[int] = []
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return orphans
        if ended:
            orphans.append(ended)
        else:
            time.sleep(0.02)
    left = psutil.Process().children(recursive=True)
    for one in left:
        with contextlib.suppress(psutil.Error):
            one.kill()
    raise MeasureError(f"{Path(name).name} left {len(left)} processes behind")


if __name__ == "__main__":
    try:
        measured = _supervise(Path(sys.argv[1]), sys.argv[2:])
    except (MeasureError, OSError) as problem:
        sys.exit(str(problem))
    print(json.dumps(dataclasses.asdict(measured)))
