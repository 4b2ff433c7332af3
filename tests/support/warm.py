"""Sessions that are one, ready since the first of them: for what is not about sessions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.local_api import Api
from tests.support.misbehaving import FORGET, Endpoint

import job_client_health
from glue_local.launch import LocalService
from register_run.stage_run import read_notebook
from strict_glue.session_request import configuration


@dataclass(frozen=True)
class Warm:
    """A service behind an endpoint that gives each session a name, and all of them one process.

    Parameters
    ----------
    service : LocalService
    endpoint : Endpoint
    api : Api
        A client of the service.
    session : str
        The one.
    """

    service: LocalService
    endpoint: Endpoint
    api: Api
    session: str

    def run(self, code: str) -> dict[str, Any]:
        """Run a statement in the one session, and return it ended."""
        return self.api.run(self.session, code)

    def fresh(self) -> None:
        """Forget what statements have left in its namespace."""
        assert self.run(FORGET)["Output"]["Status"] == "ok"

    @property
    def options(self) -> tuple[str, str]:
        """The command's options that lead here."""
        return ("--sessions", self.endpoint.url)


@contextlib.contextmanager
def sessions(environment: Mapping[str, str], **settings: Any) -> Iterator[Warm]:
    """Give sessions as the notebooks ask for them, in a user's environment.

    `settings` are those of the service. Its default heap is for lines of 100 MB.
    """
    with LocalService(environment=environment, **settings) as service, shared(service) as warm:
        yield warm


@contextlib.contextmanager
def shared(service: LocalService) -> Iterator[Warm]:
    """Give sessions of a service as the notebooks ask for them.

    Each begins with nothing in its namespace. Spark's own state stays, which no run leans on:
    another lake gets another catalog.
    """
    first = job_client_health.build_request({}, "lake").stages[0]
    asked = configuration(read_notebook(first), first.notebook)
    arguments = {name: value for name, value in asked.items() if name.startswith("--")}
    endpoint = Endpoint(service)
    api = Api(service)
    session = api.ready(DefaultArguments=arguments, IdleTimeout=60)
    endpoint.start(share=session)
    try:
        yield Warm(service, endpoint, api, session)
    finally:
        endpoint.close()
