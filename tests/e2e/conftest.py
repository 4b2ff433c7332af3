"""The command as a user calls it, with its own home folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from tests.support import Command, commands
from tests.support.two_days import TwoDays
from tests.support.warm import Warm, sessions


@pytest.fixture(scope="session")
def own_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of a user with an own home folder."""
    home = tmp_path_factory.mktemp("home")
    # Only settings and key are new: the jars stay in the cache of the user who runs the tests.
    return {**os.environ, "XDG_CONFIG_HOME": str(home / "config"), "COLUMNS": "120"}


@pytest.fixture(scope="session")
def program(own_environment: dict[str, str], root: Path) -> Command:
    """Run ``client-health`` as a process and return what it printed."""
    return as_a_user(commands.start, own_environment, root)


@pytest.fixture(scope="session")
def command(own_environment: dict[str, str], root: Path) -> Command:
    """Call ``client-health`` in this process and return what it printed."""
    return as_a_user(commands.call, own_environment, root)


def as_a_user(run: Command, own_environment: dict[str, str], root: Path) -> Command:
    """Return a function that takes the command's arguments, and variables besides the user's."""

    def call(
        *arguments: object, environment: Mapping[str, str] = MappingProxyType({})
    ) -> commands.Done:
        variables = {**own_environment, **environment}
        return run(*arguments, environment=variables, folder=root)

    return call


@pytest.fixture(scope="session")
def warm(own_environment: dict[str, str]) -> Iterator[Warm]:
    """Return sessions that are all the same real session, which is ready from the first one on."""
    with sessions(own_environment) as found:
        yield found


@pytest.fixture(scope="session")
def warm_command(command: Command, warm: Warm) -> Command:
    """Return a function that runs a command on the warm sessions."""
    return on_warm_sessions(command, warm)


@pytest.fixture(scope="session")
def warm_program(program: Command, warm: Warm) -> Command:
    """Return a function that runs a command as a process on the warm sessions."""
    return on_warm_sessions(program, warm)


def on_warm_sessions(run: Command, warm: Warm) -> Command:
    """Return a function that adds to a command what it needs for the warm sessions."""

    def call(*arguments: object) -> commands.Done:
        return run(*arguments, *warm.options, environment=warm.endpoint.environment)

    return call


@pytest.fixture(scope="session")
def two_days(warm_command: Command, tmp_path_factory: pytest.TempPathFactory) -> TwoDays:
    """Return a lake with two publications; a test restores it before it uses it."""
    return TwoDays(tmp_path_factory.mktemp("two-days"), warm_command)


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
