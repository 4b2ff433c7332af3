"""References between the template's resources, and between template and code, are correct."""

from __future__ import annotations

import importlib
import json
import re

import pytest
from tests.support.deployed import ARTIFACTS, ROOT, Deployed

from client_health_cli.questions import questions
from infra import start_job
from register_contract import contract
from strict_glue.session_request import session_request


@pytest.fixture(scope="module")
def deployed() -> Deployed:
    return Deployed()


# Uploads, reconciler, job


def test_uploads_call_the_reconciler_which_looks_there(deployed: Deployed):
    bucket = deployed.properties("RawBucket")
    (call,) = bucket["NotificationConfiguration"]["LambdaConfigurations"]
    variables = deployed.properties("Reconciler")["Environment"]["Variables"]
    assert call["Event"] == "s3:ObjectCreated:*"
    assert call["Function"] == deployed.arn("Reconciler")
    assert call["Filter"]["S3Key"]["Rules"] == [
        {"Name": "prefix", "Value": variables["UPLOAD_PREFIX"]}
    ]
    assert variables["RAW_BUCKET"] == bucket["BucketName"]
    allowed = deployed.properties("UploadsMayCallReconciler")
    assert allowed["SourceArn"] == deployed.arn("RawBucket")
    assert allowed["SourceAccount"] == "123456789012"
    # The permission must exist before the bucket's notification is configured.
    assert deployed.resources["RawBucket"]["DependsOn"] == "UploadsMayCallReconciler"


def test_every_rule_calls_the_reconciler_may_do_so_and_keeps_what_it_cannot_deliver(
    deployed: Deployed,
):
    rules = dict(deployed.of_type("AWS::Events::Rule"))
    allowed = {p["SourceArn"] for _, p in deployed.of_type("AWS::Lambda::Permission")}
    senders = json.dumps(deployed.properties("LostEventsPolicy")["PolicyDocument"])
    assert set(rules) == {"Schedule", "JobStateChange"}
    for name, rule in rules.items():
        (target,) = rule["Targets"]
        assert target["Arn"] == deployed.arn("Reconciler")
        assert target["DeadLetterConfig"]["Arn"] == deployed.arn("LostEvents")
        assert deployed.arn(name) in allowed
        assert deployed.arn(name) in senders


def test_the_end_of_the_job_is_noticed(deployed: Deployed):
    pattern = deployed.properties("JobStateChange")["EventPattern"]
    assert pattern == {
        "source": ["aws.glue"],
        "detail-type": ["Glue Job State Change"],
        "detail": {"jobName": [deployed.properties("Job")["Name"]]},
    }


def test_the_schedule_comes_every_quarter_of_an_hour(deployed: Deployed):
    assert deployed.properties("Schedule")["ScheduleExpression"] == "rate(15 minutes)"


def test_the_reconciler_reads_every_variable_that_it_gets(deployed: Deployed):
    def_lambda = importlib.import_module("def_lambda")
    function = deployed.properties("Reconciler")
    variables = function["Environment"]["Variables"]
    known = {field.upper() for field in def_lambda.Settings.__dataclass_fields__}
    assert set(variables) - {"AWS_SDK_UA_APP_ID", "METRICS_NAMESPACE"} <= known
    text = {name: str(value) for name, value in variables.items()}
    settings = def_lambda.Settings.read(text)
    assert settings.lake == f"s3://{deployed.ref('LakeBucket')}/lake"
    assert settings.job_name == deployed.properties("Job")["Name"]
    assert settings.topic_arn == deployed.ref("AlarmTopic")
    module, _, handler = function["Handler"].partition(".")
    assert module == def_lambda.__name__
    assert callable(getattr(def_lambda, handler))


def test_the_reconcilers_limits_have_the_same_defaults_in_its_code(deployed: Deployed):
    settings = importlib.import_module("def_lambda").Settings(*[""] * 4)
    defaults = deployed.template["Parameters"]
    assert settings.late_hour == defaults["LateHour"]["Default"]
    assert settings.max_attempts == defaults["MaxAttempts"]["Default"]
    assert settings.retry_seconds == defaults["RetrySeconds"]["Default"]


