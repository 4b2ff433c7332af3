"""One run of a Python Shell job: its states and its process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from glue_local.errors import ApiError, GlueLocalError
from glue_local.jobs.job_script import JobScript
from glue_local.processes import keeper
from glue_local.processes.lifeline import signal_session
from glue_local.settings import ServiceSettings

log = logging.getLogger(__name__)

_DEFAULT_MINUTES = 2880
_ECHOED = ("Timeout", "MaxCapacity", "SecurityConfiguration", "NotificationProperty")


class JobRunState(StrEnum):
    """The states of a run."""

    STARTING = "STARTING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMEOUT = "TIMEOUT"

    @property
    def final(self) -> bool:
        """Whether the run has ended."""
        return self in (self.STOPPED, self.SUCCEEDED, self.FAILED, self.TIMEOUT)


class JobRun:
    """A run. It starts itself on creation, in a running event loop.

    Parameters
    ----------
    job : Mapping
        The job's definition, as ``GetJob`` returns it.
    request : Mapping
        The checked parameters of ``StartJobRun``.
    settings : ServiceSettings
        Limits, and variables that every run inherits.
    ended : callable
        Called with the run when its state is final.
    """

    def __init__(
        self,
        job: Mapping[str, Any],
        request: Mapping[str, Any],
        settings: ServiceSettings,
        ended: Callable[[JobRun], None],
    ) -> None:
        self.id = f"jr_{secrets.token_hex(32)}"
        self.job_name: str = request["JobName"]
        self.state = JobRunState.STARTING
        self.error: str | None = None
        self._request = dict(request)
        self._script = JobScript.of(job, request.get("Arguments", {}))
        # An emulator may return text, as it got it from CloudFormation.
        self._minutes = int(request.get("Timeout") or job.get("Timeout") or _DEFAULT_MINUTES)
        self._echoed = {
            name: source[name]
            for name in _ECHOED
            for source in (job, request)
            if source.get(name) not in (None, "", {})
        }
        self._settings = settings
        self._started = self._modified = time.time()
        self._completed: float | None = None
        self._stopping = asyncio.Event()
        self._life = asyncio.create_task(self._live(ended), name=f"job run {self.id}")

    def stop(self) -> None:
        """Start to stop the run; its process ends in the background.

        Raises
        ------
        ApiError
            If the run has ended.
        """
        if self.state.final:
            raise ApiError(
                "JobRunInTerminalStateException",
                f"Job run {self.id} is in {self.state} state; only an active run can stop.",
            )
        self._enter(JobRunState.STOPPING)
        self._stopping.set()

    async def finished(self) -> None:
        """Wait until all processes and files of the run are gone."""
        await asyncio.wait({self._life})

    def describe(self) -> dict[str, Any]:
        """Return the run in the API's shape."""
        described = {
            **self._echoed,
            "Timeout": self._minutes,
            "Id": self.id,
            "Attempt": 0,
            "JobName": self.job_name,
            "StartedOn": self._started,
            "LastModifiedOn": self._modified,
            "JobRunState": self.state.value,
            "PredecessorRuns": [],
            "ExecutionTime": int((self._completed or time.time()) - self._started),
            "LogGroupName": "/aws-glue/python-jobs",
        }
        if self._request.get("Arguments"):
            # Only the run's own arguments, as on AWS, not the job's defaults.
            described["Arguments"] = self._request["Arguments"]
        if self._completed is not None:
            described["CompletedOn"] = self._completed
        if self.error is not None:
            described["ErrorMessage"] = self.error[:2048]
        return described

    def _enter(self, state: JobRunState) -> None:
        self.state = state
        self._modified = time.time()

    async def _live(self, ended: Callable[[JobRun], None]) -> None:
        """Live from fetching the script to the last process; only this sets final states."""
        folder = Path(tempfile.mkdtemp(prefix="glue-job-"))
        try:
            final, reason = await self._run(folder)
        except GlueLocalError as error:
            final, reason = JobRunState.FAILED, str(error)
        except Exception as error:
            log.exception("job run %s failed", self.id)
            final, reason = JobRunState.FAILED, f"{type(error).__name__}: {error}"
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        if self._stopping.is_set():
            final, reason = JobRunState.STOPPED, None
        self.error = reason
        self._completed = time.time()
        self._enter(final)
        log.info("job run %s of %a: %s %a", self.id, self.job_name, final, reason or "")
        ended(self)

    async def _run(self, folder: Path) -> tuple[JobRunState, str | None]:
        program, environment = await asyncio.to_thread(
            self._script.prepare, folder, self._settings, os.environ
        )
        if self._stopping.is_set():
            return JobRunState.STOPPED, None
        process = await self._start(folder, program, environment)
        self._enter(JobRunState.RUNNING)
        exited = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait(
                {exited, stopping},
                timeout=self._minutes * self._settings.minute_seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if exited.done():
                code = exited.result()
                if code == 0:
                    return JobRunState.SUCCEEDED, None
                return JobRunState.FAILED, f"Command failed with exit code {code}"
            if not stopping.done():
                return JobRunState.TIMEOUT, f"The run lasted {self._minutes} minutes, its Timeout."
            return JobRunState.STOPPED, None
        finally:
            stopping.cancel()
            await self._end(process, exited, folder)

    async def _start(
        self, folder: Path, program: list[str], environment: Mapping[str, str]
    ) -> asyncio.subprocess.Process:
        with contextlib.ExitStack() as stack:
            streams = []
            for name in ("output", "error"):
                logs = self._settings.job_log_folder
                path = logs / f"{self.id}.{name}.log" if logs else Path(os.devnull)
                stream = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                stack.callback(os.close, stream)
                streams.append(stream)
            return await asyncio.create_subprocess_exec(
                *keeper.command(folder, program),
                stdin=asyncio.subprocess.PIPE,
                stdout=streams[0],
                stderr=streams[1],
                cwd=folder,
                env=environment,
                start_new_session=True,
            )

    async def _end(
        self, process: asyncio.subprocess.Process, exited: asyncio.Task[int], folder: Path
    ) -> None:
        """Ask the script to end, then kill whatever the run started."""
        if not exited.done():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            await asyncio.wait({exited}, timeout=self._settings.job_stop_seconds)
        while signal_session(process.pid, folder, signal.SIGKILL):
            await asyncio.sleep(0.02)
        await exited


def not_found(job: str, run: str) -> ApiError:
    """Return the error for a run that doesn't exist."""
    return ApiError.not_found(f"Of job {job}, run", run)
