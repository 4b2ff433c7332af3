"""Each role can do exactly what its code calls."""

from __future__ import annotations

import importlib
import re

import pytest
from infra.template import load_template
from tests.support.deployed import ARTIFACTS, MAINTENANCE, QUICKSIGHT, TEMPLATE, Deployed
from tests.support.policy import ROLES, Permissions

RAW = "cliente-data-raw-123456789012-sa-east-1"
LAKE = "cliente-data-lake-123456789012-sa-east-1"
CODE = "cliente-data-artifacts-123456789012-sa-east-1"
GLUE = "arn:aws:glue:sa-east-1:123456789012"
SECRET = "arn:aws:secretsmanager:sa-east-1:123456789012:secret:client-health/id-key-AbCdEf"
TABLE = f"{GLUE}:table/db_client_insurance/clientoutput"
RAW_TABLE = f"{GLUE}:table/db_client_insurance_raw/deliveries_csv"
SESSION = f"{GLUE}:session/client-health-r0123456789abcdef-0123456789ab"
# Glue Studio chooses the id; the copies for it set the tag.
STUDIO_SESSION = f"{GLUE}:session/01234567-89ab-cdef-0123-456789abcdef"
STUDIO_TAGS = {"project": "client-health-studio"}
PRODUCTION_TAGS = {"project": "client-health", "job": "job_client_health", "run-id": "r0"}
USE_OF_SESSIONS = (
    *("GetSession", "StopSession", "RunStatement"),
    *("GetStatement", "ListStatements", "CancelStatement"),
)
IAM = "arn:aws:iam::123456789012:role"
ATHENA = "arn:aws:athena:sa-east-1:123456789012"
TABLES = f"{ATHENA}:datacatalog/AwsDataCatalog"
SAVED = "aws-glue-assets-123456789012-sa-east-1"
OF_CODE = ("ReconcilerRole", "JobRole", "SessionRole", "CrawlerRole")
OF_PEOPLE = ("UploadPolicy", "ReaderPolicy", "StewardPolicy")
# These reach data only through a session, with the session's role.
OF_STUDIO = ("NotebookRole", "ExplorerPolicy")
ALL = (*OF_CODE, *OF_PEOPLE, *OF_STUDIO)


@pytest.fixture(scope="module")
def deployed() -> Deployed:
    return Deployed()


@pytest.fixture(scope="module")
def permissions(deployed: Deployed) -> Permissions:
    return Permissions(deployed)


# The calls in the code; the end-to-end test compares with the calls that were recorded.
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
        ("s3:GetObject", f"{LAKE}/lake/rules.yaml"),
        ("s3:PutObject", f"{LAKE}/lake/runs/r0/rules.json"),
        ("s3:PutObject", f"{LAKE}/lake/runs/r0/01_ingest.ipynb"),
        ("s3:GetObject", f"{LAKE}/lake/runs/r0/01_ingest.json"),
        ("s3:DeleteObject", f"{LAKE}/lake/runs/r0/01_ingest.json"),
        ("s3:DeleteObject", f"{LAKE}/lake/staging/r0/ingested/part-0.parquet"),
        ("s3:GetObject", f"{LAKE}/lake/staging/r0/ingested/_manifest.jsonl"),
        ("s3:GetObject", f"{LAKE}/lake/warehouse/db_client_insurance.db/clientoutput/metadata/1"),
        ("glue:GetTable", TABLE),
        ("glue:StartCrawler", f"{GLUE}:crawler/crawler_clients"),
        ("glue:GetJobRuns", f"{GLUE}:job/job_client_health"),
        ("sns:Publish", "arn:aws:sns:sa-east-1:123456789012:client-health-alarms"),
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
        ("s3:GetObject", f"{CODE}/current/client_health-0.2.0.gluewheels.zip"),
        ("s3:ListBucket", LAKE),
        ("s3:GetBucketLocation", LAKE),
        ("s3:GetObject", f"{LAKE}/lake/deliveries/csv/delivery_id=d0/dados_cadastro_2.csv"),
        ("s3:GetObject", f"{LAKE}/lake/rules.yaml"),
        *(
            (f"s3:{action}", f"{LAKE}/lake/{zone}/x")
            for action in (
                "GetObject",
                "PutObject",
                "DeleteObject",
                "AbortMultipartUpload",
                "ListMultipartUploadParts",
            )
            for zone in ("clientoutput", "warehouse", "staging", "runs", "restricted")
        ),
        ("s3:ListBucketMultipartUploads", LAKE),
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


