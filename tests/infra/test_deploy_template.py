"""Templates as data, and templates without the resources that an endpoint doesn't support."""

from __future__ import annotations

from typing import Any

import pytest
from infra.errors import SettingsError
from infra.template import deployable, load_template, references

BUCKET = {"Type": "AWS::S3::Bucket"}
QUEUE = {"Type": "AWS::SQS::Queue"}
NO_QUEUES = {"AWS::SQS::Queue": "there are no queues here"}


def without_queues(**resources: dict[str, Any]) -> dict[str, Any]:
    made = deployable({"Resources": {"Queue": QUEUE, **resources}}, NO_QUEUES)
    found: dict[str, Any] = made.template["Resources"]
    return found


def test_short_tags_are_the_functions_they_stand_for() -> None:
    read = load_template(
        "Resources:\n"
        "  A:\n"
        "    Name: !Sub 'a-${B}'\n"
        "    Arn: !GetAtt B.Nested.Arn\n"
        "    Ref: !If [IsHere, !Ref B, !Ref AWS::NoValue]\n"
        "    Sub: !Sub ['${x}', {x: !Ref B}]\n"
    )["Resources"]["A"]
    assert read == {
        "Name": {"Fn::Sub": "a-${B}"},
        "Arn": {"Fn::GetAtt": ["B", "Nested.Arn"]},
        "Ref": {"Fn::If": ["IsHere", {"Ref": "B"}, {"Ref": "AWS::NoValue"}]},
        "Sub": {"Fn::Sub": ["${x}", {"x": {"Ref": "B"}}]},
    }


def test_dates_stay_text_and_aliases_are_what_they_name() -> None:
    read = load_template("Version: 2012-10-17\nResources: {A: &a {x: 1}, B: *a}\n")
    assert read == {"Version": "2012-10-17", "Resources": {"A": {"x": 1}, "B": {"x": 1}}}


@pytest.mark.parametrize("text", ["a: [", "- a list", "Parameters: {}"])
def test_what_is_no_template_is_said(text: str) -> None:
    with pytest.raises(SettingsError):
        load_template(text)


def test_every_kind_of_reference_is_found() -> None:
    node = {
        "DependsOn": ["A"],
        "b": {"Ref": "B"},
        "c": [{"Fn::GetAtt": ["C", "Arn"]}, {"Fn::GetAtt": "D.Arn"}],
        "e": {"Fn::Sub": "${E}-${F.Arn}-${!G}-${AWS::Region}"},
        "h": {"Fn::Sub": ["${H}-${given}", {"given": {"Ref": "I"}}]},
        "j": {"Fn::If": ["No", {"Ref": "J"}, "x"]},
    }
    assert set(references(node)) == set("ABCDEFHIJ")


def test_an_unsupported_type_goes_with_its_reason() -> None:
    made = deployable({"Resources": {"Queue": QUEUE, "Bucket": BUCKET}}, NO_QUEUES)
    assert made.template == {"Resources": {"Bucket": BUCKET}}
    (skipped,) = made.skipped
    assert (skipped.name, skipped.type) == ("Queue", "AWS::SQS::Queue")
    assert skipped.reason == "there are no queues here"


def test_what_needs_it_goes_as_well_however_far_away() -> None:
    policy = {"Type": "Policy", "Properties": {"Queue": {"Ref": "Queue"}}}
    user = {"Type": "User", "Properties": {"Policy": {"Fn::Sub": "x-${Policy.Arn}"}}}
    template = {"Resources": {"User": user, "Policy": policy, "Queue": QUEUE, "Bucket": BUCKET}}
    made = deployable(template, NO_QUEUES)
    assert set(made.template["Resources"]) == {"Bucket"}
    assert [entry.reason for entry in made.skipped[1:]] == [
        "it refers to Queue",
        "it refers to Policy",
    ]


def test_outputs_of_it_go_and_others_stay() -> None:
    outputs = {"Q": {"Value": {"Ref": "Queue"}}, "B": {"Value": {"Ref": "Bucket"}}}
    made = deployable(
        {"Resources": {"Queue": QUEUE, "Bucket": BUCKET}, "Outputs": outputs}, NO_QUEUES
    )
    assert set(made.template["Outputs"]) == {"B"}


def test_an_order_of_creation_and_an_entry_of_a_list_go_alone() -> None:
    alarm = {
        "Type": "Alarm",
        "DependsOn": ["Queue", "Bucket"],
        "Properties": {"Actions": [{"Ref": "Queue"}, {"Ref": "Bucket"}]},
    }
    left = without_queues(Alarm=alarm, Bucket=BUCKET)
    assert left["Alarm"]["DependsOn"] == ["Bucket"]
    assert left["Alarm"]["Properties"]["Actions"] == [{"Ref": "Bucket"}]


def test_permissions_on_it_go_and_the_role_keeps_the_others() -> None:
    def allow(resource: object) -> dict[str, object]:
        return {"Effect": "Allow", "Action": "x", "Resource": resource}

    arn = {"Fn::GetAtt": ["Queue", "Arn"]}
    role = {
        "Type": "Role",
        "Properties": {"Statement": [allow(arn), allow([arn]), allow([arn, "b"]), allow("c")]},
    }
    left = without_queues(Role=role)["Role"]["Properties"]["Statement"]
    assert left == [allow(["b"]), allow("c")]


def test_the_given_template_is_not_changed() -> None:
    template = {"Resources": {"Queue": QUEUE, "A": {"Type": "A", "DependsOn": "Queue"}}}
    deployable(template, NO_QUEUES)
    assert template == {"Resources": {"Queue": QUEUE, "A": {"Type": "A", "DependsOn": "Queue"}}}
