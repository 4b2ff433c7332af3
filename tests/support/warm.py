"""Sessions that share one real session, which is ready from the start."""

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
    """A service behind an endpoint that gives each session a name, but all of them one process.

    Parameters
    ----------
    service : LocalService
    endpoint : Endpoint
    api : Api
        A client of the service.
    session : str
        The real session.
    """

    service: LocalService
    endpoint: Endpoint
    api: Api
    session: str

    def run(self, code: str) -> dict[str, Any]:
        """Run a statement in the real session, wait for its end, and return it."""
        return self.api.run(self.session, code)

    def fresh(self) -> None:
        """Remove what statements have left in the session's namespace."""
        assert self.run(FORGET)["Output"]["Status"] == "ok"

    @property
    def options(self) -> tuple[str, str]:
        """The command's options for these sessions."""
        return ("--sessions", self.endpoint.url)


@contextlib.contextmanager
def sessions(environment: Mapping[str, str], **settings: Any) -> Iterator[Warm]:
    """Yield sessions as the notebooks request them, in a user's environment.

    `settings` are those of the service. Its default heap must hold the longest line that is read,
    of 16 MB, several times.
    """
    with LocalService(environment=environment, **settings) as service, shared(service) as warm:
        yield warm


@contextlib.contextmanager
def shared(service: LocalService) -> Iterator[Warm]:
    """Yield sessions of a service as the notebooks request them.

    Each starts with an empty namespace. Spark's own state stays, but no run depends on it: another
    lake gets another catalog.
    """
    with contextlib.closing(Endpoint(service)) as endpoint:
        api = Api(service)
        session = api.ready(DefaultArguments=arguments_of_the_notebooks(), IdleTimeout=60)
        endpoint.start(share=session)
        yield Warm(service, endpoint, api, session)


def arguments_of_the_notebooks() -> dict[str, str]:
    """Return the arguments of the session that the notebooks request."""
    first = job_client_health.build_request({}, "lake").stages[0]
    asked = configuration(read_notebook(first), first.notebook)
    return {name: value for name, value in asked.items() if name.startswith("--")}
