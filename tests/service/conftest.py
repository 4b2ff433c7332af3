"""The local service and a client of it, shared by all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.local_api import Api

from glue_local.launch import LocalService


@pytest.fixture(scope="session")
def local_service() -> Iterator[LocalService]:
    """A running local service, shared by all tests."""
    with LocalService(driver_memory="1g") as service:
        yield service


@pytest.fixture(scope="session")
def api(local_service: LocalService) -> Api:
    """A client of the shared service."""
    return Api(local_service)


@pytest.fixture(scope="session")
def session(api: Api) -> str:
    """A ready session, shared by the tests that leave it as it was."""
    return api.ready(Tags={"purpose": "shared"}, IdleTimeout=30)
