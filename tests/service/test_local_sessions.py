"""Sessions: states, arguments, limits, and ends."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.local_api import CREATE, Api, code_of, gone
from tests.support.wheels import wheel

from glue_local.launch import LocalService
from glue_local.spark.jars import spark_home

SHARED = {"purpose": "shared"}


def test_a_session_is_described_as_it_was_asked_for(api: Api, session: str) -> None:
    described = api.client.get_session(Id=session)["Session"]
    assert described["Status"] == "READY"
    assert described["GlueVersion"] == "5.1"
    assert described["Command"] == CREATE["Command"]
    assert described["Role"] == api.role
    assert described["IdleTimeout"] == 30
    assert (described["WorkerType"], described["NumberOfWorkers"]) == ("G.1X", 5)


def test_an_id_is_taken_once(api: Api, session: str) -> None:
    create = api.client.create_session
    assert code_of(create, Id=session, Role=api.role, **CREATE) == "AlreadyExistsException"


def test_sessions_are_listed_by_their_tags(api: Api, session: str) -> None:
    assert api.client.list_sessions(Tags=SHARED)["Ids"] == [session]
    assert api.client.list_sessions(Tags=SHARED)["Sessions"][0]["Status"] == "READY"
    assert api.client.list_sessions(Tags={"purpose": "another"})["Ids"] == []


def test_tags_are_added_read_and_removed(api: Api, session: str) -> None:
    arn = f"arn:aws:glue:us-east-1:123456789012:session/{session}"
    api.client.tag_resource(ResourceArn=arn, TagsToAdd={"run": "r 1"})
    assert api.client.get_tags(ResourceArn=arn)["Tags"] == {**SHARED, "run": "r 1"}
    taken = {"ResourceArn": arn, "TagsToAdd": {"aws:run": "r"}}
    assert code_of(api.client.tag_resource, **taken) == "InvalidInputException"
    api.client.untag_resource(ResourceArn=arn, TagsToRemove=["run"])
    assert api.client.get_tags(ResourceArn=arn)["Tags"] == SHARED


@pytest.mark.parametrize(
    ("action", "parameters"),
    [
        ("get_session", {"Id": "absent"}),
        ("stop_session", {"Id": "absent"}),
        ("delete_session", {"Id": "../../etc"}),
        ("run_statement", {"SessionId": "absent", "Code": "1"}),
        ("get_statement", {"SessionId": "absent", "Id": 0}),
        ("list_statements", {"SessionId": "absent"}),
        ("cancel_statement", {"SessionId": "absent", "Id": 0}),
        ("get_tags", {"ResourceArn": "arn:aws:glue:us-east-1:1:session/absent"}),
        ("get_tags", {"ResourceArn": "arn:aws:glue:us-east-1:1:job/absent"}),
    ],
)
def test_what_is_not_there_is_not_found(api: Api, action: str, parameters: dict[str, Any]) -> None:
    assert code_of(getattr(api.client, action), **parameters) == "EntityNotFoundException"


@pytest.mark.parametrize(
    ("changed", "code", "words"),
    [
        ({"Id": "x" * 256}, "ValidationException", "at most 255"),
        ({"Id": "new\nline"}, "ValidationException", "pattern"),
        ({"Role": "no-arn-but-long-enough"}, "ValidationException", "'role'"),
        ({"WorkerType": "G.3X"}, "ValidationException", "enum value set"),
        ({"IdleTimeout": 0}, "ValidationException", "IdleTimeout"),
        ({"IdleTimeout": "5"}, "ValidationException", "Invalid type"),
        ({"Command": None}, "ValidationException", "Missing required parameter"),
        ({"Surprise": 1}, "ValidationException", "Surprise"),
        ({"DefaultArguments": {"--conf": "a=" + "b" * 4096}}, "ValidationException", "4096"),
        ({"Tags": {f"t{i}": "" for i in range(51)}}, "ValidationException", "at most 50"),
        ({"DefaultArguments": {"--conf": "spark.a"}}, "InvalidInputException", "name=value"),
        ({"DefaultArguments": {"--datalake-formats": "papyrus"}}, "InvalidInputException", "iceb"),
        ({"Command": {"Name": "pythonshell"}}, "InvalidInputException", "glueetl"),
        ({"NumberOfWorkers": 1}, "InvalidInputException", "minimum is 2"),
        ({"MaxCapacity": 2.0, "NumberOfWorkers": 2}, "InvalidInputException", "not both"),
        ({"SessionType": "SPARK_CONNECT"}, "OperationNotSupportedException", "LIVY"),
        ({"Id": ""}, "ValidationException", "Id"),
        ({"Timeout": 0}, "ValidationException", "Timeout"),
        ({"DefaultArguments": {"--a b": "c"}}, "ValidationException", "pattern"),
        ({"DefaultArguments": {f"--a{i}": "" for i in range(76)}}, "ValidationException", "75"),
        ({"Tags": {"k" * 129: ""}}, "ValidationException", "at most 128"),
        ({"Tags": {"k": "v" * 257}}, "ValidationException", "at most 256"),
        ({"Tags": {"aws:owner": "me"}}, "InvalidInputException", "reserved for AWS"),
        ({"GlueVersion": "2.0"}, "InvalidInputException", "greater than 2.0"),
    ],
)
def test_a_wrong_request_is_refused_and_says_why(
    api: Api, changed: dict[str, Any], code: str, words: str
) -> None:
    before = api.client.list_sessions()["Ids"]
    status, answer = api.post(
        "CreateSession", {"Id": "refused", "Role": api.role, **CREATE, **changed}
    )
    assert (status, answer["__type"]) == (400, code)
    assert words in answer["Message"]
    assert api.client.list_sessions()["Ids"] == before


@pytest.fixture(scope="module")
def equipped(api: Api, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a session with all that a session may be created with; a test stops it."""
    tmp_path = tmp_path_factory.mktemp("equipped")
    (tmp_path / "plain_helper.py").write_text("def double(x):\n    return 2 * x\n")
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        archive.writestr("packed_helper.py", "NAME = 'packed'\n")
    local_only = wheel(tmp_path, "local_only", "NAME = 'installed'\n")
    jar = shutil.copy(next((spark_home() / "jars").glob("commons-text-*.jar")), tmp_path / "x.jar")
    with zipfile.ZipFile(jar, "a") as archive:
        archive.writestr("marker.txt", "from the extra jar")
    return api.ready(
        Tags={"purpose": "stopped"},
        Connections={"Connections": ["ignored"]},
        DefaultArguments={
            "--datalake-formats": "iceberg",
            "--conf": "spark.sql.extensions=org.apache.iceberg.spark.extensions."
            "IcebergSparkSessionExtensions --conf spark.client_health.lake=/tmp/ação =: 1"
            " --conf spark.sql.shuffle.partitions=3 --conf spark.driver.host=0.0.0.0",
            "--extra-py-files": f"{tmp_path}/plain_helper.py,{tmp_path}/packed.zip",
            "--additional-python-modules": str(local_only),
            "--extra-jars": str(jar),
        },
    )


