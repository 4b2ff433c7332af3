"""Spark gives the same results for the same queries on the same Iceberg table."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import sqlglot
from pyspark.sql import SparkSession
from sqlglot import exp

from client_health.publish.lake import Lake
from client_health_cli import dialect, queries
from client_health_cli.published import published_table
from client_health_cli.questions import questions
from client_health_cli.results import rows_of
from register_contract import contract

QUESTIONS = questions(Path(__file__).resolve().parents[2] / "queries")


def in_sparks_words(sql: str, table: str, before: int) -> str:
    """Translate a query into Spark's dialect, with the table's full name."""
    tree = sqlglot.parse_one(sql, read="trino")
    for node in list(tree.find_all(exp.Table)):
        name, _, metadata = node.name.partition("$")
        if name == "clientoutput":
            version = f" VERSION AS OF {before}" if node.args.get("version") else ""
            node.set(
                "this", exp.to_identifier("the_table" + metadata + ("_old" if version else ""))
            )
            node.set("version", None)
        elif name in dialect.OTHERS:
            node.set("db", exp.to_identifier(contract.DATABASE))
            node.set("catalog", exp.to_identifier(contract.CATALOG))
    return (
        tree.sql("spark", comments=False)
        .replace("the_tablesnapshots", f"{table}.snapshots")
        .replace("the_tablehistory", f"{table}.history")
        .replace("the_table_old", f"{table} VERSION AS OF {before}")
        .replace("the_table", table)
    )


def as_python(value: object) -> object:
    """Convert times to UTC without a time zone, as DuckDB returns them."""
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.UTC).replace(tzinfo=None)
    return value


@pytest.mark.parametrize("name", QUESTIONS)
def test_spark_answers_the_same(name: str, lake: Path, spark: SparkSession) -> None:
    table = published_table(str(lake))
    opened = Lake.open(spark, str(lake))
    sql = in_sparks_words(QUESTIONS[name].sql, opened.table, table.published[0].snapshot_id)
    with queries.query(table, QUESTIONS[name].sql) as result:
        expected = list(rows_of(result))
    found = opened.spark.sql(sql)
    assert tuple(found.columns) == tuple(result.schema.names)
    assert [tuple(map(as_python, row)) for row in found.collect()] == expected
    # So few clients have no place in common that the anonymous table could name.
    assert bool(expected) == (name != "estados_anonimos")
