"""Drift in plain words. The emulator has no drift detection, so botocore's Stubber answers.

It checks each request and answer against the API's model.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from infra.drift import Difference, Drift, detect
from infra.errors import StackFailedError
from infra.settings import Settings
from infra.terminal import TerminalListener
from rich.console import Console

from infra import deploy as command

NOW = dt.datetime(2026, 11, 29, tzinfo=dt.UTC)
STACK_ID = "arn:aws:cloudformation:sa-east-1:123456789012:stack/client-health/0"
BUCKET, KEY, QUERY = "AWS::S3::Bucket", "AWS::KMS::Alias", "AWS::Athena::NamedQuery"
RESOURCES = {"LakeBucket": BUCKET, "DataKeyAlias": KEY, "Topic": "AWS::SNS::Topic", "Saved": QUERY}
SETTINGS = Settings(poll_seconds=0.0)


@pytest.fixture
def stub() -> Iterator[Stubber]:
    client = boto3.client(
        "cloudformation",
        region_name="sa-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
    with Stubber(client) as found:
        yield found


def result(name: str, status: str, *differences: tuple[str, str, str, str]) -> dict[str, Any]:
    return {
        "StackId": STACK_ID,
        "LogicalResourceId": name,
        "ResourceType": RESOURCES[name],
        "StackResourceDriftStatus": status,
        "Timestamp": NOW,
        "PropertyDifferences": [
            {
                "PropertyPath": path,
                "DifferenceType": kind,
                "ExpectedValue": expected,
                "ActualValue": actual,
            }
            for path, kind, expected, actual in differences
        ],
    }


def answer(stub: Stubber, *pages: list[dict[str, Any]], status: str = "DETECTION_COMPLETE") -> None:
    """Let only the chain's main stack exist, and be checked with these results."""
    for name in ("client-health-artifacts", "client-health", "client-health-maintenance"):
        if name != "client-health":
            stub.add_client_error(
                "describe_stacks", "ValidationError", f"Stack with id {name} does not exist"
            )
            continue
        stack = {"StackName": name, "CreationTime": NOW, "StackStatus": "CREATE_COMPLETE"}
        stub.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": name})
    stub.add_response(
        "detect_stack_drift", {"StackDriftDetectionId": "d1"}, {"StackName": "client-health"}
    )
    for one in ("DETECTION_IN_PROGRESS", status):
        stub.add_response(
            "describe_stack_drift_detection_status",
            {
                "StackId": STACK_ID,
                "StackDriftDetectionId": "d1",
                "DetectionStatus": one,
                "DetectionStatusReason": "AccessDenied on LakeBucket",
                "Timestamp": NOW,
            },
        )
    if status != "DETECTION_COMPLETE":
        return
    for number, page in enumerate(pages, 1):
        more = {"NextToken": "next"} if number < len(pages) else {}
        stub.add_response("describe_stack_resource_drifts", {"StackResourceDrifts": page, **more})
    listed = [
        {
            "LogicalResourceId": name,
            "PhysicalResourceId": name.lower(),
            "ResourceType": kind,
            "LastUpdatedTimestamp": NOW,
            "ResourceStatus": "CREATE_COMPLETE",
        }
        for name, kind in RESOURCES.items()
    ]
    stub.add_response("list_stack_resources", {"StackResourceSummaries": listed})


def found(stub: Stubber) -> Drift:
    (drift,) = detect(lambda _: stub.client, SETTINGS)
    return drift


CHANGED = ("/VersioningConfiguration/Status", "NOT_EQUAL", "Enabled", "Suspended")


def test_each_change_is_told_and_what_was_not_checked_is_named(stub: Stubber) -> None:
    added = ("/Tags/0", "ADD", "null", "x" * 100)
    answer(
        stub,
        [result("LakeBucket", "MODIFIED", CHANGED, added), result("DataKeyAlias", "DELETED")],
        [result("Topic", "IN_SYNC"), result("Saved", "NOT_CHECKED")],
    )
    drift = found(stub)
    status, tag, gone = drift.differences
    assert status == Difference("LakeBucket", BUCKET, CHANGED[0], "was changed", *CHANGED[2:])
    assert (tag.what, len(tag.actual), tag.actual[-1]) == ("was added", 60, "…")
    assert gone == Difference("DataKeyAlias", KEY, "", "was deleted")
    assert drift.unchecked == {"Saved": QUERY}
    out = io.StringIO()
    TerminalListener(Console(file=out, width=200), yes=False).drifted(drift)
    for word in ("LakeBucket", "Suspended", "was deleted", f"can't check Saved ({QUERY})"):
        assert word in out.getvalue()
    stub.assert_no_pending_responses()


@pytest.mark.parametrize("drifted", [True, False])
def test_the_commands_exit_code_says_whether_something_differs(
    stub: Stubber,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    drifted: bool,
) -> None:
    one = result("LakeBucket", "MODIFIED", CHANGED) if drifted else result("LakeBucket", "IN_SYNC")
    answer(stub, [one])
    monkeypatch.setattr(command, "_clients", lambda _: lambda _: stub.client)
    monkeypatch.setattr(command, "Settings", lambda **_: SETTINGS)
    monkeypatch.setattr("sys.argv", ["deploy", "drift"])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == (3 if drifted else 0)
    assert ("as deployed" in capsys.readouterr().out) is not drifted


def test_a_check_that_fails_says_why(stub: Stubber) -> None:
    answer(stub, status="DETECTION_FAILED")
    with pytest.raises(StackFailedError, match="AccessDenied on LakeBucket"):
        found(stub)


def test_without_a_stack_there_is_nothing_to_check(stub: Stubber) -> None:
    for _ in range(3):
        stub.add_client_error("describe_stacks", "ValidationError", "Stack does not exist")
    with pytest.raises(StackFailedError, match="no stack client-health"):
        found(stub)
