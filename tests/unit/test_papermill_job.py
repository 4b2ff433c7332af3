"""The production job's arguments, as AWS Glue passes them."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.support.webhooks import SECRET, Webhook, is_slack_message

from register_run.errors import InputError
from strict_glue.errors import ConfigurationError
from strict_glue.session_request import session_request

JOB = Path(__file__).parents[2] / "jobs" / "job_client_health.py"


@pytest.fixture(scope="module")
def job():
    spec = importlib.util.spec_from_file_location("job_client_health", JOB)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def raw(tmp_path):
    for name in ("c.parquet", "c.csv", "c.json"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def test_a_folder_and_a_lake_are_enough(job, raw):
    request = job.request_from_arguments(["--RAW", str(raw), "--LAKE", "/lake"])
    assert request.sources["json"] == str(raw / "c.json")
    assert request.lake == "/lake"
    assert [stage.name for stage in request.stages] == [
        "01_ingest",
        "02_transform",
        "03_quality",
    ]
    assert all(Path(stage.notebook).name == f"{stage.name}.ipynb" for stage in request.stages)
    assert request.published.table == "db_client_insurance.clientoutput"
    assert not request.force
    assert request.parameters == {
        "id_key": "",
        "previous_id_key": "",
        "accept_volume_change": False,
        "accept_drift": False,
    }


def test_an_environment_names_its_database_sessions_and_tags(job, raw):
    given = ["--RAW", str(raw), "--LAKE", "s3://b/lake", "--SESSION_CONF", "a=b"]
    given += ["--DATABASE", "dev_db_client_insurance", "--PREFIX", "dev-"]
    request = job.request_from_arguments(given)
    assert request.published.table == "dev_db_client_insurance.clientoutput"
    assert request.published.log == "dev_db_client_insurance.publications"
    assert request.session.id_prefix == "dev-client-health"
    assert request.session.tags == {"project": "dev-client-health"}
    assert request.session.default_arguments == {
        "--conf": "a=b --conf spark.client_health.database=dev_db_client_insurance"
    }


def test_what_glue_adds_of_its_own_is_ignored(job):
    request = job.request_from_arguments(
        [
            *("--job-language", "python", "--TempDir", "s3://b/tmp", "--enable-metrics", "true"),
            *("--PARQUET_PATH", "s3://b/p", "--CSV_PATH", "s3://b/c", "--JSON_PATH", "s3://b/j"),
            *("--OUTPUT_PATH", "s3://lake/clientoutput/", "--FORCE", "true", "--RUN_ID", "r7"),
            *("--ID_KEY", "arn:key", "--PREVIOUS_ID_KEY", "arn:old"),
            *("--SESSION_ROLE", "arn:role", "--SESSION_CONF", "a=b"),
            *("--PYTHON_MODULES", "s3://b/w.gluewheels.zip"),
        ]
    )
    assert request.lake == "s3://lake"
    assert request.force
    assert request.run_id == "r7"
    assert request.parameters["id_key"] == "arn:key"
    assert request.parameters["previous_id_key"] == "arn:old"
    assert request.session.role == "arn:role"
    assert request.session.default_arguments == {
        "--additional-python-modules": "s3://b/w.gluewheels.zip",
        "--python-modules-installer-option": "--no-index",
        "--conf": "a=b",
    }
    assert request.session.id_prefix == "client-health"


def test_a_sessions_settings_are_made_once_more_by_code(job, raw):
    """Sessions on AWS may apply only the first of several settings in one --conf."""
    given = ["--RAW", str(raw), "--LAKE", "/lake"]
    conf = "spark.hadoop.fs.s3a.endpoint.region=sa-east-1 --conf spark.sql.extensions=x"
    given += ["--SESSION_CONF", f"{conf} --conf spark.client_health.rejected_days=7"]
    session = job.request_from_arguments([*given, "--DATABASE", "dev_db"]).session
    lines = session.code.splitlines()
    assert lines[1:] == [
        f"SparkSession.builder.getOrCreate().conf.set({name!r}, {value!r})"
        for name, value in (
            ("spark.hadoop.fs.s3a.endpoint.region", "sa-east-1"),
            ("spark.client_health.rejected_days", "7"),
            ("spark.client_health.database", "dev_db"),
        )
    ]
    assert job.request_from_arguments(given[:4]).session.code == ""


def test_a_session_gets_tags_and_network_of_the_deployment(job, raw):
    arguments = ["--RAW", str(raw), "--LAKE", "/lake", "--CONNECTION", "network"]
    tags = "CostCenter=1, Owner=data team,project=another,url=a=b"
    session = job.request_from_arguments([*arguments, "--TAGS", tags]).session
    asked = session_request({}, replace(session, role="arn:role"), {}, "r7")
    # The job's own stay: the reconciler finds sessions by them.
    assert asked["Tags"] == {
        "CostCenter": "1",
        "Owner": "data team",
        "project": "client-health",
        "url": "a=b",
        "run-id": "r7",
    }
    assert asked["Connections"] == {"Connections": ["network"]}
    plain = job.request_from_arguments(arguments[:4]).session
    assert plain.options == {}
    assert plain.tags == {"project": "client-health"}


@pytest.mark.parametrize("tags", ["CostCenter", "=1", "a=1,a=2"])
def test_tags_that_are_no_tags_are_named(job, raw, tags):
    with pytest.raises(ConfigurationError, match="isn't Name=value"):
        job.request_from_arguments(["--RAW", str(raw), "--LAKE", "/lake", "--TAGS", tags])


@pytest.mark.parametrize(("given", "force"), [([], True), (["true"], True), (["false"], False)])
def test_a_flag_may_be_bare_or_have_a_value(job, raw, given, force):
    arguments = ["--RAW", str(raw), "--LAKE", "/lake", "--FORCE", *given]
    assert job.request_from_arguments(arguments).force is force


def test_a_source_that_is_named_wins_over_the_folders(job, raw):
    request = job.request_from_arguments(["--RAW", str(raw), "--LAKE", "/l", "--CSV_PATH", "/x"])
    assert request.sources["csv"] == "/x"


def test_what_is_not_given_is_named(job, raw):
    with pytest.raises(ConfigurationError, match="--LAKE"):
        job.request_from_arguments(["--RAW", str(raw)])
    with pytest.raises(ConfigurationError, match="csv, json"):
        job.request_from_arguments(["--LAKE", "/l", "--PARQUET_PATH", "/p"])
    with pytest.raises(InputError, match="none for csv"):
        job.request_from_arguments(["--LAKE", "/l", "--RAW", str(raw / "nowhere")])


def test_the_jobs_exit_code_is_the_errors(job, raw):
    assert job.main(["--RAW", str(raw / "nowhere"), "--LAKE", "/l"]) == 2
    assert job.main(["--RAW", str(raw)]) == 2


def test_every_parameter_of_a_stage_is_one_of_its_notebook(job):
    import nbformat

    for stage in job.build_request({}, "/l").stages:
        cells = nbformat.read(stage.notebook, as_version=4).cells
        (parameters,) = [c for c in cells if "parameters" in c.metadata.get("tags", ())]
        assigned = {
            line.split("=")[0].split(":")[0].strip() for line in parameters.source.splitlines()
        }
        assert set(stage.parameters) <= assigned, stage.name


class Secrets:
    """Answers as boto3's client of Secrets Manager does."""

    def __init__(self, text):
        self.text = text

    def get_secret_value(self, SecretId):  # noqa: N803 - boto3's
        assert SecretId == "arn:secret"
        if self.text is None:
            answer = {"Error": {"Code": "AccessDeniedException", "Message": "not you"}}
            raise ClientError(answer, "GetSecretValue")
        return {"SecretString": self.text}


