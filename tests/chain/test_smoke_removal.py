"""What a smoke run made can always be removed, and nothing else ever is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError
from infra.deployment import undeploy
from infra.errors import SettingsError
from infra.local_aws import LocalAws
from infra.smoke import places, removal
from infra.smoke.checks import State
from infra.smoke.order import CHECKS
from infra.smoke.removal import Removal
from infra.smoke.run import refuse, run
from infra.smoke.trial import Trial
from tests.support.quick_sam import quick_sam

from register_run.storage import s3_parts

pytestmark = pytest.mark.timeout(1200)
DEPLOY = CHECKS[:1]


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, local_aws: LocalAws) -> Iterator[Trial]:
    folder = tmp_path_factory.mktemp("smoke")
    with pytest.MonkeyPatch.context() as patch, quick_sam(local_aws.client):
        patch.setattr(places, "LocalAws", lambda folder: nullcontext(local_aws))
        with places.on_the_emulator("smoke-", folder, lambda text: None) as trial:
            yield trial


def key_state(trial: Trial) -> tuple[str, int]:
    kms = trial.chain.client("kms")
    found = kms.describe_key(KeyId=trial.chain.outputs["DataKeyArn"])["KeyMetadata"]
    if "DeletionDate" not in found:
        return found["KeyState"], 0
    days = found["DeletionDate"] - found["DeletionDate"].now(found["DeletionDate"].tzinfo)
    return found["KeyState"], round(days.total_seconds() / 86_400)


def test_a_prefix_that_others_use_is_refused(trial: Trial) -> None:
    s3 = trial.chain.client("s3")
    refuse(trial)
    s3.create_bucket(Bucket="smoke-cliente-data-raw-1-us-east-1")
    with pytest.raises(SettingsError, match="bucket smoke-cliente-data-raw-1-us-east-1"):
        refuse(trial)
    # Without the marker, nothing is removed either.
    assert Removal(trial).remove() == []
    s3.head_bucket(Bucket="smoke-cliente-data-raw-1-us-east-1")
    s3.delete_bucket(Bucket="smoke-cliente-data-raw-1-us-east-1")


def test_a_stack_of_the_markers_name_without_its_tag_marks_nothing(trial: Trial) -> None:
    cloudformation = trial.chain.client("cloudformation")
    trial.marker.create()
    assert trial.marker.exists()
    cloudformation.update_stack(
        StackName=trial.marker.name,
        UsePreviousTemplate=True,
        Parameters=[{"ParameterKey": "Prefix", "UsePreviousValue": True}],
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Tags=[{"Key": "made-by", "Value": "others"}],
    )
    trial.until("the other tag", lambda: not trial.marker.exists(), 60)
    trial.marker.delete()


def test_what_an_interrupted_removal_left_is_removed_by_the_next(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    (deployed, kept) = run(trial, checks=DEPLOY, keep=True)
    assert deployed.state is State.PASS, deployed.words
    assert kept.state is State.SKIPPED
    refuse(trial)
    assert len(Removal(trial).remains()) == 13
    s3, (raw, _) = trial.chain.client("s3"), s3_parts(trial.chain.outputs["UploadTo"])
    # Not below upload/, where the function would be called. Two versions, and a delete marker.
    s3.put_object(Bucket=raw, Key="kept", Body=b"1")
    s3.put_object(Bucket=raw, Key="kept", Body=b"2")
    s3.delete_object(Bucket=raw, Key="kept")

    # The stack is gone, and with it every name of the key; buckets, databases, secret stay.
    undeploy(trial.chain.client, trial.chain.settings, trial.listener)
    assert key_state(trial) == ("Enabled", 0)
    with monkeypatch.context() as patched:
        patched.setattr(removal, "_empty", lambda s3, bucket: None)
        patched.setattr(removal, "_PATIENCE", 0.0)
        left = Removal(trial).remove()
    assert "bucket smoke-cliente-data-raw-" in " ".join(left)
    assert trial.marker.exists(), "the next run would not know that a smoke run made the rest"
    assert key_state(trial) == ("PendingDeletion", 7)

    assert Removal(trial).remove() == []
    assert not trial.marker.exists()
    assert Removal(trial).remains() == []
    assert trial.chain.stacks() == []


def test_no_role_has_a_policy_of_the_chain_when_its_stack_is_deleted(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    holders: list[set[str]] = []

    def look() -> None:
        iam = trial.chain.client("iam")
        arns = [
            one["Arn"]
            for one in iam.list_policies(Scope="Local")["Policies"]
            if one["PolicyName"].startswith("smoke-")
        ]
        assert len(arns) > 2
        found = [iam.list_entities_for_policy(PolicyArn=arn)["PolicyRoles"] for arn in arns]
        holders.append({role["RoleName"] for roles in found for role in roles})

    def watched(*given: Any) -> None:
        look()
        undeploy(*given)

    (deployed, _) = run(trial, checks=DEPLOY, keep=True)
    assert deployed.state is State.PASS, deployed.words
    look()
    monkeypatch.setattr(removal, "undeploy", watched)
    assert Removal(trial).remove() == []
    assert holders == [{"smoke-client-health-smoke-reader-us-east-1"}, set()]


def test_on_an_account_a_check_acts_with_the_credentials_of_the_role(
    tmp_path: Path, local_aws: LocalAws
) -> None:
    noted: list[str] = []
    with (
        local_aws.at_the_chain(),
        places.on_aws("smoke-", "us-east-1", tmp_path, noted.append) as trial,
    ):
        assert trial.differences == {}
        trial.marker.create()
        acting = trial.acting(trial.marker.outputs()["ReaderRoleArn"])
        named = acting("sts").get_caller_identity()["Arn"]
        assert ":assumed-role/smoke-client-health-smoke-reader-us-east-1/smoke" in named
        assert acting("s3") is acting("s3")
        assert ":assumed-role/" not in trial.chain.client("sts").get_caller_identity()["Arn"]
        trial.marker.delete()


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "AssumeRole")


def test_a_role_that_cannot_be_assumed_yet_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(places, "_ROLE_POLL_SECONDS", 0.0)
    given = {"AccessKeyId": "a", "SecretAccessKey": "b", "SessionToken": "c"}
    sts = Mock()
    sts.assume_role.side_effect = [refused("AccessDenied"), {"Credentials": given}]
    assert places._assumed(sts, "role", "sa-east-1")("s3").meta.region_name == "sa-east-1"
    sts.assume_role.side_effect = [refused("ValidationError")]
    with pytest.raises(ClientError, match="ValidationError"):
        places._assumed(sts, "role", "sa-east-1")
    monkeypatch.setattr(places, "_NEW_ROLE_SECONDS", 0.0)
    sts.assume_role.side_effect = [refused("AccessDenied")] * 2
    with pytest.raises(ClientError, match="AccessDenied"):
        places._assumed(sts, "role", "sa-east-1")
