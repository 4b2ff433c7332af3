"""Runs the same queries in Athena, and returns answers in the same form."""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from botocore.exceptions import BotoCoreError, ClientError
from pyathena import connect
from pyathena.converter import DefaultTypeConverter
from pyathena.cursor import Cursor
from pyathena.error import Error

from client_health_cli import dialect
from client_health_cli.errors import QueryError
from client_health_cli.queries import BATCH_ROWS, run_before
from register_contract import contract

if TYPE_CHECKING:
    from client_health_cli.published import PublishedTable

_KINDS: Final[dict[str, pa.DataType]] = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float64(),
    "real": pa.float64(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
}


@dataclass(frozen=True)
class Settings:
    """Where a query is run.

    Attributes
    ----------
    workgroup
        Its work group, which sets where results are kept.
    database
        The database of names without one.
    output
        Where results are kept; the work group's own place if empty.
    poll_seconds
        Seconds between two looks at a query.
    """

    workgroup: str
    database: str = contract.DATABASE
    output: str = ""
    poll_seconds: float = 0.5


@contextlib.contextmanager
def query(
    sql: str, settings: Settings, table: Callable[[], PublishedTable]
) -> Iterator[pa.RecordBatchReader]:
    """Run one SELECT in Athena; Ctrl-C cancels it.

    Parameters
    ----------
    sql
        In Athena's dialect; its version 0 is the run published before.
    settings
        Where.
    table
        Looks the published table up, which is done only when the query needs an older version.

    Yields
    ------
    pyarrow.RecordBatchReader
        The answer, which can be read once and as long as the context lasts; unnamed columns are
        called `_col0` and so on.

    Raises
    ------
    QueryError
        If the SQL is refused, or fails.
    """
    statement = dialect.parse(sql)
    text = sql
    if dialect.reads_run_before(statement):
        text = dialect.with_version(statement, run_before(table()))
    # PyAthena logs what it raises, with a traceback.
    logging.getLogger("pyathena").setLevel(logging.CRITICAL)
    seen: deque[Any] = deque(maxlen=1)
    try:
        with (
            connect(
                work_group=settings.workgroup,
                s3_staging_dir=settings.output,
                schema_name=settings.database,
                catalog_name="",
                poll_interval=settings.poll_seconds,
                converter=_converter(),
                # Otherwise Athena would continue, and charge for what it reads.
                kill_on_interrupt=True,
                on_poll=seen.append,
            ) as connection,
            connection.cursor() as cursor,
        ):
            # With this style and no parameters, the text is sent unchanged.
            yield _answer(cursor.execute(text, paramstyle="qmark"))
    except (Error, ClientError, BotoCoreError) as error:
        raise QueryError(_reason(error, seen[-1] if seen else None)) from error


def _answer(cursor: Cursor) -> pa.RecordBatchReader:
    """Read the pages of an answer on demand.

    PyAthena's own cursor for Arrow reads the whole answer into memory, gives a null text as an
    empty one, and a decimal as text.
    """
    schema = pa.schema(
        [
            (name, _kind(kind, precision, scale))
            for name, kind, _, _, precision, scale, _ in cursor.description or ()
        ]
    )

    def batches() -> Iterator[pa.RecordBatch]:
        while rows := cursor.fetchmany(BATCH_ROWS):
            arrays = list(map(pa.array, zip(*rows, strict=True), schema.types))
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def _kind(name: str, precision: int, scale: int) -> pa.DataType:
    return pa.decimal128(precision, scale) if name == "decimal" else _KINDS.get(name, pa.string())


def _converter() -> DefaultTypeConverter:
    """Convert values of known types; others stay the text that Athena returns."""
    converter = DefaultTypeConverter()
    for name in converter.mappings.keys() - {*_KINDS, "decimal"}:
        converter.remove(name)
    return converter


def _reason(error: Exception, execution: Any) -> str:  # noqa: ANN401 - query or calculation
    """Return in one line whether Athena failed the query, or could not be reached."""
    if execution is None or execution.state not in {"FAILED", "CANCELLED"}:
        return "Athena can't be asked: " + str(error).partition("\n")[0]
    reason = " ".join((execution.state_change_reason or "no reason given").split())
    return f"Athena ended query {execution.query_id} as {execution.state}: {reason}"
