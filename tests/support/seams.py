"""Lower-level entry points: the runner that command and job call, and the kernels.

Kernels are processes, used the way papermill and nbval use them. The runner is called in this
process, as command and job call it in theirs.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

import nbformat
from tests.support.forked_kernels import ForkedKernel
from tests.support.ways import MARK, OFFICIAL, Ended, Place, Started

import job_client_health
from register_run.delivery import find_sources
from register_run.runner import run_pipeline
from strict_glue import Kernels
from strict_glue.errors import StrictGlueError
from strict_glue.settings import SESSION_VARIABLE, Limits, SessionSettings

STRICT = ("strict_glue.kernel", "StrictGlueKernel")
_LOOK = 0.2


@dataclass(frozen=True)
class Scene:
    """The environment of a scenario at a lower level.

    Parameters
    ----------
    place : Place
        Delivery, lake, and notebooks.
    variables, removed
        Variables that point at the endpoint, and variables to remove.
    limits : Limits
        Time limits.
    misbehaved : threading.Event
        Set at the first wrong answer.
    patience : float
        Seconds after the first wrong answer, after which the run counts as not ended.
    succeeds : bool
        Whether a run is expected to publish in spite of what happens.
    """

    place: Place
    variables: Mapping[str, str]
    removed: tuple[str, ...]
    limits: Limits
    misbehaved: threading.Event
    patience: float
    succeeds: bool = False
    mark: str = field(default_factory=lambda: str(uuid.uuid4()))

    def environment(self) -> dict[str, str]:
        """Return the variables of a kernel's process."""
        inherited = {k: v for k, v in os.environ.items() if k not in self.removed}
        inherited.pop(SESSION_VARIABLE, None)
        own = {
            "AWS_CONFIG_FILE": os.devnull,
            "XDG_CONFIG_HOME": str(self.place.folder / "config"),
            MARK: self.mark,
        }
        return {**inherited, **self.variables, **self.limits.environment(), **own}

    def ended(self, exit_code: int | None, said: str) -> Ended:
        """Return the result."""
        left = Started(None, self.mark).left(wait=exit_code is not None)
        went_on, emptied = self.place.went_on()
        return Ended(exit_code, said, went_on, emptied, left)


def runner(scene: Scene) -> Ended:
    """Call the runner as command and job do, which print its error and exit with its code.

    A run that fails in its second stage needs no first one, and no kernel for the third.
    """
    place = scene.place
    request = job_client_health.build_request(
        find_sources(str(place.raw)),
        str(place.lake),
        notebooks=str(place.notebooks),
        session=SessionSettings(
            id_prefix=job_client_health.SESSION_PREFIX,
            environment={**scene.variables, MARK: scene.mark},
            removed_variables=scene.removed,
        ),
        limits=scene.limits,
    )
    kernels: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
    if not scene.succeeds:
        request, kernels = replace(request, stages=request.stages[1:]), _one_kernel()
    try:
        with kernels:
            run_pipeline(request)
    except StrictGlueError as error:
        return scene.ended(error.exit_code, str(error))
    return scene.ended(0, "")


@contextlib.contextmanager
def _one_kernel() -> Iterator[None]:
    """Let a run start its first kernel only."""
    prepare = Kernels.prepare
    started: list[Kernels] = []

    def once(kernels: Kernels) -> None:
        if not started:
            started.append(kernels)
            prepare(kernels)

    with patch.object(Kernels, "prepare", once):
        yield


def strict_kernel(scene: Scene) -> Ended:
    """Run a notebook's cells as nbval does: run all of them, and fail if an output differs."""
    said, red = [], False
    with _Kernel(STRICT, scene, store_history=False) as kernel:
        for cell in _cells(scene.place):
            shown = kernel.run(cell.source)
            assert shown is not None, said
            said += shown.trouble
            wanted = "".join(output.text for output in cell.outputs)
            red = red or bool(shown.trouble) or shown.text != wanted
            assert shown.failed == bool(shown.trouble), shown
    return scene.ended(int(red), "\n".join(said))


def official_kernel(scene: Scene) -> Ended:
    """Run a notebook's cells as papermill does: an error ends the run, with exit code 1."""
    parameters, said, code = "run_id = 'given'", [], 0
    with _Kernel((OFFICIAL, "GlueKernel"), scene, store_history=True) as kernel:
        cells = [cell.source for cell in _cells(scene.place)]
        for source in [*cells[:2], parameters, *cells[2:]]:
            shown = kernel.run(source)
            if shown is None:
                return kernel.given_up(said)
            said.append(shown.text)
            if shown.trouble or shown.failed:
                code = 1
                break
    return scene.ended(code, "".join(said))


def _cells(place: Place) -> list[Any]:
    """Return a separate notebook's code cells: magics, parameters, and the scenario's cells."""
    content = nbformat.read(place.alone(), as_version=4)
    return [cell for cell in content.cells if cell.cell_type == "code"]


@dataclass
class _Shown:
    """The output of a cell: text, texts of errors, and whether its reply was an error."""

    text: str = ""
    trouble: list[str] = field(default_factory=list)
    failed: bool = False


class _Kernel:
    """A kernel's process, which runs while its context is open."""

    def __init__(self, kind: tuple[str, str], scene: Scene, *, store_history: bool) -> None:
        self._kind, self._scene, self._store_history = kind, scene, store_history
        self._lost = False
        self._since: float | None = None

    def __enter__(self) -> _Kernel:
        self._kernel: ForkedKernel | None = ForkedKernel(*self._kind, self._scene.environment())
        self._client = self._kernel.client
        return self

    def __exit__(self, *_: object) -> None:
        kernel, self._kernel = self._kernel, None
        if kernel is not None:
            kernel.end(at_once=self._lost)

    def run(self, code: str) -> _Shown | None:
        """Run a cell; ``None`` if it doesn't end within the scene's patience."""
        shown = _Shown()
        asked = self._client.execute(code, store_history=self._store_history, allow_stdin=False)
        while not self._over():
            try:
                message = self._client.get_iopub_msg(timeout=_LOOK)
            except queue.Empty:
                continue
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                shown.text += content["text"]
            elif kind == "error":
                shown.trouble += [content["ename"], content["evalue"], *content["traceback"]]
            elif kind == "status" and content["execution_state"] == "idle":
                return self._judged(asked, shown)
        return None

    def _judged(self, asked: str, shown: _Shown) -> _Shown | None:
        """Add the cell's reply; a kernel that fails in its own code doesn't send one."""
        while not self._over():
            try:
                reply = self._client.get_shell_msg(timeout=_LOOK)
            except queue.Empty:
                continue
            if reply["parent_header"].get("msg_id") == asked:
                shown.failed = reply["content"]["status"] == "error"
                return shown
        return None

    def given_up(self, said: list[str]) -> Ended:
        """End a kernel that doesn't end by itself, and return the result."""
        self._lost = True
        # It is killed first, because nobody would find it by its variables.
        self.__exit__()
        return self._scene.ended(None, "".join(said))

    def _over(self) -> bool:
        if not self._scene.misbehaved.is_set():
            return False
        if self._since is None:
            self._since = time.monotonic()
        return time.monotonic() - self._since > self._scene.patience
