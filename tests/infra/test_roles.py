"""Each role can do what its code calls, and no more."""

from __future__ import annotations

import re

import pytest
from deployed import ARTIFACTS, TEMPLATE, Deployed
from policy import ROLES, Permissions

RAW = "cliente-data-raw-123456789012-sa-east-1"
LAKE = "cliente-data-lake-123456789012-sa-east-1"
CODE = "cliente-data-artifacts-123456789012-sa-east-1"
GLUE = "arn:aws:glue:sa-east-1:123456789012"
SECRET = "arn:aws:secretsmanager:sa-east-1:123456789012:secret:client-health/id-key-AbCdEf"
TABLE = f"{GLUE}:table/db_client_insurance/clientoutput"
RAW_TABLE = f"{GLUE}:table/db_client_insurance_raw/deliveries_csv"
SESSION = f"{GLUE}:session/client-health-r0123456789abcdef-0123456789ab"
OF_CODE = ("ReconcilerRole", "JobRole", "SessionRole", "CrawlerRole")
OF_PEOPLE = ("UploadPolicy", "ReaderPolicy", "StewardPolicy")


@pytest.fixture(scope="module")
def deployed() -> Deployed:
    return Deployed()


@pytest.fixture(scope="module")
def permissions(deployed: Deployed) -> Permissions:
    return Permissions(deployed)


# What the code calls, by reading it; the end-to-end test compares with what it was seen calling.
CALLS = {
    "def_lambda": [
        ("s3:ListBucketVersions", RAW),
        ("s3:ListBucketVersions", LAKE),
        ("s3:GetObject", f"{LAKE}/lake/claims/-/000001.turn"),
        ("s3:PutObject", f"{LAKE}/lake/claims/-/d0123456789abcdef.json"),
        ("glue:GetJobRuns", f"{GLUE}:job/job_client_health"),
        ("glue:StartJobRun", f"{GLUE}:job/job_client_health"),
        ("glue:GetTable", TABLE),
        ("glue:GetTable", TABLE.replace("clientoutput", "publications")),
        ("s3:GetObject", f"{LAKE}/lake/warehouse/db_client_insurance.db/clientoutput/metadata/1"),
        ("glue:ListSessions", "*"),
        ("glue:StopSession", SESSION),
        ("sns:Publish", "arn:aws:sns:sa-east-1:123456789012:client-health-alarms"),
    ],
    "job_client_health": [
        ("s3:GetObject", f"{CODE}/current/notebooks/01_ingest.ipynb"),
        ("s3:GetObject", f"{CODE}/packages/0123456789abcdef.zip"),
        ("s3:GetObject", f"{LAKE}/lake/claims/-/d0123456789abcdef.json"),
        ("s3:PutObject", f"{LAKE}/lake/claims/-/d0123456789abcdef.outcome.json"),
        ("s3:ListBucket", RAW),
        ("s3:ListBucket", LAKE),
        ("s3:GetObject", f"{RAW}/upload/dados_cadastro_2.csv"),
        ("s3:GetObjectVersion", f"{RAW}/upload/2026-11-23/dados_cadastro_2.csv"),
        ("s3:GetObject", f"{LAKE}/lake/deliveries/csv/delivery_id=d0/dados_cadastro_2.csv"),
        ("s3:PutObject", f"{LAKE}/lake/deliveries/csv/delivery_id=d0/dados_cadastro_2.csv"),
        (
            "s3:AbortMultipartUpload",
            f"{LAKE}/lake/deliveries/csv/delivery_id=d0/dados_cadastro_2.csv",
        ),
        ("s3:PutObject", f"{LAKE}/lake/runs/r0/01_ingest.ipynb"),
        ("s3:GetObject", f"{LAKE}/lake/runs/r0/01_ingest.json"),
        ("s3:DeleteObject", f"{LAKE}/lake/runs/r0/01_ingest.json"),
        ("s3:DeleteObject", f"{LAKE}/lake/staging/r0/ingested/part-0.parquet"),
        ("s3:GetObject", f"{LAKE}/lake/warehouse/db_client_insurance.db/clientoutput/metadata/1"),
        ("glue:GetTable", TABLE),
        ("glue:StartCrawler", f"{GLUE}:crawler/crawler_clients"),
        ("glue:GetJobRuns", f"{GLUE}:job/job_client_health"),
        *(
            (f"glue:{action}", SESSION)
            for action in (
                "CreateSession",
                "GetSession",
                "StopSession",
                "RunStatement",
                "GetStatement",
                "ListStatements",
                "CancelStatement",
            )
        ),
    ],
    "session": [
        ("s3:GetObject", f"{CODE}/current/client_health-0.1.0.gluewheels.zip"),
        ("s3:ListBucket", LAKE),
        ("s3:GetBucketLocation", LAKE),
        ("s3:GetObject", f"{LAKE}/lake/deliveries/csv/delivery_id=d0/dados_cadastro_2.csv"),
        ("s3:GetObject", f"{LAKE}/lake/staging"),
        *(
            (f"s3:{action}", f"{LAKE}/lake/{zone}/x")
            for action in ("GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload")
            for zone in ("clientoutput", "warehouse", "staging", "runs")
        ),
        ("glue:GetDatabase", f"{GLUE}:database/db_client_insurance"),
        ("glue:GetTable", TABLE),
        ("glue:CreateTable", TABLE),
        ("glue:UpdateTable", TABLE),
        ("secretsmanager:GetSecretValue", SECRET),
    ],
}


