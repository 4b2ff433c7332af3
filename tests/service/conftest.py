"""The local service and its client, shared by all tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from tests.support.local_api import Api
from tests.support.misbehaving import Endpoint

from glue_local.launch import LocalService


@pytest.fixture(scope="session")
def local_service() -> Iterator[LocalService]:
    """Yield a running local service."""
    with LocalService(driver_memory="1g") as service:
        yield service


@pytest.fixture(scope="session")
def api(local_service: LocalService) -> Api:
    """Return a client of the shared service."""
    return Api(local_service)


@pytest.fixture(scope="session")
def session(api: Api) -> str:
    """Yield a ready session for tests that leave it unchanged."""
    return api.ready(Tags={"purpose": "shared"}, IdleTimeout=30)


@pytest.fixture(scope="session")
def endpoint(local_service: LocalService) -> Iterator[Endpoint]:
    """Yield an endpoint in front of the shared service."""
    with closing(Endpoint(local_service)) as found:
        yield found


@pytest.fixture
def shared_sessions(endpoint: Endpoint, session: str) -> dict[str, str]:
    """Return variables for sessions that share one, each with its own status and namespace."""
    endpoint.start(share=session)
    return endpoint.environment
