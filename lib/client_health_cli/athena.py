"""The same questions asked of Athena, answered in the same shape."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from client_health_cli import dialect
from client_health_cli.errors import QueryError
from client_health_cli.queries import Result, Row, run_before
from register_contract import contract

if TYPE_CHECKING:
    from client_health_cli.published import PublishedTable

WORKGROUP: Final = "client_health"
"""The template's work group, which says where results are kept."""
_ENDED: Final = {"SUCCEEDED", "FAILED", "CANCELLED"}


@dataclass(frozen=True)
class Settings:
    """Where a query is run.

    Attributes
    ----------
    workgroup
        Its work group.
    output
        Where results are kept; the work group's own place if empty.
    longest_poll
        Seconds between two looks, once a query has taken a while.
    """

    workgroup: str = WORKGROUP
    output: str = ""
    longest_poll: float = 2.0


@contextlib.contextmanager
def query(
    sql: str,
    settings: Settings,
    table: Callable[[], PublishedTable],
    client: Any = None,  # noqa: ANN401 - boto3's clients have no types of their own
) -> Iterator[Result]:
    """Run one SELECT in Athena.

    Parameters
    ----------
    sql
        In Athena's dialect; its version 0 is the run published before.
    settings
        Where.
    table
        Looks the published table up, which is done only when the query needs an older version.
    client
        boto3's Athena client; made from the environment if None.

    Yields
    ------
    Result
        Columns and rows; unnamed columns are called `_col0` and so on.

    Raises
    ------
    QueryError
        If the SQL is refused, or fails.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    statement = dialect.parse(sql)
    text = sql
    if dialect.reads_run_before(statement):
        text = dialect.with_version(statement, run_before(table()))
    try:
        athena = client or _client()
        answer = _answer(athena, _run(athena, text, settings))
    except (ClientError, BotoCoreError) as error:
        reason = str(error).partition("\n")[0]
        raise QueryError(f"Athena can't be asked: {reason}") from error
    yield answer


def _client() -> Any:  # noqa: ANN401 - as above
    import boto3  # noqa: PLC0415 - takes a while to load

    return boto3.client("athena")


def _run(athena: Any, sql: str, settings: Settings) -> str:  # noqa: ANN401 - as above
    """Run a statement to its end, and give its id."""
    place = {"ResultConfiguration": {"OutputLocation": settings.output}} if settings.output else {}
    execution: str = athena.start_query_execution(
        QueryString=sql,
        QueryExecutionContext={"Database": contract.DATABASE},
        WorkGroup=settings.workgroup,
        **place,
    )["QueryExecutionId"]
    pause = 0.1
    try:
        while True:
            found = athena.get_query_execution(QueryExecutionId=execution)["QueryExecution"]
            if found["Status"]["State"] in _ENDED:
                break
            time.sleep(pause)
            pause = min(pause * 2, settings.longest_poll)
    except KeyboardInterrupt:
        # Athena goes on, and charges for what it reads.
        athena.stop_query_execution(QueryExecutionId=execution)
        raise
    status = found["Status"]
    if status["State"] != "SUCCEEDED":
        reason = " ".join(str(status.get("StateChangeReason", "no reason given")).split())
        raise QueryError(f"Athena ended query {execution} as {status['State']}: {reason}")
    return execution


def _answer(athena: Any, execution: str) -> Result:  # noqa: ANN401 - as above
    pages = iter(athena.get_paginator("get_query_results").paginate(QueryExecutionId=execution))
    first = next(pages)
    columns = first["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    names = tuple(column["Name"] for column in columns)
    types = tuple(map(_type, columns))

    def rows() -> Iterator[Row]:
        cells = (
            tuple(cell.get("VarCharValue") for cell in row["Data"])
            for page in chain([first], pages)
            for row in page["ResultSet"]["Rows"]
        )
        # The first row holds the names of the columns.
        next(cells, None)
        for row in cells:
            yield tuple(_value(text, kind) for text, kind in zip(row, types, strict=True))

    return Result(names, types, rows())


def _type(column: dict[str, Any]) -> str:
    kind = str(column["Type"]).upper()
    if kind == "DECIMAL":
        return f"DECIMAL({column.get('Precision', 38)},{column.get('Scale', 0)})"
    return kind


def _value(text: str | None, kind: str) -> Any:  # noqa: ANN401 - whatever SQL gives
    """Read a value from the text that Athena writes it as."""
    if text is None:
        return None
    readers: dict[str, Callable[[str], Any]] = {
        "BOOLEAN": lambda value: value == "true",
        "TINYINT": int,
        "SMALLINT": int,
        "INTEGER": int,
        "BIGINT": int,
        "FLOAT": float,
        "REAL": float,
        "DOUBLE": float,
        "DECIMAL": Decimal,
        "DATE": dt.date.fromisoformat,
        "TIMESTAMP": dt.datetime.fromisoformat,
    }
    read = readers.get(kind.partition("(")[0])
    return read(text) if read else text
