"""The helper that compares roles with calls, which the end-to-end test relies on."""

from __future__ import annotations

import pytest
from tests.support.deployed import Deployed
from tests.support.policy import Permissions

RAW = "cliente-data-raw-123456789012-sa-east-1"
LAKE = "cliente-data-lake-123456789012-sa-east-1"


@pytest.fixture(scope="module")
def permissions() -> Permissions:
    return Permissions(Deployed())


def test_an_unknown_resource_asks_for_the_action_alone(permissions: Permissions):
    assert permissions.allows("def_lambda", "glue:StopSession")
    assert not permissions.allows("def_lambda", "glue:CreateSession")


def test_a_bucket_alone_is_any_of_its_objects(permissions: Permissions):
    assert permissions.allows("session", "s3:DeleteObject", LAKE)
    assert not permissions.allows("session", "s3:DeleteObject", RAW)
    assert not permissions.allows("def_lambda", "s3:DeleteObject", LAKE)
    assert not permissions.allows("def_lambda", "s3:ListBucket", LAKE)


def test_a_pattern_covers_what_is_below_it_and_not_itself(permissions: Permissions):
    assert permissions.allows("session", "s3:PutObject", f"{LAKE}/lake/staging/r0/a/b.parquet")
    assert not permissions.allows("session", "s3:PutObject", f"{LAKE}/lake/staging")
    assert not permissions.allows("session", "s3:PutObject", f"{LAKE}/lake/staging-other/x")


def test_a_condition_on_tags_is_met_by_its_own_values_alone(permissions: Permissions):
    def allows(action: str, **tags: dict[str, str]) -> bool:
        return permissions.allows("NotebookRole", f"glue:{action}", **tags)

    own, other = {"project": "client-health-studio"}, {"project": "client-health"}
    assert allows("CreateSession", request_tags=own)
    assert allows("CreateSession", request_tags={**own, "owner": "somebody"})
    assert not allows("CreateSession", request_tags=other)
    assert not allows("CreateSession", resource_tags=own)
    assert allows("StopSession", resource_tags=own)
    assert not allows("StopSession", request_tags=own)
    assert not allows("StopSession")
    # Two conditions must both be met.
    assert allows("TagResource", request_tags=own, resource_tags=own)
    assert not allows("TagResource", request_tags=own, resource_tags=other)
    assert not allows("TagResource", request_tags=other, resource_tags=own)


def test_conditions_without_tags_count_as_met(permissions: Permissions):
    assert permissions.allows("NotebookRole", "iam:PassRole")


def test_names_follow_account_region_and_parameters():
    elsewhere = Deployed(
        account="999999999999", region="us-east-1", parameters={"BucketPrefix": "other"}
    )
    found = Permissions(elsewhere)
    theirs = "other-lake-999999999999-us-east-1"
    assert found.allows("session", "s3:PutObject", f"{theirs}/lake/runs/r0/01_ingest.json")
    assert not found.allows("session", "s3:PutObject", f"{LAKE}/lake/runs/r0/01_ingest.json")


def test_what_no_call_needed_is_named(permissions: Permissions):
    calls = [
        ("s3:ListBucketVersions", RAW),
        ("s3:ListBucketVersions", LAKE),
        ("s3:GetObject", f"{LAKE}/lake/claims/-/000001.turn"),
        ("glue:GetJobRuns", ""),
        ("glue:StartJobRun", ""),
        ("glue:GetTable", ""),
        ("glue:StopSession", ""),
        ("sns:Publish", ""),
    ]
    claims = f"arn:aws:s3:::{LAKE}/lake/claims/*"
    assert permissions.unused("def_lambda", calls) == [
        ("s3:PutObject", claims),
        ("s3:GetObject", f"arn:aws:s3:::{LAKE}/lake/warehouse/*"),
        ("glue:ListSessions", "*"),
    ]
