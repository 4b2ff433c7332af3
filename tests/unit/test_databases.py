"""The database of a lake's tables, and the work group of its readers."""

from __future__ import annotations

import pytest

from client_health_cli import dialect
from client_health_cli.databases import database_of, tables_of, workgroup
from client_health_cli.pipeline import Asked, request, session_settings
from register_contract import contract

REMOTE = "s3://dev-bucket/lake"


@pytest.fixture
def dev(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIENT_HEALTH_DATABASE", "dev_db_client_insurance")
    monkeypatch.setenv("CLIENT_HEALTH_WORKGROUP", "dev-client_health")


def test_without_variables_all_is_as_in_the_specification() -> None:
    assert database_of(REMOTE) == contract.DATABASE
    assert tables_of(REMOTE).table == contract.TABLE
    assert tables_of(REMOTE).log == contract.LOG_TABLE
    assert workgroup() == "client_health"


@pytest.mark.usefixtures("dev")
def test_the_variables_name_those_of_an_environment() -> None:
    assert tables_of(REMOTE).table == "dev_db_client_insurance.clientoutput"
    assert tables_of(REMOTE).log == "dev_db_client_insurance.publications"
    assert workgroup() == "dev-client_health"


@pytest.mark.usefixtures("dev")
def test_a_folder_has_its_own_catalog_with_the_contracts_database() -> None:
    assert database_of("data/lake") == contract.DATABASE
    assert tables_of("/data/lake").table == contract.TABLE


@pytest.mark.usefixtures("dev")
def test_sessions_and_runner_use_the_same_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "sa-east-1")
    with session_settings("http://127.0.0.1:1", REMOTE) as settings:
        given = settings.default_arguments["--conf"]
    assert given == (
        "spark.hadoop.fs.s3a.endpoint.region=sa-east-1"
        " --conf spark.client_health.database=dev_db_client_insurance"
    )
    sources = {"parquet": "s3://b/p", "csv": "s3://b/c", "json": "s3://b/j"}
    asked = request(Asked(lake=REMOTE, notebooks="notebooks", sources=sources))
    assert asked.published.table == "dev_db_client_insurance.clientoutput"


@pytest.mark.usefixtures("dev")
def test_a_query_may_name_the_environments_database() -> None:
    plain = dialect.parse("SELECT count(*) AS n FROM clientoutput")
    named = dialect.parse("SELECT count(*) AS n FROM dev_db_client_insurance.clientoutput")
    assert dialect.to_duckdb(named, None) == dialect.to_duckdb(plain, None)
