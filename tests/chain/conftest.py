"""The emulator of AWS, shared by every test of the chain."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from glue_local.emulator import Emulator


@pytest.fixture(scope="session")
def emulator(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """A running emulator: ``.endpoint``, ``.client(service)``, ``.environment``."""
    made = [sys.executable, str(root / "tools" / "side_environment.py"), "emulator"]
    subprocess.run(made, check=True)
    with Emulator(log=tmp_path_factory.mktemp("emulator") / "emulator.log") as emulator:
        yield emulator
