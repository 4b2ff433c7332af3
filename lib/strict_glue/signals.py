"""Signals as exceptions, so that what was started is stopped on the way out."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Callable, Optional


@contextlib.contextmanager
def unwinding(
    *numbers: int, raising: Optional[Callable[[int], BaseException]] = None
) -> Iterator[None]:
    """Let the first of some signals leave the block as an exception, through every ``finally``.

    Only the first: another one must not interrupt the cleaning up. In a thread other than the
    main one, nothing changes.

    Parameters
    ----------
    *numbers : int
        The signals.
    raising : callable, optional
        Makes the exception; a `SystemExit` with 128 and the signal's number, as shells have it,
        if there is none.
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
