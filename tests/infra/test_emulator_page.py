"""``docs/emulator.md`` names existing tests, and describes the emulator correctly."""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from glue_local.emulator import Emulator

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "emulator.md"
TABLE_ROW = re.compile(r"^\|(?! (?:---|AWS) )(?P<row>.+)\|$", re.MULTILINE)
BUCKET = "the-emulators-page"
ROLE = "arn:aws:iam::000000000000:role/any"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "glue.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def rows() -> list[str]:
    found = [match["row"] for match in TABLE_ROW.finditer(PAGE.read_text(encoding="utf-8"))]
    return [row for row in found if not row.startswith(" AWS refuses | test")]


def known_tests() -> set[str]:
    return {
        node.name
        for path in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_each_row_names_a_test_that_exists_or_says_that_nothing_checks_it():
    known = known_tests()
    assert len(rows()) > 20
    for row in rows():
        named = re.findall(r"`(test_\w+)`", row)
        assert named or "nothing: " in row, row
        assert [name for name in named if name not in known] == [], row


# If a newer emulator refuses one of these, a row of the page is no longer true.


class Cloud:
    """Clients of the emulator that sign in different ways."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def client(self, service: str, region: str = "us-east-1", **given: Any) -> Any:
        environment = self._emulator.environment
        keys = {
            "aws_access_key_id": environment["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": environment["AWS_SECRET_ACCESS_KEY"],
        }
        endpoint = {"endpoint_url": self._emulator.endpoint, "region_name": region}
        return boto3.client(service, **{**endpoint, **keys, **given})


@pytest.fixture(scope="module")
def cloud(emulator_environment: None) -> Iterator[Cloud]:
    with Emulator() as emulator:
        made = Cloud(emulator)
        made.client("s3").create_bucket(Bucket=BUCKET)
        yield made


def put(cloud: Cloud, **given: Any) -> None:
    cloud.client("s3", **given).put_object(Bucket=BUCKET, Key="k", Body=b"x")


def put_though_plain_http_is_denied(cloud: Cloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=f"{BUCKET}-tls")
    denied = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": f"arn:aws:s3:::{BUCKET}-tls/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [denied]})
    s3.put_bucket_policy(Bucket=f"{BUCKET}-tls", Policy=policy)
    s3.put_object(Bucket=f"{BUCKET}-tls", Key="k", Body=b"x")


def policy(action: str = "s3:GetObject", resources: int = 1) -> str:
    arns = [f"arn:aws:s3:::{BUCKET}/{number:030}" for number in range(resources)]
    allowed = {"Effect": "Allow", "Action": action, "Resource": arns}
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed]})


def managed(cloud: Cloud, name: str, document: str) -> None:
    cloud.client("iam").create_policy(PolicyName=name, PolicyDocument=document)


def inline(cloud: Cloud) -> None:
    iam = cloud.client("iam")
    iam.create_role(RoleName="large", AssumeRolePolicyDocument=json.dumps(TRUST))
    document = policy(resources=300)
    assert len(document) > 10_240
    iam.put_role_policy(RoleName="large", PolicyName="large", PolicyDocument=document)


def function(cloud: Cloud, name: str, variables: dict[str, str]) -> str:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.py", "import sys\ndef handle(event, context): return sys.version\n")
    client = cloud.client("lambda")
    client.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Architectures=["arm64"],
        Handler="a.handle",
        Role=ROLE,
        Code={"ZipFile": packed.getvalue()},
        Environment={"Variables": variables},
    )
    answer: str = json.loads(client.invoke(FunctionName=name)["Payload"].read())
    return answer


def stack(cloud: Cloud, name: str, resource: dict[str, Any]) -> None:
    body = json.dumps({"Resources": {"Made": resource}})
    cloud.client("cloudformation").create_stack(StackName=name, TemplateBody=body)


def update_that_the_policy_forbids(cloud: Cloud) -> None:
    client = cloud.client("cloudformation")
    kept, lost = ({"Type": "AWS::SQS::Queue", "Properties": {"QueueName": n}} for n in "kl")
    deny = {"Effect": "Deny", "Action": "Update:*", "Principal": "*", "Resource": "*"}
    body = json.dumps({"Resources": {"Kept": kept, "Lost": lost}})
    policy = json.dumps({"Statement": [deny]})
    client.create_stack(StackName="policy", TemplateBody=body, StackPolicyBody=policy)
    client.get_waiter("stack_create_complete").wait(StackName="policy", WaiterConfig={"Delay": 1})
    client.update_stack(StackName="policy", TemplateBody=json.dumps({"Resources": {"Kept": kept}}))
    client.get_waiter("stack_update_complete").wait(StackName="policy", WaiterConfig={"Delay": 1})


def delete_a_stack_with_a_policy_that_a_role_has(cloud: Cloud) -> None:
    document = json.loads(policy())
    named = {"ManagedPolicyName": "attached", "PolicyDocument": document}
    stack(cloud, "f", {"Type": "AWS::IAM::ManagedPolicy", "Properties": named})
    iam, cloudformation = cloud.client("iam"), cloud.client("cloudformation")
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="f", WaiterConfig={"Delay": 1}
    )
    iam.create_role(RoleName="outside", AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.attach_role_policy(
        RoleName="outside", PolicyArn="arn:aws:iam::000000000000:policy/attached"
    )
    cloudformation.delete_stack(StackName="f")
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName="f", WaiterConfig={"Delay": 1}
    )


LETS_PASS: dict[str, Callable[[Cloud], object]] = {
    "a request that is not signed": partial(put, config=Config(signature_version=UNSIGNED)),
    "a signature of another key": partial(put, aws_secret_access_key="another"),
    "another region": partial(put, region="us-east-2"),
    "an action that does not exist": lambda cloud: managed(cloud, "a", policy("s3:NoSuchThing")),
    "plain HTTP": put_though_plain_http_is_denied,
    "a large policy": lambda cloud: managed(cloud, "b", policy(resources=200)),
    "a role's large policy": inline,
    "the deletion of a policy that a role has": delete_a_stack_with_a_policy_that_a_role_has,
    "large variables": lambda cloud: function(cloud, "c", {"A": "x" * 5000}),
    "an update that the stack policy forbids": update_that_the_policy_forbids,
    "another property": lambda cloud: stack(
        cloud, "d", {"Type": "AWS::SQS::Queue", "Properties": {"NoSuchProperty": 1}}
    ),
    "named IAM without the capability": lambda cloud: stack(
        cloud,
        "e",
        {
            "Type": "AWS::IAM::Role",
            "Properties": {"RoleName": "named", "AssumeRolePolicyDocument": TRUST},
        },
    ),
}


@pytest.mark.parametrize("what", LETS_PASS)
def test_the_emulator_lets_pass_what_the_page_says(cloud: Cloud, what: str):
    LETS_PASS[what](cloud)


def test_the_emulator_runs_a_function_with_another_python_than_the_templates(cloud: Cloud):
    assert not function(cloud, "version", {}).startswith("3.13")


QUEUE = {"Resources": {"Made": {"Type": "AWS::SQS::Queue"}}}


@pytest.mark.parametrize(
    ("limit", "call"),
    [
        ("51200", {"TemplateBody": json.dumps(QUEUE) + " " * 51_200}),
        ("1024", {"TemplateBody": json.dumps({**QUEUE, "Description": "d" * 1025})}),
        (
            "4096",
            {
                "TemplateBody": json.dumps({**QUEUE, "Parameters": {"P": {"Type": "String"}}}),
                "Parameters": [{"ParameterKey": "P", "ParameterValue": "x" * 4097}],
            },
        ),
    ],
    ids=["body", "description", "parameter"],
)
def test_the_emulator_refuses_of_a_template_what_the_page_says(
    cloud: Cloud, limit: str, call: dict[str, Any]
):
    with pytest.raises(ClientError, match=limit) as caught:
        cloud.client("cloudformation").create_stack(StackName="refused", **call)
    assert caught.value.response["Error"]["Code"] == "ValidationError"


def test_the_emulator_writes_a_key_once_where_that_is_asked(cloud: Cloud):
    s3 = cloud.client("s3")
    s3.put_object(Bucket=BUCKET, Key="once", Body=b"", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=BUCKET, Key="once", Body=b"", IfNoneMatch="*")
