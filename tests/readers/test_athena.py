"""Queries through Athena's API give the same results, in the same form, as local queries."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support import lakes

from client_health_cli import athena, queries
from client_health_cli.errors import QueryError
from client_health_cli.published import PublishedTable, published_table
from client_health_cli.questions import questions
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
        yield emulator.client("athena")


def no_table() -> PublishedTable:
    raise AssertionError("the table is looked up only for an older version")


@pytest.mark.parametrize("name", ASKED)
def test_athena_answers_what_is_answered_here(name: str, client: Any, lake: Path) -> None:
    sql = QUESTIONS[name].sql
    with queries.query(published_table(str(lake)), sql) as here:
        expected = list(here.rows)
    with athena.query(sql, SETTINGS, no_table, client) as there:
        found = [
            tuple(type(value)(text) for value, text in zip(row, texts, strict=True))
            for row, texts in zip(expected, there.rows, strict=True)
        ]
    assert there.columns == here.columns
    assert found == expected


def test_a_failure_in_athena_is_told_in_one_line(client: Any) -> None:
    with (
        pytest.raises(QueryError, match=r"Athena ended query .* as FAILED") as raised,
        athena.query("SELECT nothing FROM clientoutput", SETTINGS, no_table, client),
    ):
        pass
    assert "\n" not in str(raised.value)


def test_a_statement_that_writes_never_reaches_athena(client: Any) -> None:
    before = client.list_query_executions().get("QueryExecutionIds", [])
    with (
        pytest.raises(QueryError, match="only SELECT"),
        athena.query("DROP TABLE clientoutput", SETTINGS, no_table, client),
    ):
        pass
    assert client.list_query_executions().get("QueryExecutionIds", []) == before


def test_the_run_before_is_looked_up_for_athena(client: Any, lake: Path) -> None:
    table = published_table(str(lake))
    sql = "SELECT count(*) FROM clientoutput FOR VERSION AS OF 0"
    # The emulator doesn't support versions; only the query that it received matters.
    with (
        pytest.raises(QueryError, match="Athena ended query") as raised,
        athena.query(sql, SETTINGS, lambda: table, client),
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
def test_values_get_their_types_back(text: str | None, kind: str, value: str) -> None:
    assert str(athena._value(text, kind)) == value
