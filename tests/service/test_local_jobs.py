"""Job runs as real processes, jobs in a real emulator, and calls that are forwarded to it."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError
from tests.support.local_api import Api, code_of, gone, listening
from tests.support.wheels import wheel, zip_of_wheels

from glue_local.emulator import Emulator, EmulatorError, free_port
from glue_local.errors import ServiceStartError
from glue_local.launch import LocalService
from glue_local.sessions.arguments import SessionArguments
from glue_local.sessions.provision import provision
from glue_local.settings import ServiceSettings
from glue_local.spark import driver

BUCKET = "job-files"
ENDED = {"SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT"}
ROLE = "arn:aws:iam::000000000000:role/job"
REPORT = """
import json, os, sys
print(json.dumps({"argv": sys.argv[1:], "environment": dict(os.environ), "cwd": os.getcwd()}))
"""
# Writes an object when it is running, and exits cleanly on SIGTERM.
POLITE = """
import signal, sys, time, boto3
def leave(*_):
    boto3.client("s3").put_object(Bucket="job-files", Key=sys.argv[2] + ".left")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
boto3.client("s3").put_object(Bucket="job-files", Key=sys.argv[2])
time.sleep(600)
"""
STUBBORN = """
import os, signal, subprocess, sys, time, boto3
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                         start_new_session=True)
body = f"{os.getpid()} {child.pid} {os.getcwd()}"
boto3.client("s3").put_object(Bucket="job-files", Key=sys.argv[2], Body=body)
time.sleep(600)
"""


class Jobs:
    """A service, its emulator, and what the tests do with both."""

    def __init__(self, emulator: Emulator, service: LocalService, logs: Path) -> None:
        self.emulator = emulator
        self.api = Api(service)
        self.glue = self.api.client
        self.s3 = emulator.client("s3")
        self.logs = logs

    def job(self, script: str, **job: Any) -> str:
        """Upload a script and create a job for it; return the job's name."""
        name = f"job-{uuid.uuid4()}"
        self.s3.put_object(Bucket=BUCKET, Key=f"{name}.py", Body=script.encode())
        command = {"Name": "pythonshell", "ScriptLocation": f"s3://{BUCKET}/{name}.py"}
        self.glue.create_job(
            Name=name, Role=ROLE, Command=command | {"PythonVersion": "3.9"}, **job
        )
        return name

    def start(self, job: str, **arguments: str) -> str:
        given = {f"--{name}": value for name, value in arguments.items()}
        more = {"Arguments": given} if given else {}
        return str(self.glue.start_job_run(JobName=job, **more)["JobRunId"])

    def run(self, job: str, run: str) -> dict[str, Any]:
        return dict(self.glue.get_job_run(JobName=job, RunId=run)["JobRun"])

    def end(self, job: str, run: str) -> dict[str, Any]:
        """Wait until a run ends."""
        while (found := self.run(job, run))["JobRunState"] not in ENDED:
            time.sleep(0.1)
        return found

    def ran(self, script: str, **job: Any) -> dict[str, Any]:
        name = self.job(script, **job)
        return self.end(name, self.start(name))

    def said(self, run: dict[str, Any], stream: str = "output") -> str:
        return (self.logs / f"{run['Id']}.{stream}.log").read_text()

    def body(self, key: str) -> str:
        """Wait for an object that a script writes, and return its body."""
        while key not in self.objects():
            time.sleep(0.1)
        return str(self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode())

    def objects(self) -> set[str]:
        listed = self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {item["Key"] for item in listed}

    def up(self, script: str, **job: Any) -> tuple[str, str, str]:
        """Start a run and wait until its script runs; return job, run, and the script's message."""
        name = self.job(script, **job)
        key = f"up-{uuid.uuid4()}"
        run = self.start(name, KEY=key)
        return name, run, self.body(key)


