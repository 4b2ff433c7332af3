"""The reconciler's environment: real buckets and topics of the emulator, and a scripted Glue.

Glue is scripted because the emulator has neither interactive sessions nor a limit of concurrent
runs. Only the server side is scripted: a real boto3 client builds and checks requests, and parses
answers.
"""

from __future__ import annotations

import io
import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore import xform_name
from botocore.awsrequest import AWSResponse

import def_lambda
from register_contract import publications

JOB = "job_client_health"
FILES = {"parquet": "dados_1.parquet", "csv": "dados_2.csv", "json": "dados_3.json"}
_NUMBERS = itertools.count()
_ACTIVE = {"STARTING", "RUNNING", "STOPPING", "WAITING"}


class KilledError(BaseException):
    """Simulates that the Lambda's process ends; its code must not catch this."""


class _Raw(io.BytesIO):
    def stream(self, **_: object) -> Any:
        while block := self.read():
            yield block


class ScriptedGlue:
    """Job runs and sessions in memory, one run at a time, behind a real client."""

    def __init__(self, client: Any, clock: Callable[[], datetime]) -> None:
        self.runs: list[dict[str, Any]] = []
        self.sessions: dict[str, tuple[str, dict[str, str]]] = {}
        self.stopped: list[str] = []
        self.tables: dict[str, str] = {}
        self.refusals: dict[str, tuple[str, int]] = {}
        self._clock, self._lock = clock, threading.Lock()
        self.client = client
        self.client.meta.events.register("before-send.glue", self._send)

    @property
    def active(self) -> list[dict[str, Any]]:
        return [run for run in self.runs if run["JobRunState"] in _ACTIVE]

    def end(self, run: dict[str, Any], state: str) -> None:
        run.update(JobRunState=state, CompletedOn=self._clock().timestamp())

    def _send(self, request: Any, **_: object) -> AWSResponse:
        action = request.headers["X-Amz-Target"].decode().split(".")[1]
        with self._lock:
            if action in self.refusals:
                answer, status = self.refusals[action]
                body: dict[str, Any] = {"__type": answer, "message": "scripted"}
            else:
                status, body = getattr(self, f"_{xform_name(action)}")(json.loads(request.body))
        headers = {"content-type": "application/x-amz-json-1.1"}
        return AWSResponse(request.url, status, headers, _Raw(json.dumps(body).encode()))

    def _start_job_run(self, asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        if self.active:
            return 400, {"__type": "ConcurrentRunsExceededException", "message": "one at a time"}
        run = {
            "Id": f"jr_{len(self.runs)}",
            "JobName": asked["JobName"],
            "JobRunState": "RUNNING",
            "Arguments": asked.get("Arguments", {}),
            "StartedOn": self._clock().timestamp() + len(self.runs) / 1000,
        }
        self.runs.append(run)
        return 200, {"JobRunId": run["Id"]}

    def _get_job_runs(self, asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        start = int(asked.get("NextToken", 0))
        newest_first = self.runs[::-1]
        answer: dict[str, Any] = {"JobRuns": newest_first[start : start + 2]}
        return 200, answer | ({"NextToken": str(start + 2)} if self.runs[start + 2 :] else {})

    def _get_table(self, asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        if asked["Name"] not in self.tables:
            return 400, {"__type": "EntityNotFoundException", "message": "no such table"}
        parameters = {"metadata_location": self.tables[asked["Name"]]}
        return 200, {"Table": {"Name": asked["Name"], "Parameters": parameters}}

    def _list_sessions(self, asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        start = int(asked.get("NextToken", 0))
        found = [
            {"Id": name, "Status": status}
            for name, (status, tags) in self.sessions.items()
            if asked["Tags"].items() <= tags.items()
        ]
        page = found[start : start + 1]
        answer: dict[str, Any] = {"Sessions": page, "Ids": [one["Id"] for one in page]}
        return 200, answer | ({"NextToken": str(start + 1)} if found[start + 1 :] else {})

    def _stop_session(self, asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        status, tags = self.sessions[asked["Id"]]
        if status != "READY":
            return 400, {"__type": "IllegalSessionStateException", "message": f"is {status}"}
        self.sessions[asked["Id"]] = ("STOPPED", tags)
        self.stopped.append(asked["Id"])
        return 200, {"Id": asked["Id"]}


class Aws:
    """Creates clients of the emulator; loads each service's model only once, which is slow.

    Attributes
    ----------
    s3, sqs
        Clients that worlds share. They call in place of people, never of the Lambda.
    topic, queue : str
        A topic, and the queue that people read its messages from.
    """

    def __init__(self, emulator: Any) -> None:
        self.environment: dict[str, str] = emulator.environment
        self._session = boto3.session.Session(
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            region_name=self.environment["AWS_REGION"],
        )
        self._endpoint = emulator.endpoint
        self.s3, self.sqs, sns = (self.client(name) for name in ("s3", "sqs", "sns"))
        self.topic = sns.create_topic(Name="alarms")["TopicArn"]
        self.queue = self.sqs.create_queue(QueueName="alarms")["QueueUrl"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])
        arn = found["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn)

    def client(self, service: str) -> Any:
        return self._session.client(service, endpoint_url=self._endpoint)


@dataclass
class World:
    """Separate buckets, a topic without messages, and a clock that moves only on request."""

    aws: Aws
    versioned: bool = True
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(hour=10))
    log: list[dict[str, Any]] = field(default_factory=list)
    calls: int = 0
    secrets: Any = None
    die_after: int = 0

    def __post_init__(self) -> None:
        number = next(_NUMBERS)
        self.raw, self.lake = f"lambda-raw-{number}", f"lambda-lake-{number}"
        self.s3 = self.aws.s3
        for bucket in (self.raw, self.lake):
            self.s3.create_bucket(Bucket=bucket)
        if self.versioned:
            status = {"Status": "Enabled"}
            self.s3.put_bucket_versioning(Bucket=self.raw, VersioningConfiguration=status)
        self.glue = ScriptedGlue(self.aws.client("glue"), lambda: self.now)
        # All calls of the Lambda go through these two and Glue's client, so that it can die at any
        # of them.
        self.lambda_s3, self.lambda_sns = (self.aws.client(name) for name in ("s3", "sns"))
        for client in (self.lambda_s3, self.lambda_sns, self.glue.client):
            client.meta.events.register("after-call", self._count)
        self.messages()  # those of an earlier world
        self.settings = def_lambda.Settings(self.raw, f"s3://{self.lake}/lake", JOB, self.aws.topic)
        self._published: list[str] = []
        self.calls = 0

    def _count(self, **_: object) -> None:
        self.calls += 1
        if self.calls == self.die_after:
            raise KilledError

    def call(self, *, scheduled: bool = False, s3: Any = None) -> None:
        """Call the Lambda once."""
        def_lambda.Reconciler(
            self.settings,
            s3 or self.lambda_s3,
            self.glue.client,
            self.lambda_sns,
            lambda: self.now,
            lambda event, metric="", **facts: self.log.append(
                {"event": event, "metric": metric, **facts}
            ),
            self.secrets,
        ).reconcile(scheduled=scheduled)

    def upload(self, key: str, content: bytes = b"data") -> str:
        """Upload below `upload/`; return the version."""
        done = self.s3.put_object(Bucket=self.raw, Key=f"upload/{key}", Body=content)
        return str(done.get("VersionId", ""))

    def upload_delivery(self, folder: str = "", content: bytes = b"data") -> list[str]:
        return [self.upload(f"{folder}{name}", content) for name in FILES.values()]

    def keys(self) -> list[str]:
        """Return the keys below `claims/`."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.lake, Prefix="lake/claims/"
        )
        found = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return [key.removeprefix("lake/claims/") for key in found]

    def names(self, ending: str) -> list[str]:
        """Return the names of the files with this ending below `claims/`."""
        found = [key for key in self.keys() if key.endswith(f".{ending}") and key.count(".") == 1]
        return [key.removesuffix(f".{ending}") for key in found]

    def read(self, name: str) -> dict[str, Any]:
        body = self.s3.get_object(Bucket=self.lake, Key=f"lake/claims/{name}")["Body"].read()
        return dict(json.loads(body))

    def claims(self) -> list[dict[str, Any]]:
        return [self.read(f"{name}.json") for name in self.names("json")]

    def starts(self) -> Counter[str]:
        """Return how often the job was started, by claim."""
        root = f"s3://{self.lake}/lake/claims/"
        uris = [run["Arguments"]["--CLAIM"] for run in self.glue.runs]
        return Counter(uri.removeprefix(root).removesuffix(".json") for uri in uris)

    def order(self) -> list[str]:
        """Return the names of the claims that the job was started with, in that order."""
        return list(self.starts())

    def publish(self, *delivery_ids: str, log: bool = False) -> None:
        """Make exactly these deliveries published, on the table's main branch or in the log."""
        made = []
        for number, name in enumerate(delivery_ids, 1):
            record = publications.Publication(f"r{number}", name, str(number), number, "u", "", {})
            made.append(
                {
                    "snapshot-id": number,
                    "parent-snapshot-id": number - 1,
                    "summary": record.log_properties(),
                }
            )
        metadata = {
            "table-uuid": "u",
            "snapshots": made,
            "refs": {"main": {"snapshot-id": len(made)}},
        }
        table = publications.LOG if log else publications.TABLE
        key = f"lake/warehouse/{table}.metadata.json"
        self.s3.put_object(Bucket=self.lake, Key=key, Body=json.dumps(metadata))
        self.glue.tables[table] = f"s3://{self.lake}/{key}"

    def end_run(
        self, state: str = "SUCCEEDED", exit_code: int | None = 0, *, published: bool | None = None
    ) -> None:
        """End the active run as the job does: commit, outcome next to the claim, and state."""
        (run,) = self.glue.active
        if published or (published is None and exit_code == 0):
            name = run["Arguments"]["--CLAIM"].rpartition("/")[2].removesuffix(".json")
            self._published.append(name)
            self.publish(*self._published)
        if exit_code is not None:
            key = run["Arguments"]["--CLAIM"].removeprefix(f"s3://{self.lake}/")
            body = json.dumps({"exit_code": exit_code, "job_run_id": run["Id"]})
            key = key.removesuffix(".json") + ".outcome.json"
            self.s3.put_object(Bucket=self.lake, Key=key, Body=body)
        self.glue.end(run, state)

    def later(self, **time: float) -> None:
        self.now += timedelta(**time)

    def remove_claims(self, keep: str) -> None:
        """Delete everything below `claims/` except files with one ending, as a lifecycle may."""
        for key in self.keys():
            if not key.endswith(f".{keep}"):
                self.s3.delete_object(Bucket=self.lake, Key=f"lake/claims/{key}")

    def messages(self) -> list[dict[str, str]]:
        """Return the messages that people received since the last call."""
        found = []
        sqs, queue = self.aws.sqs, self.aws.queue
        while got := sqs.receive_message(QueueUrl=queue).get("Messages"):
            for one in got:
                found.append(json.loads(one["Body"]))
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=one["ReceiptHandle"])
        return found

    def metrics(self) -> Counter[str]:
        return Counter(line["metric"] for line in self.log if line["metric"])
