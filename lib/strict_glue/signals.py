"""Raises exceptions for signals, so that ``finally`` blocks stop what was started."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Callable, Optional


@contextlib.contextmanager
def unwinding(
    *numbers: int, raising: Optional[Callable[[int], BaseException]] = None
) -> Iterator[None]:
    """Raise an exception in the block at the first of some signals.

    Later signals are ignored, so that they don't interrupt the cleanup. In a thread other than the
    main one, nothing changes.

    Parameters
    ----------
    *numbers : int
        The signals.
    raising : callable, optional
        Returns the exception (default: a `SystemExit` with 128 plus the signal's number, as in
        shells).
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = False

    def unwind(number: int, _frame: object) -> None:
        nonlocal heard
        if not heard:
            heard = True
            raise raising(number) if raising else SystemExit(128 + number)

    before = [(number, signal.signal(number, unwind)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
