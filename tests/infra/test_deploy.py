"""The deploy command against the emulator, with the real templates."""

from __future__ import annotations

import functools
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from infra.changes import Plan
from infra.deployment import Stopped, undeploy
from infra.emulator import UNSUPPORTED, emulator_settings
from infra.errors import RefusedError, SettingsError, StackFailedError
from infra.settings import Settings, read_parameters
from infra.stack import Stack
from infra.template import Skipped, deployable, load_template, render, without_marks
from tests.support.built import build_once
from tests.support.quick_sam import quick_sam

from glue_local.emulator import Emulator
from infra import deployment
from register_contract import contract, publications, tables

SETTINGS = emulator_settings()
OPTIMIZER = "AWS::Glue::TableOptimizer"
UPKEEP = "client-health-maintenance"
Deploy = Callable[[Callable[[str], Any], Settings, "Recorder"], dict[str, str]]
QUICKSIGHT = "client-health-quicksight"
GROUP = f"arn:aws:quicksight:us-east-1:{'1' * 12}:group/default/g"
SHOWING = replace(SETTINGS, parameters={"QuickSightPrincipalArn": GROUP})
EMPTIED = replace(SETTINGS, parameters={"QuickSightPrincipalArn": ""})
# Each test has its own region, so it doesn't see what another test has left.
REGIONS = itertools.cycle(
    f"{area}-{side}-{number}"
    for area in ("us", "eu", "ap", "sa", "ca", "me", "af")
    for side in ("east", "west", "north", "south")
    for number in (1, 2)
)


class Recorder:
    """Records what a person would see, and confirms or declines."""

    def __init__(self, *, agrees: bool = True) -> None:
        self.notes: list[str] = []
        self.plans: dict[str, Plan] = {}
        self.left_out: tuple[Skipped, ...] = ()
        self.lines: list[str] = []
        self.questions: list[str] = []
        self._agrees = agrees

    def note(self, text: str) -> None:
        self.notes.append(text)

    def planned(self, stack: str, plan: Plan) -> None:
        self.plans[stack] = plan

    def skipped(self, skipped: tuple[Skipped, ...]) -> None:
        self.left_out = skipped

    def output(self, line: str) -> None:
        self.lines.append(line)

    def agrees(self, question: str) -> bool:
        self.questions.append(question)
        return self._agrees


@pytest.fixture(scope="module")
def cloud(
    emulator_environment: None, sam_environment: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Emulator]:
    with Emulator(log=tmp_path_factory.mktemp("emulator") / "emulator.log") as emulator:
        yield emulator


# One for all regions: it keeps the descriptions of services, which are slow to read.
session_of = functools.cache(boto3.Session)


def clients_of(cloud: Emulator) -> Callable[[str], Any]:
    """Return the clients of an empty region."""
    session: Any = session_of(
        aws_access_key_id=cloud.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=cloud.environment["AWS_SECRET_ACCESS_KEY"],
    )
    return functools.cache(
        functools.partial(session.client, region_name=next(REGIONS), endpoint_url=cloud.endpoint)
    )


@pytest.fixture(scope="module")
def deploy(cloud: Emulator) -> Deploy:
    """Return the deployment of the chain through the real SAM CLI."""

    def deploy(
        clients: Callable[[str], Any], settings: Settings, listener: Recorder
    ) -> dict[str, str]:
        settings = replace(settings, environment=cloud.environment)
        # The stack for artifacts is small, and the SAM CLI takes seconds to start.
        with quick_sam(clients, real={settings.stack}):
            return deployment.deploy(clients, settings, listener, build_once)

    return deploy


def deploy_quickly(
    clients: Callable[[str], Any], settings: Settings, listener: Recorder
) -> dict[str, str]:
    """Deploy without the SAM CLI, which takes seconds to start."""
    with quick_sam(clients):
        return deployment.deploy(clients, settings, listener, build_once)


@pytest.fixture
def clients(cloud: Emulator) -> Callable[[str], Any]:
    return clients_of(cloud)


@dataclass(frozen=True)
class Chain:
    """A first deployment, and what it reported."""

    clients: Callable[[str], Any]
    outputs: dict[str, str]
    listener: Recorder


@pytest.fixture(scope="module")
def chain(cloud: Emulator, deploy: Deploy) -> Chain:
    """Return the chain for tests that only read it, or try something that must change nothing."""
    clients, listener = clients_of(cloud), Recorder()
    return Chain(clients, deploy(clients, SETTINGS, listener), listener)