def test_the_job_knows_every_argument_that_it_gets(deployed: Deployed):
    job = importlib.import_module("job_client_health")
    given = deployed.properties("Job")["DefaultArguments"]
    flat = [str(word) for pair in given.items() for word in pair]
    parsed, unknown = job._parser().parse_known_args(flat)
    of_the_host = {start_job.OPTION, "library-set"}
    assert set(unknown[::2]) == of_the_host
    assert f"s3://{deployed.ref('LakeBucket')}/lake" == parsed.LAKE
    assert f"{parsed.LAKE}/clientoutput" == parsed.OUTPUT_PATH
    assert deployed.ref("Crawler") == parsed.CRAWLER
    assert deployed.arn("SessionRole") == parsed.SESSION_ROLE
    assert deployed.arn("IdKey") == parsed.ID_KEY


def test_the_jobs_sessions_get_library_and_region_and_not_the_catalogue_as_sparks_own(
    deployed: Deployed,
):
    """The settings that a session needs on Glue 5.1; infra/studio.py has those for Glue Studio."""
    job = importlib.import_module("job_client_health")
    given = deployed.properties("Job")["DefaultArguments"]
    raw = ("--PARQUET_PATH", "s3://r/1", "--CSV_PATH", "s3://r/2", "--JSON_PATH", "s3://r/3")
    words = [str(word) for pair in given.items() if pair[0] != "--RAW" for word in pair]
    asked = job.request_from_arguments([*words, *raw]).session
    request = session_request({"--conf": "a=b"}, asked, {}, "r1")
    library = "s3://cliente-data-artifacts-123456789012-sa-east-1/current/"
    conf = (
        "spark.hadoop.fs.s3a.endpoint.region=sa-east-1"
        " --conf spark.client_health.rejected_days=30"
        " --conf spark.client_health.database=db_client_insurance"
    )
    assert request["DefaultArguments"] == {
        "--additional-python-modules": f"{library}client_health-0.2.0.gluewheels.zip",
        "--python-modules-installer-option": "--no-index",
        "--conf": f"a=b --conf {conf}",
    }
    assert request["Role"] == deployed.arn("SessionRole")
    outputs = deployed.outputs()
    database = f"spark.client_health.database={outputs['DatabaseName']}"
    assert f"{outputs['SessionConf']} --conf {database}" == conf


def test_the_job_takes_the_names_of_the_specification():
    job = importlib.import_module("job_client_health")
    names = ("PARQUET_PATH", "CSV_PATH", "JSON_PATH", "OUTPUT_PATH")
    parsed = job._parser().parse_args([word for n in names for word in (f"--{n}", n.lower())])
    assert [getattr(parsed, name) for name in names] == [name.lower() for name in names]


def test_one_run_at_a_time_and_no_retry_but_the_reconcilers(deployed: Deployed):
    job = deployed.properties("Job")
    assert job["Command"]["Name"] == "pythonshell"
    assert job["Command"]["PythonVersion"] == "3.9"
    assert job["ExecutionProperty"] == {"MaxConcurrentRuns": 1}
    assert job["MaxRetries"] == 0
    assert job["Timeout"] > 0


def test_code_comes_from_the_bucket_and_version_that_are_given():
    deployed = Deployed(parameters={"ArtifactsBucket": "elsewhere", "ArtifactsVersion": "0.1.0-ab"})
    job, function = deployed.properties("Job"), deployed.properties("Reconciler")
    assert job["Command"]["ScriptLocation"] == "s3://elsewhere/0.1.0-ab/start_job.py"
    assert job["DefaultArguments"]["--NOTEBOOKS"] == "s3://elsewhere/0.1.0-ab/notebooks"
    assert job["DefaultArguments"]["--PACKAGES"] == "s3://elsewhere/0.1.0-ab/job.zip"
    assert function["Code"] == {"S3Bucket": "elsewhere", "S3Key": "0.1.0-ab/def_lambda.zip"}


