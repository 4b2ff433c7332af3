"""What somebody has changed past CloudFormation: drift of the chain's stacks, in plain words."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.deployment import Clients
from infra.errors import StackFailedError
from infra.settings import Settings
from infra.stack import Stack

_WORDS = {"ADD": "was added", "REMOVE": "was removed", "NOT_EQUAL": "was changed"}
_DRIFTED = ("MODIFIED", "DELETED")
# Policies can have thousands of characters; the console shows both versions in full.
_LONGEST = 60


@dataclass(frozen=True)
class Difference:
    """One property that differs from the template, or a resource that is gone.

    Attributes
    ----------
    resource, type
        Logical name and type.
    path
        The property; empty if the whole resource is gone.
    what
        What happened to it, in words.
    expected, actual
        Its value in the template, and the one that was found; long ones are shortened.
    """

    resource: str
    type: str
    path: str
    what: str
    expected: str = ""
    actual: str = ""


@dataclass(frozen=True)
class Drift:
    """The drift of one stack.

    Attributes
    ----------
    stack
        Its name.
    differences
        What differs; empty if nothing does.
    unchecked
        Logical names of the resources that CloudFormation can't check, with their types.
    """

    stack: str
    differences: tuple[Difference, ...]
    unchecked: Mapping[str, str]


def detect(clients: Clients, settings: Settings) -> Iterator[Drift]:
    """Yield the drift of each stack of the chain that exists.

    Parameters
    ----------
    clients
        Returns the boto3 client of a service.
    settings
        The deployment.

    Raises
    ------
    StackFailedError
        CloudFormation could not check a stack, or there is none.
    """
    client = clients("cloudformation")
    names = (settings.artifacts_stack, settings.stack, settings.maintenance_stack)
    there = [stack for stack in (Stack(client, name) for name in names) if stack.exists()]
    if not there:
        raise StackFailedError(
            f"there is no stack {settings.stack}: check PREFIX, STACK, and REGION"
        )
    for stack in there:
        yield _drift_of(client, stack, settings.poll_seconds)


def _drift_of(client: Any, stack: Stack, poll_seconds: float) -> Drift:  # noqa: ANN401 - boto3 makes its clients' classes up
    started = client.detect_stack_drift(StackName=stack.name)["StackDriftDetectionId"]
    while True:
        found = client.describe_stack_drift_detection_status(StackDriftDetectionId=started)
        if found["DetectionStatus"] != "DETECTION_IN_PROGRESS":
            break
        time.sleep(poll_seconds)
    if found["DetectionStatus"] == "DETECTION_FAILED":
        raise StackFailedError(
            f"CloudFormation could not check all of {stack.name}: "
            f"{found.get('DetectionStatusReason', 'it gives no reason')}. Check with credentials "
            "that may read every resource of the stack"
        )
    results = list(_results(client, stack.name))
    checked = {one["LogicalResourceId"] for one in results if _is_checked(one)}
    unchecked = {name: kind for name, (kind, _) in stack.resources().items() if name not in checked}
    differences = tuple(difference for one in results for difference in _differences(one))
    return Drift(stack.name, differences, unchecked)


def _results(client: Any, name: str) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401
    token: dict[str, str] = {}
    while True:  # boto3 has no paginator for this
        answer = client.describe_stack_resource_drifts(StackName=name, **token)
        yield from answer["StackResourceDrifts"]
        if not answer.get("NextToken"):
            return
        token = {"NextToken": answer["NextToken"]}


def _is_checked(found: Mapping[str, Any]) -> bool:
    return found["StackResourceDriftStatus"] in {"IN_SYNC", *_DRIFTED}


def _differences(found: Mapping[str, Any]) -> Iterator[Difference]:
    name, kind = found["LogicalResourceId"], found["ResourceType"]
    if found["StackResourceDriftStatus"] == "DELETED":
        yield Difference(name, kind, "", "was deleted")
    for one in found.get("PropertyDifferences", ()):
        what = _WORDS.get(one["DifferenceType"], one["DifferenceType"])
        expected, actual = _short(one["ExpectedValue"]), _short(one["ActualValue"])
        yield Difference(name, kind, one["PropertyPath"], what, expected, actual)


def _short(value: str) -> str:
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"
