"""The reconciler: claims each complete delivery of uploads once, and has the job publish it.

An event is only a hint to look: each call does what events and calls before it left undone.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, get_type_hints

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from register_contract import publications, runs

Json = dict[str, Any]
Entries = dict[str, dict[str, datetime]]  # below claims/: by name, its endings and their dates
_DATA = re.compile(r".*\.(?:(parquet)|(?:(csv)|jsonl?|ndjson)(?:\.gz|\.bz2)?)", re.IGNORECASE)
_ENDS = {"published": "RunPublished", "stopped": "RunStopped", "failed": "RunFailed"}
_ACTIVE, _LIVE = ("STARTING", "RUNNING", "STOPPING", "WAITING"), ("PROVISIONING", "READY")


class ReconcileError(Exception):
    """A task failed; raised when all others are done, so that Lambda makes the call again."""


@dataclass(frozen=True)
class Settings:
    """Where things are and how patient to be; ``lake`` is ``s3://bucket/prefix``."""

    raw_bucket: str
    lake: str
    job_name: str
    topic_arn: str
    database: str = "db_client_insurance"
    upload_prefix: str = "upload/"
    late_hour: int = 9
    max_attempts: int = 3
    retry_seconds: int = 600

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> "Settings":
        """Take each from the variable of its name in capitals."""
        given = {n: kind for n, kind in get_type_hints(cls).items() if n.upper() in variables}
        return cls(**{name: kind(variables[name.upper()]) for name, kind in given.items()})


def group_uploads(objects: Iterable[Any], bucket: str, prefix: str) -> dict[str, list[Json]]:
    """Give listed data as claims have it, by folder; without versioning the ETag is the version."""
    groups: dict[str, list[Json]] = {}
    for item in objects:
        *folder, name = item["Key"][len(prefix) :].split("/")
        match = _DATA.fullmatch(name)
        if match and item["Size"] and not any(part[:1] in "_." for part in (*folder, name)):
            etag, version = item["ETag"].strip('"'), item["VersionId"]
            upload = {"source": (match[1] or match[2] or "json").lower(), "bucket": bucket}
            upload |= {"key": item["Key"], "size": item["Size"], "etag": etag}
            upload["version_id"] = etag if version == "null" else version
            upload["modified"] = item["LastModified"].astimezone(UTC).isoformat()
            groups.setdefault("+".join(folder) or "-", []).append(upload)
    return groups


def gaps(uploads: Sequence[Json], used: Collection[str]) -> list[str]:
    """Say what a group lacks to be a new delivery; nothing when it is one."""
    found = []
    for source in ("parquet", "csv", "json"):
        here = [upload["version_id"] for upload in uploads if upload["source"] == source]
        if len(here) != 1 or here[0] in used:
            found.append(f"{source}: {'not new' if len(here) == 1 else f'{len(here)} objects'}")
    return found


def delivery_id(uploads: Iterable[Json]) -> str:
    """Name the delivery that a group's uploads are."""
    return runs.name_delivery(
        runs.object_line(one["source"], one["version_id"], one["size"], one["key"])
        for one in uploads
    )


def verdict(
    job_runs: Sequence[Any], outcome: Json, published: bool, settings: Settings, now: datetime
) -> str:
    """Give the end that a claim's runs have come to, newest first, or what it does instead.

    Published is what the table's record carries, whatever Glue says of the run: one that was
    killed may have published, and one that succeeded may not.
    """
    newest = job_runs[0]
    state, ended = newest["JobRunState"], newest.get("CompletedOn", newest["StartedOn"])
    if state in _ACTIVE or published:
        return "running" if state in _ACTIVE else "published"
    last = outcome.get("job_run_id") in {"", None, newest["Id"]}  # not that of an earlier start
    code = outcome.get("exit_code") if last else None
    for_good = code in runs.EXITS_FOR_GOOD
    if for_good or len(job_runs) >= settings.max_attempts:
        return "stopped" if for_good else "failed"
    return "waiting" if now < ended + timedelta(seconds=settings.retry_seconds) else "ready"


