"""Everything of AWS that a chain needs, on one machine: the emulator and the local service.

The emulator provides everything except Glue's sessions and job runs, which the local service
provides. If possible, jobs run in a Python Shell (``tools/python_shell.py``) and unpack their
packages as on AWS; otherwise they run in this environment, which has them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
from botocore.config import Config
from tools import python_shell

from glue_local import Emulator, LocalService, free_port
from infra.emulator import emulator_settings
from infra.settings import Settings


@dataclass
class LocalAws(AbstractContextManager["LocalAws"]):
    """Emulator and local service, for the duration of a block of code.

    Parameters
    ----------
    folder : Path
        Folder for the logs of emulator, service, and job runs.
    endpoint : str
        Endpoint in front of the emulator that clients use instead, such as a recorder.
    service_arguments : tuple of str
        Further arguments of the local service.
    python_shell : Path or None
        The root that jobs run in; None for this environment.
    """

    folder: Path
    endpoint: str = ""
    service_arguments: tuple[str, ...] = ()
    python_shell: Path | None = field(default_factory=python_shell.find)

    def __post_init__(self) -> None:
        port = free_port()
        (self.folder / "jobs").mkdir(parents=True, exist_ok=True)
        self.emulator = Emulator(
            log=self.folder / "emulator.log", service_endpoint=f"http://127.0.0.1:{port}"
        )
        if self.endpoint:
            self.emulator.environment["AWS_ENDPOINT_URL"] = self.endpoint
        self._port = port
        self._stack = ExitStack()
        # Clients are kept: loading a service's model takes longer than a call, and polling would
        # do it each time.
        self._clients: dict[str, Any] = {}
        self.service: LocalService

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.emulator)
            log = stack.enter_context((self.folder / "service.log").open("ab"))
            self.service = stack.enter_context(
                LocalService(
                    port=self._port,
                    upstream=self.emulator.environment,
                    log=log,
                    job_log_folder=self.folder / "jobs",
                    python_shell=self.python_shell,
                    arguments=(
                        *("--call-log", str(self.folder / "glue-calls.jsonl")),
                        *self.service_arguments,
                    ),
                )
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def settings(self, parameters: Mapping[str, str], prefix: str = "") -> Settings:
        """Return the settings of a deployment here."""
        # The deployment's calls are its clients', not the chain's: they go past a recorder.
        direct = {**self.emulator.environment, "AWS_ENDPOINT_URL": self.emulator.endpoint}
        settings = emulator_settings(direct, packages=self.python_shell is not None)
        # Without the stack's name, which follows from the prefix.
        return replace(settings, stack="", parameters=parameters, prefix=prefix)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point a client here."""
        return self.service.client_environment()

    @contextmanager
    def at_the_chain(self) -> Iterator[None]:
        """Point this process's own clients here."""
        before = dict(os.environ)
        os.environ.update(self.environment)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3 makes its clients' classes up
        """Return a boto3 client, the same each time; Glue's is the local service's."""
        if service not in self._clients:
            self._clients[service] = self._new_client(service)
        return self._clients[service]

    def _new_client(self, service: str) -> Any:  # noqa: ANN401 - boto3 makes its clients' classes up
        if service != "glue":
            return self.emulator.client(service)
        given = self.emulator.environment
        session: Any = boto3.Session(
            given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"], None, given["AWS_REGION"]
        )
        own = Config(user_agent_extra="app/local_chain")
        return session.client("glue", endpoint_url=self.service.endpoint, config=own)