@pytest.mark.parametrize(
    ("role", "action", "resource"),
    [
        pytest.param(role, *call, id=f"{role} {call[0]} {call[1].rpartition('/')[2]}")
        for role, calls in CALLS.items()
        for call in calls
    ],
)
def test_a_role_may_do_what_its_code_calls(
    permissions: Permissions, role: str, action: str, resource: str
):
    assert permissions.allows(role, action, resource)


@pytest.mark.parametrize("role", CALLS)
def test_a_role_may_do_nothing_that_its_code_does_not_call(permissions: Permissions, role: str):
    assert permissions.unused(role, CALLS[role]) == []


@pytest.mark.parametrize(
    ("role", "action", "resource"),
    [
        # Only sessions know the key of the ids, and the uploads are no business of theirs.
        ("def_lambda", "secretsmanager:GetSecretValue", SECRET),
        ("job_client_health", "secretsmanager:GetSecretValue", SECRET),
        ("CrawlerRole", "secretsmanager:GetSecretValue", SECRET),
        ("session", "s3:GetObject", f"{RAW}/upload/dados_cadastro_2.csv"),
        # Uploads are deleted by their lifecycle, deliveries stay what they were.
        *((role, "s3:DeleteObject", f"{RAW}/upload/x.csv") for role in OF_CODE),
        *((role, "s3:DeleteObjectVersion", f"{RAW}/upload/x.csv") for role in OF_CODE),
        *((role, "s3:PutObject", f"{RAW}/upload/x.csv") for role in OF_CODE),
        *((role, "s3:DeleteObject", f"{LAKE}/lake/deliveries/csv/x.csv") for role in OF_CODE),
        ("session", "s3:PutObject", f"{LAKE}/lake/deliveries/csv/x.csv"),
        # A claim is never taken back, least of all by the session.
        *((role, "s3:DeleteObject", f"{LAKE}/lake/claims/-/d0.json") for role in OF_CODE),
        ("session", "s3:PutObject", f"{LAKE}/lake/claims/-/d0.json"),
        # The reconciler sees names, not data.
        ("def_lambda", "s3:GetObject", f"{RAW}/upload/dados_cadastro_2.csv"),
        ("def_lambda", "s3:GetObject", f"{LAKE}/lake/deliveries/csv/x.csv"),
        ("def_lambda", "s3:GetObject", f"{LAKE}/lake/clientoutput/x.parquet"),
        # Other people's sessions, jobs, tables and code.
        ("def_lambda", "glue:StopSession", f"{GLUE}:session/somebody-else"),
        ("def_lambda", "glue:StartJobRun", f"{GLUE}:job/another"),
        ("job_client_health", "glue:RunStatement", f"{GLUE}:session/somebody-else"),
        ("job_client_health", "glue:StartJobRun", f"{GLUE}:job/job_client_health"),
        ("job_client_health", "glue:GetJobRuns", f"{GLUE}:job/another"),
        ("job_client_health", "glue:UpdateTable", TABLE),
        ("job_client_health", "s3:PutObject", f"{LAKE}/lake/clientoutput/x.parquet"),
        ("session", "glue:GetTable", RAW_TABLE),
        ("session", "glue:DeleteTable", TABLE),
        ("CrawlerRole", "glue:UpdateTable", TABLE),
        ("CrawlerRole", "glue:GetTable", TABLE),
        ("CrawlerRole", "s3:GetObject", f"{LAKE}/lake/clientoutput/x.parquet"),
        *((role, "s3:PutObject", f"{CODE}/current/start_job.py") for role in OF_CODE),
        # People
        ("ReaderPolicy", "s3:GetObject", f"{LAKE}/lake/deliveries/csv/x.csv"),
        ("ReaderPolicy", "s3:GetObject", f"{LAKE}/lake/staging/r0/x.parquet"),
        ("ReaderPolicy", "s3:GetObject", f"{LAKE}/query-results/stewards/x.csv"),
        ("ReaderPolicy", "glue:GetTable", RAW_TABLE),
        ("ReaderPolicy", "s3:PutObject", f"{LAKE}/lake/clientoutput/x.parquet"),
        ("StewardPolicy", "s3:PutObject", f"{LAKE}/lake/deliveries/csv/x.csv"),
        ("UploadPolicy", "s3:GetObject", f"{RAW}/upload/x.csv"),
        ("UploadPolicy", "s3:PutObject", f"{RAW}/elsewhere/x.csv"),
    ],
)
def test_a_role_may_not(permissions: Permissions, role: str, action: str, resource: str):
    assert not permissions.allows(role, action, resource)