def test_job_and_reconciler_read_the_alert_secret_only_if_there_is_one(
    permissions: Permissions,
) -> None:
    secret = "arn:aws:secretsmanager:sa-east-1:123456789012:secret:chat-AbCdEf"
    given = Permissions(Deployed(parameters={"AlertSecret": secret}))
    read = "secretsmanager:GetSecretValue"
    for role in ("def_lambda", "job_client_health"):
        assert not permissions.allows(role, read)
        assert given.allows(role, read, secret)
        assert given.unused(role, [*CALLS[role], (read, secret)]) == []
    assert not given.allows("session", read, secret)


def test_a_session_reads_a_second_key_only_while_the_key_changes(permissions: Permissions) -> None:
    previous = "arn:aws:secretsmanager:sa-east-1:123456789012:secret:client-health/old-AbCdEf"
    given = Permissions(Deployed(parameters={"PreviousSecretArn": previous}))
    read = "secretsmanager:GetSecretValue"
    assert not permissions.allows("session", read, previous)
    assert given.allows("session", read, previous)
    assert given.unused("session", [*CALLS["session"], (read, previous)]) == []
    for role in ("def_lambda", "job_client_health", "CrawlerRole", *OF_STUDIO):
        assert not given.allows(role, read, previous)


@pytest.mark.parametrize("role", CALLS)
def test_a_role_may_do_nothing_that_its_code_does_not_call(permissions: Permissions, role: str):
    assert permissions.unused(role, CALLS[role]) == []


