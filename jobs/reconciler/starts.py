"""Starts the job for each open claim, in order, one at a time.

The state of a claim is derived at each call, never stored: from Glue's job runs, the table's
record, and the outcome that the job writes next to the claim. When a claim has ended, this module
writes a marker next to it, so that a listing shows the open claims.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from reconciler.claims import Claims, Entries
from reconciler.people import People
from reconciler.settings import Settings
from reconciler.tasks import Tasks
from reconciler.uploads import Json
from register_contract import alerts, publications, runs

#: How a claim can end, each with the metric that counts it.
ENDS = {"published": "RunPublished", "stopped": "RunStopped", "failed": "RunFailed"}
_ACTIVE = ("STARTING", "RUNNING", "STOPPING", "WAITING")
_LIVE = ("PROVISIONING", "READY")


def verdict(
    job_runs: Sequence[Any], outcome: Json, published: bool, settings: Settings, now: datetime
) -> str:
    """Return how a claim's runs have ended, or the claim's state if they haven't.

    A delivery is published if the table's record has it, whatever Glue's state of the run: a killed
    run may have published, and a successful one may not.

    Parameters
    ----------
    job_runs
        The claim's job runs, newest first; at least one.
    outcome
        The outcome that a start has written next to the claim, if any.
    published
        Whether the table's record has the delivery.
    settings
        The number of attempts, and the time between them.
    now
        The time.

    Returns
    -------
    str
        One of ``ENDS``, or ``running``, ``waiting`` (for its next attempt), or ``ready`` (for it).
    """
    newest = job_runs[0]
    if newest["JobRunState"] in _ACTIVE:
        return "running"
    if published:
        return "published"
    # The outcome of an earlier start doesn't apply to this one.
    of_newest = outcome.get("job_run_id") in {"", None, newest["Id"]}
    if of_newest and outcome.get("exit_code") in runs.EXITS_FOR_GOOD:
        return "stopped"
    if len(job_runs) >= settings.max_attempts:
        return "failed"
    ended = newest.get("CompletedOn", newest["StartedOn"])
    return "waiting" if now < ended + timedelta(seconds=settings.retry_seconds) else "ready"


@dataclass(frozen=True)
class Starts:
    """Starting of the job, and cleanup after its runs."""

    settings: Settings
    claims: Claims
    s3: Any
    glue: Any
    clock: Callable[[], datetime]
    tasks: Tasks
    people: People

    def start(self) -> None:
        """Stop the sessions of dead runs, then process each open claim."""
        sessions = self._sessions()  # before the runs, so without those starting now
        job_runs = self._job_runs()
        blocked = any(run["JobRunState"] in _ACTIVE for run in job_runs)
        if not blocked:
            self._stop(sessions)
        entries = self.claims.entries()  # after the runs, so with their outcomes
        for name in _open(entries):
            state = ""
            with self.tasks.attempt(f"run {name}", "ConcurrentRunsExceededException"):
                own = [run for run in job_runs if _claim_of(run) == self._uri(name)]
                state = self._state(name, own, entries)
                if state == "failed":
                    self._give_up(name, len(own))
                elif state in ENDS and self.claims.create(f"{name}.{state}"):
                    self._log_end(name, state, len(own))
                elif state == "ready" and not blocked:
                    self._start(name, len(own) + 1)
            # An open claim prevents the start of later ones: an older register that is published
            # after a newer one would hide it.
            blocked = blocked or state not in ENDS

    def _give_up(self, name: str, attempts: int) -> None:
        """Tell people, since the job tells its own failures except when it was killed."""
        self.people.tell(alerts.given_up(name.rpartition("/")[2], attempts))
        self._log_end(name, "failed", attempts)
        # Last: no call looks at a marked claim again, and two messages are better than none.
        self.claims.create(f"{name}.failed")

    def _log_end(self, name: str, state: str, attempts: int) -> None:
        self.tasks.log(f"run_{state}", ENDS[state], claim=name, attempts=attempts)

    def _start(self, name: str, attempt: int) -> None:
        arguments = {"--CLAIM": self._uri(name)}
        self.glue.start_job_run(JobName=self.settings.job_name, Arguments=arguments)
        metric = "RunStarted" if attempt == 1 else "RunRetried"
        self.tasks.log("run_started", metric, claim=name, attempt=attempt)

    def _state(self, name: str, own: Sequence[Any], entries: Entries) -> str:
        if not own:
            return "ready"
        outcome = {}
        if "outcome.json" in entries[name]:
            outcome = self.claims.read(f"{name}.outcome.json")
        published = self._is_published(name.rpartition("/")[2])
        return verdict(own, outcome, published, self.settings, self.clock())

    def _uri(self, name: str) -> str:
        return f"{self.settings.lake}/claims/{name}.json"

    def _job_runs(self) -> list[Any]:
        """Return the job's runs, newest first."""
        paginator = self.glue.get_paginator("get_job_runs")
        pages = paginator.paginate(JobName=self.settings.job_name)
        found = [run for page in pages for run in page["JobRuns"]]
        return sorted(found, key=lambda run: run["StartedOn"], reverse=True)

    def _sessions(self) -> list[str]:
        """Return the job's sessions that have not ended."""
        found: list[str] = []
        ask: Json = {"Tags": {"job": self.settings.job_name}}
        with self.tasks.attempt("list sessions"):
            while ask:
                page = self.glue.list_sessions(**ask)
                found += [one["Id"] for one in page["Sessions"] if one["Status"] in _LIVE]
                ask = {**ask, "NextToken": page["NextToken"]} if page.get("NextToken") else {}
        return found

    def _stop(self, sessions: Sequence[str]) -> None:
        """Stop sessions that no run needs, because their run died."""
        for session in sessions:
            with self.tasks.attempt(f"stop {session}", "IllegalSessionStateException"):
                self.glue.stop_session(Id=session)
                self.tasks.log("session_stopped", "SessionsStopped", session=session)

    def _is_published(self, delivery: str) -> bool:
        table = self._metadata(publications.TABLE)
        log = self._metadata(publications.LOG) if table else None
        return publications.read(table, log).of_delivery(delivery) is not None

    def _metadata(self, table: str) -> publications.Metadata | None:
        try:
            found = self.glue.get_table(DatabaseName=self.settings.database, Name=table)
        except ClientError as error:
            if error.response["Error"]["Code"] != "EntityNotFoundException":
                raise
            return None  # the first run has not created it yet
        place = found["Table"]["Parameters"]["metadata_location"]
        bucket, _, key = place.partition("://")[2].partition("/")
        return publications.parse(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def _open(entries: Entries) -> list[str]:
    """Return the claims without an end, oldest first."""
    due = [
        (endings["json"], name)
        for name, endings in entries.items()
        if "json" in endings and not endings.keys() & ENDS.keys()
    ]
    return [name for _, name in sorted(due)]


def _claim_of(run: Any) -> str | None:  # noqa: ANN401 - as boto3 gives it
    claim: str | None = run.get("Arguments", {}).get("--CLAIM")
    return claim
