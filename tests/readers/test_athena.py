"""Queries through Athena's API give the same results, in the same form, as local queries."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support import lakes
from tests.support.athena_api import QUERY, AthenaApi, column

from client_health_cli import athena, queries
from client_health_cli.errors import QueryError
from client_health_cli.published import PublishedTable, published_table
from client_health_cli.questions import questions
from client_health_cli.results import rows_of
from glue_local.emulator import Emulator
from register_contract import contract

QUESTIONS = questions(Path(__file__).resolve().parents[2] / "queries")
BUCKET = "cliente-data-lake-test"
SETTINGS = athena.Settings(workgroup="primary", output=f"s3://{BUCKET}/query-results/")
# The queries that the emulator supports: its Athena reads plain Parquet, not Iceberg.
ASKED = ("clientes", "clientes_por_sexo", "convenios", "estados")


@pytest.fixture(scope="module")
def client(emulator_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Yield a client of Athena, with the register's rows as one Parquet file."""
    with Emulator(log=tmp_path_factory.mktemp("emulator") / "emulator.log") as emulator:
        body = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(lakes.register()), body)
        s3, glue = emulator.client("s3"), emulator.client("glue")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="rows/rows.parquet", Body=body.getvalue())
        glue.create_database(DatabaseInput={"Name": contract.DATABASE})
        serde = "org.apache.hadoop.hive.ql.io.parquet"
        glue.create_table(
            DatabaseName=contract.DATABASE,
            TableInput={
                "Name": "clientoutput",
                "TableType": "EXTERNAL_TABLE",
                "Parameters": {"classification": "parquet"},
                "StorageDescriptor": {
                    "Location": f"s3://{BUCKET}/rows/",
                    "InputFormat": f"{serde}.MapredParquetInputFormat",
                    "OutputFormat": f"{serde}.MapredParquetOutputFormat",
                    "SerdeInfo": {"SerializationLibrary": f"{serde}.serde.ParquetHiveSerDe"},
                    "Columns": [
                        {"Name": column.name, "Type": column.type.removesuffix("_ntz")}
                        for column in contract.COLUMNS
                    ],
                },
            },
        )
        with pytest.MonkeyPatch.context() as patch:
            for name, value in emulator.environment.items():
                patch.setenv(name, value)
            yield emulator.client("athena")


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[AthenaApi], AthenaApi]]:
    """Lead boto3 to an API until the test ends."""
    with contextlib.ExitStack() as stack:

        def serve(api: AthenaApi) -> AthenaApi:
            monkeypatch.delenv("AWS_PROFILE", raising=False)
            for name, value in api.environment.items():
                monkeypatch.setenv(name, value)
            return stack.enter_context(api)

        yield serve


@pytest.fixture
def asked(serve: Callable[[AthenaApi], AthenaApi]) -> Callable[[AthenaApi], list[Any]]:
    """Ask an API something, and read the whole answer."""

    def asked(api: AthenaApi) -> list[Any]:
        serve(api)
        with athena.query(
            "SELECT a FROM clientoutput", athena.Settings("client_health"), no_table
        ) as found:
            return list(rows_of(found))

    return asked


def no_table() -> PublishedTable:
    raise AssertionError("the table is looked up only for an older version")


@pytest.mark.parametrize("name", ASKED)
def test_athena_answers_what_is_answered_here(name: str, client: Any, lake: Path) -> None:
    sql = QUESTIONS[name].sql
    with queries.query(published_table(str(lake)), sql) as here:
        expected = list(rows_of(here))
    with athena.query(sql, SETTINGS, no_table) as there:
        found = [
            tuple(type(value)(text) for value, text in zip(row, texts, strict=True))
            for row, texts in zip(expected, rows_of(there), strict=True)
        ]
    assert there.schema.names == here.schema.names
    assert found == expected


def test_a_failure_in_athena_is_told_in_one_line(client: Any) -> None:
    with (
        pytest.raises(QueryError, match=r"Athena ended query .* as FAILED") as raised,
        athena.query("SELECT nothing FROM clientoutput", SETTINGS, no_table),
    ):
        pass
    assert "\n" not in str(raised.value)


def test_a_statement_that_writes_never_reaches_athena(client: Any) -> None:
    before = client.list_query_executions().get("QueryExecutionIds", [])
    with (
        pytest.raises(QueryError, match="only SELECT"),
        athena.query("DROP TABLE clientoutput", SETTINGS, no_table),
    ):
        pass
    assert client.list_query_executions().get("QueryExecutionIds", []) == before


