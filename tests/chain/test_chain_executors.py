"""The production job on sessions that are set up like AWS Glue's.

Driver and two executors run in an environment with only the packages that Glue 5.1 documents. They
have the library only because the job's arguments ship it. While the notebooks run, the tests run
statements of their own in the job's session: it has three JVMs, which take long to start.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from infra.local_chain import Claimed, LocalChain
from infra.show_chain import published_rows
from infra.terminal import TerminalListener
from rich.console import Console
from tests.oracle import compare
from tests.oracle.compare import Left
from tests.oracle.register import expect
from tests.support import commands
from tests.support.deployed import Deployed
from tests.support.policy import Permissions, document_allows, documented
from tests.support.quick_sam import quick_sam
from tests.support.recorder import Recorder, glue_calls

from client_health_cli.sample_data import write
from glue_local.settings import ACCOUNT
from register_run.storage import s3_parts
from strict_glue.session import Session
from strict_glue.settings import Limits

ROWS = 300
KEY = "5a" * 32
PATIENCE = 600.0
# Who runs the command, in the log of calls.
PERSON = "somebody"
# The setup of the first test runs the whole chain, beside four other workers in CI.
pytestmark = pytest.mark.timeout(1200)
WHERE = """
import os
def where(_):
    try:
        import client_health
        return os.getppid(), client_health.__file__
    except ModuleNotFoundError as error:
        return os.getppid(), str(error)
def everywhere():
    import time
    for _ in range(100):
        found = set(sc.parallelize(range(8), 8).map(where).collect())
        if len({row[0] for row in found}) > 1:
            break
        time.sleep(0.1)
    return sorted({row[1] for row in found})
print(where(0)[1])
print(*everywhere())
"""
# Uses the workers' own credentials, as boto3 finds them there.
IN_WORKERS = """
def copy(number):
    import boto3
    s3 = boto3.client("s3")
    key = {prefix!r} + f"/{{number}}"
    s3.put_object(Bucket={bucket!r}, Key=key, Body=str(number).encode())
    return int(s3.get_object(Bucket={bucket!r}, Key=key)["Body"].read())
print(sc.parallelize(range(4), 4).map(copy).collect())
"""


@dataclass
class Published:
    """The results of one delivery."""

    chain: LocalChain
    recorder: Recorder
    raw: Path
    claim: Claimed
    where: list[str]
    scratch: Path
    copied: list[str]
    maintained: commands.Done


@pytest.fixture(scope="module")
def published(
    tmp_path_factory: pytest.TempPathFactory, emulator_environment: None, glue_python: Path
) -> Iterator[Published]:
    folder = tmp_path_factory.mktemp("executors")
    raw = folder / "raw"
    write(raw, ROWS, 0)
    console = Console(file=(folder / "deploy.log").open("w"))
    arguments = ("--session-python", str(glue_python), "--driver-memory", "1g")
    arguments += ("--spark-conf", "spark.master=local-cluster[2,1,768]")
    with Recorder() as recorder:
        listener = TerminalListener(console, yes=True)
        chain = LocalChain(folder, listener, {}, recorder.endpoint, arguments)
        recorder.upstream = chain.emulator.endpoint
        with quick_sam(chain.client), chain, chain.id_key(KEY):
            chain.upload({path.name: path for path in raw.glob("dados_*")})
            session = of_the_job(chain)
            where = text(session, WHERE)
            scratch = Path(text(session, "print(sc.getConf().get('spark.local.dir'))")[0])
            bucket, prefix = s3_parts(f"{chain.lake}/staging/by-workers")
            copied = text(session, IN_WORKERS.format(bucket=bucket, prefix=prefix))
            (claim,) = chain.wait(1, PATIENCE)
            maintained = commands.call(
                *("maintain", "--lake", chain.lake, "--sessions", "aws", "--apply"),
                environment={
                    **os.environ,
                    **chain.service.client_environment(),
                    "AWS_SDK_UA_APP_ID": PERSON,
                },
                folder=folder,
            )
            yield Published(chain, recorder, raw, claim, where, scratch, copied, maintained)


def of_the_job(chain: LocalChain) -> Session:
    """Return the session of the job's run when it is ready."""
    glue, asked = chain.client("glue"), {"Tags": {"job": chain.outputs["JobName"]}}
    deadline = time.monotonic() + PATIENCE
    while not (found := glue.list_sessions(**asked)["Ids"]):
        assert time.monotonic() < deadline, "never: a session"
        time.sleep(0.25)
    session = Session(glue, found[0], Limits())
    session.wait_until_ready()
    return session


