"""The command as a user calls it, with its own home folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from tests.support import Command
from tests.support.warm import Warm, sessions


@pytest.fixture(scope="session")
def own_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of a user with an own home folder."""
    home = tmp_path_factory.mktemp("home")
    # Only settings and key are new: the jars stay in the cache of the user who runs the tests.
    return {**os.environ, "XDG_CONFIG_HOME": str(home / "config"), "COLUMNS": "120"}


@pytest.fixture(scope="session")
def command(own_environment: dict[str, str], root: Path) -> Command:
    """Call ``client-health`` and return what it printed."""

    def call(
        *arguments: object, environment: Mapping[str, str] = MappingProxyType({})
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(Path(sys.executable).with_name("client-health")), *map(str, arguments)],
            capture_output=True,
            text=True,
            env={**own_environment, **environment},
            cwd=root,
            check=False,
        )

    return call


@pytest.fixture(scope="session")
def warm(own_environment: dict[str, str]) -> Iterator[Warm]:
    """Return sessions that are all the same real session, which is ready from the first one on."""
    with sessions(own_environment) as found:
        yield found


@pytest.fixture(scope="session")
def warm_command(command: Command, warm: Warm) -> Command:
    """Return a function that runs a command on the warm sessions."""

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        return command(*arguments, *warm.options, environment=warm.endpoint.environment)

    return call


@pytest.fixture(scope="session")
def published(command: Command) -> Callable[[Path], list[dict[str, Any]]]:
    """Read the published rows of a lake, ordered by id."""

    def read(lake: Path) -> list[dict[str, Any]]:
        sql = "SELECT * FROM clientoutput ORDER BY id"
        done = command("query", "--lake", lake, "--format", "json", sql)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        return list(answer)

    return read
