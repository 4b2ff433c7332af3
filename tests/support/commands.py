"""``client-health`` with its arguments: as a process, or without its start.

A process takes more than a second until it has imported what it needs. Most tests ask what the
command says and does, which is the same if its function is called here.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO
from unittest.mock import patch

from client_health_cli.main import main

PROGRAM = Path(sys.executable).with_name("client-health")
Done = subprocess.CompletedProcess[str]


def start(*arguments: object, environment: Mapping[str, str], folder: Path) -> Done:
    """Run the command as a process in a folder, with nothing but the given variables."""
    return subprocess.run(
        [str(PROGRAM), *map(str, arguments)],
        capture_output=True,
        text=True,
        env=dict(environment),
        cwd=folder,
        check=False,
    )


def call(*arguments: object, environment: Mapping[str, str], folder: Path) -> Done:
    """Do the same as :func:`start`, in this process; processes that the command starts are real."""
    words = list(map(str, arguments))
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        # The command changes its own environment, too.
        own = patch.dict(os.environ, environment, clear=True)
        # boto3 keeps the account of its first call in a process.
        account = patch("boto3.DEFAULT_SESSION", None)
        with own, account, contextlib.chdir(folder), _streams(out, err):
            code = _exit_code(words)
        return subprocess.CompletedProcess([str(PROGRAM), *words], code, _text(out), _text(err))


def _exit_code(words: list[str]) -> int:
    """Call the command; return the exit code that the process would have."""
    try:
        main(words)
    except SystemExit as ended:
        assert ended.code is None or isinstance(ended.code, int), ended.code
        return ended.code or 0
    except Exception:
        traceback.print_exc()
        return 1
    return 0


@contextlib.contextmanager
def _streams(out: IO[bytes], err: IO[bytes]) -> Iterator[None]:
    """Replace standard input, output, and error, also for processes that are started meanwhile."""
    before = sys.stdin, sys.stdout, sys.stderr
    for stream in before[1:]:
        stream.flush()
    kept = {number: os.dup(number) for number in range(3)}
    try:
        with Path(os.devnull).open(encoding="utf-8") as nothing:
            for number, file in enumerate((nothing, out, err)):
                os.dup2(file.fileno(), number)
            with contextlib.ExitStack() as opened:
                sys.stdin = nothing
                sys.stdout, sys.stderr = (
                    opened.enter_context(open(number, "w", encoding="utf-8", closefd=False))
                    for number in (1, 2)
                )
                yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = before
        for number, copy in kept.items():
            os.dup2(copy, number)
            os.close(copy)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return io.TextIOWrapper(file, encoding="utf-8").read()
