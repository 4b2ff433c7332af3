"""Each check of a smoke run passes in a world that works, and fails in one that doesn't.

The world is a stand-in: what AWS answers there is written here. On the emulator, the checks run in
``tests/chain/test_smoke.py``.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from infra.chain import Claimed
from infra.settings import Settings
from infra.smoke import delivering, sessions
from infra.smoke.checks import NotAsExpectedError
from infra.smoke.order import CHECKS
from infra.smoke.trial import Pace, TooLateError, Trial
from tests.support.deployed import Deployed
from tests.support.policy import Permissions

from register_contract import runs

LAKE = "s3://lake/lake"
JOB = "smoke-job_client_health"
CPF = "52998224725"
COPY = b"cpf|nome\n"
# The fixture has a stand-in for it.
START = sessions._started


def denied(**_: Any) -> None:
    raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "Any")


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Any")


class Client:
    """Answers each call with what the world has for it: a value, or a function of its arguments."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.meta = SimpleNamespace(region_name="sa-east-1")

    def __getattr__(self, call: str) -> Callable[..., Any]:
        answer = self.answers[call]
        return answer if callable(answer) else lambda **_: answer

    def get_paginator(self, call: str) -> Any:
        return SimpleNamespace(paginate=lambda **given: [getattr(self, call)(**given)])


COSTS = "runs/r-1/costs"


