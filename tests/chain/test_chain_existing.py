"""The chain on what a company already has: its buckets, key, database, and rules for roles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from infra.local_chain import Claimed, LocalChain
from infra.terminal import TerminalListener
from rich.console import Console

from client_health_cli.sample_data import write

ROWS = 60
UPLOADS, LAKE, DATABASE, FOLDER = "their-uploads", "their-lake", "their_database", "register/in/"
BOUNDARY = "arn:aws:iam::000000000000:policy/limits"
PATIENCE = 600.0
pytestmark = pytest.mark.timeout(900)


class GivenChain(LocalChain):
    """The chain, after the company has made what it gives to the stack."""

    def deploy(self) -> None:
        s3 = self.client("s3")
        for bucket in (UPLOADS, LAKE):
            s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=UPLOADS, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_notification_configuration(
            Bucket=UPLOADS, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        self.client("glue").create_database(DatabaseInput={"Name": DATABASE})
        self.client("glue").create_connection(
            ConnectionInput={
                "Name": "network",
                "ConnectionType": "NETWORK",
                "ConnectionProperties": {},
            }
        )
        self.key = self.client("kms").create_key()["KeyMetadata"]["Arn"]
        given = {
            **{"RawBucketName": UPLOADS, "UploadPrefix": FOLDER, "LakeBucketName": LAKE},
            **{"DatabaseName": DATABASE, "KeyArn": self.key},
            **{"PermissionsBoundary": BOUNDARY, "RolePath": "/data/"},
            "SessionTags": "CostCenter=1,Owner=data team",
            # The local service takes a session's connection, and puts nothing into a network.
            "ConnectionName": "network",
        }
        self.settings = replace(self.settings, parameters=given)
        super().deploy()


@pytest.fixture(scope="module")
def chain(
    tmp_path_factory: pytest.TempPathFactory, emulator_environment: None
) -> Iterator[GivenChain]:
    folder = tmp_path_factory.mktemp("existing")
    console = Console(file=(folder / "deploy.log").open("w"))
    with GivenChain(folder, TerminalListener(console, yes=True), in_shell=False) as chain:
        yield chain


@pytest.fixture(scope="module")
def published(chain: GivenChain, tmp_path_factory: pytest.TempPathFactory) -> list[Claimed]:
    """Return the claims after a delivery that nobody but EventBridge reports."""
    raw = tmp_path_factory.mktemp("raw")
    write(raw, ROWS, 7)
    chain.upload({f"2026-01-01/{path.name}": path for path in sorted(raw.glob("dados_*"))})
    return chain.wait(1, PATIENCE)


def resources(chain: GivenChain) -> dict[str, tuple[str, str]]:
    found = chain.client("cloudformation").describe_stack_resources(StackName="client-health")
    return {
        one["LogicalResourceId"]: (one["ResourceType"], one["PhysicalResourceId"])
        for one in found["StackResources"]
    }


def test_an_upload_to_their_bucket_is_published_from_their_lake(
    chain: GivenChain, published: list[Claimed]
) -> None:
    assert chain.outputs["UploadTo"] == f"s3://{UPLOADS}/{FOLDER}"
    assert chain.outputs["Lake"] == f"s3://{LAKE}/lake"
    assert [claim.end for claim in published] == ["published"]
    table = chain.client("glue").get_table(DatabaseName=DATABASE, Name="clientoutput")["Table"]
    place = table["Parameters"]["metadata_location"]
    assert place.startswith(f"s3://{LAKE}/lake/warehouse/{DATABASE}.db/clientoutput/")


def test_eventbridge_called_the_function(chain: GivenChain, published: list[Claimed]) -> None:
    logs = chain.client("logs")
    events = logs.filter_log_events(logGroupName="/aws/lambda/def_lambda")["events"]
    kinds = {
        json.loads(one["message"][one["message"].index("{") :]).get("kind")
        for one in events
        if '"called"' in one["message"]
    }
    assert "Object Created" in kinds
    assert "s3" not in kinds


def test_the_stack_makes_none_of_what_it_is_given(chain: GivenChain) -> None:
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
    assert {"LogsBucket", "UploadEvents", "UploadEventsMayCallReconciler"} <= made.keys()
    # Its owner's settings are as they were.
    s3 = chain.client("s3")
    found = s3.get_bucket_notification_configuration(Bucket=UPLOADS)
    assert "LambdaFunctionConfigurations" not in found


def test_every_role_has_the_companys_path(chain: GivenChain) -> None:
    iam = chain.client("iam")
    roles = [name for kind, name in resources(chain).values() if kind == "AWS::IAM::Role"]
    assert len(roles) == 5
    for name in roles:
        role: dict[str, Any] = iam.get_role(RoleName=name)["Role"]
        assert role["Path"] == "/data/"
        assert role["Arn"].endswith(f":role/data/{name}")


def test_the_session_has_the_stacks_tags(chain: GivenChain, published: list[Claimed]) -> None:
    calls = (chain.folder / "glue-calls.jsonl").read_text(encoding="utf-8")
    assert "CreateSession" in calls
    sessions = chain.client("glue").list_sessions(Tags={"CostCenter": "1", "Owner": "data team"})
    assert len(sessions["Ids"]) == 1
    assert sessions["Ids"][0].startswith("client-health-")