def test_the_run_before_is_looked_up_for_athena(client: Any, lake: Path) -> None:
    table = published_table(str(lake))
    sql = "SELECT count(*) FROM clientoutput FOR VERSION AS OF 0"
    # The emulator doesn't support versions; only the query that it received matters.
    with (
        pytest.raises(QueryError, match="Athena ended query") as raised,
        athena.query(sql, SETTINGS, lambda: table),
    ):
        pass
    execution = str(raised.value).split("query ")[1].split()[0]
    asked = client.get_query_execution(QueryExecutionId=execution)["QueryExecution"]["Query"]
    assert f"FOR VERSION AS OF {table.published[0].snapshot_id}" in asked


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("12", "BIGINT", "12"),
        ("1.5", "DOUBLE", "1.5"),
        ("10.50", "DECIMAL(10,2)", "10.50"),
        ("true", "BOOLEAN", "True"),
        ("2026-01-31", "DATE", "2026-01-31"),
        ("2026-01-31 03:04:05.678", "TIMESTAMP", "2026-01-31 03:04:05.678000"),
        ("x", "VARCHAR", "x"),
        (None, "BIGINT", "None"),
    ],
)
def test_values_get_their_types_back(
    text: str | None, kind: str, value: str, asked: Callable[..., list[Any]]
) -> None:
    found = asked(AthenaApi([column("a", kind)], [(text,)]))
    assert str(found[0][0]) == value


def test_a_null_is_no_empty_text(asked: Callable[..., list[Any]]) -> None:
    columns = [column("a", "varchar"), column("a", "varchar")]
    assert asked(AthenaApi(columns, [("", None), (None, "a")])) == [("", None), (None, "a")]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("0a 1b", "varbinary"),
        ("[1, 2]", "array"),
        ("{a=1}", "map"),
        ('{"a":1}', "json"),
        ("01:02:03.000", "time"),
        ("2026-01-31 03:04:05.678 UTC", "timestamp with time zone"),
    ],
)
def test_what_has_no_type_here_stays_as_athena_writes_it(
    text: str, kind: str, asked: Callable[..., list[Any]]
) -> None:
    assert asked(AthenaApi([column("a", kind)], [(text,)])) == [(text,)]


def test_pages_are_read_as_rows_are_asked_for(serve: Callable[..., AthenaApi]) -> None:
    count = 2 * queries.BATCH_ROWS + 500
    api = serve(AthenaApi([column("n", "bigint")], [(str(n),) for n in range(count)]))
    with athena.query(
        "SELECT n FROM clientoutput", athena.Settings("client_health"), no_table
    ) as found:
        rows = rows_of(found)
        assert next(rows) == (0,)
        # A batch, and the row that holds the columns' names.
        assert api.actions().count("GetQueryResults") == queries.BATCH_ROWS / 1000 + 1
        assert [n for (n,) in rows] == list(range(1, count))


def test_the_sql_is_sent_as_it_is_and_the_work_group_says_where_answers_are_kept(
    serve: Callable[..., AthenaApi], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ATHENA_S3_STAGING_DIR", "s3://elsewhere/")
    monkeypatch.setenv("AWS_ATHENA_WORK_GROUP", "elsewhere")
    api = serve(AthenaApi([column("a", "varchar")]))
    sql = "-- What?\nSELECT 1 AS a FROM clientoutput WHERE id LIKE '%(x)s' OR id = '?'\n"
    with athena.query(sql, athena.Settings("client_health"), no_table) as found:
        assert list(rows_of(found)) == []
    (started,) = [given for action, given in api.calls if action == "StartQueryExecution"]
    del started["ClientRequestToken"]
    assert started == {
        "QueryString": sql,
        "QueryExecutionContext": {"Database": contract.DATABASE},
        "WorkGroup": "client_health",
    }
    assert set(api.actions()) == {"StartQueryExecution", "GetQueryExecution", "GetQueryResults"}


@pytest.mark.parametrize(
    ("action", "call"),
    [("StartQueryExecution", 1), ("GetQueryExecution", 1), ("GetQueryResults", 2)],
)
def test_a_refused_call_is_told_in_one_line(
    action: str,
    call: int,
    asked: Callable[..., list[Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows = [(str(n),) for n in range(2_000)]
    with pytest.raises(QueryError, match=r"Athena can't be asked: .*no$"):
        asked(AthenaApi([column("n", "bigint")], rows, refuses=(action, call)))
    assert caplog.records == []


def test_an_end_without_a_reason_is_told(asked: Callable[..., list[Any]]) -> None:
    with pytest.raises(QueryError) as raised:
        asked(AthenaApi(state="FAILED"))
    assert str(raised.value) == f"Athena ended query {QUERY} as FAILED: no reason given"


@pytest.mark.slow
def test_ctrl_c_cancels_the_query(serve: Callable[..., AthenaApi]) -> None:
    api = serve(AthenaApi(state="RUNNING"))
    command = [sys.executable, "-c", "from client_health_cli.main import main; main()"]
    process = subprocess.Popen(
        [*command, "query", "--engine", "athena", "--lake", "s3://bucket/lake", "SELECT 1"],
        env={**os.environ, **api.environment}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert api.polled.wait(60)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert said == ""
    assert ("StopQueryExecution", {"QueryExecutionId": QUERY}) in api.calls
