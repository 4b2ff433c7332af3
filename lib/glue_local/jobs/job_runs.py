"""The job runs of one start of the service; the upstream keeps the jobs themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from glue_local.api.forward import Upstream
from glue_local.api.paging import page_of
from glue_local.errors import ApiError
from glue_local.jobs import job_events
from glue_local.jobs.job_run import JobRun, not_found
from glue_local.settings import ServiceSettings

_PAGE = 200
_MOST_REMEMBERED = 1000
_SHOWN_STATES = ("FAILED", "TIMEOUT")
# A week in minutes; a run's timeout must be lower.
_WEEK = 10_080
_CAPACITIES = (0.0625, 1.0)


class JobRuns:
    """The runs of all jobs.

    Parameters
    ----------
    settings : ServiceSettings
        Limits, and variables that every run inherits.
    upstream : Upstream
        Knows the jobs, and has the event rules for a run's end.
    """

    def __init__(self, settings: ServiceSettings, upstream: Upstream) -> None:
        self._settings = settings
        self._upstream = upstream
        self._runs: dict[str, JobRun] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._closing = False

    async def start(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Start a run, unless the maximum number is running."""
        name = parameters["JobName"]
        if "JobRunId" in parameters:
            raise ApiError.invalid("JobRunId: the local service only starts new runs; omit it.")
        _check(parameters)
        job = await self._job(name)
        # No await from here to the new run, so that two callers can't both take the last place.
        limit = (job.get("ExecutionProperty") or {}).get("MaxConcurrentRuns") or 1
        living = [run for run in self._of(name) if not run.state.final]
        if len(living) >= limit:
            raise ApiError(
                "ConcurrentRunsExceededException",
                f"Concurrent runs exceeded for {name}: {len(living)} of {limit} run "
                f"({', '.join(run.id for run in living)}). Wait for one to end, or stop it.",
            )
        run = JobRun(job, parameters, self._settings, self._tell)
        self._runs[run.id] = run
        self._forget()
        return {"JobRunId": run.id}

    async def describe(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return one run."""
        job, run = parameters["JobName"], parameters["RunId"]
        found = self._runs.get(run)
        if found is None or found.job_name != job:
            await self._job(job)
            raise not_found(job, run)
        return {"JobRun": found.describe()}

    async def history(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return a page of a job's runs, newest first."""
        runs = self._of(parameters["JobName"])
        if not runs:
            await self._job(parameters["JobName"])
        page, token = page_of(
            runs[::-1], parameters.get("NextToken"), parameters.get("MaxResults", _PAGE)
        )
        return {"JobRuns": [run.describe() for run in page], **token}

    async def stop(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Stop several runs; the answer lists those that can't be stopped, with the reason."""
        job = parameters["JobName"]
        known = {run.id: run for run in self._of(job)}
        stopped, errors = [], []
        for name in parameters["JobRunIds"]:
            about = {"JobName": job, "JobRunId": name}
            try:
                if name not in known:
                    raise not_found(job, name)
                known[name].stop()
            except ApiError as error:
                detail = {"ErrorCode": error.code, "ErrorMessage": error.message}
                errors.append(about | {"ErrorDetail": detail})
            else:
                stopped.append(about)
        return {"SuccessfulSubmissions": stopped, "Errors": errors}

    async def close(self) -> None:
        """Stop every run, and remove its files."""
        self._closing = True
        living = [run for run in self._runs.values() if not run.state.final]
        for run in living:
            run.stop()
        await asyncio.gather(*(run.finished() for run in living))
        await asyncio.gather(*self._telling, return_exceptions=True)

    def _of(self, job: str) -> list[JobRun]:
        return [run for run in self._runs.values() if run.job_name == job]

    async def _job(self, name: str) -> dict[str, Any]:
        upstream = self._upstream
        answer = await upstream.in_thread(upstream.call, "GetJob", {"JobName": name})
        return dict(answer["Job"])

    def _forget(self) -> None:
        ended = [run for run in self._runs.values() if run.state.final]
        for run in ended[: max(0, len(self._runs) - _MOST_REMEMBERED)]:
            del self._runs[run.id]

    def _tell(self, run: JobRun) -> None:
        if self._closing:
            # Nothing could act on the event: this service no longer answers.
            return
        detail = {
            "jobName": run.job_name,
            "severity": "ERROR" if run.state in _SHOWN_STATES else "INFO",
            "state": run.state.value,
            "jobRunId": run.id,
            "message": run.error or f"Job run {run.state.value.lower()}",
        }
        event = job_events.job_state_change(self._settings.region, detail)
        telling = self._upstream.in_thread(job_events.deliver, self._upstream, event)
        task = asyncio.create_task(telling)
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)


def _check(parameters: Mapping[str, Any]) -> None:
    """Refuse what the API's model allows but its documentation does not."""
    minutes = parameters.get("Timeout", 0)
    if minutes >= _WEEK:
        raise ApiError.invalid(
            f"Timeout is {minutes} minutes; a run's must be less than 7 days, or {_WEEK} minutes."
        )
    capacity = parameters.get("MaxCapacity")
    if capacity is not None and capacity not in _CAPACITIES:
        raise ApiError.invalid(
            f"MaxCapacity is {capacity}; a Python Shell run may have 0.0625 or 1 DPU."
        )
