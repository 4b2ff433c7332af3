"""SQL over the published table, with DuckDB, read only."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from client_health_cli.errors import QueryError
from client_health_cli.published import TABLE, PublishedTable

if TYPE_CHECKING:
    import duckdb

Row = tuple[Any, ...]
_FETCH = 10_000


@dataclass(frozen=True)
class Result:
    """What a query gives.

    Attributes
    ----------
    columns
        Names, in order.
    numeric
        For each column whether it holds numbers.
    rows
        The rows, read as they are asked for.
    """

    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: Iterator[Row]


@contextlib.contextmanager
def query(table: PublishedTable, sql: str) -> Iterator[Result]:
    """Run one SELECT over the table, under the name `clientoutput`.

    Nothing but the snapshot's own files can be read, and nothing can be written.

    Parameters
    ----------
    table
        What to read.
    sql
        One statement in DuckDB's dialect.

    Yields
    ------
    Result
        Columns and rows; the rows last as long as the context.

    Raises
    ------
    QueryError
        If the SQL is refused, or fails.
    """
    import duckdb  # noqa: PLC0415 - takes a while to load

    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            # Rows in a temporary file would outlive a query that died.
            "temp_directory": "",
        }
    )
    try:
        _open_view(connection, table)
        _check(connection.extract_statements(sql))
        cursor = connection.execute(sql)
        description = cursor.description or []
        yield Result(
            columns=tuple(column[0] for column in description),
            numeric=tuple(_is_numeric(str(column[1])) for column in description),
            rows=_rows(cursor),
        )
    except duckdb.Error as error:
        raise QueryError(_one_line(str(error))) from error
    finally:
        connection.close()


def _open_view(connection: duckdb.DuckDBPyConnection, table: PublishedTable) -> None:
    files = ", ".join(_literal(path) for path in table.files)
    connection.execute(f"SET allowed_paths = [{files}]")
    connection.execute("SET enable_external_access = false")
    # The partition column is in the files; the names of the folders would override it.
    connection.execute(
        f"CREATE VIEW {TABLE} AS SELECT * FROM "  # noqa: S608 - quoted literals
        f"read_parquet([{files}], hive_partitioning = false, union_by_name = true)"
    )
    connection.execute("SET lock_configuration = true")


def _check(statements: list[duckdb.Statement]) -> None:
    """Refuse all but one SELECT.

    A COPY, even one inside EXPLAIN ANALYZE, could write over the very files that may be read.
    """
    if len(statements) != 1:
        raise QueryError(f"{len(statements)} statements were given: give one SELECT")
    kind = statements[0].type.name
    if kind != "SELECT":
        raise QueryError(f"a statement of the kind {kind} was given: only SELECT can be run here")


def _rows(cursor: duckdb.DuckDBPyConnection) -> Iterator[Row]:
    while rows := cursor.fetchmany(_FETCH):
        yield from rows


def _is_numeric(type_name: str) -> bool:
    return type_name.startswith(
        ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "U", "FLOAT", "DOUBLE", "DECIMAL")
    ) and not type_name.startswith(("UUID", "UNION"))


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _one_line(message: str) -> str:
    """Keep what DuckDB says of an error, and leave out where it points at in the SQL."""
    lines = message.partition("\n\nLINE ")[0].split("\n")
    return " ".join(line.strip() for line in lines if line.strip())
