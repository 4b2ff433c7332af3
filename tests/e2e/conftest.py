"""The command as a user calls it, with a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Command:
    """Call ``client-health`` and return what it printed."""
    home = tmp_path_factory.mktemp("home")
    # Only settings and key are fresh: the jars stay in the cache of whoever runs the tests.
    environment = {**os.environ, "XDG_CONFIG_HOME": str(home / "config"), "COLUMNS": "120"}

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(Path(sys.executable).with_name("client-health")), *map(str, arguments)],
            capture_output=True,
            text=True,
            env=environment,
            cwd=root,
            check=False,
        )

    return call


@pytest.fixture(scope="session")
def published(command: Command) -> Callable[[Path], list[dict[str, Any]]]:
    """Read the published rows of a lake, in the order of their ids."""

    def read(lake: Path) -> list[dict[str, Any]]:
        sql = "SELECT * FROM clientoutput ORDER BY id"
        done = command("query", "--lake", lake, "--format", "json", sql)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        return list(answer)

    return read