class World:
    """A chain that works, and everything that the checks ask about it."""

    def __init__(self, folder: Path) -> None:
        self.changed: list[str] = []
        self.claims: list[Claimed] = []
        self.job_runs: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.sessions = {"s-1": "STOPPED"}
        self.on_upload: Callable[[str], None] = self.publish
        self.on_look: Callable[[], None] = lambda: None
        self.resources = {"ReaderPolicy": ("AWS::IAM::ManagedPolicy", "arn:policy")}
        self.optimizer: dict[str, Any] = {"enabled": True}
        self.crawl: dict[str, Any] = {"Status": "SUCCEEDED"}
        self.tables = ["deliveries_parquet", "deliveries_csv", "deliveries_json"]
        self.athena = ("SUCCEEDED", "851")
        self.groups = 4
        self.alarm = "OK"
        self.metrics = ["RunSucceeded", "RunPublished", "RowsPublished"]
        self.log = ["uploads_seen", "RunSucceeded", "delivery"]
        self.streams = ["s-1"]
        self.lost = "0"
        self.denies: Callable[..., Any] = denied
        self.runs_statement: Callable[..., Any] = denied
        self.tags_session: Callable[..., Any] = denied
        self.read_by_worker = COPY
        self.on_stop: Callable[[], None] = lambda: None
        self.written: Callable[[str], bytes] = str.encode
        self.trial = self._trial(folder)
        self.file(f"deliveries/csv/delivery_id=d1/{delivering._CSV}", COPY)

    def file(self, path: str, content: bytes) -> None:
        self.files[f"lake/{path}"] = content

    def publish(
        self, group: str, run_id: str = "r-1", states: tuple[str, ...] = ("SUCCEEDED",)
    ) -> None:
        uri = f"{LAKE}/claims/{group}/d1.json"
        self.claims.append(Claimed("d1", group, uri, "published"))
        self.runs_of(uri, states)
        self.file(f"claims/{group}/d1.outcome.json", json.dumps({"run_id": run_id}).encode())
        self.receipts(run_id)

    def runs_of(self, uri: str, states: tuple[str, ...]) -> None:
        for state in states:
            self.job_runs.insert(
                0,
                {
                    "Id": f"jr-{len(self.job_runs)}",
                    "JobRunState": state,
                    "Arguments": {"--CLAIM": uri},
                },
            )

    def receipts(self, run_id: str, *, read: int = 900, out: int = 851) -> None:
        for stage, counts in ((runs.STAGES[0], {"in": read}), (runs.STAGES[-1], {"out": out})):
            content = json.dumps({"rows": {"csv": counts}}).encode()
            self.file(runs.receipt_path(run_id, stage), content)

    def used(self, kind: str, name: str, *, seconds: float = 90.0, reported: bool = True) -> None:
        content = {"id": name, "kind": kind, "dpu_seconds": seconds, "reported": reported}
        self.file(f"{COSTS}/{name}.json", json.dumps(content).encode())

    def published(self) -> None:
        """Have the first delivery published, as the check ``publish`` does."""
        self.used("session", "s-1")
        self.used("job", "jr-0", reported=False)
        self.publish(delivering.FIRST)
        self.trial.runs[delivering.FIRST] = "r-1"

    def _trial(self, folder: Path) -> Trial:
        settings = Settings(prefix="smoke-")
        outputs = {
            "JobName": JOB,
            "FunctionName": "smoke-def_lambda",
            "Lake": LAKE,
            "IdKeyArn": "arn:secret",
            "SessionRoleArn": "arn:aws:iam::123456789012:role/session",
            "SessionConf": "a=b",
            "DatabaseName": "smoke_db",
            "AthenaWorkGroup": "smoke",
            "NotebookRoleArn": "arn:notebook",
            "DataKeyArn": "arn:key",
        }
        chain = SimpleNamespace(
            settings=settings,
            outputs=outputs,
            lake=LAKE,
            artifacts_version="v",
            client=self.client,
            deploy=lambda: self.trial.listener.changed.extend(self.changed),
            upload=lambda files: self.on_upload(next(iter(files)).partition("/")[0]),
            claims=lambda: list(self.claims),
            runs=lambda: list(self.job_runs),
            read=lambda uri: self.object(uri.partition("s3://lake/")[2]),
            reconcile=self.look,
        )
        marker = SimpleNamespace(
            create=lambda: None,
            complete=lambda *_: None,
            outputs=lambda: {"ReaderRoleArn": "reader", "NotebookRoleArn": "notebook"},
        )
        return Trial(
            chain,  # type: ignore[arg-type]
            SimpleNamespace(changed=[]),  # type: ignore[arg-type]
            marker,  # type: ignore[arg-type]
            folder,
            lambda text: None,
            lambda role: self.acting,
            Pace(poll=0.001, publish=0.05, soon=0.05),
            cpfs={CPF},
            sessions={"s-1"},
        )

    def object(self, key: str) -> bytes:
        if key not in self.files:
            raise refused("NoSuchKey")
        return self.files[key]

    def listed(self, **given: Any) -> dict[str, Any]:
        start = given["Prefix"]
        return {"Contents": [{"Key": key} for key in self.files if key.startswith(start)]}

    def answered(self, **given: Any) -> dict[str, Any]:
        """Return a heading, and one row of a count or one for each group."""
        row = {"Data": [{"VarCharValue": self.athena[1]}]}
        count = "count(*) FROM" in given["QueryExecutionId"]
        return {"ResultSet": {"Rows": [row] * (2 if count else 1 + self.groups)}}

    def look(self) -> None:
        self.on_look()

    def stop(self, **_: Any) -> dict[str, Any]:
        self.on_stop()
        return {"Errors": []}

    def client(self, service: str) -> Client:
        summaries = [
            {
                "LogicalResourceId": name,
                "ResourceType": kind,
                "PhysicalResourceId": physical,
                "ResourceStatus": "CREATE_COMPLETE",
            }
            for name, (kind, physical) in self.resources.items()
        ]
        answers: dict[str, dict[str, Any]] = {
            "cloudformation": {"list_stack_resources": {"StackResourceSummaries": summaries}},
            "sts": {"get_caller_identity": {"Account": "123456789012"}},
            "s3": {
                "list_objects_v2": self.listed,
                "get_object": lambda **given: {"Body": io.BytesIO(self.object(given["Key"]))},
            },
            "glue": {
                "get_table_optimizer": {"TableOptimizer": {"configuration": self.optimizer}},
                "get_crawler": {"Crawler": {"State": "READY", "LastCrawl": self.crawl}},
                "get_tables": {"TableList": [{"Name": name} for name in self.tables]},
                "list_sessions": lambda **_: {
                    "Sessions": [{"Id": i, "Status": s} for i, s in self.sessions.items()]
                },
                "batch_stop_job_run": self.stop,
                "get_job": {"Job": {"DefaultArguments": {"--PYTHON_MODULES": "zip"}}},
                "create_session": self.denies,
                "run_statement": self.runs_statement,
                "tag_resource": self.tags_session,
            },
            "athena": {
                "start_query_execution": lambda **given: {"QueryExecutionId": given["QueryString"]},
                "get_query_execution": {"QueryExecution": {"Status": {"State": self.athena[0]}}},
                "get_query_results": self.answered,
            },
            "cloudwatch": {
                "describe_alarms": {"MetricAlarms": [{"AlarmName": "a", "StateValue": self.alarm}]},
                "list_metrics": {"Metrics": [{"MetricName": name} for name in self.metrics]},
            },
            "logs": {
                "filter_log_events": {"events": [{"message": line} for line in self.log]},
                "describe_log_streams": {
                    "logStreams": [{"logStreamName": s} for s in self.streams]
                },
            },
            "sqs": {
                "get_queue_url": {"QueueUrl": "u"},
                "get_queue_attributes": {"Attributes": {"ApproximateNumberOfMessages": self.lost}},
            },
        }
        return Client(answers[service])

    def acting(self, service: str) -> Client:
        if service == "s3":
            return Client({"get_object": self.denies})
        if service == "secretsmanager":
            return Client({"get_secret_value": self.denies})
        return self.client(service)


