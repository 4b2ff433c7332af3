"""Athena's SQL, checked to be a single SELECT, and translated to DuckDB's."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from client_health_cli.athena_meaning import as_athena_means
from client_health_cli.databases import VARIABLE
from client_health_cli.errors import QueryError
from register_contract import contract, tables

if TYPE_CHECKING:
    from sqlglot import exp

TABLE = contract.TABLE.rpartition(".")[2]
BEFORE = 0
"""In `FOR VERSION AS OF 0`: the run published before the current one. No snapshot has this id."""

OTHERS = {table.name: table for table in tables.TABLES if not table.restricted}
"""The tables beside the published one that readers may read, by name."""

_TYPES = {"string": "varchar", "timestamp_ntz": "timestamp"}
_SCHEMA: dict[str, object] = {
    TABLE: {column.name: _TYPES.get(column.type, column.type) for column in contract.COLUMNS},
    **{
        table.name: {field.name: _TYPES.get(field.type, field.type) for field in table.fields}
        for table in OTHERS.values()
    },
}
# Words that begin other kinds of statements; sqlglot can't even parse some of these.
_NOT_SELECT = {
    "ALTER", "ANALYZE", "ATTACH", "CALL", "COPY", "CREATE", "DELETE", "DESCRIBE", "DETACH", "DROP",
    "EXECUTE", "EXPLAIN", "EXPORT", "GRANT", "IMPORT", "INSERT", "INSTALL", "LOAD", "MERGE",
    "MSCK", "OPTIMIZE", "PRAGMA", "PREPARE", "REPLACE", "RESET", "REVOKE", "SET", "SHOW",
    "TRUNCATE", "UNLOAD", "UPDATE", "USE", "VACUUM",
}  # fmt: skip


@dataclass(frozen=True)
class Translated:
    """A SELECT in DuckDB's dialect.

    Attributes
    ----------
    sql
        The SQL to run.
    versions
        Snapshots that it reads besides the current one; `version_name` returns their table names.
    others
        Names of the tables that it reads beside the published one.
    """

    sql: str
    versions: tuple[int, ...]
    others: tuple[str, ...] = ()


def version_name(snapshot_id: int) -> str:
    """Return the table name of a snapshot's rows in a translated query."""
    return f"{TABLE}@{snapshot_id}"


def parse(sql: str) -> exp.Query:
    """Parse one SELECT as Athena does.

    Parameters
    ----------
    sql
        SQL in the dialect of Athena, which is Trino's.

    Returns
    -------
    exp.Query
        The statement.

    Raises
    ------
    QueryError
        If it can't be parsed, or is anything but one statement that only reads.
    """
    import sqlglot  # noqa: PLC0415 - takes a while to load
    from sqlglot import exp  # noqa: PLC0415
    from sqlglot.errors import SqlglotError  # noqa: PLC0415

    # sqlglot logs a warning about statements that it can't parse; this function refuses them.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    try:
        tokens = sqlglot.tokenize(sql, read="trino")
        first = tokens[0].text.upper() if tokens else ""
        if first in _NOT_SELECT:
            raise QueryError(_only_select(first))
        statements = [one for one in sqlglot.parse(sql, read="trino") if one is not None]
    except SqlglotError as error:
        raise QueryError(f"syntax error: {_first_line(error)}") from error
    statements = [one for one in statements if not isinstance(one, exp.Semicolon)]
    if len(statements) != 1:
        raise QueryError(f"{len(statements)} statements were given: give one SELECT")
    (statement,) = statements
    if not isinstance(statement, exp.Query):
        raise QueryError(_only_select(statement.key.upper()))
    inner = statement.find(exp.DML, exp.DDL, exp.Command, exp.Into, exp.Copy, exp.Set)
    if inner is not None and not isinstance(inner, exp.Query):
        raise QueryError(_only_select(inner.key.upper()))
    return statement


def to_duckdb(statement: exp.Query, before: int | None) -> Translated:
    """Translate a statement to DuckDB's dialect.

    Unnamed columns get the same names as in Athena, and rows without an ORDER BY are sorted by
    their values, so that an answer is the same each time.

    Parameters
    ----------
    statement
        As `parse` returns it.
    before
        The snapshot of the run published before the current one, if there is one.

    Raises
    ------
    QueryError
        If it can't be translated.
    """
    from sqlglot.errors import ErrorLevel, SqlglotError  # noqa: PLC0415

    tree = _typed(statement)
    versions = tuple(sorted(set(_versions(tree, before))))
    try:
        as_athena_means(tree)
        _order(tree)
        sql = tree.sql("duckdb", unsupported_level=ErrorLevel.RAISE, comments=False)
    except SqlglotError as error:
        raise QueryError(
            f"this can't be translated for DuckDB: {_first_line(error)}. It may run in Athena; "
            "here, write it differently"
        ) from error
    return Translated(sql, versions, tuple(sorted(_names(tree) & OTHERS.keys())))


def reads_only_others(statement: exp.Query) -> bool:
    """Return whether a statement reads tables, but not the published one."""
    tree = statement.copy()
    _unqualify(tree)
    names = _names(tree)
    return bool(names & OTHERS.keys()) and TABLE not in names


