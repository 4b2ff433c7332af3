"""The local service, a session that many scenarios share, and an endpoint in front of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.local_api import Api
from tests.support.misbehaving import Endpoint
from tests.support.theatre import Theatre

from glue_local.launch import LocalService


@pytest.fixture(scope="session")
def service() -> Iterator[LocalService]:
    """Yield a running local service."""
    with LocalService(driver_memory="1g") as found:
        yield found


@pytest.fixture(scope="session")
def shared(service: LocalService) -> str:
    """Yield a ready session."""
    return Api(service).ready(IdleTimeout=60)


@pytest.fixture(scope="session")
def endpoint(service: LocalService) -> Iterator[Endpoint]:
    """Yield the endpoint that misbehaves."""
    with closing(Endpoint(service)) as found:
        yield found


@pytest.fixture
def theatre(service: LocalService, endpoint: Endpoint, shared: str, tmp_path: Path) -> Theatre:
    """Return the runner of scenarios."""
    return Theatre(service, endpoint, shared, tmp_path)
