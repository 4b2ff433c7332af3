"""The four ways to run notebooks on sessions: command, job, nbval, and plain papermill."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import psutil
from nbformat.v4 import new_output
from tests.support import canaries
from tests.support.papermill_helpers import helpers, write_notebook

from register_contract import __version__, contract
from strict_glue import kernelspec

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("01_ingest", "02_transform", "03_quality")
OFFICIAL = "aws_glue_interactive_sessions_kernel.glue_pyspark.GlueKernel"
MARK = "RELIABILITY_CASE"
LONGEST = 150.0
# Long enough for three real notebooks on a busy machine.
_REACHED = 400.0
# pytest with nbval in strict mode, with the strict kernel, and without plugins of no use to it.
NBVAL = (
    *(sys.executable, "-m", "pytest", "--nbval", "--nbval-kernel-name", kernelspec.NAME),
    *("-p", "no:cacheprovider", "-p", "no:faker", "-p", "no:anyio", "-p", "no:hypothesispytest"),
)


@dataclass
class Started:
    """A process, and everything that it started."""

    process: Any
    mark: str

    def family(self) -> list[psutil.Process]:
        """Return all living processes with this start's mark."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(MARK) == self.mark:
                    found.append(process)
        return [process for process in found if process.status() != psutil.STATUS_ZOMBIE]

    def signal(self, number: int) -> None:
        """Signal the process."""
        self.process.send_signal(number)

    def signal_all(self, number: int) -> None:
        """Signal the process and its children, as a terminal does."""
        os.killpg(self.process.pid, number)

    def kill_kernel(self) -> None:
        """Kill the kernel's process on this host."""
        found = [
            process
            for process in self.family()
            if {"strict_glue.kernel", OFFICIAL} & set(process.cmdline())
        ]
        # The kernel for the next stage is already running; kill the older one.
        kernel = min(found, key=lambda process: process.create_time())
        kernel.send_signal(signal.SIGKILL)

    def left(self, *, wait: bool) -> tuple[str, ...]:
        """Wait a moment, then kill the processes that are left, and return their command lines."""
        deadline = time.monotonic() + 10
        while left := self.family():
            if not wait or time.monotonic() > deadline:
                names = tuple(" ".join(process.cmdline()) for process in left)
                for process in left:
                    process.kill()
                return names
            time.sleep(0.1)
        return ()


@dataclass(frozen=True)
class Ended:
    """The result of a run.

    Parameters
    ----------
    exit_code : int or None
        ``None`` if it didn't end by itself and was killed.
    said : str
        Everything on standard output and standard error.
    went_on : bool
        Whether the cell after the failing one ran.
    emptied : bool
        Whether that cell ran in a session that had lost the notebook's parameters.
    left : tuple of str
        Processes that were still running some seconds later.
    """

    exit_code: int | None
    said: str
    went_on: bool
    emptied: bool
    left: tuple[str, ...]


class Place:
    """A delivery, a lake, and notebooks with a failing cell in the middle stage."""

    def __init__(self, folder: Path, cell: str) -> None:
        self.folder = folder
        self.raw = canaries.write_delivery(folder / "raw")
        self.lake = folder / "lake"
        self.notebooks = folder / "notebooks"
        self.after = folder / "after.txt"
        self.before_and_after = (
            "print('before', bool(run_id))",
            cell,
            f"with open({str(self.after)!r}, 'w') as file:\n"
            f"    file.write(str('run_id' in globals()))\nprint('after')",
        )
        own = helpers(
            __version__, contract.rules_fingerprint(), contract.TABLE, contract.SOURCE_NAMES
        )
        first, middle, last = STAGES
        self._write(first, own, f"write(receipt({first!r}, hand_over('ingested')))")
        self._write(
            middle,
            own,
            *self.before_and_after,
            f"write(receipt({middle!r}, write_branch({middle!r})))",
        )
        self._write(last, own, f"write(receipt({last!r}, publish()))")

    def _write(self, name: str, *cells: str) -> None:
        write_notebook(self.notebooks, name, *cells)

    def fix(self) -> None:
        """Write the notebooks again, without the failure."""
        Place(self.folder, "print('struck')")

    def alone(self) -> Path:
        """Write a separate notebook, with the outputs of a run without failures."""
        path = write_notebook(self.folder, "alone", *self.before_and_after)
        content = nbformat.read(path, as_version=4)
        code = [cell for cell in content.cells if cell.cell_type == "code"]
        texts = ("", "", "before False\n", "struck\n", "after\n")
        for number, (cell, text) in enumerate(zip(code, texts, strict=True), 1):
            cell.execution_count = number
            cell.outputs = [new_output("stream", name="stdout", text=text)] if text else []
        nbformat.write(content, path)
        return path

    def went_on(self) -> tuple[bool, bool]:
        """Return whether the next cell ran, and whether without the notebook's parameters."""
        after = self.after.read_text() if self.after.exists() else ""
        return bool(after), after == "False"

    def published(self) -> int:
        """Count the publications that readers see."""
        parts = sorted((self.lake / "warehouse").glob("*.json"))
        return len(json.loads(parts[-1].read_text())["snapshots"]) if parts else 0

    def leaks(self) -> dict[str, list[str]]:
        """Return personal values in executed notebooks and receipts."""
        return canaries.leaks([self.lake / "runs"]) if self.lake.exists() else {}