@pytest.mark.parametrize(
    ("role", "action", "resource"),
    [
        # Only sessions may read the id key, and they don't need the uploads.
        ("def_lambda", "secretsmanager:GetSecretValue", SECRET),
        ("job_client_health", "secretsmanager:GetSecretValue", SECRET),
        ("CrawlerRole", "secretsmanager:GetSecretValue", SECRET),
        ("session", "s3:GetObject", f"{RAW}/upload/dados_cadastro_2.csv"),
        # Only the lifecycle deletes uploads, and deliveries don't change.
        *((role, "s3:DeleteObject", f"{RAW}/upload/x.csv") for role in OF_CODE),
        *((role, "s3:DeleteObjectVersion", f"{RAW}/upload/x.csv") for role in OF_CODE),
        *((role, "s3:PutObject", f"{RAW}/upload/x.csv") for role in OF_CODE),
        *((role, "s3:DeleteObject", f"{LAKE}/lake/deliveries/csv/x.csv") for role in OF_CODE),
        ("session", "s3:PutObject", f"{LAKE}/lake/deliveries/csv/x.csv"),
        # Nothing may delete a claim, least of all the session.
        *((role, "s3:DeleteObject", f"{LAKE}/lake/claims/-/d0.json") for role in OF_CODE),
        ("session", "s3:PutObject", f"{LAKE}/lake/claims/-/d0.json"),
        # What runs never changes the rules that it runs by.
        *((role, "s3:PutObject", f"{LAKE}/lake/rules.yaml") for role in OF_CODE),
        # The reconciler reads names, not data.
        ("def_lambda", "s3:GetObject", f"{RAW}/upload/dados_cadastro_2.csv"),
        ("def_lambda", "s3:GetObject", f"{LAKE}/lake/deliveries/csv/x.csv"),
        ("def_lambda", "s3:GetObject", f"{LAKE}/lake/clientoutput/x.parquet"),
        # Sessions, jobs, tables, and code that belong to others.
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
        ("ReaderPolicy", "s3:GetObject", f"{LAKE}/lake/restricted/suppressions/x.parquet"),
        ("ReaderPolicy", "s3:GetObject", f"{LAKE}/query-results/stewards/x.csv"),
        ("ReaderPolicy", "glue:GetTable", RAW_TABLE),
        ("ReaderPolicy", "s3:PutObject", f"{LAKE}/lake/clientoutput/x.parquet"),
        ("ReaderPolicy", "s3:GetObject", f"{LAKE}/lake/restricted/x.parquet"),
        ("StewardPolicy", "s3:PutObject", f"{LAKE}/lake/deliveries/csv/x.csv"),
        ("StewardPolicy", "s3:PutObject", f"{LAKE}/lake/restricted/rejected/x.parquet"),
        ("StewardPolicy", "s3:GetObject", f"{LAKE}/lake/restricted/suppressions/x.parquet"),
        ("ReaderPolicy", "s3:GetObject", f"{LAKE}/lake/restricted/resubmissions/b0.parquet"),
        ("UploadPolicy", "s3:GetObject", f"{RAW}/upload/x.csv"),
        ("UploadPolicy", "s3:PutObject", f"{RAW}/elsewhere/x.csv"),
        # Queries and results of the other group.
        ("ReaderPolicy", "athena:ListQueryExecutions", f"{ATHENA}:workgroup/primary"),
        ("ReaderPolicy", "athena:GetQueryResults", f"{ATHENA}:workgroup/client_health_stewards"),
        ("ReaderPolicy", "athena:GetTableMetadata", f"{ATHENA}:datacatalog/another"),
        ("ReaderPolicy", "athena:CreateNamedQuery", f"{ATHENA}:workgroup/client_health"),
        ("StewardPolicy", "athena:GetQueryResults", f"{ATHENA}:workgroup/client_health"),
        ("StewardPolicy", "glue:BatchGetPartition", TABLE),
        ("session", "s3:ListMultipartUploadParts", f"{LAKE}/lake/deliveries/csv/x.csv"),
        ("session", "s3:ListBucketMultipartUploads", RAW),
        # A notebook can't reach production runs, and neither it nor its user has access to data.
        ("NotebookRole", "glue:RunStatement", SESSION),
        ("NotebookRole", "glue:CreateSession", SESSION),
        ("NotebookRole", "glue:StopSession", f"{GLUE}:session/somebody-else"),
        ("NotebookRole", "iam:PassRole", f"{IAM}/client-health-job-sa-east-1"),
        *(
            (role, action, resource)
            for role in OF_STUDIO
            for action, resource in (
                ("s3:GetObject", f"{LAKE}/lake/clientoutput/x.parquet"),
                ("s3:GetObject", f"{LAKE}/lake/deliveries/csv/x.csv"),
                ("s3:GetObject", f"{RAW}/upload/x.csv"),
                ("s3:PutObject", f"{LAKE}/lake/clientoutput/x.parquet"),
                ("glue:GetTable", TABLE),
                ("glue:StartJobRun", f"{GLUE}:job/job_client_health"),
                ("secretsmanager:GetSecretValue", SECRET),
            )
        ),
        ("ExplorerPolicy", "glue:CreateSession", STUDIO_SESSION),
        ("ExplorerPolicy", "glue:TagResource", STUDIO_SESSION),
        ("ExplorerPolicy", "glue:UpdateJob", f"{GLUE}:job/job_client_health"),
        ("ExplorerPolicy", "glue:DeleteJob", f"{GLUE}:job/job_client_health"),
        ("ExplorerPolicy", "glue:StartJobRun", f"{GLUE}:job/client-health-studio-look"),
        ("ExplorerPolicy", "iam:PassRole", f"{IAM}/client-health-session-sa-east-1"),
        ("ExplorerPolicy", "iam:PassRole", f"{IAM}/client-health-job-sa-east-1"),
        ("ExplorerPolicy", "s3:GetObject", f"{CODE}/current/job.zip"),
        ("ExplorerPolicy", "s3:PutObject", f"{CODE}/current/studio/01_ingest.ipynb"),
        ("ExplorerPolicy", "s3:GetObject", "aws-glue-assets-123456789012-us-east-1/notebooks/x"),
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
        # Rejected rows, and their corrections.
        ("StewardPolicy", "glue:GetTable", TABLE.replace("clientoutput", "rejected")),
        ("StewardPolicy", "glue:GetTable", TABLE),
        ("StewardPolicy", "s3:GetObject", f"{LAKE}/lake/restricted/rejected/x.parquet"),
        *(
            ("StewardPolicy", f"s3:{action}", f"{LAKE}/lake/restricted/resubmissions/b0.parquet")
            for action in ("GetObject", "PutObject", "DeleteObject")
        ),
        ("CrawlerRole", "glue:GetClassifier", "*"),
        ("CrawlerRole", "glue:GetClassifiers", "*"),
        # Calls of Athena's console besides the query itself.
        *(
            (policy, f"athena:{action}", resource)
            for policy, group in (
                ("ReaderPolicy", "client_health"),
                ("StewardPolicy", "client_health_stewards"),
            )
            for resource, actions in (
                (
                    f"{ATHENA}:workgroup/{group}",
                    (
                        "GetWorkGroup",
                        "ListQueryExecutions",
                        "BatchGetQueryExecution",
                        "GetQueryRuntimeStatistics",
                        "GetQueryResultsStream",
                        "ListNamedQueries",
                        "GetNamedQuery",
                        "BatchGetNamedQuery",
                    ),
                ),
                (
                    TABLES,
                    (
                        "GetDataCatalog",
                        "GetDatabase",
                        "ListDatabases",
                        "GetTableMetadata",
                        "ListTableMetadata",
                    ),
                ),
                ("*", ("ListWorkGroups", "ListDataCatalogs", "ListEngineVersions")),
            )
            for action in actions
        ),
        ("StewardPolicy", "glue:GetPartition", RAW_TABLE),
        ("StewardPolicy", "glue:GetPartitions", RAW_TABLE),
        ("StewardPolicy", "glue:BatchGetPartition", RAW_TABLE),
        # Glue Studio: AWS's list for the notebook's role and its user.
        *(
            (role, f"glue:{action}", "*")
            for role in OF_STUDIO
            for action in (
                "StartNotebook",
                "TerminateNotebook",
                "GetNotebookInstanceStatus",
                "GlueNotebookAuthorize",
                "GlueNotebookRefreshCredentials",
            )
        ),
        ("NotebookRole", "glue:ListSessions", "*"),
        ("NotebookRole", "iam:PassRole", f"{IAM}/client-health-session-sa-east-1"),
        ("ExplorerPolicy", "glue:UseGlueStudio", "*"),
        ("ExplorerPolicy", "iam:PassRole", f"{IAM}/client-health-notebook-sa-east-1"),
        ("ExplorerPolicy", "glue:CreateJob", f"{GLUE}:job/client-health-studio-look"),
        ("ExplorerPolicy", "s3:PutObject", f"{SAVED}/notebooks/client-health-studio-look.ipynb"),
        ("ExplorerPolicy", "s3:GetObject", f"{CODE}/0.1.0-ab/studio/01_ingest.ipynb"),
    ],
)
def test_crawler_and_people_may_do_their_work(
    permissions: Permissions, role: str, action: str, resource: str
):
    assert permissions.allows(role, action, resource)


