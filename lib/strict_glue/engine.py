"""The papermill engine ``glue_strict``: nbclient on the strict kernel.

Unlike papermill's own engine, it passes an environment to the kernel, reports which cell starts,
and has one time limit for all cells together. If the kernel dies or runs out of time, it records
that in the notebook, where papermill would leave a cell without an output.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable, Optional

from jupyter_client.kernelspec import KernelSpecManager
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines

from strict_glue import kernelspec
from strict_glue.errors import KernelDied, StageTimeout
from strict_glue.kernels import reachable_here_alone
from strict_glue.settings import SESSION_VARIABLE

NAME = "glue_strict"
_START_SECONDS = 60


class _Client(PapermillNotebookClient):  # type: ignore[misc]
    folder: Path
    prepared: Any = None
    _lost = False

    def create_kernel_manager(self) -> Any:  # noqa: ANN401 - jupyter_client has no types
        if self.prepared is not None:
            return self.prepared
        manager = super().create_kernel_manager()
        if self.kernel_name == kernelspec.NAME:
            manager.kernel_spec_manager = KernelSpecManager(kernel_dirs=[str(self.folder)])
        reachable_here_alone(manager, self.folder)
        return manager

    def execute_cell(self, cell: NotebookNode, cell_index: int, **options: Any) -> Any:  # noqa: ANN401
        try:
            return super().execute_cell(cell, cell_index, **options)
        except DeadKernelError as error:
            trouble = (KernelDied.reported_as, "the kernel process on this host ended")
            raise self._record(cell, *trouble) from error
        except CellTimeoutError as error:
            trouble = (StageTimeout.reported_as, "the notebook reached its time limit")
            raise self._record(cell, *trouble) from error

    def _record(self, cell: NotebookNode, ename: str, evalue: str) -> CellExecutionError:
        self._lost = True
        traceback = [f"{ename}: {evalue}"]
        cell.outputs.append(new_output("error", ename=ename, evalue=evalue, traceback=traceback))
        return CellExecutionError(traceback[0], ename, evalue)

    def wait_for_reply(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        if self._lost:  # papermill's last request would wait forever
            raise DeadKernelError("no kernel to ask")
        return super().wait_for_reply(*arguments, **options)


class StrictEngine(NBClientEngine):  # type: ignore[misc]
    """The engine that papermill calls; see `execute_managed_notebook`."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,  # noqa: ANN401 - papermill has no types
        kernel_name: str,
        *,
        log_output: bool = False,
        stdout_file: Any = None,  # noqa: ANN401
        stderr_file: Any = None,  # noqa: ANN401
        start_timeout: float = _START_SECONDS,
        execution_timeout: Optional[float] = None,
        kernel_environment: Optional[Mapping[str, str]] = None,
        on_cell: Optional[Callable[[int, int], None]] = None,
        remaining: Optional[Callable[[], float]] = None,
        prepared: Any = None,  # noqa: ANN401
        **_: Any,  # noqa: ANN401
    ) -> None:
        """Execute the notebook's cells.

        Parameters
        ----------
        nb_man, kernel_name, log_output, stdout_file, stderr_file, start_timeout
            As papermill passes them.
        execution_timeout : float, optional
            Limit for a single cell in seconds.
        kernel_environment : mapping of str to str, optional
            All variables of the kernel process (default: this process's).
        on_cell : callable, optional
            Called before each cell, with its number from 1 and the number of cells.
        remaining : callable, optional
            Returns the seconds that are left for all cells together.
        prepared : KernelManager, optional
            Manager of a kernel that already runs with that environment.
        """
        total = len(nb_man.nb.cells)

        def started(cell: NotebookNode, cell_index: int) -> None:
            if on_cell is not None:
                on_cell(cell_index + 1, total)

        def limit(_cell: NotebookNode) -> Optional[int]:
            # To nbclient, 0 means no limit at all.
            return None if remaining is None else max(1, int(remaining()))

        attached = SESSION_VARIABLE in (kernel_environment or {})
        client = _Client(
            nb_man,
            kernel_name=kernel_name,
            log_output=log_output,
            stdout_file=stdout_file,
            stderr_file=stderr_file,
            startup_timeout=int(start_timeout),
            timeout=None if execution_timeout is None else int(execution_timeout),
            timeout_func=None if remaining is None else limit,
            on_cell_start=started,
            # An attached kernel has nothing to clean up.
            shutdown_kernel="immediate" if attached else "graceful",
        )
        client.prepared = prepared
        options = {} if kernel_environment is None else {"env": dict(kernel_environment)}
        with kernelspec.temporary() as client.folder:
            try:
                client.execute(**options)
            except DeadKernelError:
                if not client._lost:  # otherwise recorded in its cell
                    raise
            except (KeyboardInterrupt, SystemExit):
                # The process is ending: don't log the tasks that nbclient leaves behind.
                logging.getLogger("asyncio").setLevel(logging.CRITICAL)
                raise


def register() -> None:
    """Register the engine with papermill, for use without the installed entry point."""
    papermill_engines.register(NAME, StrictEngine)