def test_a_session_starts_with_everything_it_was_created_with(api: Api, equipped: str) -> None:
    session = equipped
    assert api.text(session, "spark.conf.get('spark.client_health.lake')") == "'/tmp/ação =: 1'"
    assert api.text(session, "spark.conf.get('spark.sql.shuffle.partitions')") == "'3'"
    assert api.text(session, "spark.conf.get('spark.driver.host')") == "'127.0.0.1'"
    worker = "import plain_helper\nsc.parallelize([1, 2]).map(plain_helper.double).sum()"
    assert api.text(session, worker) == "6"
    packed = (
        "def name(_):\n    import packed_helper\n    return packed_helper.NAME\n"
        "sc.parallelize([1]).map(name).collect()"
    )
    assert api.text(session, packed) == "['packed']"
    assert api.text(session, "import local_only\nlocal_only.NAME") == "'installed'"
    resource = "sc._jvm.java.lang.ClassLoader.getSystemResource('marker.txt') is not None"
    assert api.text(session, resource) == "True"
    api.text(
        session,
        "import tempfile\nfolder = tempfile.mkdtemp()\n"
        "spark.conf.set('spark.sql.catalog.lake', 'org.apache.iceberg.spark.SparkCatalog')\n"
        "spark.conf.set('spark.sql.catalog.lake.type', 'jdbc')\n"
        "spark.conf.set('spark.sql.catalog.lake.uri', f'jdbc:sqlite:{folder}/catalog.db')\n"
        "spark.conf.set('spark.sql.catalog.lake.warehouse', folder)\n"
        "spark.sql('create namespace lake.db')\n"
        "spark.sql('create table lake.db.t using iceberg as select 7 as seven')",
    )
    read = "spark.table('lake.db.t').first().seven\n"
    assert api.text(session, read) == "7"
    api.text(session, "import shutil\nshutil.rmtree(folder)")


def test_a_session_that_cannot_start_fails_with_its_cause(api: Api) -> None:
    for arguments, words in (
        ({"--conf": "spark.driver.memory=lots"}, "Invalid maximum heap size"),
        (
            {"--additional-python-modules": "/absent/module.whl"},
            "/absent/module.whl isn't a file here",
        ),
        ({"--extra-py-files": "/absent/helper.py"}, "/absent/helper.py isn't a file here"),
    ):
        session = api.create(DefaultArguments=arguments)
        described = api.wait(session)
        assert described["Status"] == "FAILED"
        assert words in described["ErrorMessage"]
        run = api.client.run_statement
        assert code_of(run, SessionId=session, Code="1") == "IllegalSessionStateException"
        api.client.delete_session(Id=session)


def test_a_session_that_provisions_takes_no_statement_and_says_what_it_used_once_it_stopped(
    api: Api,
) -> None:
    session = api.create(WorkerType="G.025X", NumberOfWorkers=4)
    assert "DPUSeconds" not in api.client.get_session(Id=session)["Session"]
    run = api.client.run_statement
    assert code_of(run, SessionId=session, Code="1") == "IllegalSessionStateException"
    assert code_of(api.client.delete_session, Id=session) == "IllegalSessionStateException"
    api.stop(session)
    ended = api.client.get_session(Id=session)["Session"]
    assert ended["Status"] == "STOPPED"
    # AWS's formula: the time times the capacity, here four quarters of a DPU.
    assert ended["DPUSeconds"] == ended["ExecutionTime"] > 0


