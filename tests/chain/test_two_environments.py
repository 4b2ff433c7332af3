"""Two environments side by side on one account: each publishes its own delivery at the same time.

One has the specification's names, and creates all that it needs. The other begins all names with
``dev-``, and uses what a company already has: its buckets, key, database, and rules for roles.
Their files are uploaded in turn, so that both reconcilers, jobs, and sessions work at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from infra.chain import Chain, Claimed
from infra.local_chain import LocalChain
from infra.show_chain import published_rows
from infra.terminal import TerminalListener
from rich.console import Console
from tests.oracle import compare
from tests.oracle.compare import Left
from tests.oracle.register import expect
from tests.support.quick_sam import quick_sam

from client_health_cli.databases import VARIABLE
from client_health_cli.sample_data import write
from register_run.storage import s3_parts

PATIENCE = 600.0
DEV = "dev-"
PREFIXES = ("", DEV)
OTHER = {"": DEV, DEV: ""}
# Different sizes, so that a mix-up also shows in the counts.
ROWS = {"": 60, DEV: 90}
KEYS = {"": "5a" * 32, DEV: "6b" * 32}
LIVE = {"PROVISIONING", "READY"}
# What the company has.
UPLOADS, LAKE, DATABASE, FOLDER = "their-uploads", "their-lake", "their_database", "register/in/"
BOUNDARY = "arn:aws:iam::000000000000:policy/limits"
# The setup of the first test runs both chains, beside four other workers in CI.
pytestmark = pytest.mark.timeout(1200)


@dataclass
class Both:
    """Both chains by their prefixes, what was uploaded to each, and its claims at the end."""

    local: LocalChain
    chains: Mapping[str, Chain]
    raws: Mapping[str, Path]
    claims: Mapping[str, list[Claimed]]

    def rows(self, prefix: str, patch: pytest.MonkeyPatch) -> Any:
        chain = self.chains[prefix]
        with self.local.at_the_chain():
            patch.setenv(VARIABLE, chain.outputs["DatabaseName"])
            return published_rows(chain.lake)


def what_the_company_has(local: LocalChain) -> dict[str, str]:
    """Create what a company gives to a stack, and return the parameters that name it."""
    s3 = local.client("s3")
    for bucket in (UPLOADS, LAKE):
        s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=UPLOADS, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(
        Bucket=UPLOADS, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    local.client("glue").create_database(DatabaseInput={"Name": DATABASE})
    local.client("glue").create_connection(
        ConnectionInput={
            "Name": "network",
            "ConnectionType": "NETWORK",
            "ConnectionProperties": {},
        }
    )
    return {
        **{"RawBucketName": UPLOADS, "UploadPrefix": FOLDER, "LakeBucketName": LAKE},
        **{"DatabaseName": DATABASE},
        "KeyArn": local.client("kms").create_key()["KeyMetadata"]["Arn"],
        **{"PermissionsBoundary": BOUNDARY, "RolePath": "/data/"},
        "SessionTags": "CostCenter=1,Owner=data team",
        # The local service takes a session's connection, and puts nothing into a network.
        "ConnectionName": "network",
    }


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, emulator_environment: None) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("two")
    raws = {prefix: folder / f"raw-{prefix}" for prefix in PREFIXES}
    for seed, (prefix, raw) in enumerate(raws.items()):
        write(raw, ROWS[prefix], seed)
    console = Console(file=(folder / "deploy.log").open("w"))
    # The names of databases come to sessions in a chain of settings.
    unkind = ("--first-conf-only",)
    listener = TerminalListener(console, yes=True)
    local = LocalChain(folder, listener, service_arguments=unkind, in_shell=False)
    with quick_sam(local.client), local:
        chains = {"": local, DEV: local.beside(DEV, what_the_company_has(local))}
        with local.id_key(KEYS[""]), chains[DEV].id_key(KEYS[DEV]):
            files = {prefix: sorted(raw.glob("dados_*")) for prefix, raw in raws.items()}
            for pair in zip(*files.values(), strict=True):
                for prefix, path in zip(files, pair, strict=True):
                    chains[prefix].upload({path.name: path})
            claims = {prefix: chain.wait(1, PATIENCE) for prefix, chain in chains.items()}
            yield Both(local, chains, raws, claims)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_each_table_has_only_the_rows_of_its_own_delivery(
    both: Both, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (claim,) = both.claims[prefix]
    as_of = date.fromisoformat(both.chains[prefix].claim(claim)["as_of"])
    sources = {path.suffix[1:]: path for path in both.raws[prefix].glob("dados_*")}
    ours = both.rows(prefix, monkeypatch)
    assert ours.num_rows > 2 * ROWS[prefix]
    expected = expect(sources, KEYS[prefix].encode(), as_of)
    assert list(compare.published(expected, Left(ours.to_pylist(), [], {}))) == []


@pytest.mark.parametrize("prefix", PREFIXES)
def test_each_lake_has_only_the_claim_of_its_own_delivery(both: Both, prefix: str) -> None:
    (claim,) = both.claims[prefix]
    assert claim.end == "published"
    chain, other = both.chains[prefix], both.claims[OTHER[prefix]][0]
    assert claim.delivery_id != other.delivery_id
    assert {item["bucket"] for item in chain.claim(claim)["objects"]} == {
        s3_parts(chain.outputs["UploadTo"])[0]
    }
    assert s3_parts(claim.uri)[0] != s3_parts(other.uri)[0]
    kept = chain.client("s3").list_objects_v2(Bucket=s3_parts(chain.lake)[0])["Contents"]
    assert any(claim.delivery_id in item["Key"] for item in kept)
    assert not any(other.delivery_id in item["Key"] for item in kept)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_each_job_has_only_its_own_run_and_session(both: Both, prefix: str) -> None:
    chain, (claim,) = both.chains[prefix], both.claims[prefix]
    assert chain.outputs["JobName"] == f"{prefix}job_client_health"
    (run,) = chain.runs()
    assert run["JobName"] == chain.outputs["JobName"]
    assert run["Arguments"]["--CLAIM"] == claim.uri
    ask = {"Tags": {"job": chain.outputs["JobName"]}}
    (session,) = chain.client("glue").list_sessions(**ask)["Sessions"]
    assert session["Id"].startswith(f"{prefix}client-health-")
    described = chain.client("glue").get_session(Id=session["Id"])["Session"]
    assert described["Role"] == chain.outputs["SessionRoleArn"]


def test_names_of_the_two_differ_in_every_output(both: Both) -> None:
    shared = {
        name: value
        for name, value in both.chains[""].outputs.items()
        if both.chains[DEV].outputs[name] == value
    }
    # The region is the same.
    assert set(shared) == {"SessionConf"}


def test_a_reconciler_stops_its_own_sessions_and_not_the_others(both: Both) -> None:
    chain, other = both.chains[DEV], both.chains[""]
    glue = chain.client("glue")
    session = f"{DEV}client-health-left"
    glue.create_session(
        Id=session,
        Role=chain.outputs["SessionRoleArn"],
        Command={"Name": "glueetl", "PythonVersion": "3"},
        Tags={"job": chain.outputs["JobName"]},
    )
    other.reconcile()
    assert glue.get_session(Id=session)["Session"]["Status"] in LIVE
    chain.reconcile()
    assert glue.get_session(Id=session)["Session"]["Status"] not in LIVE


@pytest.mark.parametrize("prefix", PREFIXES)
def test_metrics_of_each_are_in_its_own_namespace(both: Both, prefix: str) -> None:
    chain = both.chains[prefix]
    job = chain.outputs["JobName"]
    (run,) = chain.runs()
    texts = [(both.local.folder / "jobs" / f"{run['Id']}.output.log").read_text()]
    logs = chain.client("logs")
    for page in logs.get_paginator("filter_log_events").paginate(
        logGroupName=f"/aws/lambda/{chain.outputs['FunctionName']}"
    ):
        texts += [event["message"] for event in page["events"]]
    lines = [line for text in texts for line in text.splitlines() if '"_aws"' in line]
    found = [json.loads(line[line.index("{") :]) for line in lines]
    spaces = {one["Namespace"] for line in found for one in line["_aws"]["CloudWatchMetrics"]}
    assert spaces == {f"{prefix}ClientHealth"}
    assert {line["Job"] for line in found if "Job" in line} == {job}
    # The job's line and the reconciler's.
    assert any("RunSucceeded" in line for line in found)
    assert any("RunPublished" in line for line in found)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_each_crawler_knows_only_its_own_copies(both: Both, prefix: str) -> None:
    chain = both.chains[prefix]
    crawler = chain.client("glue").get_crawler(Name=f"{prefix}crawler_clients")["Crawler"]
    places = [target["Path"] for target in crawler["Targets"]["S3Targets"]]
    assert places
    assert all(place.startswith(f"{chain.lake}/deliveries/") for place in places)


# What a stack does with what it is given


def resources(chain: Chain) -> dict[str, tuple[str, str]]:
    found = chain.client("cloudformation").describe_stack_resources(StackName=chain.settings.stack)
    return {
        one["LogicalResourceId"]: (one["ResourceType"], one["PhysicalResourceId"])
        for one in found["StackResources"]
    }


def test_an_upload_to_their_bucket_is_published_from_their_lake(both: Both) -> None:
    chain = both.chains[DEV]
    assert chain.outputs["UploadTo"] == f"s3://{UPLOADS}/{FOLDER}"
    assert chain.outputs["Lake"] == f"s3://{LAKE}/lake"
    assert [claim.end for claim in both.claims[DEV]] == ["published"]
    table = chain.client("glue").get_table(DatabaseName=DATABASE, Name="clientoutput")["Table"]
    place = table["Parameters"]["metadata_location"]
    assert place.startswith(f"s3://{LAKE}/lake/warehouse/{DATABASE}.db/clientoutput/")


def test_eventbridge_alone_called_the_function(both: Both) -> None:
    chain = both.chains[DEV]
    group = f"/aws/lambda/{chain.outputs['FunctionName']}"
    events = chain.client("logs").filter_log_events(logGroupName=group)["events"]
    kinds = {
        json.loads(one["message"][one["message"].index("{") :]).get("kind")
        for one in events
        if '"called"' in one["message"]
    }
    assert "Object Created" in kinds
    assert "s3" not in kinds


def test_the_stack_makes_none_of_what_it_is_given(both: Both) -> None:
    chain = both.chains[DEV]
    made = resources(chain)
    given = {
        "RawBucket",
        "LakeBucket",
        "RawBucketPolicy",
        "LakeBucketPolicy",
        "Database",
        "DataKey",
    }
    assert not made.keys() & given
    assert resources(both.chains[""]).keys() >= given
    assert {"LogsBucket", "UploadEvents", "UploadEventsMayCallReconciler"} <= made.keys()
    # Its owner's settings are as they were.
    s3 = chain.client("s3")
    found = s3.get_bucket_notification_configuration(Bucket=UPLOADS)
    assert "LambdaFunctionConfigurations" not in found


def test_every_role_has_the_companys_path(both: Both) -> None:
    chain = both.chains[DEV]
    iam = chain.client("iam")
    roles = [name for kind, name in resources(chain).values() if kind == "AWS::IAM::Role"]
    assert len(roles) == 5
    for name in roles:
        role: dict[str, Any] = iam.get_role(RoleName=name)["Role"]
        assert role["Path"] == "/data/"
        assert role["Arn"].endswith(f":role/data/{name}")


def test_the_session_has_the_stacks_tags(both: Both) -> None:
    glue = both.chains[DEV].client("glue")
    sessions = glue.list_sessions(Tags={"CostCenter": "1", "Owner": "data team"})
    assert len(sessions["Ids"]) == 1
    assert sessions["Ids"][0].startswith(f"{DEV}client-health-")