@pytest.fixture(scope="module")
def emulator(emulator_environment: None) -> Iterator[Emulator]:
    with Emulator() as emulator:
        emulator.client("s3").create_bucket(Bucket=BUCKET)
        yield emulator


@pytest.fixture(scope="module")
def jobs(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    logs = tmp_path_factory.mktemp("logs")
    foreign = {"AWS_PROFILE": "elsewhere", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"}
    outer = {**os.environ, **foreign}
    with LocalService(
        upstream=emulator.environment,
        job_log_folder=logs,
        environment=outer,
        arguments=["--minute-seconds", "1"],
    ) as service:
        yield Jobs(emulator, service, logs)


# Properties of a run


def test_a_run_gets_its_jobs_arguments_and_its_own_over_them(jobs: Jobs) -> None:
    name = jobs.job(REPORT, DefaultArguments={"--LAKE": "s3://a/lake", "--MODE": "usual"})
    run = jobs.start(name, MODE="other", TEXT="a b; $HOME")
    ended = jobs.end(name, run)
    assert ended["JobRunState"] == "SUCCEEDED"
    argv = json.loads(jobs.said(ended))["argv"]
    given = ["--LAKE", "s3://a/lake", "--MODE", "other", "--TEXT", "a b; $HOME"]
    assert argv == [*given, "--scriptLocation", f"s3://{BUCKET}/{name}.py"]
    assert ended["Arguments"] == {"--MODE": "other", "--TEXT": "a b; $HOME"}


def test_a_run_finds_this_service_and_the_upstream_in_its_environment(jobs: Jobs) -> None:
    environment = json.loads(jobs.said(jobs.ran(REPORT)))["environment"]
    assert environment["AWS_ENDPOINT_URL_GLUE"] == jobs.api.service.endpoint
    assert environment["AWS_ENDPOINT_URL"] == jobs.emulator.endpoint
    assert environment["AWS_ACCESS_KEY_ID"] == jobs.api.service.environment["AWS_ACCESS_KEY_ID"]
    assert not environment.keys() & {"AWS_PROFILE", "AWS_ENDPOINT_URL_S3"}


def test_a_client_finds_glue_here_and_all_else_at_the_upstream(jobs: Jobs) -> None:
    service = jobs.api.service
    outer = {"PATH": "/bin", "AWS_PROFILE": "x", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"}
    assert service.client_environment(outer) == {"PATH": "/bin", **service.environment}
    assert service.environment["AWS_ENDPOINT_URL"] == jobs.emulator.endpoint
    assert service.environment["AWS_ENDPOINT_URL_GLUE"] == service.endpoint


def test_a_run_described_holds_what_the_api_says(jobs: Jobs) -> None:
    run = jobs.ran("print('done')", Timeout=7)
    assert run["Id"].startswith("jr_")
    assert len(run["Id"]) == 67
    assert run["Timeout"] == 7
    assert run["StartedOn"] <= run["CompletedOn"]
    assert "ErrorMessage" not in run
    assert "Arguments" not in run


def test_a_wheel_of_extra_py_files_is_imported(jobs: Jobs) -> None:
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("brought_along.py", "ANSWER = 42")
    jobs.s3.put_object(Bucket=BUCKET, Key="brought-1-py3-none-any.whl", Body=wheel.getvalue())
    run = jobs.ran(
        "import brought_along; print(brought_along.ANSWER)",
        DefaultArguments={"--extra-py-files": f"s3://{BUCKET}/brought-1-py3-none-any.whl"},
    )
    assert (run["JobRunState"], jobs.said(run)) == ("SUCCEEDED", "42\n")


def test_another_exit_code_than_0_fails_the_run_and_is_named(jobs: Jobs) -> None:
    run = jobs.ran("import sys; sys.exit(3)")
    assert (run["JobRunState"], run["ErrorMessage"]) == (
        "FAILED",
        "Command failed with exit code 3",
    )


def test_an_exception_fails_the_run_and_its_traceback_is_in_the_log(jobs: Jobs) -> None:
    run = jobs.ran("raise ValueError('broken register')")
    assert run["JobRunState"] == "FAILED"
    assert "broken register" in jobs.said(run, "error")
    assert "broken register" not in run["ErrorMessage"]


def test_a_killed_script_fails_the_run(jobs: Jobs) -> None:
    run = jobs.ran("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert run["ErrorMessage"] == "Command failed with exit code 137"


def test_a_script_that_is_not_there_fails_the_run_and_is_named(jobs: Jobs) -> None:
    name = jobs.job("")
    jobs.s3.delete_object(Bucket=BUCKET, Key=f"{name}.py")
    run = jobs.end(name, jobs.start(name))
    assert run["JobRunState"] == "FAILED"
    assert f"{name}.py" in run["ErrorMessage"]


# Limits and ends


def test_one_run_at_a_time_unless_the_job_says_more(jobs: Jobs) -> None:
    name, run, _ = jobs.up(POLITE)
    assert code_of(jobs.glue.start_job_run, JobName=name) == "ConcurrentRunsExceededException"
    jobs.glue.batch_stop_job_run(JobName=name, JobRunIds=[run])
    jobs.end(name, run)
    again = jobs.start(name, KEY=f"up-{uuid.uuid4()}")
    jobs.glue.batch_stop_job_run(JobName=name, JobRunIds=[again])
    assert jobs.end(name, again)["JobRunState"] == "STOPPED"


def test_a_stopped_runs_script_ends_in_good_order(jobs: Jobs) -> None:
    name, run, _ = jobs.up(POLITE)
    answer = jobs.glue.batch_stop_job_run(JobName=name, JobRunIds=[run])
    assert answer["SuccessfulSubmissions"] == [{"JobName": name, "JobRunId": run}]
    assert jobs.run(name, run)["JobRunState"] in ("STOPPING", "STOPPED")
    assert jobs.end(name, run)["JobRunState"] == "STOPPED"
    assert [key for key in jobs.objects() if key.endswith(".left")]


def test_what_can_not_be_stopped_is_listed_with_its_reason(jobs: Jobs) -> None:
    name = jobs.job("")
    run = jobs.start(name)
    jobs.end(name, run)
    answer = jobs.glue.batch_stop_job_run(JobName=name, JobRunIds=[run, "jr_none"])
    assert answer["SuccessfulSubmissions"] == []
    assert [error["ErrorDetail"]["ErrorCode"] for error in answer["Errors"]] == [
        "JobRunInTerminalStateException",
        "EntityNotFoundException",
    ]


def test_a_run_that_outlasts_its_timeout_is_ended(jobs: Jobs) -> None:
    # A minute lasts one second here.
    run = jobs.ran("import time; time.sleep(600)", Timeout=1)
    assert run["JobRunState"] == "TIMEOUT"
    assert "1 minutes" in run["ErrorMessage"]


def test_a_stubborn_script_is_killed_with_what_it_started(emulator: Emulator) -> None:
    with LocalService(upstream=emulator.environment, arguments=["--job-stop-seconds", "1"]) as own:
        jobs = Jobs(emulator, own, Path())
        name, run, said = jobs.up(STUBBORN)
        processes = [psutil.Process(int(pid)) for pid in said.split()[:2]]
        jobs.glue.batch_stop_job_run(JobName=name, JobRunIds=[run])
        assert jobs.end(name, run)["JobRunState"] == "STOPPED"
        assert gone(processes, seconds=0)
        assert not Path(said.split()[2]).exists()


def test_a_killed_service_takes_its_job_runs_with_it(emulator: Emulator) -> None:
    service = LocalService(upstream=emulator.environment).start()
    _, _, said = Jobs(emulator, service, Path()).up(STUBBORN)
    processes = [psutil.Process(int(pid)) for pid in said.split()[:2]]
    assert service.pid is not None
    os.kill(service.pid, signal.SIGKILL)
    service.stop()
    assert gone(processes)
    assert not Path(said.split()[2]).exists()


def test_stopping_the_service_stops_its_runs_in_good_order(emulator: Emulator) -> None:
    with LocalService(upstream=emulator.environment) as service:
        jobs = Jobs(emulator, service, Path())
        name = jobs.job(POLITE)
        key = f"up-{uuid.uuid4()}"
        jobs.start(name, KEY=key)
        jobs.body(key)
    assert f"{key}.left" in jobs.objects()


# Finding runs


def test_runs_are_listed_newest_first_in_pages(jobs: Jobs) -> None:
    name = jobs.job("")
    started = []
    for _ in range(3):
        started.append(jobs.start(name))
        jobs.end(name, started[-1])
    first = jobs.glue.get_job_runs(JobName=name, MaxResults=2)
    second = jobs.glue.get_job_runs(JobName=name, MaxResults=2, NextToken=first["NextToken"])
    assert [run["Id"] for run in [*first["JobRuns"], *second["JobRuns"]]] == started[::-1]
    assert "NextToken" not in second


def test_unknown_jobs_and_runs_are_refused_by_name(jobs: Jobs) -> None:
    name = jobs.job("")
    for call, parameters in (
        (jobs.glue.start_job_run, {"JobName": "none"}),
        (jobs.glue.get_job_runs, {"JobName": "none"}),
        (jobs.glue.get_job_run, {"JobName": "none", "RunId": "jr_none"}),
        (jobs.glue.get_job_run, {"JobName": name, "RunId": "jr_none"}),
    ):
        assert code_of(call, **parameters) == "EntityNotFoundException"
    assert jobs.glue.get_job_runs(JobName=name)["JobRuns"] == []


@pytest.mark.parametrize("asked", [{"Timeout": 10_080}, {"MaxCapacity": 0.5}])
def test_what_a_run_may_not_have_is_refused(jobs: Jobs, asked: dict[str, Any]) -> None:
    name = jobs.job("")
    call = jobs.glue.start_job_run
    assert code_of(call, JobName=name, **asked) == "InvalidInputException"
    assert jobs.glue.get_job_runs(JobName=name)["JobRuns"] == []


def test_a_job_of_spark_is_refused(jobs: Jobs) -> None:
    command = {"Name": "glueetl", "ScriptLocation": f"s3://{BUCKET}/x.py"}
    name = f"job-{uuid.uuid4()}"
    jobs.glue.create_job(Name=name, Role=ROLE, Command=command)
    assert code_of(jobs.glue.start_job_run, JobName=name) == "InvalidInputException"


# Events


def test_a_runs_end_reaches_the_function_that_waits_for_it(jobs: Jobs) -> None:
    bucket = "heard"
    jobs.s3.create_bucket(Bucket=bucket)
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr(
            "heard.py",
            "import json, boto3\n"
            "def handler(event, context):\n"
            "    boto3.client('s3').put_object(Bucket='heard', Key=event['detail']['jobRunId'],\n"
            "        Body=json.dumps(event))\n",
        )
    function = jobs.emulator.client("lambda").create_function(
        FunctionName="heard",
        Runtime="python3.13",
        Role=ROLE,
        Handler="heard.handler",
        Code={"ZipFile": code.getvalue()},
    )["FunctionArn"]
    name = jobs.job("import sys; sys.exit(4)")
    pattern = {"source": ["aws.glue"], "detail-type": ["Glue Job State Change"]}
    events = jobs.emulator.client("events")
    for rule, job in (("ours", name), ("others", "another")):
        wanted = pattern | {"detail": {"jobName": [job], "state": ["FAILED"]}}
        events.put_rule(Name=rule, EventPattern=json.dumps(wanted))
        events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": function}])
    run = jobs.end(name, jobs.start(name))
    while not (listed := jobs.s3.list_objects_v2(Bucket=bucket).get("Contents")):
        time.sleep(0.05)
    assert [item["Key"] for item in listed] == [run["Id"]]
    event = json.loads(jobs.s3.get_object(Bucket=bucket, Key=run["Id"])["Body"].read())
    assert event["source"] == "aws.glue"
    assert event["detail"] == {
        "jobName": name,
        "severity": "ERROR",
        "state": "FAILED",
        "jobRunId": run["Id"],
        "message": "Command failed with exit code 4",
    }


# Sessions with S3 and Glue of the emulator

CATALOG = {
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    "spark.sql.catalog.glue_catalog": "org.apache.iceberg.spark.SparkCatalog",
    "spark.sql.catalog.glue_catalog.catalog-impl": "org.apache.iceberg.aws.glue.GlueCatalog",
    "spark.sql.catalog.glue_catalog.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
    "spark.sql.catalog.glue_catalog.warehouse": f"s3://{BUCKET}/lake/warehouse",
}


REGION = "spark.hadoop.fs.s3a.endpoint.region"
CONF = {**CATALOG, REGION: "us-east-1"}


def started_with(folder: Path, settings: ServiceSettings, conf: str = "") -> dict[str, Any]:
    """Return the settings that a session's process would start with."""
    folder.mkdir()
    arguments = SessionArguments.read({"--conf": conf})
    provision(arguments, settings, folder, Event())
    return dict(json.loads((folder / driver.SETTINGS_FILE).read_text()))


def test_only_a_service_with_an_s3_endpoint_gives_sessions_what_reads_s3(tmp_path: Path) -> None:
    without = started_with(tmp_path / "without", ServiceSettings())
    assert without["class_path"] == []
    assert not [name for name in without["conf"] if "s3" in name]
    settings = ServiceSettings(s3_endpoint="http://127.0.0.1:2")
    own = started_with(tmp_path / "with", settings, f"{REGION}=us-east-1")
    assert [Path(jar).name.partition("-")[0] for jar in own["class_path"]] == [
        *("hadoop", "aws", "iceberg"),
    ]
    assert own["conf"]["spark.hadoop.fs.s3a.endpoint"] == "http://127.0.0.1:2"


def test_a_sessions_own_settings_win_over_those_of_s3(tmp_path: Path) -> None:
    settings = ServiceSettings(s3_endpoint="http://127.0.0.1:1")
    own = started_with(
        tmp_path / "own", settings, "spark.hadoop.fs.s3a.directory.marker.retention=delete"
    )
    assert own["conf"]["spark.hadoop.fs.s3a.directory.marker.retention"] == "delete"


def test_a_service_may_apply_only_the_first_of_several_settings() -> None:
    arguments = {"--conf": "spark.a=1 --conf spark.b=2"}
    assert SessionArguments.read(arguments).conf == {"spark.a": "1", "spark.b": "2"}
    assert SessionArguments.read(arguments, first_conf_only=True).conf == {"spark.a": "1"}


@pytest.fixture(scope="module")
def lake_session(
    emulator: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Api, str]]:
    """Yield a session with Iceberg and a zip of wheels from S3."""
    brought = zip_of_wheels(wheel(tmp_path_factory.mktemp("wheels"), "from_s3", "ANSWER = 43"))
    key = "from_s3-1.gluewheels.zip"
    emulator.client("s3").put_object(Bucket=BUCKET, Key=key, Body=brought)
    with LocalService(upstream=emulator.environment, driver_memory="1g") as service:
        api = Api(service)
        arguments = {
            "--datalake-formats": "iceberg",
            "--enable-glue-datacatalog": "false",
            "--conf": " --conf ".join(f"{name}={value}" for name, value in CONF.items()),
            "--additional-python-modules": f"s3://{BUCKET}/{key}",
            "--python-modules-installer-option": "--no-index",
        }
        yield api, api.ready(DefaultArguments=arguments)


def test_a_session_writes_and_reads_s3_by_both_names(lake_session: tuple[Api, str]) -> None:
    api, session = lake_session
    code = f"""
spark.range(9).selectExpr("id", "concat('ç ', id % 3) as part").write.partitionBy(
    "part").parquet("s3://{BUCKET}/lake/a b")
print([spark.read.parquet(f"{{scheme}}://{BUCKET}/lake/a b").where("part = 'ç 1'").count()
       for scheme in ("s3", "s3a")])
"""
    assert api.text(session, code) == "[3, 3]"


def test_a_session_makes_the_database_default_and_looks_for_s3_elsewhere_as_on_aws(
    lake_session: tuple[Api, str], emulator: Emulator
) -> None:
    api, _ = lake_session
    glue = emulator.client("glue")
    assert "default" not in {found["Name"] for found in glue.get_databases()["DatabaseList"]}
    # This one uses the data catalog, and names no region.
    session = api.ready(DefaultArguments={"--enable-glue-datacatalog": "true"})
    try:
        assert "default" in {found["Name"] for found in glue.get_databases()["DatabaseList"]}
        code = f"spark.range(9).write.parquet('s3://{BUCKET}/lake/elsewhere')"
        output = api.run(session, code)["Output"]
        assert "Connection refused" in output["ErrorValue"]
        region = (
            f"print(sc._jsc.hadoopConfiguration().get({REGION.removeprefix('spark.hadoop.')!r}))"
        )
        assert api.text(session, region) == "us-east-2"
    finally:
        api.stop(session)
        glue.delete_database(Name="default")


def test_a_session_commits_to_the_catalog_of_the_upstream(
    lake_session: tuple[Api, str], emulator: Emulator
) -> None:
    api, session = lake_session
    code = """
spark.sql("create database glue_catalog.db_lake")
spark.sql("create table glue_catalog.db_lake.t (id bigint) using iceberg")
spark.sql("insert into glue_catalog.db_lake.t values (1), (2)")
spark.sql("alter table glue_catalog.db_lake.t create branch audit")
spark.sql("insert into glue_catalog.db_lake.t.branch_audit values (3)")
before = spark.table("glue_catalog.db_lake.t").count()
spark.sql("call glue_catalog.system.fast_forward('db_lake.t', 'main', 'audit')")
print(before, spark.table("glue_catalog.db_lake.t").count())
"""
    assert api.text(session, code) == "2 3"
    table = emulator.client("glue").get_table(DatabaseName="db_lake", Name="t")["Table"]
    assert table["Parameters"]["table_type"] == "ICEBERG"
    assert table["Parameters"]["metadata_location"].startswith(f"s3://{BUCKET}/lake/warehouse/")


def test_a_sessions_code_finds_the_upstream_this_service_and_wheels_from_s3(
    lake_session: tuple[Api, str], emulator: Emulator
) -> None:
    api, session = lake_session
    code = (
        "import boto3, from_s3\n"
        "endpoints = [boto3.client(name).meta.endpoint_url for name in ('s3', 'glue')]\n"
        "print(*endpoints, from_s3.ANSWER)"
    )
    expected = f"{emulator.endpoint} {api.service.endpoint} 43"
    assert api.text(session, code) == expected


# Forwarding


def test_what_is_not_here_is_done_by_the_upstream(jobs: Jobs) -> None:
    jobs.glue.create_database(DatabaseInput={"Name": "db_forwarded"})
    found = jobs.emulator.client("glue").get_database(Name="db_forwarded")
    assert found["Database"]["Name"] == "db_forwarded"


def test_the_upstreams_refusals_pass_unchanged(jobs: Jobs) -> None:
    status, answer = jobs.api.post("GetTable", {"DatabaseName": "none", "Name": "t"})
    assert (status, answer["__type"]) == (400, "EntityNotFoundException")
    with pytest.raises(ClientError) as refused:
        jobs.emulator.client("glue").get_table(DatabaseName="none", Name="t")
    assert refused.value.response["Error"]["Message"] == answer["message"]


def test_an_unknown_action_is_refused_here(jobs: Jobs) -> None:
    status, answer = jobs.api.post("MakeCoffee", {})
    assert (status, answer["__type"]) == (400, "UnknownOperationException")


def test_unsigned_requests_are_not_forwarded(jobs: Jobs) -> None:
    status, answer = jobs.api.post("GetDatabases", {}, then=lambda sent: sent.pop("Authorization"))
    assert (status, answer["__type"]) == (403, "MissingAuthenticationTokenException")


def test_tags_of_jobs_are_the_upstreams_and_of_sessions_ours(jobs: Jobs) -> None:
    name = jobs.job("")
    arn = f"arn:aws:glue:us-east-1:000000000000:job/{name}"
    jobs.glue.tag_resource(ResourceArn=arn, TagsToAdd={"purpose": "test"})
    assert jobs.glue.get_tags(ResourceArn=arn)["Tags"] == {"purpose": "test"}
    ours = "arn:aws:glue:us-east-1:000000000000:session/none"
    assert code_of(jobs.glue.get_tags, ResourceArn=ours) == "EntityNotFoundException"


def test_a_function_of_the_emulator_is_let_in_here(root: Path) -> None:
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr(
            "ask.py",
            "import boto3\n"
            "def handler(event, context):\n"
            "    glue = boto3.client('glue')\n"
            "    return [glue.meta.endpoint_url, glue.list_sessions(Tags={'a': 'b'})['Ids']]\n",
        )
    with (
        Emulator(service_endpoint=endpoint) as emulator,
        LocalService(port=port, upstream=emulator.environment),
    ):
        functions = emulator.client("lambda")
        functions.create_function(
            FunctionName="ask",
            Runtime="python3.13",
            Role=ROLE,
            Handler="ask.handler",
            Code={"ZipFile": code.getvalue()},
        )
        answer = functions.invoke(FunctionName="ask")["Payload"].read()
    assert json.loads(answer) == [endpoint, []]


def test_the_emulator_listens_on_loopback_and_ends_when_its_parent_is_killed() -> None:
    code = (
        "import sys\n"
        "from glue_local.emulator import Emulator\n"
        "print(Emulator().start().pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    keeper = psutil.Process(int(parent.stdout.readline()))
    processes = [keeper, *keeper.children(recursive=True)]
    folder = Path(keeper.environ()["TMPDIR"])
    assert set(listening(processes)) == {"127.0.0.1"}
    parent.kill()
    parent.communicate()
    assert gone(processes)
    assert not folder.exists()


def test_an_upstream_that_does_not_answer_is_named_and_keeps_nobody_else_waiting(
    emulator: Emulator,
) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
    upstream = {**emulator.environment, "AWS_ENDPOINT_URL": endpoint}
    with LocalService(upstream=upstream) as service, ThreadPoolExecutor() as threads:
        api = Api(service)
        waiting = threads.submit(api.post, "GetDatabases", {})
        connection, _ = silent.accept()
        assert api.client.list_sessions()["Ids"] == []
        assert not waiting.done()
        connection.close()
        assert waiting.result()[0] == 500
        silent.close()
        status, answer = api.post("GetDatabases", {})
    assert (status, answer["__type"]) == (500, "InternalServiceException")
    assert endpoint in answer["Message"]


def test_without_an_upstream_there_are_no_job_runs(local_service: LocalService) -> None:
    status, answer = Api(local_service).post("StartJobRun", {"JobName": "any"})
    assert (status, answer["__type"]) == (400, "OperationNotSupportedException")


def test_aws_itself_is_no_upstream(emulator: Emulator) -> None:
    aws = {**emulator.environment, "AWS_ENDPOINT_URL": "https://glue.us-east-1.amazonaws.com"}
    with pytest.raises(ServiceStartError, match="must be an emulator"):
        LocalService(upstream=aws).start()


def test_an_emulator_without_environment_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(EmulatorError, match="make e2e"):
        Emulator(python=tmp_path / "python").start()