def text(session: Session, code: str) -> list[str]:
    statement: Any = session.run(code)
    assert statement["State"] == "AVAILABLE", statement["Output"]
    return str(statement["Output"]["Data"]["TextPlain"]).split("\n")


def test_a_delivery_is_published(published: Published) -> None:
    assert published.claim.end == "published"


def test_the_rows_are_those_that_the_contract_says(published: Published) -> None:
    sources = {path.suffix[1:]: path for path in published.raw.glob("dados_*")}
    as_of = date.fromisoformat(published.chain.claim(published.claim)["as_of"])
    with published.chain.at_the_chain():
        ours = published_rows(published.chain.lake)
    assert ours.num_rows > 2 * ROWS
    expected = expect(sources, KEY.encode(), as_of)
    assert list(compare.published(expected, Left(ours.to_pylist(), [], {}))) == []


def test_the_library_is_the_shipped_one_on_driver_and_executors(published: Published) -> None:
    driver, executors = published.where
    modules = published.scratch.parent / "modules"
    assert driver == executors == str(modules / "client_health" / "__init__.py")


def test_workers_read_and_write_the_lake_with_their_own_credentials(published: Published) -> None:
    assert published.copied == ["[0, 1, 2, 3]"]


def test_a_commands_session_has_library_and_role_of_the_jobs(published: Published) -> None:
    assert published.maintained.returncode == 0, published.maintained.stderr
    glue = published.chain.client("glue")
    sessions = glue.list_sessions()["Sessions"]
    (own,) = (one for one in sessions if one["Id"].startswith("client-health-maintain-"))
    job = glue.get_job(JobName=published.chain.outputs["JobName"])["Job"]["DefaultArguments"]
    assert own["Role"] == job["--SESSION_ROLE"]
    assert own["DefaultArguments"]["--additional-python-modules"] == job["--PYTHON_MODULES"]


def test_the_documented_policy_allows_what_such_a_command_asks_of_glue(
    published: Published, root: Path
) -> None:
    own = documented(root, REGION="us-east-1", ACCOUNT=ACCOUNT)
    calls = glue_calls(published.chain.folder / "glue-calls.jsonl", ACCOUNT, "us-east-1")
    made = {(call.action, call.resource) for call in calls if call.role == PERSON}
    assert {"glue:GetJob", "glue:CreateSession", "glue:GetStatement"} <= {one for one, _ in made}
    # What it calls only if something goes wrong, or what a call needs beside it.
    session = f"arn:aws:glue:us-east-1:{ACCOUNT}:session/client-health-maintain-x"
    made |= {(f"glue:{name}", session) for name in ("TagResource", "CancelStatement")}
    made |= {("glue:ListStatements", session)}
    assert [call for call in sorted(made) if not document_allows(own, *call)] == []


def test_nobody_asked_for_the_data_catalog_as_sparks_own(published: Published) -> None:
    glue = published.chain.emulator.client("glue")
    names = {found["Name"] for found in glue.get_databases()["DatabaseList"]}
    assert names == {"db_client_insurance", "db_client_insurance_raw"}


def test_the_sessions_role_may_do_all_that_driver_and_executors_call(published: Published) -> None:
    glue = glue_calls(published.chain.folder / "glue-calls.jsonl", ACCOUNT, "us-east-1")
    seen = glue | {c for c in published.recorder.calls if not c.action.startswith("glue:")}
    version = published.chain.artifacts_version
    permissions = Permissions(
        Deployed(account=ACCOUNT, region="us-east-1", parameters={"ArtifactsVersion": version})
    )
    calls = {(call.action, call.resource) for call in seen if call.role == "session"}
    assert len(calls) > 8
    assert [call for call in sorted(calls) if not permissions.allows("session", *call)] == []