@dataclass
class Reconciler:
    """Brings claims and runs in line with the uploads; clients are those of boto3."""

    settings: Settings
    s3: Any
    glue: Any
    sns: Any
    clock: Callable[[], datetime]
    log: Callable[..., None]
    _failures: list[str] = field(default_factory=list)

    def reconcile(self, *, scheduled: bool) -> None:
        """Do all there is to do; what fails keeps nothing from its turn but newer claims."""
        with self._trying("claim deliveries"):
            lacking = self._claim(self._entries())
            if scheduled:
                self._tell_late(lacking, self._entries())
        with self._trying("run claims"):
            self._run()
        if self._failures:
            raise ReconcileError(f"failed, all else is done: {'; '.join(self._failures)}; see log")

    def _claim(self, entries: Entries) -> list[str]:
        raw, prefix, lacking = self.settings.raw_bucket, self.settings.upload_prefix, []
        groups = group_uploads(self._list(raw, prefix), raw, prefix)
        turns = {n.split("/")[0]: int(n[-6:]) for n in sorted(entries) if "turn" in entries[n]}
        claims = [name.split("/")[0] for name in entries if "json" in entries[name]]
        for folder in sorted(groups.keys() | turns.keys()):
            uploads, turn = groups.get(folder, []), turns.get(folder, 0)
            name = delivery_id(uploads)
            if turn == claims.count(folder) and (not uploads or f"{folder}/{name}" in entries):
                continue
            with self._trying(f"claim {folder}"):
                last = self._read(f"{folder}/{turn:06}.turn") if turn else {"used": [], "claim": {}}
                claim, missing = last["claim"], gaps(uploads, last["used"])
                taken = entries[f"{folder}/{turn:06}"]["turn"] if turn else self.clock()
                # An old turn has lost its claim to the lifecycle, not to a call that died.
                old = self.clock() - taken > timedelta(days=7)
                claim = {} if old or f"{folder}/{claim.get('delivery_id')}" in entries else claim
                if missing:
                    lacking.append(f"{folder}: {', '.join(missing)}")
                elif not claim:
                    claim = {"delivery_id": name, "objects": uploads}
                    claim["group"] = uploads[0]["key"][len(prefix) :].rpartition("/")[0]
                    claim["as_of"] = max(upload["modified"] for upload in uploads)[:10]
                    claim["claimed_at"] = self.clock().isoformat()
                    used = last["used"] + [upload["version_id"] for upload in uploads]
                    body = json.dumps({"claim": claim, "used": used})
                    # Calls at the same time may see different uploads: one of them gets the turn.
                    if not self._put(f"{folder}/{turn + 1:06}.turn", body):
                        continue
                # Taken just now, or by a call that died before it wrote the claim.
                done = claim and f"{folder}/{claim['delivery_id']}"
                if done and self._put(f"{done}.json", json.dumps(claim)):
                    self.log("delivery_claimed", "DeliveryClaimed", claim=done)
        self.log("uploads_seen", groups=len(groups), lacking=lacking)
        return lacking

    def _run(self) -> None:
        job, sessions, ask = self.settings.job_name, [], {"Tags": {"job": self.settings.job_name}}
        with self._trying("list sessions"):  # before the runs: one that starts now has none here
            while ask:
                page = self.glue.list_sessions(**ask)
                sessions += [one["Id"] for one in page["Sessions"] if one["Status"] in _LIVE]
                ask = {**ask, "NextToken": page["NextToken"]} if page.get("NextToken") else {}
        pages = self.glue.get_paginator("get_job_runs").paginate(JobName=job)
        job_runs = [run for page in pages for run in page["JobRuns"]]
        job_runs.sort(key=lambda run: run["StartedOn"], reverse=True)
        blocked = any(run["JobRunState"] in _ACTIVE for run in job_runs)
        for session in [] if blocked else sessions:
            with self._trying(f"stop {session}", "IllegalSessionStateException"):
                self.glue.stop_session(Id=session)
                self.log("session_stopped", "SessionsStopped", session=session)
        entries = self._entries()  # after the runs: an ended one's outcome is there by now
        due = [(e["json"], n) for n, e in entries.items() if {*e} & {"json", *_ENDS} == {"json"}]
        for _, name in sorted(due):
            uri, state = f"{self.settings.lake}/claims/{name}.json", ""
            with self._trying(f"run {name}", "ConcurrentRunsExceededException"):
                own = [run for run in job_runs if run.get("Arguments", {}).get("--CLAIM") == uri]
                reported = own and "outcome.json" in entries[name]
                outcome = self._read(f"{name}.outcome.json") if reported else {}
                done = bool(own) and self._is_published(name.rpartition("/")[2])
                state = verdict(own, outcome, done, self.settings, self.clock()) if own else "ready"
                if state in _ENDS and self._put(f"{name}.{state}"):
                    self.log(f"run_{state}", _ENDS[state], claim=name, attempts=len(own))
                elif state == "ready" and not blocked:
                    self.glue.start_job_run(JobName=job, Arguments={"--CLAIM": uri})
                    started = "RunRetried" if own else "RunStarted"
                    self.log("run_started", started, claim=name, attempt=len(own) + 1)
            blocked = blocked or state not in _ENDS

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
            return None  # before the first run has made it
        place = found["Table"]["Parameters"]["metadata_location"]
        bucket, _, key = place.partition("://")[2].partition("/")
        return publications.parse(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    def _tell_late(self, lacking: list[str], entries: Entries) -> None:
        now, marker = self.clock(), f"late/{self.clock().date()}"
        days = {one["json"].date() for one in entries.values() if "json" in one}
        if now.hour >= self.settings.late_hour and now.date() not in days and marker not in entries:
            found = "; ".join(lacking) or f"nothing new is below {self.settings.upload_prefix}"
            text = f"No complete delivery by {now:%Y-%m-%d %H:%M} UTC: {found}."
            text += " Upload what is missing."
            self.sns.publish(
                TopicArn=self.settings.topic_arn, Subject="Delivery late", Message=text
            )
            self._put(marker)  # last: better told twice than never
            self.log("delivery_late", "DeliveryLate", found=found)

    def _list(self, bucket: str, prefix: str) -> list[Any]:
        pages = self.s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
        return [item for page in pages for item in page.get("Versions", []) if item["IsLatest"]]

    def _entries(self) -> Entries:
        found: Entries = {}
        bucket, root = self._place("").values()
        for item in self._list(bucket, root):
            folder, _, name = item["Key"][len(root) :].rpartition("/")
            stem, _, kind = name.partition(".")
            found.setdefault(f"{folder}/{stem}", {})[kind] = item["LastModified"].astimezone(UTC)
        return found

    def _place(self, name: str) -> Json:
        bucket, _, prefix = self.settings.lake.partition("://")[2].partition("/")
        return {"Bucket": bucket, "Key": f"{prefix}/claims/{name}"}

    def _read(self, name: str) -> Json:
        return dict(json.loads(self.s3.get_object(**self._place(name))["Body"].read()))

    def _put(self, name: str, body: str = "") -> bool:
        try:
            self.s3.put_object(**self._place(name), Body=body, IfNoneMatch="*")
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in {409, 412}:
                raise
            return False
        return True

    @contextmanager
    def _trying(self, task: str, wait: str = "") -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError, KeyError, ValueError) as error:
            waits = isinstance(error, ClientError) and error.response["Error"]["Code"] == wait
            self.log("task_waits" if waits else "task_failed", task=task, cause=repr(error))
            self._failures += [] if waits else [task]


def emit(event: str, metric: str = "", **facts: object) -> None:
    """Write a line of JSON; CloudWatch adds one to ``metric`` when it reads it."""
    line: Json = {"event": event, **facts}
    if metric:
        head = {"Namespace": "ClientHealth", "Dimensions": [[]], "Metrics": [{"Name": metric}]}
        at = int(datetime.now(UTC).timestamp() * 1000)
        line |= {metric: 1, "_aws": {"Timestamp": at, "CloudWatchMetrics": [head]}}
    sys.stdout.write(json.dumps(line) + "\n")


def lambda_handler(event: Json, context: object) -> None:
    """Look at everything once; of the event only its kind matters."""
    kind = "s3" if "Records" in event else event.get("detail-type", event.get("Event", "other"))
    emit("called", kind=kind)
    s3, glue, sns = (boto3.client(name) for name in ("s3", "glue", "sns"))
    settings, now = Settings.read(os.environ), lambda: datetime.now(UTC)
    Reconciler(settings, s3, glue, sns, now, emit).reconcile(scheduled=kind == "Scheduled Event")