def test_without_a_bucket_for_artifacts_it_is_the_other_stacks(deployed: Deployed):
    made = Deployed(ARTIFACTS)
    code = deployed.properties("Reconciler")["Code"]
    assert code["S3Bucket"] == made.ref("ArtifactsBucket") == made.outputs()["ArtifactsBucketName"]


def test_logs_of_job_and_crawler_are_where_glue_puts_them(deployed: Deployed):
    # <kind>/<configuration>-role/<role>/... for Python Shell, <kind>-role/<role>-<configuration>
    # for crawlers.
    role = {n: deployed.properties(f"{n}Role")["RoleName"] for n in ("Job", "Crawler")}
    configuration = deployed.properties("SecurityConfiguration")["Name"]
    names = {n: group["LogGroupName"] for n, group in deployed.of_type("AWS::Logs::LogGroup")}
    python = f"/aws-glue/python-jobs/{configuration}-role/{role['Job']}"
    assert names["JobOutputLog"] == f"{python}/output"
    assert names["JobErrorLog"] == f"{python}/error"
    assert names["CrawlerLog"] == f"/aws-glue/crawlers-role/{role['Crawler']}-{configuration}"
    assert deployed.properties("Job")["SecurityConfiguration"] == configuration
    assert deployed.properties("Crawler")["CrawlerSecurityConfiguration"] == configuration


# Catalog and queries


def test_the_crawler_catalogues_each_format_of_the_deliveries_for_stewards(deployed: Deployed):
    crawler = deployed.properties("Crawler")
    lake = f"s3://{deployed.ref('LakeBucket')}/lake"
    paths = [target["Path"] for target in crawler["Targets"]["S3Targets"]]
    assert paths == [f"{lake}/deliveries/{source}/" for source in ("parquet", "csv", "json")]
    assert crawler["DatabaseName"] == f"{contract.DATABASE}_raw"
    assert crawler["Classifiers"] == [deployed.ref("PipeClassifier")]
    # The bucket is level 1; each format is a table.
    level = json.loads(crawler["Configuration"])["Grouping"]["TableLevelConfiguration"]
    assert {len(path.rstrip("/").split("/")) - 2 for path in paths} == {level}


def test_the_classifier_knows_the_contracts_csv_and_keeps_text(deployed: Deployed):
    classifier = deployed.properties("PipeClassifier")["CsvClassifier"]
    assert classifier["Delimiter"] == contract.CSV_DELIMITER
    assert classifier["ContainsHeader"] == "PRESENT"
    assert classifier["ContainsCustomDatatype"] == ["STRING"]


def test_the_published_database_is_the_contracts(deployed: Deployed):
    assert deployed.ref("Database") == contract.DATABASE
    assert deployed.outputs()["Table"] == contract.TABLE
    # With its own location, Iceberg would keep its metadata there, not in warehouse/.
    assert "LocationUri" not in deployed.properties("Database")["DatabaseInput"]


def test_the_saved_queries_are_those_of_the_files(deployed: Deployed):
    saved = [query for _, query in deployed.of_type("AWS::Athena::NamedQuery")]
    found = {query["Name"]: (query["Description"], query["QueryString"]) for query in saved}
    files = questions(ROOT / "queries")
    assert len(found) == len(saved)
    assert found == {name: (file.meaning, file.sql) for name, file in files.items()}


def test_a_saved_query_finds_its_table_and_is_within_athenas_limits(deployed: Deployed):
    for _, query in deployed.of_type("AWS::Athena::NamedQuery"):
        assert query["Database"] == contract.DATABASE
        assert query["WorkGroup"] == deployed.ref("WorkGroup")
        assert len(query["QueryString"].encode()) <= 262_144
        assert len(query["Description"]) <= 1024


# Alarms