# In both, the ids don't matter: a notebook may have one that looks like a production run's.
@pytest.mark.parametrize("session", [STUDIO_SESSION, SESSION])
def test_a_notebook_uses_sessions_with_its_tag_whatever_their_id(
    permissions: Permissions, session: str
):
    asked = {**STUDIO_TAGS, "owner": "somebody"}
    create, tag = "glue:CreateSession", "glue:TagResource"
    assert permissions.allows("NotebookRole", create, session, request_tags=asked)
    assert permissions.allows("NotebookRole", tag, session, request_tags=asked, resource_tags=asked)
    for action in USE_OF_SESSIONS:
        assert permissions.allows("NotebookRole", f"glue:{action}", session, resource_tags=asked)


@pytest.mark.parametrize("session", [STUDIO_SESSION, SESSION])
@pytest.mark.parametrize(
    "tags",
    [PRODUCTION_TAGS, {}, {"owner": "somebody"}, {"project": "dev-client-health-studio"}],
    ids=["a production run's", "none", "another", "another environment's"],
)
def test_a_notebook_uses_no_session_with_other_tags(
    permissions: Permissions, tags: dict[str, str], session: str
):
    assert not permissions.allows("NotebookRole", "glue:CreateSession", session, request_tags=tags)
    for action in USE_OF_SESSIONS:
        assert not permissions.allows("NotebookRole", f"glue:{action}", session, resource_tags=tags)
    # It can't make the session its own first.
    for action in ("glue:TagResource", "glue:UntagResource"):
        assert not permissions.allows(
            "NotebookRole", action, session, request_tags=STUDIO_TAGS, resource_tags=tags
        )


