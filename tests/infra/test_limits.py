"""The deployment stays within AWS limits that the emulator doesn't enforce.

Sizes are measured with the longest names: a prefix of 20 characters, a region of 14.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.deployed import ARTIFACTS, MAINTENANCE, QUICKSIGHT, TEMPLATE, Deployed

REGION = "ap-southeast-1"
PREFIX = "a" * 20
OF_THE_CHAIN = {
    "LakeBucket": f"{PREFIX}-lake-123456789012-{REGION}",
    "KeyArn": f"arn:aws:kms:{REGION}:123456789012:key/01234567-89ab-cdef-0123-456789abcdef",
}
GIVEN = {
    TEMPLATE: {"BucketPrefix": PREFIX},
    ARTIFACTS: {"BucketPrefix": PREFIX},
    MAINTENANCE: OF_THE_CHAIN,
    QUICKSIGHT: {
        **OF_THE_CHAIN,
        "QuickSightPrincipalArn": f"arn:aws:quicksight:{REGION}:123456789012:group/default/readers",
    },
}
DEPLOYED = [Deployed(path, region=REGION, parameters=given) for path, given in GIVEN.items()]


def every(kind: str) -> list:
    return [
        pytest.param(properties, id=name)
        for one in DEPLOYED
        for name, properties in one.of_type(kind)
    ]


def size(document: Any) -> int:
    """Count characters as IAM does, without white space."""
    return len("".join(json.dumps(document, ensure_ascii=False).split()))


@pytest.mark.parametrize("policy", every("AWS::IAM::ManagedPolicy"))
def test_a_managed_policy_is_within_iams_limit(policy: dict[str, Any]):
    assert size(policy["PolicyDocument"]) <= 6144
    assert len(policy["ManagedPolicyName"]) <= 128


@pytest.mark.parametrize("role", every("AWS::IAM::Role"))
def test_a_roles_policies_are_within_iams_limits(role: dict[str, Any]):
    assert sum(size(policy["PolicyDocument"]) for policy in role["Policies"]) <= 10_240
    assert size(role["AssumeRolePolicyDocument"]) <= 2048
    assert len(role.get("ManagedPolicyArns", ())) <= 10
    assert len(role["RoleName"]) <= 64


@pytest.mark.parametrize("function", every("AWS::Lambda::Function"))
def test_a_functions_variables_are_within_lambdas_limit(function: dict[str, Any]):
    assert size(function["Environment"]["Variables"]) <= 4096
    assert function["Timeout"] <= 900


@pytest.mark.parametrize("bucket", every("AWS::S3::Bucket"))
def test_a_buckets_name_is_within_s3s_limit(bucket: dict[str, Any]):
    assert 3 <= len(bucket["BucketName"]) <= 63


@pytest.mark.parametrize("policy", every("AWS::S3::BucketPolicy"))
def test_a_buckets_policy_is_within_s3s_limit(policy: dict[str, Any]):
    assert size(policy["PolicyDocument"]) <= 20 * 1024


@pytest.mark.parametrize("key", every("AWS::KMS::Key"))
def test_a_keys_policy_is_within_kms_limit(key: dict[str, Any]):
    assert size(key["KeyPolicy"]) <= 32 * 1024


@pytest.mark.parametrize("job", every("AWS::Glue::Job"))
def test_a_python_shell_job_asks_for_what_it_may_have(job: dict[str, Any]):
    assert job["Command"]["Name"] == "pythonshell"
    assert job["MaxCapacity"] in (0.0625, 1)
    # Glue refuses a timeout of a week or more, so the parameter must refuse it too.
    assert job["Timeout"] < 10_080
    assert DEPLOYED[0].template["Parameters"]["JobTimeoutMinutes"]["MaxValue"] < 10_080