def test_every_alarm_tells_people_and_is_on_the_dashboard(deployed: Deployed):
    alarms = dict(deployed.of_type("AWS::CloudWatch::Alarm"))
    body = json.loads(deployed.properties("Dashboard")["DashboardBody"])
    shown = next(w["properties"]["alarms"] for w in body["widgets"] if w["type"] == "alarm")
    assert len(alarms) == 10
    assert sorted(shown) == sorted(map(deployed.arn, alarms))
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == [deployed.ref("AlarmTopic")]
        assert alarm["AlarmDescription"]


def test_the_topic_is_encrypted_and_somebody_can_be_told():
    assert "AlarmSubscription" not in Deployed().resources
    told = Deployed(parameters={"AlarmEmail": "team@example.com"})
    assert told.properties("AlarmTopic")["KmsMasterKeyId"] == told.arn("DataKey")
    assert told.properties("AlarmSubscription")["Endpoint"] == "team@example.com"


def test_alarms_and_dashboard_know_only_metrics_that_code_writes(deployed: Deployed):
    files = ("jobs/job_client_health.py", "lib/register_run/metrics.py")
    job, metrics = ((ROOT / file).read_text(encoding="utf-8") for file in files)
    rooms = sorted((ROOT / "jobs" / "reconciler").glob("*.py"))
    reconciler = "".join(path.read_text(encoding="utf-8") for path in rooms)
    for _, alarm in deployed.of_type("AWS::CloudWatch::Alarm"):
        if alarm["Namespace"] == "ClientHealth":
            code = job + metrics if "Dimensions" in alarm else reconciler
            assert f'"{alarm["MetricName"]}"' in code, alarm["AlarmName"]
    body = deployed.properties("Dashboard")["DashboardBody"]
    shown = set(
        re.findall(r'"((?:Row|Run|Gate|Rejected|Duration|Delivery|Sessions)[A-Za-z]+)"', body)
    )
    assert len(shown) == 14
    assert [name for name in shown if f'"{name}"' not in job + reconciler + metrics] == []


def test_a_reconciler_that_is_never_called_is_noticed(deployed: Deployed):
    alarm = deployed.properties("ReconcilerSilentAlarm")
    assert alarm["TreatMissingData"] == "breaching"
    assert alarm["ComparisonOperator"] == "LessThanThreshold"


def test_the_job_knows_a_previous_key_only_while_the_key_changes(deployed: Deployed):
    assert "--PREVIOUS_ID_KEY" not in deployed.properties("Job")["DefaultArguments"]
    secrets = {
        name: f"arn:aws:secretsmanager:sa-east-1:123456789012:secret:{name}-AbCdEf"
        for name in ("SecretArn", "PreviousSecretArn")
    }
    arguments = Deployed(parameters=secrets).properties("Job")["DefaultArguments"]
    assert arguments["--ID_KEY"] == secrets["SecretArn"]
    assert arguments["--PREVIOUS_ID_KEY"] == secrets["PreviousSecretArn"]


def test_job_and_reconciler_know_topic_and_webhook(deployed: Deployed):
    topic = deployed.ref("AlarmTopic")
    job, function = deployed.properties("Job"), deployed.properties("Reconciler")
    assert job["DefaultArguments"]["--ALERT_TOPIC"] == topic
    assert "--ALERT_SECRET" not in job["DefaultArguments"]
    assert "ALERT_SECRET" not in function["Environment"]["Variables"]

    secret = "arn:aws:secretsmanager:sa-east-1:123456789012:secret:chat-AbCdEf"
    given = Deployed(parameters={"AlertSecret": secret, "AlertFormat": "teams"})
    arguments = given.properties("Job")["DefaultArguments"]
    variables = given.properties("Reconciler")["Environment"]["Variables"]
    assert (arguments["--ALERT_SECRET"], arguments["--ALERT_FORMAT"]) == (secret, "teams")
    assert (variables["ALERT_SECRET"], variables["ALERT_FORMAT"]) == (secret, "teams")
