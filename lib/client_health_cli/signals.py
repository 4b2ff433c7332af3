"""SIGTERM as an exception, so that what was started is stopped on the way out."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn


@contextlib.contextmanager
def sigterm_unwinds(exit_code: int | None = None) -> Iterator[None]:
    """Let SIGTERM and SIGHUP leave the block as `SystemExit`, through every `finally`.

    Parameters
    ----------
    exit_code
        What the process ends with; 128 and the signal's number, as shells have it, if None.
    """

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        sys.exit(128 + number if exit_code is None else exit_code)

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [(number, signal.signal(number, leave)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
