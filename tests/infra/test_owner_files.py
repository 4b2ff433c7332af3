"""What owners of given buckets and keys apply is what the template sets on its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.deployed import Deployed
from tools.owner_files import FOLDER, owner_files

from glue_local.emulator import Emulator
from register_contract.retention import RETENTION

BUCKETS = ("uploads", "lake")


def content(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return found


def test_the_files_are_made_from_the_template() -> None:
    found = {
        str(path.relative_to(FOLDER)): path.read_text(encoding="utf-8")
        for path in FOLDER.rglob("*.json")
    }
    assert found == owner_files(), "run 'make docs'"


def test_the_rules_of_the_lake_keep_the_contracts_days_and_no_old_version() -> None:
    rules = {rule["ID"]: rule for rule in content("lake/lifecycle.json")["Rules"]}
    days = {
        rule["Filter"]["Prefix"]: rule["Expiration"]["Days"]
        for rule in rules.values()
        if "Days" in rule.get("Expiration", {})
    }
    assert days == {
        "lake/staging/": RETENTION.staging_days,
        "lake/deliveries/": RETENTION.delivery_days,
        "lake/restricted/resubmissions/": RETENTION.rejected_days,
        "lake/runs/": RETENTION.run_days,
        "lake/claims/": RETENTION.run_days,
        "query-results/": 14,
    }
    old = rules["old-versions"]
    assert old["Filter"] == {"Prefix": "lake/"}
    assert old["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}


def test_no_rule_reaches_what_others_have_in_the_bucket() -> None:
    for name in BUCKETS:
        for rule in content(f"{name}/lifecycle.json")["Rules"]:
            prefix = rule["Filter"]["Prefix"]
            assert prefix.startswith(
                "upload/" if name == "uploads" else ("lake/", "query-results/")
            )


def test_the_keys_policy_is_that_of_the_stacks_own_key() -> None:
    own = Deployed(account="111122223333").properties("DataKey")["KeyPolicy"]["Statement"]
    sids = [one["Sid"] for one in content("key/policy.json")["Statement"]]
    assert sids == [one["Sid"] for one in own]
    assert "LogGroupsOfThisStack" in sids


@pytest.fixture(scope="module")
def s3(emulator_environment: None) -> Iterator[Any]:
    with Emulator() as emulator:
        client = emulator.client("s3")
        for name in BUCKETS:
            client.create_bucket(Bucket=name)
        yield client


@pytest.mark.parametrize("name", BUCKETS)
def test_the_owner_can_apply_the_files(s3: Any, name: str) -> None:
    """Boto3 checks each against the model of the API; the emulator keeps them."""
    s3.put_bucket_lifecycle_configuration(
        Bucket=name, LifecycleConfiguration=content(f"{name}/lifecycle.json")
    )
    s3.put_bucket_encryption(
        Bucket=name, ServerSideEncryptionConfiguration=content(f"{name}/encryption.json")
    )
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps(content(f"{name}/policy.json")))
    if name == "uploads":
        s3.put_bucket_versioning(
            Bucket=name, VersioningConfiguration=content("uploads/versioning.json")
        )
        s3.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration=content("uploads/notification.json")
        )
        assert "EventBridgeConfiguration" in s3.get_bucket_notification_configuration(Bucket=name)