def _names(tree: exp.Query) -> set[str]:
    """Return the tables' names, without what follows a `$`."""
    from sqlglot import exp  # noqa: PLC0415

    return {table.name.partition("$")[0] for table in tree.find_all(exp.Table)}


def reads_run_before(statement: exp.Query) -> bool:
    """Return whether a statement reads the run published before the current one."""
    from sqlglot import exp  # noqa: PLC0415

    return any(
        str(version.this).upper() == "VERSION" and version.text("expression") == str(BEFORE)
        for version in statement.find_all(exp.Version)
    )


def with_version(statement: exp.Query, before: int | None) -> str:
    """Return the statement for Athena, with the previous run's snapshot instead of version 0.

    Raises
    ------
    QueryError
        If there is no previous run.
    """
    from sqlglot import exp  # noqa: PLC0415

    tree = statement.copy()
    for version in tree.find_all(exp.Version):
        if version.text("expression") == str(BEFORE):
            version.set("expression", exp.Literal.number(_before(before)))
    return tree.sql("trino")


def _typed(statement: exp.Query) -> exp.Query:
    """Annotate types, which determine whether a division is one of whole numbers."""
    from sqlglot.errors import SqlglotError  # noqa: PLC0415
    from sqlglot.optimizer.annotate_types import annotate_types  # noqa: PLC0415
    from sqlglot.optimizer.qualify import qualify  # noqa: PLC0415

    tree = statement.copy()
    _unqualify(tree)
    _name_columns(tree)
    try:
        qualified = qualify(
            tree.copy(),
            schema=_SCHEMA,
            dialect="trino",
            expand_stars=False,
            validate_qualify_columns=False,
            quote_identifiers=False,
            identify=False,
        )
        typed: exp.Query = annotate_types(qualified, schema=_SCHEMA, dialect="trino")
    except SqlglotError:
        # DuckDB's message about the error is better.
        return tree
    return typed


def _unqualify(tree: exp.Query) -> None:
    """Remove the database from tables' names, and make them case-insensitive, as in Athena."""
    from sqlglot import exp  # noqa: PLC0415

    known = {"", contract.DATABASE, os.environ.get(VARIABLE, "").lower()}
    for table in tree.find_all(exp.Table):
        database, catalog = table.db.lower(), table.catalog.lower()
        if database in known and catalog in {"", "awsdatacatalog"} and table.name:
            name = table.name.lower()
            if name.partition("$")[0] == TABLE or name in OTHERS:
                table.set("this", exp.to_identifier(name, quoted="$" in name))
                table.set("db", None)
                table.set("catalog", None)


def _name_columns(tree: exp.Query) -> None:
    """Name the unnamed columns as Athena does."""
    from sqlglot import exp  # noqa: PLC0415

    first: exp.Expr = tree
    while isinstance(first, exp.SetOperation | exp.Subquery):
        first = first.this
    if isinstance(first, exp.Select):
        first.set(
            "expressions",
            [
                one
                if isinstance(one, exp.Alias | exp.Column | exp.Star)
                else exp.alias_(one, f"_col{number}")
                for number, one in enumerate(first.expressions)
            ],
        )


def _versions(tree: exp.Query, before: int | None) -> list[int]:
    """Give each version of the table its own name, and return the versions."""
    from sqlglot import exp  # noqa: PLC0415

    found = []
    for version in list(tree.find_all(exp.Version)):
        table = version.parent
        number = _number(version)
        if not isinstance(table, exp.Table) or table.name != TABLE:
            raise QueryError(f"FOR VERSION AS OF can only be used with the table {TABLE}")
        number = _before(before) if number == BEFORE else number
        if not table.alias:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(TABLE)))
        table.set("this", exp.to_identifier(version_name(number), quoted=True))
        table.set("version", None)
        found.append(number)
    return found


def _number(version: exp.Version) -> int:
    value = version.args.get("expression")
    if str(version.this).upper() != "VERSION" or value is None or not value.is_int:
        raise QueryError(
            "only FOR VERSION AS OF and a snapshot's number can be read here: take a snapshot_id "
            f"from the query execucoes_publicadas, or {BEFORE} for the run published before"
        )
    return int(value.to_py())


def _before(before: int | None) -> int:
    if before is None:
        raise QueryError(
            "only one run has been published, so there is nothing to compare it with: "
            "publish another delivery first"
        )
    return before


def _order(tree: exp.Query) -> None:
    from sqlglot import exp  # noqa: PLC0415

    if tree.args.get("order") is None and not isinstance(tree, exp.Subquery):
        everything = exp.Ordered(this=exp.Var(this="ALL"), nulls_first=False)
        tree.set("order", exp.Order(expressions=[everything]))


def _only_select(kind: str) -> str:
    return f"{kind} is not allowed: only SELECT can be run here"


def _first_line(error: Exception) -> str:
    """Return what is wrong and where; the rest is the SQL with terminal colors."""
    return str(error).partition("\n")[0].rstrip(". ")
