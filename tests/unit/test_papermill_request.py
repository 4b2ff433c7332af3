"""The request for a session: the notebook's settings, and additions for the environment."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from strict_glue.errors import ConfigurationError
from strict_glue.session_request import configuration, session_request
from strict_glue.settings import Limits, SessionSettings

ROLE = {"glue_role_arn": "arn:aws:iam::123456789012:role/r"}


def _notebook(source):
    return new_notebook(cells=[new_markdown_cell("%%configure"), new_code_cell(source)])


def test_the_notebooks_own_magics_are_read():
    found = configuration(_notebook('%%configure\n{"glue_version": "5.1",\n "--conf": "a=b"}'), "n")
    assert found == {"glue_version": "5.1", "--conf": "a=b"}


def test_a_notebook_without_magics_asks_for_nothing():
    assert configuration(_notebook("1 + 1"), "n") == {}


@pytest.mark.parametrize(
    "source", ["%%configure\n{", "%%configure\nprint(1)", "%%configure", "%%configure\n[1]"]
)
def test_magics_that_are_no_literal_dictionary_are_refused(source):
    with pytest.raises(ConfigurationError, match="%%configure"):
        configuration(_notebook(source), "n")


def test_magics_become_members_and_arguments_of_the_session():
    asked = {
        "glue_version": "5.1",
        "worker_type": "G.1X",
        "number_of_workers": "3",
        "idle_timeout": 15,
        "--datalake-formats": "iceberg",
        "extra-py-files": "s3://b/x.zip",
        "region": "sa-east-1",
    }
    request = session_request(asked, SessionSettings(id_prefix="p"), ROLE, "r1")
    assert request["GlueVersion"] == "5.1"
    assert request["NumberOfWorkers"] == 3
    assert request["IdleTimeout"] == 15
    assert request["Tags"] == {"run-id": "r1"}
    assert request["Role"] == ROLE["glue_role_arn"]
    assert request["Id"].startswith("p-r1-")
    assert request["DefaultArguments"] == {
        "--datalake-formats": "iceberg",
        "--extra-py-files": "s3://b/x.zip",
    }


def test_spark_settings_are_added_to_the_notebooks_and_other_arguments_win():
    settings = SessionSettings(
        default_arguments={"--conf": "c=d", "--datalake-formats": "iceberg"},
        options={"NumberOfWorkers": 10},
    )
    asked = {"--conf": "a=b", "--datalake-formats": "hudi", "number_of_workers": 2}
    request = session_request(asked, settings, ROLE, "r1")
    assert request["DefaultArguments"]["--conf"] == "a=b --conf c=d"
    assert request["DefaultArguments"]["--datalake-formats"] == "iceberg"
    assert request["NumberOfWorkers"] == 10


def test_two_sessions_never_share_an_id():
    first = session_request({}, SessionSettings(), ROLE, "r1")
    assert first["Id"] != session_request({}, SessionSettings(), ROLE, "r1")["Id"]


def test_a_conf_longer_than_the_service_takes_is_refused():
    with pytest.raises(ConfigurationError, match="4,096"):
        session_request({"--conf": "x" * 5000}, SessionSettings(), ROLE, "r1")


def test_a_session_without_a_role_is_refused():
    with pytest.raises(ConfigurationError, match="role"):
        session_request({}, SessionSettings(), {}, "r1")


def test_an_unusable_value_is_refused_by_name():
    with pytest.raises(ConfigurationError, match="number_of_workers is 'many'"):
        session_request({"number_of_workers": "many"}, SessionSettings(), ROLE, "r1")


def test_limits_survive_the_way_through_the_environment():
    limits = Limits(provisioning=1.5, stage=9)
    assert Limits.from_environment(limits.environment()) == limits
    assert Limits.from_environment({"GLUE_PAPERMILL_RETRIES_SECONDS": "3"}).retries == 3.0
    local = Limits(poll=0.2)
    assert Limits.from_environment({"GLUE_PAPERMILL_STOP_SECONDS": "1"}, local).poll == 0.2
    assert Limits().retries == 45.0, "what docs/reliability.md says"


@pytest.mark.parametrize("text", ["soon", "", "0", "-1", "nan", "inf"])
def test_a_limit_that_is_no_time_is_named(text):
    with pytest.raises(ConfigurationError, match="GLUE_PAPERMILL_STAGE_SECONDS"):
        Limits.from_environment({"GLUE_PAPERMILL_STAGE_SECONDS": text})


def test_a_notebook_from_disk_is_read_like_one_in_memory(tmp_path):
    path = tmp_path / "n.ipynb"
    nbformat.write(_notebook('\n%%configure\n{"timeout": 5}'), path)
    assert configuration(nbformat.read(path, as_version=4), "n") == {"timeout": 5}