@pytest.mark.parametrize(
    ("role", "action", "resource"),
    [
        ("CrawlerRole", "s3:GetObject", f"{LAKE}/lake/deliveries/csv/delivery_id=d0/x.csv"),
        ("CrawlerRole", "glue:CreateTable", RAW_TABLE),
        ("CrawlerRole", "glue:BatchCreatePartition", RAW_TABLE),
        ("UploadPolicy", "s3:PutObject", f"{RAW}/upload/2026-11-23/dados_cadastro_1.parquet"),
        ("ReaderPolicy", "glue:GetTable", TABLE),
        ("ReaderPolicy", "s3:GetObject", f"{LAKE}/lake/clientoutput/convenio=SUS/x.parquet"),
        ("ReaderPolicy", "s3:PutObject", f"{LAKE}/query-results/readers/x.csv"),
        ("StewardPolicy", "glue:GetTable", RAW_TABLE),
        ("StewardPolicy", "s3:GetObject", f"{LAKE}/lake/deliveries/csv/delivery_id=d0/x.csv"),
    ],
)
def test_crawler_and_people_may_do_their_work(
    permissions: Permissions, role: str, action: str, resource: str
):
    assert permissions.allows(role, action, resource)


@pytest.mark.parametrize("path", [TEMPLATE, ARTIFACTS], ids=lambda path: path.name)
def test_every_resource_of_a_star_says_why(path):
    star = re.compile(r"""Resource:\s*\[?\s*["']\*["']""")
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [(number, line) for number, line in enumerate(lines, 1) if star.search(line)]
    without = [(number, line) for number, line in found if not re.search(r"# why: \S+ \S+", line)]
    assert without == []
    # The scan of the text must not miss one that is written in another way.
    statements = [
        statement
        for one in [Deployed(path)]
        for resource in one.template["Resources"].values()
        for statement in _statements(resource)
        if statement.get("Resource") in ("*", ["*"])
    ]
    assert len(statements) == len(found)


def test_a_star_is_only_where_aws_knows_no_resource(permissions: Permissions):
    stars = [
        (role, grant.action)
        for role in (*OF_CODE, *OF_PEOPLE)
        for grant in permissions.grants(role)
        if grant.resource == "*"
    ]
    assert stars == [
        ("ReconcilerRole", "glue:ListSessions"),
        ("JobRole", "glue:GetSecurityConfiguration"),
        ("CrawlerRole", "glue:GetSecurityConfiguration"),
    ]


def test_no_role_has_a_pattern_for_an_action(permissions: Permissions):
    patterns = [
        (role, grant.action)
        for role in (*OF_CODE, *OF_PEOPLE)
        for grant in permissions.grants(role)
        if "*" in grant.action or "?" in grant.action
    ]
    assert patterns == []


def test_the_sessions_role_goes_to_glue_alone_and_no_other_role_is_passed(
    deployed: Deployed, permissions: Permissions
):
    passed = [
        (role, grant.resource, grant.condition)
        for role in (*OF_CODE, *OF_PEOPLE)
        for grant in permissions.grants(role)
        if grant.covers("iam:PassRole", "")
    ]
    glue = {"StringEquals": {"iam:PassedToService": "glue.amazonaws.com"}}
    assert passed == [("JobRole", deployed.arn("SessionRole"), glue)]


def test_a_role_is_taken_by_one_service(deployed: Deployed):
    services = {}
    for name, role in deployed.of_type("AWS::IAM::Role"):
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        services[name] = statement["Principal"]
    assert services == {
        "ReconcilerRole": {"Service": "lambda.amazonaws.com"},
        "JobRole": {"Service": "glue.amazonaws.com"},
        "SessionRole": {"Service": "glue.amazonaws.com"},
        "CrawlerRole": {"Service": "glue.amazonaws.com"},
    }
    assert set(ROLES.values()) < set(services)


def test_every_role_may_use_the_key_that_its_data_has(deployed: Deployed, permissions: Permissions):
    key = deployed.arn("DataKey")
    assert all(permissions.allows(role, "kms:Decrypt", key) for role in (*OF_CODE, *OF_PEOPLE))
    writers = [role for role in (*OF_CODE, *OF_PEOPLE) if role != "CrawlerRole"]
    assert all(permissions.allows(role, "kms:GenerateDataKey", key) for role in writers)


def test_job_and_function_write_to_their_own_logs(deployed: Deployed, permissions: Permissions):
    groups = {
        "ReconcilerRole": "ReconcilerLog",
        "JobRole": "JobOutputLog",
        "CrawlerRole": "CrawlerLog",
    }
    for role, group in groups.items():
        stream = deployed.arn(group).removesuffix(":*") + ":log-stream:x"
        assert permissions.allows(role, "logs:PutLogEvents", stream), role
        others = [name for name in groups.values() if name != group]
        for other in others:
            assert not permissions.allows(role, "logs:PutLogEvents", deployed.arn(other)), role


def _statements(node: object):
    if isinstance(node, list):
        for item in node:
            yield from _statements(item)
    elif isinstance(node, dict):
        if "Effect" in node:
            yield node
        for value in node.values():
            yield from _statements(value)
