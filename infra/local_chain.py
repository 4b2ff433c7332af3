"""The whole chain on one machine: real events, a real Lambda, the real job, real sessions.

The same code as on AWS deploys the template to what ``infra.local_aws`` provides. ``make e2e`` is
``infra.show_chain``.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.chain import Chain, ChainError, Claimed
from infra.deployment import Listener
from infra.local_aws import LocalAws

__all__ = ["ChainError", "Claimed", "LocalChain"]


class LocalChain(Chain, AbstractContextManager["LocalChain"]):
    """The deployed chain, for the duration of a block of code.

    Parameters
    ----------
    folder : Path
        Folder for the logs of emulator, service, and job runs.
    listener : Listener
        Receives the deployment's reports and questions.
    parameters : mapping of str to str
        Parameters of the template.
    endpoint : str
        Endpoint in front of the emulator that clients use instead, such as a recorder.
    service_arguments : tuple of str
        Further arguments of the local service.
    in_shell : bool
        Whether jobs run in the stand-in for Python Shell, if there is one.
    """

    def __init__(
        self,
        folder: Path,
        listener: Listener,
        parameters: Mapping[str, str] | None = None,
        endpoint: str = "",
        service_arguments: tuple[str, ...] = (),
        *,
        in_shell: bool = True,
    ) -> None:
        shell = {} if in_shell else {"python_shell": None}
        place = LocalAws(folder, endpoint, service_arguments, **shell)
        super().__init__(place.client, place.settings(parameters or {}), listener, folder)
        self.folder = folder
        self.python_shell = place.python_shell
        self.emulator = place.emulator
        self.at_the_chain = place.at_the_chain
        self._place = place
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._place)
            self.service = self._place.service
            self.deploy()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def beside(self, prefix: str, parameters: Mapping[str, str] | None = None) -> Chain:
        """Deploy another chain to the same place, under other names."""
        settings = self._place.settings(parameters or {}, prefix)
        other = Chain(self._place.client, settings, self.listener, self.folder)
        other.deploy()
        return other