def changed(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> Settings:
    """Return settings with a changed template."""
    template = load_template(SETTINGS.template.read_text())
    change(template["Resources"])
    path = tmp_path / "template.json"
    path.write_text(render(template))
    return replace(SETTINGS, template=path)


def status(clients: Callable[[str], Any], stack: str = "client-health") -> str:
    return str(
        clients("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
    )


def protected(clients: Callable[[str], Any], stack: str = "client-health") -> set[str]:
    """Return what the stack policy doesn't let an update replace or delete."""
    found = clients("cloudformation").get_stack_policy(StackName=stack)
    _, deny = json.loads(found["StackPolicyBody"])["Statement"]
    assert deny["Effect"] == "Deny"
    assert deny["Action"] == ["Update:Replace", "Update:Delete"]
    return {name.removeprefix("LogicalResourceId/") for name in deny["Resource"]}


def timeout(clients: Callable[[str], Any]) -> int:
    found = clients("lambda").get_function_configuration(FunctionName="def_lambda")
    return int(found["Timeout"])


def test_the_first_deployment_makes_the_chain_and_says_where_to_upload(
    chain: Chain,
) -> None:
    clients, outputs, listener = chain.clients, chain.outputs, chain.listener
    bucket, _, prefix = outputs["UploadTo"].removeprefix("s3://").partition("/")
    clients("s3").put_object(Bucket=bucket, Key=f"{prefix}a.txt", Body=b"a")
    job = clients("glue").get_job(JobName=outputs["JobName"])["Job"]
    assert job["Command"]["Name"] == "pythonshell"
    assert clients("lambda").get_function(FunctionName="def_lambda")
    assert {plan.creates for plan in listener.plans.values()} == {True}
    assert len(listener.questions) == 2
    assert any("CREATE_COMPLETE" in line and "Reconciler" in line for line in listener.lines)


def test_the_stack_policy_lets_no_update_lose_what_holds_data(chain: Chain) -> None:
    # The emulator keeps a policy and does not apply it, so the command's own refusal is tested too.
    data = {"RawBucket", "LakeBucket", "LogsBucket", "DataKey", "IdKey", "Database"}
    assert protected(chain.clients) >= data
    assert protected(chain.clients, "client-health-artifacts") == {"ArtifactsBucket"}


def test_the_template_arrives_as_it_was_given_except_for_a_note_of_the_sam_cli(
    chain: Chain,
) -> None:
    given = deployable(load_template(SETTINGS.template.read_text()), UNSUPPORTED).template
    stack = Stack(chain.clients("cloudformation"), "client-health")
    arrived = load_template(stack.template())
    assert without_marks(arrived) == given
    for name, resource in arrived["Resources"].items():
        # The SAM CLI reads the template, adds this, and writes it again.
        assert resource["Metadata"].pop("SamResourceId") == name
        if "Metadata" not in given["Resources"][name]:
            assert not resource.pop("Metadata")
    assert arrived == given


def test_a_second_deployment_finds_nothing_to_change(chain: Chain, deploy: Deploy) -> None:
    again = Recorder()
    assert deploy(chain.clients, SETTINGS, again) == chain.outputs
    assert not again.plans
    assert not again.questions
    assert "client-health: nothing to change" in again.notes
    assert any("0 of " in note for note in again.notes)
    cloudformation = chain.clients("cloudformation")
    left = cloudformation.list_change_sets(StackName="client-health")["Summaries"]
    assert not [made for made in left if made["Status"] == "FAILED"]


def test_what_the_job_and_the_function_run_is_in_the_artifacts_bucket(
    chain: Chain,
) -> None:
    clients, outputs = chain.clients, chain.outputs
    job = clients("glue").get_job(JobName=outputs["JobName"])["Job"]
    named = [job["Command"]["ScriptLocation"], job["DefaultArguments"]["--PYTHON_MODULES"]]
    named += [
        f"{job['DefaultArguments']['--NOTEBOOKS']}/{n}.ipynb" for n in ("01_ingest", "03_quality")
    ]
    named += job["DefaultArguments"]["--PACKAGES"].split(",")
    for uri in named:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        assert clients("s3").head_object(Bucket=bucket, Key=key)["ContentLength"] > 0


def test_the_copies_for_glue_studio_are_published_with_this_stacks_places(
    chain: Chain,
) -> None:
    clients, outputs = chain.clients, chain.outputs
    account = clients("sts").get_caller_identity()["Account"]
    region = clients("s3").meta.region_name
    key = f"{build_once().version}/studio/02_transform.ipynb"
    body = clients("s3").get_object(Bucket=f"cliente-data-artifacts-{account}-{region}", Key=key)
    first = "".join(json.loads(body["Body"].read())["cells"][0]["source"])
    assert f"%iam_role {outputs['SessionRoleArn']}" in first
    assert f"spark.client_health.lake={outputs['Lake']}" in first
    assert f" {outputs['SessionConf']} " in first


def test_every_resource_left_out_for_the_emulator_is_refused_by_it(
    clients: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without roles, the template has no grants.
    parameters = {
        "AnalystRoleArn": f"arn:aws:iam::{'1' * 12}:role/analysts",
        "ColumnAccess": "on",
        "MonthlyBudget": "1",
    }
    # Only the first publication creates it, and ColumnAccess asks for it.
    monkeypatch.setattr("infra.deployment._has_table", lambda *_: True)
    everything = replace(SETTINGS, unsupported={}, parameters=parameters)
    with pytest.raises(StackFailedError) as caught:
        deploy_quickly(clients, everything, Recorder())
    declared = load_template(SETTINGS.template.read_text())["Resources"].values()
    kinds = {resource["Type"] for resource in declared} & UNSUPPORTED.keys()
    assert [kind for kind in kinds if kind not in str(caught.value)] == []
    # Their stacks have tests of their own.
    left = UNSUPPORTED.keys() - kinds
    assert {kind for kind in left if not kind.startswith("AWS::QuickSight::")} == {OPTIMIZER}


def test_the_emulator_keeps_the_buckets_the_function_the_job_and_the_catalogue(
    chain: Chain,
) -> None:
    listener = chain.listener
    made = {change.name for change in listener.plans["client-health"].changes}
    assert made >= {"RawBucket", "LakeBucket", "Reconciler", "Job", "Crawler", "Database", "IdKey"}
    assert all(entry.reason for entry in listener.left_out)


def test_columns_are_not_tagged_before_the_table_exists(clients: Callable[[str], Any]) -> None:
    tagging = replace(SETTINGS, parameters={"ColumnAccess": "on"})
    with pytest.raises(RefusedError, match="does not exist yet: deploy with ColumnAccess=off"):
        deploy_quickly(clients, tagging, Recorder())
    assert not clients("cloudformation").describe_stacks()["Stacks"]


def test_who_says_no_changes_nothing(clients: Callable[[str], Any], cloud: Emulator) -> None:
    # The SAM CLI itself hears the no, which comes at the first stack.
    settings = replace(SETTINGS, environment=cloud.environment)
    with pytest.raises(Stopped):
        deployment.deploy(clients, settings, Recorder(agrees=False), build_once)
    stacks = clients("cloudformation").describe_stacks()["Stacks"]
    assert not stacks
    assert not [
        b
        for b in clients("s3").list_buckets()["Buckets"]
        if b["Name"].endswith(clients("s3").meta.region_name)
    ]


def test_a_change_that_removes_a_bucket_is_refused(
    clients: Callable[[str], Any], tmp_path: Path
) -> None:
    deploy_quickly(clients, SETTINGS, Recorder())
    without = changed(
        tmp_path,
        lambda r: [
            r.pop("LogsBucketPolicy"),
            r.pop("LogsBucket"),
            [
                b["Properties"].pop("LoggingConfiguration")
                for b in r.values()
                if "LoggingConfiguration" in b.get("Properties", {})
            ],
        ],
    )
    with pytest.raises(RefusedError, match=r"LogsBucket .*FORCE=LogsBucket"):
        deploy_quickly(clients, without, Recorder())
    assert status(clients) == "CREATE_COMPLETE"
    before, during = protected(clients), []

    class Watching(Recorder):
        def output(self, line: str) -> None:
            during.append(protected(clients))

    listener = Watching()
    deploy_quickly(clients, replace(without, allowed=frozenset({"LogsBucket"})), listener)
    assert before - {"LogsBucket"} in during
    assert ("Remove", "LogsBucket") in {
        (change.action, change.name) for change in listener.plans["client-health"].changes
    }


def test_a_change_that_replaces_data_by_something_empty_is_refused(
    chain: Chain, tmp_path: Path
) -> None:
    renamed = changed(
        tmp_path, lambda r: r["LakeBucket"]["Properties"].update(BucketName="another-lake-bucket")
    )
    with pytest.raises(RefusedError, match="LakeBucket"):
        deploy_quickly(chain.clients, renamed, Recorder())


def test_a_failed_creation_names_the_first_failed_resource_and_what_to_do(
    clients: Callable[[str], Any], deploy: Deploy
) -> None:
    s3 = clients("s3")
    account, region = clients("sts").get_caller_identity()["Account"], s3.meta.region_name
    taken = f"cliente-data-lake-{account}-{region}"
    place = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=taken, **({} if region == "us-east-1" else place))
    with pytest.raises(StackFailedError) as caught:
        deploy(clients, SETTINGS, Recorder())
    told = str(caught.value)
    assert "LakeBucket (AWS::S3::Bucket)" in told
    assert "something with that name already exists" in told
    assert status(clients) == "ROLLBACK_COMPLETE"

    s3.delete_bucket(Bucket=taken)
    listener = Recorder()
    assert deploy_quickly(clients, SETTINGS, listener)["Lake"] == f"s3://{taken}/lake"
    assert "client-health was never created: deleting what is left of it" in listener.notes


def test_a_failed_change_leaves_what_was_there(
    clients: Callable[[str], Any], tmp_path: Path
) -> None:
    deploy_quickly(clients, SETTINGS, Recorder())
    # A changed function is no loss, so it needs no permission.
    longer = changed(tmp_path, lambda r: r["Reconciler"]["Properties"].update(Timeout=77))
    listener = Recorder()
    deploy_quickly(clients, longer, listener)
    assert {change.action for change in listener.plans["client-health"].changes} == {"Modify"}
    assert timeout(clients) == 77

    broken = changed(
        tmp_path,
        lambda r: r["Reconciler"]["Properties"]["Code"].update(S3Key="no/such/function.zip"),
    )
    before = protected(clients)
    with pytest.raises(StackFailedError) as caught:
        deploy_quickly(clients, replace(broken, allowed=frozenset({"LakeBucket"})), Recorder())
    assert "first failed: Reconciler (AWS::Lambda::Function)" in str(caught.value)
    assert "the previous state is restored" in str(caught.value)
    assert status(clients) == "UPDATE_ROLLBACK_COMPLETE"
    assert protected(clients) == before
    assert timeout(clients) == 77


def test_undeploying_keeps_buckets_with_data_and_says_how_to_empty_them(
    clients: Callable[[str], Any],
) -> None:
    outputs = deploy_quickly(clients, SETTINGS, Recorder())
    bucket = outputs["UploadTo"].removeprefix("s3://").partition("/")[0]
    clients("s3").put_object(Bucket=bucket, Key="kept/a.txt", Body=b"a")
    listener = Recorder()
    undeploy(clients, SETTINGS, listener)
    assert clients("s3").get_object(Bucket=bucket, Key="kept/a.txt")["Body"].read() == b"a"
    assert any(bucket in note and "Empty" in note for note in listener.notes)
    again = Recorder()
    undeploy(clients, SETTINGS, again)
    assert again.notes == ["there is no stack client-health: nothing to remove"]


def test_undeploying_is_refused_where_data_would_go_with_the_stack(
    clients: Callable[[str], Any], tmp_path: Path
) -> None:
    careless = changed(tmp_path, lambda r: r["RawBucket"].pop("DeletionPolicy"))
    outputs = deploy_quickly(clients, careless, Recorder())
    bucket = outputs["UploadTo"].removeprefix("s3://").partition("/")[0]
    clients("s3").put_object(Bucket=bucket, Key="a.txt", Body=b"a")
    with pytest.raises(RefusedError, match="RawBucket"):
        undeploy(clients, careless, Recorder())
    assert status(clients) == "CREATE_COMPLETE"


def test_undeploying_asks_first(chain: Chain) -> None:
    with pytest.raises(Stopped):
        undeploy(chain.clients, SETTINGS, Recorder(agrees=False))
    assert status(chain.clients) == "CREATE_COMPLETE"


# Maintenance of the published table


def make_table(clients: Callable[[str], Any], table: str = publications.TABLE) -> None:
    """Create a table's catalog entry, as the first run does."""
    entry = {"Name": table, "Parameters": {"table_type": "ICEBERG"}}
    clients("glue").create_table(DatabaseName=contract.DATABASE, TableInput=entry)


def make_tables(clients: Callable[[str], Any]) -> None:
    """Create the entries of the published table and of those without persons."""
    for table in (publications.TABLE, *(one.name for one in tables.WITHOUT_PERSONS)):
        make_table(clients, table)


def stacks(clients: Callable[[str], Any]) -> list[str]:
    found = clients("cloudformation").describe_stacks()["Stacks"]
    return [stack["StackName"] for stack in found]


def test_before_the_first_publication_there_is_no_table_to_maintain(
    chain: Chain,
) -> None:
    assert UPKEEP not in stacks(chain.clients)
    (told,) = [note for note in chain.listener.notes if note.startswith(UPKEEP)]
    assert "run 'make deploy' again after the first publication" in told


def removed_at(clients: Callable[[str], Any], settings: Settings) -> dict[str, Any]:
    """Undeploy everything but the artifacts; return when each stack's deletion ended."""
    cloudformation, listener = clients("cloudformation"), Recorder()
    ids = {e["StackName"]: e["StackId"] for e in cloudformation.describe_stacks()["Stacks"]}
    undeploy(clients, settings, listener)
    assert len(listener.questions) == 1
    assert set(stacks(clients)) == {"client-health-artifacts"}
    # A deleted stack's events are still there, under its id, the newest first.
    events = {n: cloudformation.describe_stack_events(StackName=i) for n, i in ids.items()}
    return {name: found["StackEvents"][0]["Timestamp"] for name, found in events.items()}


def test_once_there_is_a_table_it_is_maintained_until_undeploying_which_removes_the_upkeep_first(
    clients: Callable[[str], Any],
) -> None:
    outputs = deploy_quickly(clients, SETTINGS, Recorder())
    make_table(clients)
    listener = Recorder()
    deploy_quickly(clients, SETTINGS, listener)
    assert set(listener.plans) == {UPKEEP}
    assert {entry.name for entry in listener.left_out} >= {"SnapshotRetention"}
    made = clients("cloudformation").describe_stacks(StackName=UPKEEP)["Stacks"][0]
    assert {p["ParameterKey"]: p["ParameterValue"] for p in made["Parameters"]}.items() >= {
        "LakeBucket": outputs["Lake"].removeprefix("s3://").partition("/")[0],
        "KeyArn": outputs["DataKeyArn"],
    }.items()
    again = Recorder()
    deploy_quickly(clients, SETTINGS, again)
    assert again.plans == {}
    assert f"{UPKEEP}: nothing to change" in again.notes

    ends = removed_at(clients, SETTINGS)
    assert ends[UPKEEP] < ends["client-health"]


def test_the_emulator_refuses_an_optimizer_and_the_command_says_so(
    clients: Callable[[str], Any],
) -> None:
    deploy_quickly(clients, SETTINGS, Recorder())
    make_table(clients)
    unsupported = {kind: why for kind, why in UNSUPPORTED.items() if kind != OPTIMIZER}
    with pytest.raises(StackFailedError, match=OPTIMIZER):
        deploy_quickly(clients, replace(SETTINGS, unsupported=unsupported), Recorder())
    assert status(clients) == "CREATE_COMPLETE"


# The dashboard in QuickSight


def test_the_dashboard_waits_for_the_tables_that_it_shows(clients: Callable[[str], Any]) -> None:
    listener = Recorder()
    deploy_quickly(clients, SHOWING, listener)
    make_table(clients)
    make_table(clients, tables.CLIENTOUTPUT_ANONIMA.name)
    deploy_quickly(clients, SHOWING, listener)
    assert QUICKSIGHT not in stacks(clients)
    told = [note for note in listener.notes if note.startswith(QUICKSIGHT)]
    for note, table in zip(told, tables.WITHOUT_PERSONS, strict=True):
        assert f"the table {contract.DATABASE}.{table.name} does not exist yet" in note
        assert "run this command again after the next publication" in note


def test_without_a_principal_there_is_no_dashboard(clients: Callable[[str], Any]) -> None:
    deploy_quickly(clients, SETTINGS, Recorder())
    make_tables(clients)
    for settings in (SETTINGS, EMPTIED):
        listener = Recorder()
        deploy_quickly(clients, settings, listener)
        assert QUICKSIGHT not in stacks(clients)
        assert not [note for note in listener.notes if QUICKSIGHT in note]


def test_the_dashboard_is_a_stack_that_keeps_whom_it_is_for_and_goes_without(
    clients: Callable[[str], Any],
) -> None:
    outputs = deploy_quickly(clients, SETTINGS, Recorder())
    make_tables(clients)
    listener = Recorder()
    shown = deploy_quickly(clients, SHOWING, listener)
    assert set(listener.plans) == {UPKEEP, QUICKSIGHT}
    assert shown["QuickSightUrl"].endswith("/dashboards/client-health")
    kinds = {entry.type for entry in listener.left_out}
    assert kinds >= {kind for kind in UNSUPPORTED if kind.startswith("AWS::QuickSight::")}
    again = Recorder()
    assert deploy_quickly(clients, SETTINGS, again) == shown
    assert again.plans == {}
    made = clients("cloudformation").describe_stacks(StackName=QUICKSIGHT)["Stacks"][0]
    assert {p["ParameterKey"]: p["ParameterValue"] for p in made["Parameters"]}.items() >= {
        "LakeBucket": outputs["Lake"].removeprefix("s3://").partition("/")[0],
        "KeyArn": outputs["DataKeyArn"],
        "DatabaseName": contract.DATABASE,
        "QuickSightPrincipalArn": GROUP,
    }.items()

    with pytest.raises(Stopped):
        deploy_quickly(clients, EMPTIED, Recorder(agrees=False))
    assert QUICKSIGHT in stacks(clients)
    gone = Recorder()
    assert deploy_quickly(clients, EMPTIED, gone) == outputs
    assert QUICKSIGHT not in stacks(clients)
    assert gone.questions == [f"Delete the stack {QUICKSIGHT}?"]


def test_what_quicksight_refuses_leaves_the_chain_and_undeploying_removes_the_dashboard_first(
    clients: Callable[[str], Any],
) -> None:
    deploy_quickly(clients, SHOWING, Recorder())
    make_tables(clients)
    kinds = {kind: why for kind, why in UNSUPPORTED.items() if "QuickSight" not in kind}
    with pytest.raises(StackFailedError, match="AWS::QuickSight::DataSource"):
        deploy_quickly(clients, replace(SHOWING, unsupported=kinds), Recorder())
    assert status(clients) == "CREATE_COMPLETE"
    assert UPKEEP in stacks(clients)
    # The next deployment deletes what is left of it.
    deploy_quickly(clients, SHOWING, Recorder())
    assert QUICKSIGHT in stacks(clients)

    ends = removed_at(clients, SHOWING)
    assert ends[QUICKSIGHT] < ends[UPKEEP] < ends["client-health"]


def test_an_upkeep_that_is_left_alone_can_be_removed(clients: Callable[[str], Any]) -> None:
    deploy_quickly(clients, SETTINGS, Recorder())
    make_table(clients)
    deploy_quickly(clients, SETTINGS, Recorder())
    clients("cloudformation").delete_stack(StackName="client-health")
    with pytest.raises(Stopped):
        undeploy(clients, SETTINGS, Recorder(agrees=False))
    undeploy(clients, SETTINGS, Recorder())
    assert set(stacks(clients)) == {"client-health-artifacts"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["undeploy", "--yes"], 0, "there is no stack client-health"),
        (["undeploy", "--stack", "No_Name"], 2, "can't name the stack"),
        (["deploy", "--parameter", "LateHour"], 2, "write Name=value"),
        (["deploy", "--parameter", "AlarmEmial=a@b.example"], 2, "Did you mean AlarmEmail?"),
    ],
)
def test_the_command_tells_how_it_ended(
    cloud: Emulator, root: Path, arguments: list[str], code: int, words: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.deploy", *arguments],
        env={**os.environ, **cloud.environment, "AWS_DEFAULT_REGION": "eu-central-1"},
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert words in done.stdout + done.stderr


def test_the_command_says_that_aws_can_t_be_reached(root: Path) -> None:
    nowhere = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "infra.deploy", "undeploy", "--yes"],
        env={**os.environ, **nowhere},
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert "can't be reached" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_stacks_name_fits_into_the_names_made_of_it() -> None:
    assert Settings(stack="client-health-2").artifacts_stack == "client-health-2-artifacts"
    with pytest.raises(SettingsError):
        Settings(stack="x" * 41)


def test_parameters_are_read_as_name_and_value() -> None:
    assert read_parameters(["AlarmEmail=a@b.example", "JobModules=a=b"]) == {
        "AlarmEmail": "a@b.example",
        "JobModules": "a=b",
    }
