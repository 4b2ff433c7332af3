"""One session: its states, and its statements, which run one after the other."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from glue_local.errors import ApiError, GlueLocalError
from glue_local.kernel.output import OutputCollector, error_output
from glue_local.kernel.session_kernel import Kernel, KernelGoneError
from glue_local.kernel.spark_progress import MESSAGE_TYPE
from glue_local.sessions.arguments import SessionArguments
from glue_local.sessions.provision import ProvisionedSession, provision
from glue_local.sessions.statement import Statement, StatementState
from glue_local.settings import ServiceSettings

log = logging.getLogger(__name__)

_DEFAULT_IDLE_MINUTES = 2880
_MOST_WAITING = 100
_ECHOED = (
    *("Description", "Role", "Command", "DefaultArguments", "Connections", "MaxCapacity"),
    *("NumberOfWorkers", "WorkerType", "SecurityConfiguration", "GlueVersion", "SessionType"),
)


class SessionStatus(StrEnum):
    """The states in the API."""

    PROVISIONING = "PROVISIONING"
    READY = "READY"
    FAILED = "FAILED"
    TIMEOUT = "TIMEOUT"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"

    @property
    def final(self) -> bool:
        """Whether the session has ended."""
        return self in (self.FAILED, self.TIMEOUT, self.STOPPED)


class Session:
    """A session. It starts itself on creation, in a running event loop.

    Parameters
    ----------
    request : Mapping
        The checked parameters of ``CreateSession``.
    settings : ServiceSettings
        Limits and defaults.

    Raises
    ------
    ApiError
        If its arguments are invalid.
    """

    def __init__(self, request: Mapping[str, Any], settings: ServiceSettings) -> None:
        self.id: str = request["Id"]
        self.tags: dict[str, str] = dict(request.get("Tags", {}))
        self.origin: str | None = request.get("RequestOrigin")
        self.status = SessionStatus.PROVISIONING
        self.statements: list[Statement] = []
        self._request = dict(request)
        self._arguments = SessionArguments.read(
            request.get("DefaultArguments", {}), first_conf_only=settings.first_conf_only
        )
        self._settings = settings
        # We choose the name: an id is data and never becomes a path.
        self._folder = Path(tempfile.mkdtemp(prefix="glue-"))
        self._created = time.time()
        self._completed: float | None = None
        self._error: str | None = None
        self._kernel: Kernel | None = None
        self._provisioning: asyncio.Task[ProvisionedSession] | None = None
        self._ending = False
        self._cancelled = threading.Event()
        self._queue: asyncio.Queue[Statement] = asyncio.Queue()
        self._life = asyncio.create_task(self._live(), name=f"session {self.id}")

    # Requests of clients

    def run(self, code: str) -> Statement:
        """Queue a statement."""
        if self.status is SessionStatus.TIMEOUT:
            # The Glue kernels recognize a timed-out session by this code.
            raise ApiError.invalid(f"Session {self.id} has timed out; create a new one.")
        if self.status is not SessionStatus.READY:
            raise ApiError.wrong_state(self.id, self.status, "statements need READY")
        if self._queue.qsize() >= _MOST_WAITING:
            raise ApiError(
                "SessionBusyException",
                f"{_MOST_WAITING} statements are already waiting in session {self.id}; wait for "
                "some to finish.",
            )
        statement = Statement(len(self.statements), code)
        self.statements.append(statement)
        self._queue.put_nowait(statement)
        return statement

    def statement(self, number: int) -> Statement:
        """Return a statement by its id."""
        if not 0 <= number < len(self.statements):
            raise ApiError.not_found(f"In session {self.id}, statement", number)
        return self.statements[number]

    def cancel(self, number: int) -> None:
        """Cancel a statement: at once if it is waiting, by an interrupt if it is running."""
        statement = self.statement(number)
        if statement.state is StatementState.WAITING:
            statement.finish(StatementState.CANCELLED)
        elif statement.state is StatementState.RUNNING:
            statement.state = StatementState.CANCELLING

    def stop(self) -> None:
        """Start to stop the session; its processes end in the background."""
        if self.status not in (SessionStatus.PROVISIONING, SessionStatus.READY):
            raise ApiError.wrong_state(self.id, self.status, "only an active session can stop")
        self.status = SessionStatus.STOPPING
        if not self._ending:
            self._life.cancel()

    async def ended(self) -> None:
        """Wait until all processes and files of the session are gone."""
        await asyncio.wait({self._life})

    def describe(self) -> dict[str, Any]:
        """Return the session in the API's shape."""
        described = {name: self._request[name] for name in _ECHOED if name in self._request}
        if "MaxCapacity" not in described:
            described.setdefault("WorkerType", "G.1X")
            described.setdefault("NumberOfWorkers", 5)
        described |= {
            "Id": self.id,
            "CreatedOn": self._created,
            "Status": self.status.value,
            "Progress": 0.0 if self.status is SessionStatus.PROVISIONING else 1.0,
            "IdleTimeout": self._request.get("IdleTimeout", _DEFAULT_IDLE_MINUTES),
            "ExecutionTime": round((self._completed or time.time()) - self._created, 3),
        }
        if self._completed is not None:
            described["CompletedOn"] = self._completed
            described["DPUSeconds"] = round(described["ExecutionTime"] * _capacity(described), 3)
        if self._error is not None:
            described["ErrorMessage"] = self._error[:2048]
        return described

    # Life of the session

    async def _live(self) -> None:
        """Live from provisioning to the end of the last process; only this sets final states."""
        final, reason = SessionStatus.STOPPED, None
        try:
            final, reason = await self._serve()
        except asyncio.CancelledError:
            pass
        except GlueLocalError as error:
            final, reason = SessionStatus.FAILED, str(error)
        except Exception as error:
            log.exception("session %a failed", self.id)
            final, reason = SessionStatus.FAILED, f"{type(error).__name__}: {error}"
        self._ending = True
        self._cancelled.set()
        self._error = reason
        if final is SessionStatus.TIMEOUT:
            # Set at once, so that no statement is accepted while the processes end.
            self.status = final
        await self._end(final, reason)

    async def _serve(self) -> tuple[SessionStatus, str | None]:
        minutes = self._request.get("Timeout")
        try:
            async with asyncio.timeout(minutes and minutes * self._settings.minute_seconds):
                self._kernel = await self._start()
                self.status = SessionStatus.READY
                log.info("session %a: ready after %.1f s", self.id, time.time() - self._created)
                return await self._work(self._kernel)
        except TimeoutError:
            return SessionStatus.TIMEOUT, f"The session ran for {minutes} minutes, its Timeout."

    async def _start(self) -> Kernel:
        if "Connections" in self._request:
            log.warning("session %a: connections are ignored locally", self.id)
        work = asyncio.to_thread(
            provision, self._arguments, self._settings, self._folder, self._cancelled
        )
        self._provisioning = asyncio.create_task(work)
        provisioned = await asyncio.shield(self._provisioning)
        self._kernel = await Kernel.start(provisioned, self._settings.working_directory)
        await self._kernel.ready(self._settings.start_seconds)
        return self._kernel

    async def _work(self, kernel: Kernel) -> tuple[SessionStatus, str | None]:
        """Run statements in order until the session is idle for too long or its process ends."""
        minutes = self._request.get("IdleTimeout", _DEFAULT_IDLE_MINUTES)
        while True:
            following = asyncio.ensure_future(self._queue.get())
            try:
                await asyncio.wait(
                    {following, kernel.exited},
                    timeout=minutes * self._settings.minute_seconds,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if kernel.exited.done():
                    raise KernelGoneError(kernel.reason())
                if not following.done():
                    return SessionStatus.TIMEOUT, f"The session was idle for {minutes} minutes."
                statement = following.result()
            finally:
                following.cancel()
            if statement.state is StatementState.WAITING:
                await self._run(kernel, statement)

    async def _run(self, kernel: Kernel, statement: Statement) -> None:
        output = OutputCollector(self._settings.output_limit)
        executing = asyncio.Event()

        def on_message(message: dict[str, Any]) -> None:
            if message["msg_type"] == MESSAGE_TYPE:
                executing.set()
                statement.progress = message["content"]["progress"]
            else:
                output.feed(message)

        statement.begin()
        interrupting = asyncio.create_task(_interrupt(kernel, statement, executing.wait))
        try:
            reply = await kernel.execute(statement.code, on_message)
        finally:
            interrupting.cancel()
        if statement.state is StatementState.CANCELLING:
            statement.finish(StatementState.CANCELLED)
        elif output.too_large:
            value = f"The statement printed more than {self._settings.output_limit} characters."
            statement.finish(StatementState.ERROR, error_output("OutputTooLarge", value))
        else:
            statement.finish(StatementState.AVAILABLE, output.output(reply))

    async def _end(self, final: SessionStatus, reason: str | None) -> None:
        """Remove all processes and files, then set the final state."""
        if self._provisioning is not None:
            # After the request to stop, its thread may still write to the folder.
            await asyncio.gather(self._provisioning, return_exceptions=True)
        if self._kernel is not None:
            await self._kernel.stop(self._settings.stop_seconds)
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        for statement in self.statements:
            if statement.state.final:
                continue
            if final is SessionStatus.FAILED:
                failed = error_output("SessionFailed", reason or "")
                statement.finish(StatementState.ERROR, failed)
            else:
                statement.finish(StatementState.CANCELLED)
        self._completed = time.time()
        self.status = final
        log.info("session %a: %s %a", self.id, final, reason or "")


def _capacity(described: Mapping[str, Any]) -> float:
    """Return a session's DPUs: its capacity, or its workers times what one of their type has."""
    if "MaxCapacity" in described:
        return float(described["MaxCapacity"])
    # The number in a type's name is its DPUs; G.025X is a quarter, and Standard has none.
    number = described["WorkerType"].partition(".")[2].removesuffix("X") or "1"
    each = float(f"0.{number[1:]}" if number.startswith("0") else number)
    return float(described["NumberOfWorkers"]) * each


async def _interrupt(kernel: Kernel, statement: Statement, executing: Callable[[], Any]) -> None:
    """Interrupt the running code when its cancellation is requested, and again if it continues."""
    await executing()
    while True:
        if statement.state is StatementState.CANCELLING:
            kernel.interrupt()
            await asyncio.sleep(5)
        await asyncio.sleep(0.02)
