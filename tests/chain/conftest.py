"""The AWS emulator, shared by all chain tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from glue_local.emulator import Emulator


@pytest.fixture(scope="session")
def emulator(
    emulator_environment: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Emulator]:
    """Return a running emulator: ``.endpoint``, ``.client(service)``, ``.environment``."""
    with Emulator(log=tmp_path_factory.mktemp("emulator") / "emulator.log") as emulator:
        yield emulator