class Worker:
    """Stands in for a session: its worker reads what the world says, and writes it to the lake."""

    def __init__(self, world: World) -> None:
        self.world = world

    def wait_until_ready(self) -> None:
        pass

    def stop(self) -> None:
        self.world.sessions["s-worker"] = "STOPPED"

    def run_own(self, code: str) -> str:
        digest = hashlib.sha256(self.world.read_by_worker).hexdigest()
        self.world.file("staging/smoke/copied", self.world.written(digest))
        return json.dumps(["1.0", digest, False])


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path)
    monkeypatch.setattr(sessions, "_started", lambda trial: Worker(world))
    monkeypatch.setattr(delivering, "write", write)
    return world


def write(folder: Path, rows: int, seed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, suffix in enumerate(("parquet", "csv", "json"), 1):
        (folder / f"dados_cadastro_{number}.{suffix}").write_text("cpf|nome\n1|x\n")


def prepared(world: World, name: str) -> World:
    """Bring the world to where a check begins."""
    if name not in {"deploy", "deploy-again", "publish"}:
        world.published()
    if name == "maintenance-stack":
        world.changed = ["smoke-client-health-maintenance"]
    if name == "second-upload":
        world.on_upload = lambda group: None
    if name == "kill":
        world.on_upload = lambda group: started(world, group)
        world.on_stop = lambda: again(world, "SUCCEEDED")
    return world


def started(world: World, group: str, *, session: str = "s-2") -> None:
    uri = f"{LAKE}/claims/{group}/d2.json"
    world.claims.append(Claimed("d2", group, uri, ""))
    world.runs_of(uri, ("RUNNING",))
    world.file(runs.notebook_path("r-2", "02_transform"), b"{}")
    if session:
        world.sessions[session] = "READY"


def again(world: World, end: str, *, left: bool = False, name: str = "published") -> None:
    """Have the run stopped, and started again."""
    claim = world.claims.pop()
    world.job_runs[0] = {**world.job_runs[0], "JobRunState": "STOPPED"}
    if end:
        world.runs_of(claim.uri, (end,))
    world.sessions["s-2"] = "READY" if left else "STOPPED"
    world.claims.append(Claimed("d2", claim.group, claim.uri, name))
    world.file(f"claims/{claim.group}/d2.outcome.json", json.dumps({"run_id": "r-2"}).encode())


def added(world: World, group: str) -> None:
    world.claims.append(Claimed("d9", group, f"{LAKE}/claims/{group}/d9.json", ""))


def put(**values: Any) -> Callable[[World], None]:
    """Return a change of the world's attributes."""
    return lambda world: world.__dict__.update(values)


def allowed(**_: Any) -> dict[str, Any]:
    return {}


def gone(**_: Any) -> None:
    raise refused("NoSuchKey")


def unpublished(world: World, end: str, outcome: dict[str, Any]) -> None:
    def upload(group: str) -> None:
        uri = f"{LAKE}/claims/{group}/d1.json"
        world.claims.append(Claimed("d1", group, uri, end))
        if outcome:
            world.file(f"claims/{group}/d1.outcome.json", json.dumps(outcome).encode())

    world.on_upload = upload


def counted(world: World, **counts: int) -> None:
    def upload(group: str) -> None:
        world.publish(group)
        world.receipts("r-1", **counts)

    world.on_upload = upload


# What goes wrong in each check, and what it says then.
WRONG: dict[str, dict[str, Callable[[World], None]]] = {
    "deploy": {"ReaderPolicy": put(resources={})},
    "deploy-again": {"would change smoke-client-health,": put(changed=["smoke-client-health"])},
    "publish": {
        "is stopped, expected published: a gate": lambda world: unpublished(
            world, "stopped", {"message": "a gate"}
        ),
        "left no outcome": lambda world: unpublished(world, "failed", {}),
        "to end: not within": put(on_upload=lambda group: None),
        "read 899 rows, 900 were uploaded": lambda world: counted(world, read=899),
        "600 of 900 rows": lambda world: counted(world, out=600),
    },
    "second-upload": {
        "2 claims after the upload": lambda world: put(
            on_look=lambda: added(world, delivering.FIRST)
        )(world),
        "2 runs of the job": lambda world: put(
            on_look=lambda: world.runs_of(world.claims[0].uri, ("RUNNING",))
        )(world),
    },
    "maintenance-stack": {
        "changed [], expected": put(changed=[]),
        "alone": put(changed=["smoke-client-health", "smoke-client-health-maintenance"]),
    },
    "optimizers": {"retention is not enabled": put(optimizer={"enabled": False})},
    "alarms": {"all alarms to be OK": put(alarm="ALARM")},
    "reader-query": {
        "expected the receipt's 851": put(athena=("SUCCEEDED", "850")),
        "the query is FAILED": put(athena=("FAILED", "851")),
        "has 1 rows": put(groups=1),
    },
    "reader-denied": {"AWS allows it": put(denies=allowed), "NoSuchKey": put(denies=gone)},
    "crawler": {
        "the crawl is FAILED": put(crawl={"Status": "FAILED"}),
        "made ['deliveries_csv']": put(tables=["deliveries_csv"]),
        "to end: not within": put(crawl={}),
    },
    "kill": {
        "the stopped run's session still lives: ['s-2']": lambda world: put(
            on_stop=lambda: again(world, "SUCCEEDED", left=True)
        )(world),
        "runs are ['STOPPED', 'FAILED']": lambda world: put(on_stop=lambda: again(world, "FAILED"))(
            world
        ),
        "runs are ['STOPPED']": lambda world: put(on_stop=lambda: again(world, ""))(world),
        "is failed, expected published": lambda world: put(
            on_stop=lambda: again(world, "FAILED", name="failed")
        )(world),
        "had no session": lambda world: put(
            on_upload=lambda group: started(world, group, session="")
        )(world),
        "to end: not within": put(on_stop=lambda: None),
        "02_transform of the second run: not within": lambda world: put(
            on_upload=lambda group: added(world, group)
        )(world),
    },
    "session-worker": {
        "read other bytes": put(read_by_worker=b"other"),
        "not what the worker wrote": put(written=lambda digest: b""),
    },
    "notebook-role": {
        "a session without the notebooks' tag: AWS allows it": put(denies=allowed),
        "lists no session of the job": put(sessions={}),
        "a statement in the job's session: AWS allows it": put(runs_statement=allowed),
        "the notebooks' tag on the job's session: AWS allows it": put(tags_session=allowed),
    },
    "reconciler-log": {
        "'uploads_seen' in": put(log=[]),
        "has a CPF": put(log=["uploads_seen", CPF]),
    },
    "job-logs": {
        "'RunSucceeded' in": put(log=["delivery"]),
        "'delivery' in": put(log=["RunSucceeded"]),
        "has a CPF": put(log=["RunSucceeded", "delivery", CPF]),
    },
    "session-logs": {
        "no session has a log": put(streams=[]),
        "has a CPF": put(log=[CPF]),
    },
    "metrics": {"RunSucceeded in smoke-ClientHealth": put(metrics=["RunPublished"])},
    "run-cost": {
        "costs of session and job": lambda world: world.files.pop(f"lake/{COSTS}/jr-0.json"),
        "no DPUSeconds for s-1": lambda world: world.used("session", "s-1", reported=False),
        "used 0 DPU-seconds": lambda world: world.used("session", "s-1", seconds=0.0),
    },
    "lost-events": {"2 events": put(lost="2")},
}


def test_the_notebooks_session_is_one_that_the_notebooks_role_may_use(world: World) -> None:
    asked: list[dict[str, Any]] = []

    def created(**given: Any) -> dict[str, Any]:
        asked.append(given)
        return {"Session": {"Id": given["Id"], "Status": "PROVISIONING"}}

    world.denies = created
    START(world.trial)
    (given,) = asked
    assert given["Id"] in world.trial.sessions
    # The removal finds sessions that an interrupted run left by their ids.
    assert given["Id"].startswith(world.trial.names.own)
    role = Permissions(Deployed(parameters={"Prefix": "smoke-"}))
    session = f"arn:aws:glue:sa-east-1:123456789012:session/{given['Id']}"
    tags = {"request_tags": given["Tags"], "resource_tags": given["Tags"]}
    for action in ("glue:CreateSession", "glue:TagResource", "glue:RunStatement"):
        assert role.allows("NotebookRole", action, session, **tags)
        assert not role.allows("NotebookRole", action, session)


def test_what_can_go_wrong_is_known_for_each_check() -> None:
    assert list(WRONG) == [check.id for check in CHECKS]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_check_passes_where_everything_works(check: Any, world: World) -> None:
    assert check.run(prepared(world, check.id).trial)


@pytest.mark.parametrize(
    ("name", "words"), [(name, words) for name, cases in WRONG.items() for words in cases]
)
def test_a_check_fails_where_something_does_not(name: str, words: str, world: World) -> None:
    check = next(check for check in CHECKS if check.id == name)
    WRONG[name][words](prepared(world, name))
    with pytest.raises((NotAsExpectedError, TooLateError, KeyError)) as caught:
        check.run(world.trial)
    assert words in str(caught.value)
    assert CPF not in str(caught.value)
