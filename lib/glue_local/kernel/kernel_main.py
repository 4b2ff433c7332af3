"""The process of one session: an IPython kernel with a Spark session in it.

Started by :mod:`glue_local.kernel.session_kernel` with the session's folder and its connection
file. The driver's JVM starts first, since it takes longest; Python imports the kernel meanwhile.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from glue_local.kernel import matplot
from glue_local.processes import lifeline
from glue_local.spark import driver

if TYPE_CHECKING:
    from glue_local.kernel.interpreter import SessionApp

FAILURE_FILE = "failure.txt"
# How long to wait for a driver that seems to be dying.
_SECONDS = 10
T = TypeVar("T")


def _in_thread(name: str, work: Callable[[], T]) -> Future[T]:
    """Run in a daemon thread; a thread of a pool would keep an ending process alive."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def _fail(folder: Path, message: str) -> None:
    """Write the reason for the service, and exit at once."""
    (folder / FAILURE_FILE).write_text(message, encoding="utf-8")
    sys.stderr.flush()
    os._exit(1)


def _application(connection_file: str) -> SessionApp:
    from glue_local.kernel.interpreter import SessionApp  # noqa: PLC0415 - while the JVM starts

    return SessionApp.prepared(connection_file)


def main(folder: Path, connection_file: str) -> None:
    """Run the session until the service ends it."""
    ending = lifeline.watch(lifeline.take(), folder)
    description = json.loads((folder / driver.SETTINGS_FILE).read_text(encoding="utf-8"))
    started = driver.launch(description, folder)
    connecting = _in_thread("connect", lambda: driver.connect(started))
    app = _application(connection_file)
    try:
        spark = connecting.result()
    except BaseException as error:
        _fail(folder, f"Spark could not be started: {type(error).__name__}: {error}")
    context = spark.sparkContext
    app.publish(spark=spark, sc=context)
    matplot.register(app.shell)

    def fail_without_driver() -> None:
        reason = driver.exit_reason(started)
        if not ending.is_set():
            # The session is unusable: end it, so that the service reports why.
            _fail(folder, f"The Spark driver (JVM) {reason}.")

    watching = _in_thread("driver", fail_without_driver)

    def answer() -> None:
        # Looking up the name asks the JVM, too.
        jvm: Any = context._jvm
        jvm.System.nanoTime()

    def wait_for_a_dying_driver() -> None:
        asked = _in_thread("ask", answer)
        try:
            asked.result(_SECONDS)
        except TimeoutError:
            return  # it is only busy
        except Exception:
            # The error follows from the driver's end, which is the reason to report.
            wait([watching], _SECONDS)

    app.kernel.after_error = wait_for_a_dying_driver
    app.start()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
