"""CI's role can do what a deployment does, and nothing else."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3
import pytest
from infra.deployment import deploy, undeploy
from infra.emulator import emulator_settings
from infra.promotion import promote
from infra.terminal import TerminalListener
from rich.console import Console
from tests.support.built import build_once
from tests.support.deployed import ARTIFACTS, DEPLOY_ROLE, MAINTENANCE, TEMPLATE, Deployed
from tests.support.handlers import permissions_of
from tests.support.policy import Grant, Permissions
from tests.support.quick_sam import quick_sam
from tests.support.recorder import Call, Recorder
from tests.support.reference import is_known

from glue_local.emulator import Emulator
from glue_local.settings import ACCOUNT

PROVIDER = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
SUBJECT = "repo:example/register:environment:production"
BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"
GIVEN = {"ProviderArn": PROVIDER, "Subject": SUBJECT}
LAKE = {"LakeBucket": "lake", "KeyArn": "arn:aws:kms:sa-east-1:123456789012:key/0"}
# Services that the role leaves to people, as the template says.
OF_PEOPLE = ("AWS::QuickSight::", "AWS::LakeFormation::")
# Calls that a deployment makes only if something goes wrong, or on another day.
SELDOM = {
    "cloudformation:DeleteChangeSet": "a change that is refused, or empty",
    "lakeformation:GetDataLakeSettings": "the emulator has no Lake Formation",
    **dict.fromkeys(
        (
            "cloudformation:BatchDescribeTypeConfigurations",
            "cloudformation:DescribeStackDriftDetectionStatus",
            "cloudformation:DescribeStackResourceDrifts",
            "cloudformation:DetectStackDrift",
            "cloudformation:DetectStackResourceDrift",
        ),
        "`make drift`, which the emulator doesn't have",
    ),
    "glue:GetTables": "a database that a stack doesn't keep",
    "s3:AbortMultipartUpload": "an upload in parts that failed",
}
# Actions of CloudFormation's handlers that no deployment of these templates uses, each with why.
UNUSED = {
    "ec2:*": "the function is in no network",
    "elasticfilesystem:*": "the function mounts no file system",
    "s3files:*": "the function mounts no file system",
    "lambda:*CodeSigning*": "the function's code is not signed",
    "lambda:GetLayerVersion": "the function has no layers",
    "lambda:PassCapacityProvider": "the function has no instances of its own",
    "lambda:*ScalingConfig": "the function has no instances of its own",
    "lambda:*RecursionConfig": "the template leaves recursion as it is",
    "lambda:*RuntimeManagementConfig": "the template leaves updates of the runtime as they are",
    "lambda:AssociateRuntimeAlias": "the template leaves updates of the runtime as they are",
    "lambda:PublishVersion": "the function has no versions",
    "lambda:*FunctionConcurrency": "the function reserves no concurrency",
    "firehose:*": "logs go to CloudWatch alone",
    "logs:*LogDelivery": "logs go to CloudWatch alone",
    "logs:*ResourcePolicy": "logs go to CloudWatch alone",
    "logs:*ResourcePolicies": "logs go to CloudWatch alone",
    "logs:*DataProtectionPolicy": "log groups have no data protection policy: no log has such data",
    "logs:*IndexPolic*": "log groups have no index policy",
    "logs:PutBearerTokenAuthentication": "log groups take no tokens",
    "logs:PutLogGroupDeletionProtection": "log groups are not protected from deletion",
    "s3tables:*": "no bucket has tables of metadata",
    "s3:*Metadata*Table*": "no bucket has tables of metadata",
    "s3:PutAccelerateConfiguration": "no bucket is accelerated",
    "s3:Put*Analytics*": "no bucket has analytics",
    "s3:Delete*Analytics*": "no bucket has analytics",
    "s3:PutBucketAbac": "no bucket has access by tags",
    "s3:PutBucketAcl": "every bucket has its owner's rights only",
    "s3:PutObjectAcl": "every bucket has its owner's rights only",
    "s3:PutBucketCORS": "no web page reads a bucket",
    "s3:DeleteBucketCors": "no web page reads a bucket",
    "s3:*BucketWebsite": "no bucket is a web page",
    "s3:PutIntelligentTieringConfiguration": "no bucket has tiers",
    "s3:PutInventoryConfiguration": "no bucket has an inventory",
    "s3:PutMetricsConfiguration": "no bucket has request metrics",
    "s3:DeleteBucketMetricsConfiguration": "no bucket has request metrics",
    "s3:Put*ObjectLock*": "no bucket locks its objects",
    "s3:PutReplicationConfiguration": "no bucket is replicated",
    "s3:*BucketReplication": "no bucket is replicated",
    "s3:List*MultipartUpload*": "of managed query results, which no work group has",
    "secretsmanager:GetSecretValue": "who deploys must not read the key of the ids",
    "secretsmanager:*Replica*": "the secret is in one region",
    "sns:*DataProtectionPolicy": "the topic has no data protection policy",
    "lakeformation:*": "tags need a data lake administrator, so a person deploys them",
    "glue:*Connection": "nothing uses a connection",
    "iam:*UserPolicy": "policies are attached to no one by a stack",
    "iam:*GroupPolicy": "policies are attached to no one by a stack",
    "iam:CreateServiceLinkedRole": "of work groups with Identity Center",
    "s3:*agResource": "of access points and other resources that are not buckets",
    "s3:ListTagsForResource": "of access points and other resources that are not buckets",
    "s3:DeleteObject": "of managed query results, which no work group has",
}


def role(prefix: str = "", region: str = "sa-east-1", **given: str) -> Deployed:
    return Deployed(DEPLOY_ROLE, region=region, parameters={**GIVEN, "Prefix": prefix, **given})


def grants(one: Deployed) -> list[Grant]:
    """Return what the role's policies grant."""
    arns = one.properties("DeployRole")["ManagedPolicyArns"]
    policies = [name for name, _ in one.of_type("AWS::IAM::ManagedPolicy")]
    assert sorted(arns) == sorted(map(one.arn, policies))
    return [grant for name in policies for grant in Permissions(one).grants(name)]