def test_a_stopped_session_refuses_statements_and_leaves_no_process(
    api: Api, equipped: str
) -> None:
    session = equipped
    processes = api.processes(session)
    folder = Path(api.text(session, "print(sc.getConf().get('spark.local.dir'))")).parent
    assert folder.is_dir()
    running = api.client.run_statement(SessionId=session, Code="import time; time.sleep(600)")["Id"]
    waiting = api.client.run_statement(SessionId=session, Code="1")["Id"]
    api.stop(session)
    assert gone(processes, seconds=0)
    assert not folder.exists()
    for number in (running, waiting):
        assert api.result(session, number)["State"] == "CANCELLED"
    run = api.client.run_statement
    assert code_of(run, SessionId=session, Code="1") == "IllegalSessionStateException"
    assert code_of(api.client.stop_session, Id=session) == "IllegalSessionStateException"
    assert "CompletedOn" in api.client.get_session(Id=session)["Session"]
    api.client.delete_session(Id=session)
    assert code_of(api.client.get_session, Id=session) == "EntityNotFoundException"


def test_a_dying_driver_is_the_error_of_a_statement_that_fails_with_it(api: Api) -> None:
    session = api.ready()
    driver = next(p for p in api.processes(session) if p.name().startswith("java"))
    code = f"import os\nos.kill({driver.pid}, 9)\n1 / 0"
    number = api.client.run_statement(SessionId=session, Code=code)["Id"]
    statement = api.result(session, number)
    assert statement["State"] == "ERROR"
    assert "driver (JVM) was killed by SIGKILL" in statement["Output"]["ErrorValue"]
    assert api.client.get_session(Id=session)["Session"]["Status"] == "FAILED"


@pytest.mark.parametrize("victim", ["java", "python"])
def test_a_session_whose_process_dies_fails_and_says_so(api: Api, victim: str) -> None:
    session = api.ready()
    processes = api.processes(session)
    number = api.client.run_statement(SessionId=session, Code="import time; time.sleep(600)")["Id"]
    killed = next(p for p in processes if p.name().startswith(victim))
    killed.kill()
    statement = api.result(session, number)
    assert statement["State"] == "ERROR"
    described = api.wait(session, leaves="READY")
    assert described["Status"] == "FAILED"
    expected = "driver (JVM) was killed by SIGKILL" if victim == "java" else "killed by SIGKILL"
    assert expected in described["ErrorMessage"]
    assert statement["Output"]["ErrorValue"] == described["ErrorMessage"]
    assert gone(processes, seconds=0)


@pytest.fixture(scope="module")
def hasty() -> Iterator[Api]:
    """Yield a service for one session at a time, whose minutes last half a second."""
    arguments = ("--minute-seconds", "0.5", "--session-limit", "1")
    with LocalService(driver_memory="512m", arguments=arguments) as service:
        yield Api(service)


def test_sessions_are_limited_and_end_when_they_idle(hasty: Api) -> None:
    session = hasty.ready(IdleTimeout=2)
    create = hasty.client.create_session
    refused = code_of(create, Id="second", Role=hasty.role, **CREATE)
    assert refused == "ResourceNumberLimitExceededException"
    busy = "import time\ntime.sleep(1.5)\n'longer than the idle timeout'"
    assert "longer" in hasty.text(session, busy)
    described = hasty.wait(session, leaves="READY")
    assert described["Status"] == "TIMEOUT"
    run = hasty.client.run_statement
    assert code_of(run, SessionId=session, Code="1") == "InvalidInputException"


def test_a_session_lives_no_longer_than_its_timeout(hasty: Api) -> None:
    session = hasty.create(Timeout=1)
    described = hasty.wait(session)
    assert described["Status"] == "TIMEOUT"
    assert "Timeout" in described["ErrorMessage"]


def test_lists_come_in_pages(hasty: Api) -> None:
    before = hasty.client.list_sessions()["Ids"]
    session = hasty.create(DefaultArguments={"--extra-jars": "/absent.jar"})
    hasty.wait(session)
    pages = (
        list(hasty.client.get_paginator("list_sessions").paginate(MaxResults=1))
        if (hasty.client.can_paginate("list_sessions"))
        else []
    )
    token: dict[str, str] = {}
    found = []
    while True:
        page = hasty.client.list_sessions(MaxResults=1, **token)
        assert len(page["Ids"]) == 1
        found += page["Ids"]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert found == [*before, session]
    assert not pages or [page["Ids"] for page in pages] == [[name] for name in found]
    wrong = code_of(hasty.client.list_sessions, NextToken="%%%")
    assert wrong == "InvalidInputException"


def test_the_command_line_names_what_it_cannot_do() -> None:
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "glue_local", "--spark-conf", "novalue"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "key=value" in done.stderr
