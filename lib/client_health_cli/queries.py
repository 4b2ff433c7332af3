"""Read-only SQL over the published table and its neighbors, in Athena's dialect, run by DuckDB."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from client_health_cli import dialect
from client_health_cli.errors import QueryError
from client_health_cli.published import (
    TABLE,
    OtherTable,
    PublishedTable,
    other_table,
    published_table,
)
from register_contract import contract

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

BATCH_ROWS: Final = 20_000
"""Rows of an answer that are in memory at one time."""


@contextlib.contextmanager
def query(table: PublishedTable, sql: str) -> Iterator[pa.RecordBatchReader]:
    """Run one SELECT over the table, under the name `clientoutput`, and those beside it.

    Nothing but the tables' own files can be read, and nothing can be written.

    Parameters
    ----------
    table
        What to read.
    sql
        One statement in Athena's dialect.

    Yields
    ------
    pyarrow.RecordBatchReader
        The answer, which can be read once and as long as the context lasts; times are in
        microseconds.

    Raises
    ------
    QueryError
        If the SQL is refused, can't be translated, or fails.
    LakeError
        If the lake does not have a table that it reads.
    """
    translated = dialect.to_duckdb(dialect.parse(sql), run_before(table))
    views: dict[str, PublishedTable | OtherTable] = {
        dialect.version_name(one): published_table(table.lake, one) for one in translated.versions
    }
    views |= {name: other_table(table.lake, name) for name in translated.others}
    with connected(table, views) as connection:
        yield _answer(connection, translated.sql)


def run_before(table: PublishedTable) -> int | None:
    """Return the snapshot of the run published before the current one, if there is one."""
    older = [one.snapshot_id for one in table.published if one.snapshot_id != table.snapshot_id]
    return older[-1] if older else None


@contextlib.contextmanager
def connected(
    table: PublishedTable, others: Mapping[str, PublishedTable | OtherTable] | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB that can read a table's files, and nothing else.

    Parameters
    ----------
    table
        Its rows are `clientoutput`.
    others
        Older snapshots under the names that `dialect.version_name` gives, and tables beside the
        published one, by name.

    Raises
    ------
    QueryError
        If what is asked of the connection fails.
    """
    import duckdb  # noqa: PLC0415 - takes a while to load

    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            # A table name must never refer to a variable of this program.
            "python_enable_replacements": "false",
            # Rows in a temporary file would remain after a query that was killed.
            "temp_directory": "",
        }
    )
    try:
        _open_views(connection, {TABLE: table, **(others or {})})
        for name, rows in table.metadata.items():
            connection.register(f"{TABLE}${name}", rows)
        connection.execute("SET lock_configuration = true")
        yield connection
    except duckdb.CatalogException as error:
        raise QueryError(_one_line(str(error)) + _hint(str(error))) from error
    except duckdb.Error as error:
        raise QueryError(_one_line(str(error))) from error
    finally:
        connection.close()


def _answer(connection: duckdb.DuckDBPyConnection, sql: str) -> pa.RecordBatchReader:
    import pyarrow as pa  # noqa: PLC0415 - takes a while to load

    _check(connection.extract_statements(sql))
    found: pa.RecordBatchReader = connection.sql(sql).to_arrow_reader(BATCH_ROWS)
    schema = pa.schema([_in_microseconds(field) for field in found.schema])
    return pa.RecordBatchReader.from_batches(schema, _batches(found, schema))


def _in_microseconds(field: pa.Field[Any]) -> pa.Field[Any]:
    """Return a batch whose times have Python's precision, which is also the table's."""
    import pyarrow as pa  # noqa: PLC0415

    kind = field.type
    return field.with_type(pa.timestamp("us", kind.tz)) if pa.types.is_timestamp(kind) else field


def _batches(found: pa.RecordBatchReader, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    try:
        for batch in found:
            yield batch.cast(schema, safe=False)
    except OSError as error:
        # Errors of DuckDB while rows are read arrive as Arrow's.
        raise QueryError(_one_line(str(error))) from error


def _open_views(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, PublishedTable | OtherTable]
) -> None:
    local = (table for table in tables.values() if table.rows is None)
    every = ", ".join(_literal(path) for table in local for path in table.files)
    connection.execute(f"SET allowed_paths = [{every}]")
    connection.execute("SET enable_external_access = false")
    # Athena's days begin in UTC.
    connection.execute("SET TimeZone = 'UTC'")
    for name, table in tables.items():
        if table.rows is not None:
            connection.register(name, table.rows)
            continue
        files = ", ".join(map(_literal, table.files))
        # The partition column is in the files; folder names would override it.
        rows = (
            f"SELECT * FROM read_parquet([{files}], hive_partitioning = false, "  # noqa: S608 - quoted literals
            "union_by_name = true)"
            if files
            else _no_rows(name)
        )
        connection.execute(f'CREATE VIEW "{name}" AS {rows}')


def _no_rows(name: str) -> str:
    table = dialect.OTHERS.get(name)
    nulls = (
        f"CAST(NULL AS {'TIMESTAMP' if column.type == 'timestamp_ntz' else column.type}) "
        f"AS {column.name}"
        for column in (table.fields if table else contract.COLUMNS)
    )
    return f"SELECT {', '.join(nulls)} WHERE false"


def _check(statements: list[duckdb.Statement]) -> None:
    """Refuse anything but a single SELECT.

    A COPY, even one inside EXPLAIN ANALYZE, could write over the very files that may be read.
    """
    if len(statements) != 1:
        raise QueryError(f"{len(statements)} statements were given: give one SELECT")
    kind = statements[0].type.name
    if kind != "SELECT":
        raise QueryError(f"a statement of the kind {kind} was given: only SELECT can be run here")


def _hint(message: str) -> str:
    if "Function" not in message:
        return ""
    return (
        " This function could not be translated for DuckDB: it may run in Athena; here, write it "
        "another way"
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _one_line(message: str) -> str:
    """Return DuckDB's error message without the excerpt of the SQL."""
    lines = message.partition("\n\nLINE ")[0].split("\n")
    return " ".join(line.strip() for line in lines if line.strip())