def allows(found: list[Grant], action: str, resource: str = "") -> bool:
    bare = resource and not resource.startswith("arn:") and action.startswith("s3:")
    arn = f"arn:aws:s3:::{resource}" if bare else resource
    return any(grant.covers(action, arn) for grant in found)


def kinds() -> set[str]:
    """Return the types of resources that CI deploys."""
    declared = (
        resource["Type"]
        for path in (TEMPLATE, ARTIFACTS, MAINTENANCE)
        for resource in Deployed(path, parameters=LAKE).template["Resources"].values()
    )
    return {kind for kind in declared if not kind.startswith(OF_PEOPLE)}


def called_by_cloudformation() -> set[str]:
    """Return what CloudFormation calls for these resources."""
    return {action for kind in kinds() for action in permissions_of(kind)}


def reason(action: str) -> str:
    return next((why for pattern, why in UNUSED.items() if fnmatchcase(action, pattern)), "")


# With the calls of a deployment, recorded


@pytest.fixture(scope="module")
def calls(
    emulator_environment: None,
    sam_environment: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[set[Call]]:
    """The calls of a first and a second deployment, a promotion, and a removal."""
    folder = tmp_path_factory.mktemp("emulator")
    listener = TerminalListener(Console(quiet=True), yes=True)
    with Recorder() as recorder, Emulator(log=folder / "emulator.log") as cloud:
        recorder.upstream = cloud.endpoint
        session: Any = boto3.Session(
            aws_access_key_id=cloud.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=cloud.environment["AWS_SECRET_ACCESS_KEY"],
            region_name="us-east-1",
        )

        clients = functools.cache(functools.partial(session.client, endpoint_url=recorder.endpoint))
        unrecorded = functools.cache(functools.partial(session.client, endpoint_url=cloud.endpoint))
        # The SAM CLI's calls are recorded, too.
        here = {**cloud.environment, "AWS_ENDPOINT_URL": recorder.endpoint}
        here["AWS_REGION"] = here["AWS_DEFAULT_REGION"] = "us-east-1"
        settings = replace(emulator_settings(here), packages=False)
        dev, test = (replace(settings, stack="", prefix=prefix) for prefix in ("dev-", ""))
        with quick_sam(unrecorded):
            deploy(unrecorded, dev, listener, build=build_once)
        promote(clients, dev, test, listener)
        with quick_sam(unrecorded, real={test.stack}):
            deploy(clients, test, listener, build=build_once)
        undeploy(clients, test, listener)
        yield set(recorder.calls)


def test_the_role_may_make_every_call_of_a_deployment(calls: set[Call]) -> None:
    found = [
        *grants(Deployed(DEPLOY_ROLE, account=ACCOUNT, region="us-east-1", parameters=GIVEN)),
        *grants(
            Deployed(
                DEPLOY_ROLE,
                account=ACCOUNT,
                region="us-east-1",
                # Who promotes also reads the first environment.
                parameters={**GIVEN, "Prefix": "dev-"},
            )
        ),
    ]
    refused = [call for call in calls if not allows(found, call.action, call.resource)]
    assert refused == []
    assert len({call.action for call in calls}) > 8


def test_the_command_has_no_right_that_it_does_not_use(calls: set[Call]) -> None:
    used = {call.action for call in calls} | set(SELDOM)
    idle = {grant.action for grant in Permissions(role()).grants("CommandPolicy")} - used
    assert idle == set()
    granted = {grant.action for grant in grants(role())}
    assert set(SELDOM) <= granted


# With CloudFormation's handlers


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_cloudformation_may_do_all_for_a_resource_except_what_has_a_reason(kind: str) -> None:
    needed = permissions_of(kind)
    assert needed
    found = grants(role())
    missing = [
        action
        for action in needed
        if not reason(action) and _is_known(action) and not allows(found, action)
    ]
    assert missing == []


def test_it_may_do_nothing_more() -> None:
    needed = called_by_cloudformation()
    through = [grant for grant in grants(role()) if grant.condition]
    assert through
    assert {grant.action for grant in through} <= needed
    assert [grant.action for grant in through if reason(grant.action)] == []
    idle = [p for p in UNUSED if not any(fnmatchcase(action, p) for action in needed)]
    assert idle == [], "these patterns are no handler's actions any more"


def _is_known(action: str) -> bool:
    """Return whether IAM has an action; handlers also name some that it doesn't have."""
    try:
        return is_known(action)
    except KeyError:
        return False


def test_every_named_resource_is_within_the_roles_names() -> None:
    for prefix in ("", "dev-"):
        found = grants(role(prefix))
        for path in (TEMPLATE, ARTIFACTS):
            one = Deployed(path, parameters={"Prefix": prefix})
            for create, kind in (
                ("athena:CreateWorkGroup", "AWS::Athena::WorkGroup"),
                ("cloudwatch:PutMetricAlarm", "AWS::CloudWatch::Alarm"),
                ("cloudwatch:PutDashboard", "AWS::CloudWatch::Dashboard"),
                ("events:PutRule", "AWS::Events::Rule"),
                ("glue:CreateJob", "AWS::Glue::Job"),
                ("glue:UpdateCrawler", "AWS::Glue::Crawler"),
                ("iam:CreateRole", "AWS::IAM::Role"),
                ("iam:CreatePolicy", "AWS::IAM::ManagedPolicy"),
                ("lambda:CreateFunction", "AWS::Lambda::Function"),
                ("logs:CreateLogGroup", "AWS::Logs::LogGroup"),
                ("s3:CreateBucket", "AWS::S3::Bucket"),
                ("secretsmanager:CreateSecret", "AWS::SecretsManager::Secret"),
                ("sns:CreateTopic", "AWS::SNS::Topic"),
                ("sqs:CreateQueue", "AWS::SQS::Queue"),
            ):
                for name, _ in one.of_type(kind):
                    assert allows(found, create, one.arn(name)), (prefix, name)


# What it must not do


def test_what_changes_resources_goes_through_cloudformation() -> None:
    own = {grant.action for grant in Permissions(role()).grants("CommandPolicy")}
    through = {"aws:CalledVia": "cloudformation.amazonaws.com"}
    for grant in grants(role()):
        if grant.action not in own:
            assert grant.condition["ForAnyValue:StringEquals"] == through, grant
    writing = {a for a in own if not a.startswith("cloudformation:")} - {
        *("glue:GetTable", "glue:GetTables", "s3:GetObject", "s3:ListBucket"),
        *("lakeformation:GetDataLakeSettings", "s3:ListBucketVersions"),
    }
    assert writing == {"s3:PutObject", "s3:AbortMultipartUpload"}


def test_it_reads_no_data_and_no_secret() -> None:
    found = grants(role())
    lake = "cliente-data-lake-123456789012-sa-east-1"
    secret = "arn:aws:secretsmanager:sa-east-1:123456789012:secret:client-health/id-key-AbCdEf"
    assert not allows(found, "s3:GetObject", f"{lake}/lake/deliveries/csv/x.csv")
    assert not allows(found, "secretsmanager:GetSecretValue", secret)
    assert not allows(found, "athena:StartQueryExecution")


@pytest.mark.parametrize("prefix", ["", "dev-"])
def test_it_cannot_change_itself_or_another_environment(prefix: str) -> None:
    one = role(prefix)
    found = grants(one)
    own = [one.arn("DeployRole"), *(one.arn(n) for n, _ in one.of_type("AWS::IAM::ManagedPolicy"))]
    for arn in own:
        changing = [grant for grant in found if grant.action.startswith("iam:")]
        reached = [grant.action for grant in changing if grant.covers(grant.action, arn)]
        assert reached == [], arn
    other = Deployed(parameters={"Prefix": "test-"})
    for name, _ in other.of_type("AWS::IAM::Role"):
        assert not allows(found, "iam:PutRolePolicy", other.arn(name))
    assert not allows(found, "cloudformation:DeleteStack", _stack("test-client-health"))
    assert not allows(found, "cloudformation:DeleteStack", _stack(f"{prefix}client-health-role"))
    assert allows(found, "cloudformation:DeleteStack", _stack(f"{prefix}client-health"))


def _stack(name: str) -> str:
    return f"arn:aws:cloudformation:sa-east-1:123456789012:stack/{name}/0"


def test_a_boundary_is_required_if_it_is_given_and_cannot_be_removed() -> None:
    rights = ("iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy")
    bounded = grants(role(BoundaryArn=BOUNDARY))
    for grant in bounded:
        if grant.action in rights:
            assert grant.condition["StringEquals"] == {"iam:PermissionsBoundary": BOUNDARY}
    assert set(rights) <= {grant.action for grant in bounded}
    assert not allows(bounded, "iam:DeleteRolePermissionsBoundary")


def test_only_one_subject_with_the_providers_token_takes_it() -> None:
    document = json.loads(role().properties("DeployRole")["AssumeRolePolicyDocument"])
    (statement,) = document["Statement"]
    assert statement["Principal"] == {"Federated": PROVIDER}
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    host = "token.actions.githubusercontent.com"
    assert statement["Condition"] == {
        "StringEquals": {f"{host}:aud": "sts.amazonaws.com", f"{host}:sub": SUBJECT}
    }


def test_its_policies_are_within_iams_limits() -> None:
    for given in ({}, {"BoundaryArn": BOUNDARY}):
        one = role("prefixed-", region="ap-southeast-4", **given)
        found = dict(one.of_type("AWS::IAM::ManagedPolicy"))
        assert len(found) <= 10
        for name, policy in found.items():
            text = json.dumps(policy["PolicyDocument"], separators=(",", ":"))
            assert len(text) <= 6144, (name, len(text))


def test_every_statement_for_any_resource_has_its_reason() -> None:
    lines = Path(DEPLOY_ROLE).read_text(encoding="utf-8").splitlines()
    anything = [line for line in lines if 'Resource: "*"' in line]
    assert anything
    assert [line for line in anything if "# why: " not in line] == []
