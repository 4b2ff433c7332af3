"""The real SAM CLI against the emulator, as the deploy command calls it."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from infra.emulator import emulator_settings
from infra.errors import DeployError
from infra.stack import Stack

from glue_local.emulator import Emulator
from infra import sam

TEMPLATE: dict[str, Any] = {
    "Parameters": {name: {"Type": "String", "Default": "default"} for name in "ABCDE"},
    "Resources": {
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "E"}}},
    },
}
VALUES = {
    "A": "",
    "B": "arn:a,arn:b c=d  'e'",
    "C": r'"quoted" \"escaped\" \ \\ end\ ',
    "D": '"a"',
}

TAGS = {"cost center": "x: y/z = 1", "team": "data"}


@pytest.fixture(scope="module")
def cloud(
    emulator_environment: None, sam_environment: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Emulator]:
    with Emulator(log=tmp_path_factory.mktemp("emulator") / "emulator.log") as emulator:
        yield emulator


def small(cloud: Emulator) -> Stack:
    return Stack(cloud.client("cloudformation"), "small")


def deploy(
    cloud: Emulator,
    parameters: Mapping[str, str],
    template: dict[str, Any] = TEMPLATE,
    **variables: str,
) -> list[str]:
    """Deploy the template; return the change sets that were to be approved."""
    approved: list[str] = []
    settings = emulator_settings({**cloud.environment, **variables})
    sam.deploy(small(cloud), template, settings, parameters, approved.append, show=print)
    return approved


def parameters_of(cloud: Emulator) -> dict[str, str]:
    found = cloud.client("cloudformation").describe_stacks(StackName="small")["Stacks"][0]
    return {entry["ParameterKey"]: entry["ParameterValue"] for entry in found["Parameters"]}


def tag(cloud: Emulator) -> None:
    """Give the stack tags, as a person may."""
    given = [{"Key": key, "Value": value} for key, value in TAGS.items()]
    client = cloud.client("cloudformation")
    kept = [{"ParameterKey": name, "UsePreviousValue": True} for name in "ABCDE"]
    client.update_stack(StackName="small", UsePreviousTemplate=True, Parameters=kept, Tags=given)
    client.get_waiter("stack_update_complete").wait(StackName="small", WaiterConfig={"Delay": 1})
    assert small(cloud).tags() == TAGS


def test_it_calls_only_aws_with_exactly_the_given_values_and_keeps_the_others(
    cloud: Emulator,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        # The emulator is reached directly; everything else is sent to this proxy.
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        proxies = {"HTTPS_PROXY": address, "HTTP_PROXY": address, "NO_PROXY": "127.0.0.1"}
        assert len(deploy(cloud, VALUES, **proxies)) == 1
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()
    assert parameters_of(cloud) == {**VALUES, "E": "default"}
    tag(cloud)
    assert len(deploy(cloud, {"A": "given", "E": "renamed"})) == 1
    assert small(cloud).tags() == TAGS
    assert parameters_of(cloud) == {**VALUES, "A": "given", "E": "renamed"}


def test_what_cloudformation_refuses_is_told_in_its_words(cloud: Emulator) -> None:
    unknown = {"Resources": {"Thing": {"Type": "AWS::No::Thing"}}}
    with pytest.raises(sam.SamError, match="AWS::No::Thing"):
        deploy(cloud, {}, unknown)


def test_where_it_is_not_installed_the_command_says_how_to_get_it(
    cloud: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sam, "PROGRAM", tmp_path / "sam")
    with pytest.raises(DeployError, match="'make deploy' installs the SAM CLI"):
        deploy(cloud, {})


def test_where_it_asks_something_unexpected_the_answer_is_no(
    cloud: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A stand-in for another version of the SAM CLI.
    program = tmp_path / "sam"
    lines = ["#!/bin/sh", "printf 'Something? [y/N]: '", f"read said; echo $said >{tmp_path}/said"]
    program.write_text("\n".join(lines))
    program.chmod(0o755)
    monkeypatch.setattr(sam, "PROGRAM", program)
    with pytest.raises(sam.SamError, match="a change set was expected in: Something"):
        deploy(cloud, {})
    assert (tmp_path / "said").read_text() == "n\n"
