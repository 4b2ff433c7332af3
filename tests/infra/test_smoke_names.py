"""A smoke run looks for and removes what the template creates; its roles are the account's own."""

from __future__ import annotations

from typing import Any

import pytest
from infra.smoke.marker import ROLES
from infra.smoke.names import Names
from tests.support.deployed import ARTIFACTS, TEMPLATE, Deployed

REGION = "sa-east-1"
NAMES = Names("smoke-")
GIVEN = {"Prefix": "smoke-"}


@pytest.fixture(scope="module")
def template() -> Deployed:
    return Deployed(TEMPLATE, parameters=GIVEN)


def named(deployed: Deployed, kind: str, name: str) -> set[str]:
    return {str(properties[name]) for _, properties in deployed.of_type(kind)}


def test_the_names_are_those_of_the_template(template: Deployed) -> None:
    assert named(template, "AWS::Glue::Crawler", "Name") == {NAMES.crawler}
    assert named(template, "AWS::Glue::Job", "Name") == {NAMES.job}
    assert named(template, "AWS::SQS::Queue", "QueueName") == {NAMES.queue}
    assert named(template, "AWS::SecretsManager::Secret", "Name") == {NAMES.secret}
    assert named(template, "AWS::Events::Rule", "Name") == set(NAMES.rules)
    spaces = named(template, "AWS::CloudWatch::Alarm", "Namespace")
    assert {one for one in spaces if not one.startswith("AWS/")} == {NAMES.namespace}
    alarms = named(template, "AWS::CloudWatch::Alarm", "AlarmName")
    assert all(name.startswith(NAMES.own) for name in alarms)


def test_every_bucket_and_log_group_is_found_by_the_start_of_its_name(template: Deployed) -> None:
    found = named(template, "AWS::S3::Bucket", "BucketName")
    found |= named(Deployed(ARTIFACTS, parameters=GIVEN), "AWS::S3::Bucket", "BucketName")
    assert len(found) == 4
    assert all(name.startswith(NAMES.buckets) and name.endswith(f"-{REGION}") for name in found)
    groups = named(template, "AWS::Logs::LogGroup", "LogGroupName")
    assert len(groups) == 4
    assert all(name.startswith(NAMES.log_groups) for name in groups)
    assert {f"{NAMES.job_log(REGION)}/{kind}" for kind in ("output", "error")} < groups
    assert NAMES.function_log in groups


def test_whatever_is_kept_is_removed_by_a_step_of_its_own(template: Deployed) -> None:
    """A new kind of resource that outlives its stack needs a step in the removal, too."""
    kept = {
        resource["Type"]
        for resource in template.resources.values()
        if resource.get("DeletionPolicy", "Delete") != "Delete"
    }
    assert kept == {
        "AWS::Glue::Database",
        "AWS::KMS::Key",
        "AWS::S3::Bucket",
        "AWS::SecretsManager::Secret",
    }


def roles(**given: str) -> dict[str, Any]:
    deployed = Deployed(ROLES, parameters={**GIVEN, **given})
    return dict(deployed.of_type("AWS::IAM::Role"))


def test_the_roles_may_do_nothing_until_the_chain_is_deployed() -> None:
    nothing = {**GIVEN, "ReaderPolicyArn": "", "DataKeyArn": ""}
    for properties in roles(**nothing).values():
        assert not properties.get("ManagedPolicyArns")
        assert "Policies" not in properties
    policy = "arn:aws:iam::123456789012:policy/smoke-client-health-readers-sa-east-1"
    assert roles(ReaderPolicyArn=policy)["ReaderRole"]["ManagedPolicyArns"] == [policy]


def test_only_the_account_itself_can_assume_the_roles() -> None:
    for properties in roles().values():
        (statement,) = properties["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}
        assert properties["RoleName"].startswith(NAMES.own)
