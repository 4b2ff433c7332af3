"""What chain tests share: the AWS emulator, alone or with the local service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from infra.local_aws import LocalAws

from glue_local.emulator import Emulator


@pytest.fixture(scope="session")
def emulator(
    emulator_environment: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Emulator]:
    """Return a running emulator: ``.endpoint``, ``.client(service)``, ``.environment``."""
    with Emulator(log=tmp_path_factory.mktemp("emulator") / "emulator.log") as emulator:
        yield emulator


@pytest.fixture(scope="session")
def local_aws(
    emulator_environment: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalAws]:
    """Return an emulator and a local service, for smoke runs, which leave nothing in them."""
    with LocalAws(tmp_path_factory.mktemp("aws")) as place:
        yield place
