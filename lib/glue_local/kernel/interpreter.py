"""The kernel of a session: IPython, configured to behave like a Glue session's interpreter."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from ipykernel.zmqshell import ZMQInteractiveShell
from traitlets.config import Config

from glue_local.kernel.spark_progress import MESSAGE_TYPE, ProgressReporter

_CANCEL_SECONDS = 5


def spark_context() -> Any:  # noqa: ANN401 - importing the type takes half a second
    """Return the active SparkContext, or None."""
    from pyspark import SparkContext  # noqa: PLC0415

    return SparkContext._active_spark_context


class Interrupts:
    """Lets an interrupt take effect only while a statement's own code runs.

    In the kernel's own code it would end the handling of a request without a reply, and the
    statement would never come to an end.
    """

    def __init__(self) -> None:
        self._in_code = False
        self._asked = False

    def begin(self) -> None:
        """Start a statement: handle the signal, and ignore one that was meant for the last."""
        self._in_code = self._asked = False
        signal.signal(signal.SIGINT, self._on_signal)

    def _on_signal(self, *_: object) -> None:
        self._asked = True
        if self._in_code:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def let_in(self) -> Iterator[None]:
        """Allow interrupts in this block; one that is pending takes effect at once."""
        before, self._in_code = self._in_code, True
        try:
            if self._asked and not before:
                raise KeyboardInterrupt
            yield
        finally:
            self._in_code = before


class SessionShell(ZMQInteractiveShell):  # type: ignore[misc]
    """Runs the code of statements so that interrupts reach it."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - IPython's own
        self.interrupts = Interrupts()
        super().__init__(**settings)

    async def run_code(self, *arguments: Any, **settings: Any) -> Any:  # noqa: ANN401
        """Run a part of a statement; IPython makes an exception the statement's error."""
        with self.interrupts.let_in():
            return await super().run_code(*arguments, **settings)


class SessionKernel(IPythonKernel):  # type: ignore[misc]
    """Reports progress, and stops Spark's jobs when a statement is interrupted."""

    shell_class = SessionShell
    # Called before the reply to a statement that has failed.
    after_error: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - ipykernel's own
        super().__init__(**settings)
        self._statement: dict[str, Any] = {}
        self._progress = ProgressReporter(spark_context, self._send_progress)

    async def do_execute(self, *arguments: Any, **settings: Any) -> Any:  # noqa: ANN401
        """Run one statement."""
        self._statement = self.get_parent("shell")
        self.shell.interrupts.begin()
        # From here on, an interrupt is for this statement: the service waits for this message.
        self._send_progress(0.0)
        self._progress.begin()
        try:
            reply = await super().do_execute(*arguments, **settings)
        finally:
            self._progress.end()
        if reply.get("ename") == "KeyboardInterrupt":
            self._cancel_jobs()
        elif reply["status"] == "error":
            self.after_error()
        return reply

    def pre_handler_hook(self) -> None:
        """Do nothing with the signal: ipykernel would let it interrupt the kernel's own code."""

    post_handler_hook = pre_handler_hook

    def _cancel_jobs(self) -> None:
        """Cancel the jobs that Python no longer waits for; the JVM needs a moment to stop."""
        context = spark_context()
        deadline = time.monotonic() + _CANCEL_SECONDS
        while context is not None and time.monotonic() < deadline:
            context.cancelAllJobs()
            if not context.statusTracker().getActiveJobsIds():
                return
            time.sleep(0.05)

    def _send_progress(self, share: float) -> None:
        content = {"progress": share}
        self.session.send(self.iopub_socket, MESSAGE_TYPE, content, parent=self._statement)


class SessionApp(IPKernelApp):  # type: ignore[misc]
    """The application that runs the kernel."""

    @classmethod
    def prepared(cls, connection_file: str) -> SessionApp:
        """Return the application with its channels open, ready to start."""
        config = Config()
        config.IPKernelApp.connection_file = connection_file
        config.IPKernelApp.kernel_class = SessionKernel
        # Output of the JVM and other child processes goes to the log, not to a statement's output.
        config.IPKernelApp.capture_fd_output = False
        config.IPKernelApp.exec_PYTHONSTARTUP = False
        config.IPKernelApp.ignore_cwd = True
        # Code and values stay in memory: nothing of a statement is written to disk.
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "NoColor"
        config.InteractiveShell.xmode = "Plain"
        # A result is shown as its repr, not in IPython's layout.
        config.PlainTextFormatter.pprint = False
        app: SessionApp = cls.instance(config=config)
        app.initialize([])
        # IPython's exit and quit end the kernel; in a Glue session they are an ordinary error.
        app.publish(exit=sys.exit, quit=sys.exit)
        return app

    def log_connection_info(self) -> None:
        """Print nothing: only the service connects to this kernel."""

    def publish(self, **names: object) -> None:
        """Define the names that statements find."""
        self.shell.push(names, interactive=False)