def test_the_jobs_sessions_have_another_value_of_the_notebooks_tag(deployed: Deployed):
    job = importlib.import_module("job_client_health")
    given = deployed.properties("Job")["DefaultArguments"]
    raw = ("--PARQUET_PATH", "s3://r/1", "--CSV_PATH", "s3://r/2", "--JSON_PATH", "s3://r/3")
    words = [str(word) for pair in given.items() if pair[0] != "--RAW" for word in pair]
    tags = job.request_from_arguments([*words, *raw]).session.tags
    assert tags["project"] == PRODUCTION_TAGS["project"] != STUDIO_TAGS["project"]


@pytest.mark.parametrize(
    "path", [TEMPLATE, ARTIFACTS, MAINTENANCE, QUICKSIGHT], ids=lambda path: path.name
)
def test_every_resource_of_a_star_says_why(path):
    star = re.compile(r"""Resource:\s*\[?\s*["']\*["']""")
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [(number, line) for number, line in enumerate(lines, 1) if star.search(line)]
    without = [(number, line) for number, line in found if not re.search(r"# why: \S+ \S+", line)]
    assert without == []
    # Parse the template too, in case the search missed another notation.
    statements = [
        statement
        for resource in load_template(path.read_text(encoding="utf-8"))["Resources"].values()
        for statement in _statements(resource)
        if statement.get("Resource") in ("*", ["*"])
    ]
    assert len(statements) == len(found)


def test_a_star_is_only_where_aws_knows_no_resource(permissions: Permissions):
    stars = [
        (role, grant.sid)
        for role in ALL
        for grant in permissions.grants(role)
        if grant.resource == "*"
    ]
    # test_authorization.py checks that AWS has no resource for these; this is the complete list.
    assert list(dict.fromkeys(stars)) == [
        ("ReconcilerRole", "FindSessions"),
        ("JobRole", "KnowItsEncryption"),
        ("CrawlerRole", "KnowItsEncryption"),
        ("CrawlerRole", "KnowItsClassifiers"),
        ("ReaderPolicy", "OpenTheConsole"),
        ("StewardPolicy", "OpenTheConsole"),
        ("NotebookRole", "RunTheNotebook"),
        ("NotebookRole", "FindSessions"),
        ("ExplorerPolicy", "UseGlueStudio"),
    ]


def test_no_role_has_a_pattern_for_an_action(permissions: Permissions):
    patterns = [
        (role, grant.action)
        for role in ALL
        for grant in permissions.grants(role)
        if "*" in grant.action or "?" in grant.action
    ]
    assert patterns == []


def test_a_role_goes_to_glue_alone_and_each_only_from_where_it_is_used(
    deployed: Deployed, permissions: Permissions
):
    passed = [
        (role, grant.resource, grant.condition)
        for role in ALL
        for grant in permissions.grants(role)
        if grant.covers("iam:PassRole", "")
    ]
    glue = {"StringEquals": {"iam:PassedToService": "glue.amazonaws.com"}}
    assert passed == [
        ("JobRole", deployed.arn("SessionRole"), glue),
        ("NotebookRole", deployed.arn("SessionRole"), glue),
        ("ExplorerPolicy", deployed.arn("NotebookRole"), glue),
    ]


def test_a_role_is_taken_by_one_service(deployed: Deployed):
    trusted = {}
    for name, role in deployed.of_type("AWS::IAM::Role"):
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        trusted[name] = (statement["Principal"], statement["Action"])
    glue = {"Service": "glue.amazonaws.com"}
    # A session that is created with tags needs permission to set them.
    tagged = ["sts:AssumeRole", "sts:TagSession"]
    assert trusted == {
        "ReconcilerRole": ({"Service": "lambda.amazonaws.com"}, "sts:AssumeRole"),
        "JobRole": (glue, "sts:AssumeRole"),
        "SessionRole": (glue, tagged),
        "NotebookRole": (glue, tagged),
        "CrawlerRole": (glue, "sts:AssumeRole"),
    }
    assert set(ROLES.values()) < set(trusted)


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
