"""The template is consistent, and has what the documents promise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from infra.template import load_template
from tests.support.deployed import ARTIFACTS, MAINTENANCE, QUICKSIGHT, TEMPLATE, Deployed
from tests.support.scanners import scan

from register_contract.retention import RETENTION

TEMPLATES = (TEMPLATE, ARTIFACTS)
HOLDS_DATA = {
    "AWS::KMS::Key",
    "AWS::S3::Bucket",
    "AWS::SecretsManager::Secret",
}


@pytest.fixture(scope="module")
def deployed() -> Deployed:
    return Deployed()


def lifecycle(bucket: dict) -> list[dict]:
    return bucket["LifecycleConfiguration"]["Rules"]


def buckets() -> list:
    return [
        pytest.param(one, name, id=name)
        for one in map(Deployed, TEMPLATES)
        for name, _ in one.of_type("AWS::S3::Bucket")
    ]


# What scanners and CloudFormation require


@pytest.mark.slow
def test_cfn_lint_finds_nothing():
    found = scan("cfn-lint")
    assert (found.returncode, found.stdout) == (0, ""), found.stdout + found.stderr


@pytest.mark.slow
def test_checkov_finds_nothing_but_exceptions_with_a_reason():
    # The "compact" setting of its configuration omits the passed checks.
    found = json.loads(scan("checkov", "--output", "json").stdout)
    assert found["summary"]["failed"] == 0
    assert found["summary"]["parsing_errors"] == 0
    assert found["summary"]["passed"] > 140
    written = {
        (name, exception["id"])
        for one in map(Deployed, TEMPLATES)
        for name, resource in one.template["Resources"].items()
        for exception in resource.get("Metadata", {}).get("checkov", {}).get("skip", ())
        if len(exception["comment"]) > 40
    }
    assert found["summary"]["skipped"] == len(written) > 0


@pytest.mark.parametrize("path", (*TEMPLATES, MAINTENANCE, QUICKSIGHT), ids=lambda path: path.name)
def test_the_template_is_within_cloudformations_limits(path: Path):
    found = load_template(path.read_text(encoding="utf-8"))
    # A template of more than 51,200 bytes must be read from a bucket; the deploy command does so.
    assert path.stat().st_size < (1_000_000 if path == TEMPLATE else 51_200)
    assert len(found["Resources"]) <= 500
    assert len(found["Parameters"]) <= 200
    assert len(found["Outputs"]) <= 200
    assert len(found["Description"]) <= 1024


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_every_parameter_has_a_default(path: Path):
    without = [n for n, p in Deployed(path).template["Parameters"].items() if "Default" not in p]
    assert without == []


def test_every_parameter_is_in_one_group_of_the_console(deployed: Deployed):
    groups = deployed.template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    assert sorted(grouped) == sorted(deployed.parameters)


# Buckets and keys


@pytest.mark.parametrize(("one", "name"), buckets())
def test_a_bucket_is_closed_to_the_public(one: Deployed, name: str):
    closed = one.properties(name)["PublicAccessBlockConfiguration"]
    assert set(closed.values()) == {True}
    assert len(closed) == 4


@pytest.mark.parametrize(("one", "name"), buckets())
def test_a_bucket_refuses_plain_http_and_old_tls(one: Deployed, name: str):
    policies = [
        policy["PolicyDocument"]["Statement"]
        for _, policy in one.of_type("AWS::S3::BucketPolicy")
        if policy["Bucket"] == one.ref(name)
    ]
    assert len(policies) == 1
    everything = [one.arn(name), f"{one.arn(name)}/*"]
    refused = [
        statement["Condition"]
        for statement in policies[0]
        if (statement["Effect"], statement["Principal"], statement["Action"])
        == ("Deny", "*", "s3:*")
        and statement["Resource"] == everything
    ]
    assert {"Bool": {"aws:SecureTransport": "false"}} in refused
    assert {"NumericLessThan": {"s3:TlsVersion": "1.2"}} in refused


@pytest.mark.parametrize(("one", "name"), buckets())
def test_a_bucket_forgets_parts_of_broken_uploads(one: Deployed, name: str):
    assert any("AbortIncompleteMultipartUpload" in rule for rule in lifecycle(one.properties(name)))


@pytest.mark.parametrize("name", ["RawBucket", "LakeBucket"])
def test_personal_data_is_encrypted_with_the_customer_key(deployed: Deployed, name: str):
    (rule,) = deployed.properties(name)["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": deployed.arn("DataKey"),
    }


def test_key_and_secret_that_are_given_are_used_everywhere_and_none_is_made():
    key = "arn:aws:kms:sa-east-1:123456789012:key/left-by-an-earlier-stack"
    secret = "arn:aws:secretsmanager:sa-east-1:123456789012:secret:left-by-it-too"
    deployed = Deployed(parameters={"KeyArn": key, "SecretArn": secret})
    assert "DataKey" not in deployed.resources
    assert "IdKey" not in deployed.resources
    text = json.dumps([deployed.resources, deployed.outputs()])
    assert key in text
    assert secret in text
    assert "key/DataKey" not in text
    assert "client-health/id-key" not in text


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_what_holds_data_outlives_its_stack(path: Path):
    resources = Deployed(path).template["Resources"]
    holding = {n: r for n, r in resources.items() if r["Type"] in HOLDS_DATA or n == "Database"}
    assert holding
    for resource in holding.values():
        assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
        assert resource["UpdateReplacePolicy"] == "Retain"


def test_every_zone_with_personal_data_is_emptied(deployed: Deployed):
    rules = lifecycle(deployed.properties("LakeBucket"))
    days = {r["Prefix"]: r["ExpirationInDays"] for r in rules if "ExpirationInDays" in r}
    assert days == {
        "lake/staging/": RETENTION.staging_days,
        "lake/deliveries/": RETENTION.delivery_days,
        "lake/restricted/resubmissions/": RETENTION.rejected_days,
        "lake/runs/": RETENTION.run_days,
        "lake/claims/": RETENTION.run_days,
        "query-results/": 14,
    }
    uploads = lifecycle(deployed.properties("RawBucket"))[0]
    assert uploads["ExpirationInDays"] == 30
    assert uploads["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}


def test_a_claim_outlives_its_uploads_whatever_is_configured(deployed: Deployed):
    declared = deployed.template["Parameters"]
    longest = declared["UploadDays"]["MaxValue"] + declared["ReplacedUploadDays"]["MaxValue"]
    assert declared["RunDays"]["MinValue"] > longest


def test_uploads_have_versions_since_deliveries_are_named_by_them(deployed: Deployed):
    assert deployed.properties("RawBucket")["VersioningConfiguration"] == {"Status": "Enabled"}


def test_results_of_stewards_are_not_where_readers_look(deployed: Deployed):
    places = {
        name: group["WorkGroupConfiguration"]["ResultConfiguration"]["OutputLocation"]
        for name, group in deployed.of_type("AWS::Athena::WorkGroup")
    }
    lake = deployed.ref("LakeBucket")
    assert places == {
        "WorkGroup": f"s3://{lake}/query-results/readers/",
        "StewardsWorkGroup": f"s3://{lake}/query-results/stewards/",
    }


def test_every_work_group_encrypts_and_limits_whatever_its_clients_ask(deployed: Deployed):
    for _, group in deployed.of_type("AWS::Athena::WorkGroup"):
        settings = group["WorkGroupConfiguration"]
        assert settings["EnforceWorkGroupConfiguration"] is True
        assert settings["BytesScannedCutoffPerQuery"] >= 10_000_000
        assert settings["ResultConfiguration"]["EncryptionConfiguration"] == {
            "EncryptionOption": "SSE_KMS",
            "KmsKey": deployed.arn("DataKey"),
        }


def test_every_log_group_ends_and_is_encrypted(deployed: Deployed):
    groups = dict(deployed.of_type("AWS::Logs::LogGroup"))
    assert len(groups) == 4
    for group in groups.values():
        assert group["RetentionInDays"] == 400
        assert group["KmsKeyId"] == deployed.arn("DataKey")


def test_the_secret_is_long_enough_for_the_library(deployed: Deployed):
    # See client_health.clean.identity: at least 32 bytes, and the text itself is the key.
    secret = deployed.properties("IdKey")["GenerateSecretString"]
    assert secret["PasswordLength"] >= 32
    assert "SecretStringTemplate" not in secret
