"""Tags of a deployment reach stacks, sessions, and what CloudFormation may leave out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from infra.emulator import emulator_settings
from infra.errors import SettingsError
from infra.operation import change
from infra.settings import Settings
from infra.stack import Stack
from infra.tags import as_parameter, read_tags, tag_explicitly
from infra.terminal import TerminalListener
from rich.console import Console
from tests.support.deployed import Deployed

from glue_local.emulator import Emulator
from strict_glue import SessionSettings

TAGS = {"CostCenter": "1", "Owner": "data team", "team:area": "a=b"}
QUEUE = {"Type": "AWS::SQS::Queue"}


@pytest.fixture(scope="module")
def emulator(emulator_environment: None) -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def cloud(emulator: Emulator) -> Any:
    return emulator.client


def test_tags_are_read_from_the_command_line() -> None:
    assert read_tags(f"{name}={value}" for name, value in TAGS.items()) == TAGS
    assert read_tags([]) == {}


@pytest.mark.parametrize(
    "texts",
    [
        ["Owner"],
        ["=x"],
        ["aws:owner=x"],
        ["a=b,c"],
        ["Owner=x", "Owner=y"],
        ["a=ã"],
        [f"a={'x' * 257}"],
    ],
)
def test_what_is_no_tag_is_named(texts: list[str]) -> None:
    with pytest.raises(SettingsError, match="is not a tag: write Name=value"):
        read_tags(texts)


def test_too_many_tags_for_a_session_are_refused() -> None:
    with pytest.raises(SettingsError, match="41 tags are given"):
        read_tags(f"n{number}=x" for number in range(41))


def test_the_job_reads_what_the_command_writes() -> None:
    text = as_parameter(TAGS)
    assert SessionSettings.tags_of(text) == TAGS
    pattern = Deployed().template["Parameters"]["SessionTags"]["AllowedPattern"]
    assert re.fullmatch(pattern, text)
    assert re.fullmatch(pattern, "")
    assert not re.fullmatch(pattern, "CostCenter")


def test_without_tags_stacks_and_sessions_keep_theirs() -> None:
    assert "SessionTags" not in Settings().given
    assert Settings(tags=TAGS).given["SessionTags"] == as_parameter(TAGS)


def test_a_stack_has_the_tags_until_it_gets_others(
    sam_environment: None, emulator: Emulator
) -> None:
    stack = Stack(emulator.client("cloudformation"), "tagged", poll_seconds=0.05)
    listener = TerminalListener(Console(quiet=True), yes=True)

    def tags_after(queues: str, tags: dict[str, str]) -> dict[str, str]:
        settings = replace(emulator_settings(emulator.environment), tags=tags)
        template = {"Resources": {f"Queue{name}": QUEUE for name in queues}}
        change(stack, template, settings, listener)
        return stack.tags()

    assert tags_after("A", TAGS) == TAGS
    assert tags_after("AB", {}) == TAGS
    assert tags_after("ABC", {"Owner": "others"}) == {"Owner": "others"}


def test_job_crawler_and_work_group_are_tagged_by_the_command(cloud: Any) -> None:
    glue = cloud("glue")
    glue.create_database(DatabaseInput={"Name": "raw"})
    glue.create_crawler(Name="c", Role="r", DatabaseName="raw", Targets={"S3Targets": []})
    glue.create_job(Name="j", Role="r", Command={"Name": "pythonshell"})
    cloud("athena").create_work_group(Name="w")
    resources = {
        "WorkGroup": ("AWS::Athena::WorkGroup", "w"),
        "Crawler": ("AWS::Glue::Crawler", "c"),
        "Job": ("AWS::Glue::Job", "j"),
        "Function": ("AWS::Lambda::Function", "f"),
    }
    tag_explicitly(cloud, resources, TAGS)
    at = f"{glue.meta.region_name}:000000000000"
    for kind, name in (("crawler", "c"), ("job", "j")):
        arn = f"arn:aws:glue:{at}:{kind}/{name}"
        assert glue.get_tags(ResourceArn=arn)["Tags"] == TAGS
    arn = f"arn:aws:athena:{at}:workgroup/w"
    found = cloud("athena").list_tags_for_resource(ResourceARN=arn)["Tags"]
    assert {one["Key"]: one["Value"] for one in found} == TAGS


def test_nobody_is_asked_if_there_are_no_tags() -> None:
    resources = {"Job": ("AWS::Glue::Job", "j")}
    tag_explicitly(lambda _: pytest.fail("asked"), resources, {})