@pytest.fixture
def server():
    found = Webhook()
    yield found
    found.close()


def fail(job, raw, monkeypatch, text):
    """Run the job on what is not there, with a secret for alerts; return its exit code."""
    monkeypatch.setattr(job.boto3, "client", lambda *_, **__: Secrets(text))
    nowhere = ["--RAW", str(raw / "nowhere"), "--LAKE", "/l"]
    return job.main([*nowhere, "--ALERT_SECRET", "arn:secret"])


def test_the_job_tells_the_webhook_in_its_secret_why_it_failed(
    job, raw, monkeypatch, server, caplog
):
    assert fail(job, raw, monkeypatch, f"{server.url}\n") == 2
    (message,) = server.arrived
    is_slack_message(message)
    assert "none for csv" in message["text"]
    assert "CANARY" not in caplog.text


@pytest.mark.parametrize("text", [None, f"http://example.com/{SECRET}", ""])
def test_a_secret_that_is_of_no_use_is_logged_and_changes_nothing(
    job, raw, monkeypatch, caplog, text
):
    assert fail(job, raw, monkeypatch, text) == 2
    assert "alerts go to no webhook" in caplog.text
    assert "CANARY" not in caplog.text


def test_a_topic_that_cannot_be_reached_changes_nothing(job, raw, caplog):
    caplog.set_level("INFO")
    nowhere = ["--RAW", str(raw / "nowhere"), "--LAKE", "/l"]
    assert job.main([*nowhere, "--ALERT_TOPIC", "no-arn"]) == 2
    assert "the alert did not reach the topic" in caplog.text
