"""The deploy command with what the account already has, on the emulator."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from infra.deployment import deploy, undeploy
from infra.emulator import emulator_settings
from infra.errors import SettingsError
from infra.existing import look
from infra.terminal import TerminalListener
from rich.console import Console
from tests.support.built import build_once
from tests.support.quick_sam import quick_sam

from glue_local.emulator import Emulator

SETTINGS = emulator_settings()
Clients = Callable[[str], Any]


@pytest.fixture(scope="module")
def clients(emulator_environment: None) -> Iterator[Clients]:
    with Emulator() as emulator:
        yield functools.cache(emulator.client)


def bucket(clients: Clients, name: str, *, versions: bool = False, events: bool = False) -> str:
    s3 = clients("s3")
    s3.create_bucket(Bucket=name)
    if versions:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    if events:
        s3.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
    return name


def notes(clients: Clients, **parameters: str) -> list[str]:
    found: list[str] = []
    look(clients, parameters, found.append)
    return found


def test_a_bucket_that_does_all_that_is_needed_is_not_mentioned(clients: Clients) -> None:
    uploads = bucket(clients, "ready-uploads", versions=True, events=True)
    assert notes(clients, RawBucketName=uploads) == []
    assert notes(clients, LakeBucketName=bucket(clients, "ready-lake")) == []
    assert notes(clients) == []


def test_the_owner_is_asked_for_versions_and_events(clients: Clients) -> None:
    versions, events = notes(clients, RawBucketName=bucket(clients, "bare-uploads"))
    assert "bare-uploads keeps no versions" in versions
    assert "bare-uploads sends no events to EventBridge" in events
    assert all("infra/owner/uploads" in one for one in (versions, events))


def test_a_lake_with_versions_would_keep_erased_people(clients: Clients) -> None:
    (note,) = notes(clients, LakeBucketName=bucket(clients, "old-lake", versions=True))
    assert "files of erased people stay as old versions" in note
    assert "infra/owner/lake/lifecycle.json" in note


@pytest.mark.parametrize(
    ("parameter", "what"),
    [
        ("RawBucketName", "bucket nowhere"),
        ("LakeBucketName", "bucket nowhere"),
        ("DatabaseName", "database nowhere"),
        ("ConnectionName", "connection nowhere"),
    ],
)
def test_what_does_not_exist_stops_the_deployment(
    clients: Clients, parameter: str, what: str
) -> None:
    with pytest.raises(SettingsError, match=f"{parameter}: the {what} does not exist"):
        notes(clients, **{parameter: "nowhere"})


def test_a_database_and_a_connection_that_exist_are_taken(clients: Clients) -> None:
    glue = clients("glue")
    glue.create_database(DatabaseInput={"Name": "theirs"})
    glue.create_connection(
        ConnectionInput={"Name": "net", "ConnectionType": "NETWORK", "ConnectionProperties": {}}
    )
    assert notes(clients, DatabaseName="theirs", ConnectionName="net") == []


@pytest.mark.parametrize(
    ("place", "refused"),
    [
        ("s3://theirs/data", True),
        ("s3://theirs/lake/warehouse/another.db", True),
        ("s3://theirs/lake/warehouse/placed.db/", False),
    ],
)
def test_a_databases_location_must_be_where_the_roles_reach(
    clients: Clients, place: str, refused: bool
) -> None:
    glue = clients("glue")
    glue.create_database(DatabaseInput={"Name": "placed", "LocationUri": place})
    try:
        if refused:
            with pytest.raises(SettingsError, match="give a database without a location"):
                notes(clients, DatabaseName="placed")
        else:
            assert notes(clients, DatabaseName="placed") == []
    finally:
        glue.delete_database(Name="placed")


def stubbed(answer: dict[str, Any] | None, code: str = "403") -> list[str]:
    """Look at a bucket with an S3 that the emulator can't be; botocore checks the answers."""
    session: Any = boto3.Session("key", "secret", None, "sa-east-1")
    s3 = session.client("s3")
    found: list[str] = []
    with Stubber(s3) as stub:
        if answer is None:
            stub.add_client_error("head_bucket", code)
        else:
            stub.add_response("head_bucket", answer)
        look(lambda _: s3, {"RawBucketName": "theirs"}, found.append)
    return found


def test_a_bucket_that_may_not_be_looked_at_is_named() -> None:
    (note,) = stubbed(None)
    assert note == "bucket theirs was not looked at (403): check it with its owner"


@pytest.mark.parametrize("answer", [{"BucketRegion": "us-east-1"}, None])
def test_a_bucket_of_another_region_is_refused(answer: dict[str, Any] | None) -> None:
    with pytest.raises(SettingsError, match="RawBucketName: the bucket theirs is in"):
        stubbed(answer, "301")


def test_a_stack_takes_and_leaves_what_it_is_given(clients: Clients) -> None:
    console = Console(quiet=True)
    uploads = bucket(clients, "kept-uploads", versions=True, events=True)
    lake = bucket(clients, "kept-lake")
    glue = clients("glue")
    glue.create_database(DatabaseInput={"Name": "kept"})
    parameters = {"RawBucketName": uploads, "LakeBucketName": lake, "DatabaseName": "kept"}
    tags = {"CostCenter": "1"}
    settings = replace(SETTINGS, parameters=parameters, tags=tags)
    listener = TerminalListener(console, yes=True)
    with quick_sam(clients):
        outputs = deploy(clients, settings, listener, build=build_once)
        assert outputs["DatabaseName"] == "kept"
        for name in ("client-health", "client-health-artifacts"):
            (stack,) = clients("cloudformation").describe_stacks(StackName=name)["Stacks"]
            assert stack["Tags"] == [{"Key": "CostCenter", "Value": "1"}]

        # Parameters and tags that are left out stay, and nothing changes.
        again = deploy(clients, SETTINGS, listener, build=build_once)
        assert again == outputs

    undeploy(clients, SETTINGS, listener)
    s3 = clients("s3")
    for name in (uploads, lake):
        s3.head_bucket(Bucket=name)
    assert s3.get_bucket_versioning(Bucket=uploads)["Status"] == "Enabled"
    assert glue.get_database(Name="kept")["Database"]["Name"] == "kept"
