"""Kernels that start early, while the run waits for a session or a stage."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Optional

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync

from strict_glue import kernelspec

# Unix allows a little more than 100 characters, and jupyter_client adds a few.
_LONGEST_SOCKET = 90


def reachable_here_alone(manager: Any, folder: Path) -> None:  # noqa: ANN401 - no types
    """Let a kernel listen in our folder, where no other user of the machine can reach it."""
    connection = folder / "connection.json"
    if len(str(connection)) < _LONGEST_SOCKET:
        manager.transport = "ipc"
        manager.connection_file = str(connection)


class Kernels:
    """The strict kernels of a run, each used for one stage.

    Parameters
    ----------
    environment : mapping of str to str
        All variables of the kernels' processes.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._cleanup = contextlib.ExitStack()
        self._next: Optional[Any] = None

    def prepare(self) -> None:
        """Start the next kernel, unless one is ready."""
        if self._next is not None:
            return
        folder = self._cleanup.enter_context(kernelspec.temporary())
        manager = AsyncKernelManager(kernel_name=kernelspec.NAME)
        manager.kernel_spec_manager = KernelSpecManager(kernel_dirs=[str(folder)])
        reachable_here_alone(manager, folder)
        run_sync(manager.start_kernel)(env=self._environment)
        self._next = manager

    def take(self) -> Any:  # noqa: ANN401 - jupyter_client has no types
        """Return a started kernel's manager; the caller ends the kernel."""
        self.prepare()
        manager, self._next = self._next, None
        return manager

    def close(self) -> None:
        """End an unused kernel, and remove all folders."""
        manager, self._next = self._next, None
        if manager is not None:
            # Kill the process: the event loop still holds tasks of papermill's client, and would
            # log them if it ran again.
            manager.provisioner.process.kill()
            manager.provisioner.process.wait()
        self._cleanup.close()


@contextlib.contextmanager
def prepared(environment: Mapping[str, str]) -> Iterator[Kernels]:
    """Yield kernels, the first of which starts at once."""
    kernels = Kernels(environment)
    try:
        kernels.prepare()
        yield kernels
    finally:
        kernels.close()
