"""The template with what a company already has: nothing of it is made, everything follows it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.deployed import MAINTENANCE, TEMPLATE, Deployed
from tests.support.deployed import QUICKSIGHT as DASHBOARD
from tests.support.policy import Permissions

UPLOADS, LAKE, DATABASE = "their-uploads", "their-lake", "their_database"
ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:sa-east-1:{ACCOUNT}:key/theirs"
UPLOADER = "arn:aws:iam::444455556666:role/uploader"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/limits"
QUICKSIGHT = f"arn:aws:quicksight:us-east-1:{ACCOUNT}:group/default/team"
EVERYTHING = {
    "RawBucketName": UPLOADS,
    "UploadPrefix": "register/in/",
    "LakeBucketName": LAKE,
    "DatabaseName": DATABASE,
    "KeyArn": KEY,
    # So that all that the template can make is there.
    "ColumnAccess": "on",
    "LakeFormationGrants": "on",
    "ConnectionName": "network",
    **{f"{kind}RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{kind}" for kind in ("Reader", "Steward")},
}
UPKEEP = {"LakeBucket": LAKE, "KeyArn": KEY}
ROOT_OF_THIS_ACCOUNT = f"arn:aws:iam::{ACCOUNT}:root"


@pytest.fixture(scope="module")
def given() -> Deployed:
    return Deployed(parameters=EVERYTHING)


def statement(document: dict[str, Any], sid: str) -> dict[str, Any]:
    (found,) = [one for one in document["Statement"] if one["Sid"] == sid]
    return found


# Buckets, key, and database


def test_none_of_what_is_given_is_made_or_named_otherwise(given: Deployed) -> None:
    made = {"RawBucket", "RawBucketPolicy", "LakeBucket", "LakeBucketPolicy", "Database", "DataKey"}
    assert not made & given.resources.keys()
    text = json.dumps([given.resources, given.outputs()])
    forgotten = ("cliente-data-raw", "cliente-data-lake", "key/DataKey", "/upload/", '"upload/')
    assert [name for name in forgotten if name in text] == []
    # The deliveries' database stays the stack's: the crawler may delete every table in it.
    assert text.replace("db_client_insurance_raw", "").count("db_client_insurance") == 0
    assert all(name in text for name in (UPLOADS, LAKE, DATABASE, KEY, "register/in/"))


def test_with_names_of_its_own_everything_stays_as_it_was() -> None:
    """What is given by the names that the stack would choose gives the same permissions."""
    own = Deployed()
    names = {
        "RawBucketName": own.ref("RawBucket"),
        "LakeBucketName": own.ref("LakeBucket"),
        "DatabaseName": own.ref("Database"),
        "KeyArn": own.arn("DataKey"),
    }
    same = Deployed(parameters=names)
    for kind in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy", "AWS::Glue::Job"):
        assert dict(own.of_type(kind)) == dict(same.of_type(kind))
    assert own.outputs() == same.outputs()


def test_code_looks_where_the_uploads_are(given: Deployed) -> None:
    variables = given.properties("Reconciler")["Environment"]["Variables"]
    assert (variables["RAW_BUCKET"], variables["UPLOAD_PREFIX"]) == (UPLOADS, "register/in/")
    assert given.properties("Job")["DefaultArguments"]["--RAW"] == f"s3://{UPLOADS}/register/in/"
    assert given.outputs()["UploadTo"] == f"s3://{UPLOADS}/register/in/"
    permissions = Permissions(given)
    assert permissions.allows("JobRole", "s3:GetObjectVersion", f"{UPLOADS}/register/in/a.csv")
    assert permissions.allows("UploadPolicy", "s3:PutObject", f"{UPLOADS}/register/in/a.csv")
    for role in ("JobRole", "UploadPolicy"):
        for action in ("s3:GetObject", "s3:PutObject"):
            assert not permissions.allows(role, action, f"{UPLOADS}/others/a.csv")
    (look,) = [one for one in permissions.grants("ReconcilerRole") if one.sid == "SeeUploads"]
    assert look.condition == {"StringEquals": {"s3:prefix": "register/in/"}}


# How uploads reach the reconciler


@pytest.mark.parametrize(
    "parameters",
    [{"RawBucketName": UPLOADS}, {"UploadNotifications": "eventbridge"}, EVERYTHING],
    ids=["given bucket", "asked for", "everything"],
)
def test_events_of_the_bucket_and_folder_call_the_reconciler(parameters: dict[str, str]) -> None:
    deployed = Deployed(parameters=parameters)
    rule = deployed.properties("UploadEvents")
    variables = deployed.properties("Reconciler")["Environment"]["Variables"]
    assert rule["EventPattern"] == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "account": [ACCOUNT],
        "detail": {
            "bucket": {"name": [variables["RAW_BUCKET"]]},
            "object": {"key": [{"prefix": variables["UPLOAD_PREFIX"]}]},
        },
    }
    (target,) = rule["Targets"]
    assert target["Arn"] == deployed.arn("Reconciler")
    assert target["DeadLetterConfig"]["Arn"] == deployed.arn("LostEvents")
    allowed = deployed.properties("UploadEventsMayCallReconciler")
    assert allowed["SourceArn"] == deployed.arn("UploadEvents")
    lost = deployed.properties("LostEventsPolicy")["PolicyDocument"]
    senders = statement(lost, "OurRules")["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert deployed.arn("UploadEvents") in senders
    assert len(senders) == 3


def test_a_bucket_notifies_in_one_of_the_two_ways() -> None:
    own = Deployed()
    assert own.properties("RawBucket")["NotificationConfiguration"].keys() == {
        "LambdaConfigurations"
    }
    assert "UploadEvents" not in own.resources
    asked = Deployed(parameters={"UploadNotifications": "eventbridge"})
    assert asked.properties("RawBucket")["NotificationConfiguration"] == {
        "EventBridgeConfiguration": {"EventBridgeEnabled": True}
    }


# Another account that uploads


def test_another_account_may_upload_with_the_key_and_nothing_else() -> None:
    deployed = Deployed(parameters={"UploaderArn": UPLOADER})
    bucket, key = deployed.arn("RawBucket"), deployed.arn("DataKey")
    upload = statement(
        deployed.properties("RawBucketPolicy")["PolicyDocument"], "UploaderOfAnotherAccount"
    )
    assert upload == {
        "Sid": "UploaderOfAnotherAccount",
        "Effect": "Allow",
        "Principal": {"AWS": UPLOADER},
        "Action": ["s3:PutObject", "s3:AbortMultipartUpload"],
        "Resource": f"{bucket}/upload/*",
        # A request that names no key gets the bucket's; one that names another is refused.
        "Condition": {
            "StringEqualsIfExists": {
                "s3:x-amz-server-side-encryption": "aws:kms",
                "s3:x-amz-server-side-encryption-aws-kms-key-id": key,
            }
        },
    }
    encrypt = statement(deployed.properties("DataKey")["KeyPolicy"], "UploaderOfAnotherAccount")
    assert encrypt["Principal"] == {"AWS": UPLOADER}
    assert encrypt["Action"] == ["kms:GenerateDataKey", "kms:Decrypt"]
    assert encrypt["Condition"] == {
        "StringEquals": {"kms:ViaService": "s3.sa-east-1.amazonaws.com"},
        "StringLike": {"kms:EncryptionContext:aws:s3:arn": [bucket, f"{bucket}/upload/*"]},
    }
    # Objects of another account belong to the bucket's owner.
    (rule,) = deployed.properties("RawBucket")["OwnershipControls"]["Rules"]
    assert rule == {"ObjectOwnership": "BucketOwnerEnforced"}


def test_without_an_uploader_no_other_account_is_named() -> None:
    deployed = Deployed()
    documents = [
        deployed.properties("RawBucketPolicy")["PolicyDocument"],
        deployed.properties("DataKey")["KeyPolicy"],
    ]
    for document in documents:
        named = statement(document, "UploaderOfAnotherAccount")["Principal"]
        assert named == {"AWS": ROOT_OF_THIS_ACCOUNT}


# Rules for roles


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        (TEMPLATE, {**EVERYTHING, "ColumnAccess": "on"}),
        (MAINTENANCE, UPKEEP),
        (DASHBOARD, {**UPKEEP, "QuickSightPrincipalArn": QUICKSIGHT}),
    ],
    ids=["chain", "maintenance", "dashboard"],
)
def test_every_role_has_boundary_and_path(path: Any, parameters: dict[str, str]) -> None:
    rules = {"PermissionsBoundary": BOUNDARY, "RolePath": "/data/"}
    roles = list(Deployed(path, parameters={**parameters, **rules}).of_type("AWS::IAM::Role"))
    assert len(roles) == (6 if path == TEMPLATE else 1)
    for _, role in roles:
        assert (role["PermissionsBoundary"], role["Path"]) == (BOUNDARY, "/data/")
    for _, role in Deployed(path, parameters=parameters).of_type("AWS::IAM::Role"):
        assert "PermissionsBoundary" not in role
        assert "Path" not in role


def test_logs_that_are_named_by_roles_follow_their_path() -> None:
    deployed = Deployed(parameters={"RolePath": "/data/"})
    names = {name: group["LogGroupName"] for name, group in deployed.of_type("AWS::Logs::LogGroup")}
    role = "client-health-{}-sa-east-1"
    job = f"/aws-glue/python-jobs/client-health-role/data/{role.format('job')}"
    assert names["JobOutputLog"] == f"{job}/output"
    assert names["JobErrorLog"] == f"{job}/error"
    crawler = f"/aws-glue/crawlers-role/data/{role.format('crawler')}-client-health"
    assert names["CrawlerLog"] == crawler
    permissions = Permissions(deployed)
    for name, group in (("JobRole", "JobOutputLog"), ("CrawlerRole", "CrawlerLog")):
        stream = deployed.arn(group).removesuffix(":*") + ":log-stream:x"
        assert permissions.allows(name, "logs:PutLogEvents", stream)


# A network


def test_session_job_and_crawler_run_in_the_network_of_the_connection(given: Deployed) -> None:
    job = given.properties("Job")
    assert job["Connections"] == {"Connections": ["network"]}
    assert job["DefaultArguments"]["--CONNECTION"] == "network"
    targets = given.properties("Crawler")["Targets"]["S3Targets"]
    assert {target["ConnectionName"] for target in targets} == {"network"}
    policy = [given.ref("ConnectionPolicy")]
    roles = {n for n, r in given.of_type("AWS::IAM::Role") if r.get("ManagedPolicyArns") == policy}
    assert roles == {"SessionRole", "JobRole", "CrawlerRole"}


def test_without_a_connection_nothing_of_a_network_is_there() -> None:
    text = json.dumps(Deployed().resources)
    assert "ec2:" not in text
    assert "onnection" not in text.replace("AllConnections", "")


def test_only_interfaces_of_glue_are_marked(given: Deployed) -> None:
    marks = [one for one in Permissions(given).grants("ConnectionPolicy") if "Tags" in one.action]
    assert {one.action for one in marks} == {"ec2:CreateTags", "ec2:DeleteTags"}
    for one in marks:
        assert ":network-interface/" in one.resource
        assert one.condition == {
            "ForAllValues:StringEquals": {"aws:TagKeys": ["aws-glue-service-resource"]}
        }


# Tags


def test_the_jobs_sessions_get_the_tags_of_the_stack() -> None:
    tags = "CostCenter=1,Owner=data team"
    job = Deployed(parameters={"SessionTags": tags}).properties("Job")
    assert job["DefaultArguments"]["--TAGS"] == tags
    assert "--TAGS" not in Deployed().properties("Job")["DefaultArguments"]
