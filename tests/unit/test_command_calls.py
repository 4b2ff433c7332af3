"""The tests' calls of ``client-health`` in this process are like processes, and leave nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from tests.support import commands

from client_health_cli import __version__, alert_url


def test_output_and_exit_code_are_those_of_a_process(tmp_path: Path) -> None:
    done = commands.call("--version", environment={}, folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"client-health {__version__}\n", "")
    failed = commands.call("query", "--lake", "none", "SELECT 1", environment={}, folder=tmp_path)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr.startswith(f"client-health: no lake at {tmp_path / 'none'}")


def test_an_unexpected_error_shows_its_traceback_and_exits_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "main", lambda words: [][len(words)])
    done = commands.call(environment={}, folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.endswith("IndexError: list index out of range\n")


def test_what_processes_write_is_caught_too_and_there_is_nothing_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "main", lambda _: os.system("cat; pwd; echo $MARK >&2"))
    done = commands.call(environment={**os.environ, "MARK": "seen"}, folder=tmp_path)
    assert (done.stdout, done.stderr) == (f"{tmp_path}\n", "seen\n")


def test_a_call_leaves_environment_folder_and_streams_as_they_were(tmp_path: Path) -> None:
    def state() -> object:
        files = [os.fstat(number).st_ino for number in range(3)]
        return dict(os.environ), Path.cwd(), sys.stdin, sys.stdout, sys.stderr, files

    before = state()
    # The command takes this variable out of its environment.
    variables = {alert_url.VARIABLE: "https://localhost/hook"}
    done = commands.call("run", "--lake", "new", environment=variables, folder=tmp_path)
    assert done.returncode == 2
    assert state() == before
