"""Starts a session's process, runs code in it, and ends it, for the service."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.connect import write_connection_file

from glue_local.errors import GlueLocalError, SessionStartError
from glue_local.kernel.kernel_main import FAILURE_FILE
from glue_local.processes.lifeline import session_members, signal_session
from glue_local.sessions.provision import ProvisionedSession

_LOG_FILE = "session.log"
# The path of a Unix socket can have 107 bytes on Linux, 103 on macOS.
_LONGEST_SOCKET_PATH = 100
_REPLY_SECONDS = 5.0
T = TypeVar("T")


class KernelGoneError(GlueLocalError):
    """The session's process ended unexpectedly.

    Why: the driver (JVM) or the Python process was killed, mostly because the machine or the
    driver's heap had no memory left.
    What to do: run the same command again. If it happens again, end other programs on this machine,
    or give the driver more memory: `client-health sessions serve --driver-memory 6g`, and run with
    the lines that it prints, or with `--sessions` and its address.
    """


class Kernel:
    """The process of a session, and the channels to it.

    Made by :meth:`start`; ended by :meth:`stop`, which must be called in any case.
    """

    def __init__(
        self, folder: Path, process: asyncio.subprocess.Process, client: AsyncKernelClient
    ) -> None:
        self._folder = folder
        self._process = process
        self._client = client
        self._exited = asyncio.create_task(process.wait())

    @classmethod
    async def start(cls, session: ProvisionedSession, working_directory: Path) -> Kernel:
        """Start the process, without waiting until it is ready."""
        folder = session.folder
        file = str(folder / "connection.json")
        prefix = str(folder / "k")
        if len(prefix) + 2 <= _LONGEST_SOCKET_PATH:
            _, connection = write_connection_file(file, transport="ipc", ip=prefix)
        else:
            _, connection = write_connection_file(file, ip="127.0.0.1")
        command = [*session.command, str(folder), file]
        log = os.open(folder / _LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=working_directory,
                env=session.environment,
                start_new_session=True,
            )
        finally:
            os.close(log)
        client = AsyncKernelClient()
        client.load_connection_info(connection)
        client.start_channels(  # noqa: S604 - the name of a channel
            shell=True,
            iopub=True,
            stdin=False,
            hb=False,
            control=False,
        )
        return cls(folder, process, client)

    @property
    def pid(self) -> int:
        """Process id, which is also the POSIX session id of everything that it starts."""
        return self._process.pid

    @property
    def exited(self) -> asyncio.Task[int]:
        """Done as soon as the process has ended."""
        return self._exited

    async def ready(self, seconds: float) -> None:
        """Wait until Spark is up and both channels carry messages.

        Raises
        ------
        SessionStartError
            When the process ends first, or time is up.
        """
        try:
            await asyncio.wait_for(self._unless_gone(self._first_contact()), seconds)
        except TimeoutError:
            raise SessionStartError(
                f"Spark was not up after {seconds:g} s. {self.reason()} {self._log_tail()}"
            ) from None
        except KernelGoneError as error:
            raise SessionStartError(f"{error} {self._log_tail()}".strip()) from None

    async def _first_contact(self) -> None:
        heard = None
        while heard is None:
            # Repeat until a message arrives on the public channel too: it may connect later.
            self._client.kernel_info()
            await self._client.get_shell_msg(timeout=None)
            with contextlib.suppress(queue.Empty):
                heard = await self._client.get_iopub_msg(timeout=0.2)

    async def execute(
        self, code: str, on_message: Callable[[dict[str, Any]], None]
    ) -> dict[str, Any]:
        """Run code and return the content of the kernel's reply.

        Parameters
        ----------
        code : str
            One statement.
        on_message : callable
            Called with each message that the statement gives rise to.

        Raises
        ------
        KernelGoneError
            When the process ends before the code does.
        """
        return await self._unless_gone(self._execute(code, on_message))

    async def _execute(
        self, code: str, on_message: Callable[[dict[str, Any]], None]
    ) -> dict[str, Any]:
        request = self._client.execute(code, allow_stdin=False, stop_on_error=False)
        reply = asyncio.ensure_future(self._reply(request))
        listening = asyncio.ensure_future(self._listen(request, on_message))
        try:
            content = await reply
            # Output precedes the idle message. If that message is lost, continue.
            await asyncio.wait({listening}, timeout=_REPLY_SECONDS)
            return content
        finally:
            reply.cancel()
            listening.cancel()

    async def _reply(self, request: str) -> dict[str, Any]:
        while True:
            message = await self._client.get_shell_msg(timeout=None)
            if message["parent_header"].get("msg_id") == request:
                content: dict[str, Any] = message["content"]
                return content

    async def _listen(self, request: str, on_message: Callable[[dict[str, Any]], None]) -> None:
        while True:
            message = await self._client.get_iopub_msg(timeout=None)
            if message["parent_header"].get("msg_id") != request:
                continue
            on_message(message)
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return

    async def _unless_gone(self, work: Awaitable[T]) -> T:
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task, self._exited}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise KernelGoneError(self.reason())
            return task.result()
        finally:
            task.cancel()

    def interrupt(self) -> None:
        """Interrupt the running code, but not the JVM."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)

    def reason(self) -> str:
        """Return how the process ended."""
        failure = self._folder / FAILURE_FILE
        if failure.exists():
            return failure.read_text(encoding="utf-8")
        code = self._process.returncode
        if code is None:
            return "The session's process still runs."
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"The session's process ended ({how})."

    def _log_tail(self) -> str:
        """Return the log of a failed start. Never call it later: the log may contain rows then."""
        log = self._folder / _LOG_FILE
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        told = [line.strip() for line in lines if line.strip() and not line.startswith("\tat ")]
        return " | ".join(told[-4:])

    async def stop(self, seconds: float) -> None:
        """End the process and everything that it started.

        Parameters
        ----------
        seconds : float
            How long they may take to end by themselves.
        """
        self._client.stop_channels()
        signal_session(self.pid, self._folder, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while session_members(self.pid, self._folder) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        while signal_session(self.pid, self._folder, signal.SIGKILL):
            await asyncio.sleep(0.02)
        await self._exited