Way = Callable[[Place, Mapping[str, str], str], list[str]]


def command(place: Place, environment: Mapping[str, str], url: str) -> list[str]:
    """``client-health run``."""
    program = str(Path(sys.executable).with_name("client-health"))
    places = ["--raw", place.raw, "--lake", place.lake, "--notebooks", place.notebooks]
    return [program, "run", *map(str, places), "--sessions", url]


def job(place: Place, environment: Mapping[str, str], url: str) -> list[str]:
    """``job_client_health.py``, with the arguments that AWS Glue passes."""
    places = ["--RAW", place.raw, "--LAKE", place.lake, "--NOTEBOOKS", place.notebooks]
    program = [sys.executable, ROOT / "jobs" / "job_client_health.py"]
    return [str(part) for part in [*program, *places, "--JOB_NAME", "job_client_health"]]


def nbval(place: Place, environment: Mapping[str, str], url: str) -> list[str]:
    """Pytest with nbval in strict mode, with the strict kernel."""
    # nbval checks its kernel only when a cell's time limit is over.
    options = ["-c", os.devnull, "--rootdir", str(place.folder), "--nbval-cell-timeout", "20"]
    return [*NBVAL, *options, str(place.alone())]


def plain(place: Place, environment: Mapping[str, str], url: str) -> list[str]:
    """Unmodified papermill with the unmodified official kernel."""
    where = [str(place.alone()), str(place.folder / "executed.ipynb")]
    options = ["-p", "run_id", "given", "--no-progress-bar", "--language", "python"]
    return [sys.executable, "-m", "papermill", *where, *options]


@contextlib.contextmanager
def kernels(folder: Path) -> Any:
    """Yield a search path on which Jupyter finds both kernels, with this interpreter."""
    official = folder / "jupyter" / "kernels" / "glue_pyspark"
    official.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-m", OFFICIAL, "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Glue PySpark", "language": "python"}
    (official / "kernel.json").write_text(json.dumps(spec))
    with kernelspec.temporary() as strict:
        yield os.pathsep.join([str(folder / "jupyter"), str(strict.parent)])


def run(
    way: Way,
    place: Place,
    environment: Mapping[str, str],
    url: str,
    *,
    does: Callable[[Started], None] | None = None,
    struck: Any = None,
    patience: float = LONGEST,
    since: Any = None,
    removed: Sequence[str] = (),
) -> Ended:
    """Run one of the commands, and wait for its end.

    Parameters
    ----------
    way : callable
        Returns the command line.
    does, struck
        What to do to the process, and the event that shows when.
    patience : float
        Seconds after which the run counts as not ended.
    since
        The event from which these seconds count; by default, the start. This way, slow starts on a
        busy machine have no effect.
    removed : sequence of str
        Variables that must not reach the process.
    """
    mark = str(uuid.uuid4())
    place.after.unlink(missing_ok=True)
    with kernels(place.folder) as jupyter_path, (place.folder / "said.txt").open("w+") as said:
        process = subprocess.Popen(
            way(place, environment, url),
            env={
                **{name: value for name, value in os.environ.items() if name not in removed},
                **environment,
                "JUPYTER_PATH": jupyter_path,
                "AWS_CONFIG_FILE": os.devnull,
                "XDG_CONFIG_HOME": str(place.folder / "config"),
                "COLUMNS": "200",
                MARK: mark,
            },
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started = Started(process, mark)
        code: int | None = None
        try:
            if does is not None:
                assert struck.wait(_REACHED), "the cell was never reached"
                does(started)
            if since is not None:
                since.wait(LONGEST)
            code = process.wait(patience)
        except subprocess.TimeoutExpired:
            pass  # it counts as not ended
        finally:
            if process.poll() is None:
                # It must not be running anymore when the next run starts.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            left = started.left(wait=code is not None)
        said.seek(0)
        return Ended(code, said.read(), *place.went_on(), left)
