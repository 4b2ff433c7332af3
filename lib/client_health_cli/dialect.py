"""Athena's SQL, checked to be one SELECT and put into DuckDB's words."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from client_health_cli.errors import QueryError
from register_contract import contract

if TYPE_CHECKING:
    from sqlglot import exp

TABLE = contract.TABLE.rpartition(".")[2]
DATABASE = contract.TABLE.rpartition(".")[0]
BEFORE = 0
"""In `FOR VERSION AS OF 0`: the run published before the current one. No snapshot has this id."""

_SCHEMA: dict[str, object] = {
    TABLE: {
        column.name: {"string": "varchar", "timestamp_ntz": "timestamp"}.get(
            column.type, column.type
        )
        for column in contract.COLUMNS
    }
}
# Words that begin a statement of another kind; some of these sqlglot can't even parse.
_OTHERS = {
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
        What to run.
    versions
        Snapshots that it reads besides the current one; each is the table `version_name` gives.
    """

    sql: str
    versions: tuple[int, ...]


def version_name(snapshot_id: int) -> str:
    """Give the name that a snapshot's rows have in a translated query."""
    return f"{TABLE}@{snapshot_id}"


def parse(sql: str) -> exp.Query:
    """Parse one SELECT as Athena does.

    Parameters
    ----------
    sql
        In the dialect of Athena, which is Trino's.

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

    # It warns of statements that it does not understand; these are refused here.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    try:
        tokens = sqlglot.tokenize(sql, read="trino")
        first = tokens[0].text.upper() if tokens else ""
        if first in _OTHERS:
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
    """Put a statement into DuckDB's dialect.

    Unnamed columns are called as Athena calls them, and rows without an ORDER BY come in the
    order of their values, so that an answer is the same each time.

    Parameters
    ----------
    statement
        As `parse` gives it.
    before
        The snapshot of the run published before the current one, if there is one.

    Raises
    ------
    QueryError
        If DuckDB has no words for it.
    """
    from sqlglot.errors import ErrorLevel, SqlglotError  # noqa: PLC0415

    tree = _typed(statement)
    versions = tuple(sorted(set(_versions(tree, before))))
    try:
        _as_athena_means(tree)
        _order(tree)
        sql = tree.sql("duckdb", unsupported_level=ErrorLevel.RAISE, comments=False)
    except SqlglotError as error:
        raise QueryError(
            f"this can't be translated for DuckDB: {_first_line(error)}. It may run in Athena; "
            "here, write it another way"
        ) from error
    return Translated(sql, versions)


def reads_run_before(statement: exp.Query) -> bool:
    """Say whether a statement reads the run published before the current one."""
    from sqlglot import exp  # noqa: PLC0415

    return any(
        str(version.this).upper() == "VERSION" and version.text("expression") == str(BEFORE)
        for version in statement.find_all(exp.Version)
    )


def with_version(statement: exp.Query, before: int | None) -> str:
    """Give the statement for Athena, the run before put in place of version 0.

    Raises
    ------
    QueryError
        If there was no run before.
    """
    from sqlglot import exp  # noqa: PLC0415

    tree = statement.copy()
    for version in tree.find_all(exp.Version):
        if version.text("expression") == str(BEFORE):
            version.set("expression", exp.Literal.number(_before(before)))
    return tree.sql("trino")


def _typed(statement: exp.Query) -> exp.Query:
    """Find out the types, which decide whether a division is one of whole numbers."""
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
        # What is wrong with it, DuckDB says better.
        return tree
    return typed


def _unqualify(tree: exp.Query) -> None:
    """Take the database off the table's name, and let case not matter, as in Athena."""
    from sqlglot import exp  # noqa: PLC0415

    for table in tree.find_all(exp.Table):
        database, catalog = table.db.lower(), table.catalog.lower()
        if database in {"", DATABASE} and catalog in {"", "awsdatacatalog"} and table.name:
            name = table.name.lower()
            if name.partition("$")[0] == TABLE:
                table.set("this", exp.to_identifier(name, quoted="$" in name))
                table.set("db", None)
                table.set("catalog", None)


def _name_columns(tree: exp.Query) -> None:
    """Name the columns that have no name, the way Athena does."""
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
    """Give each version of the table a name of its own, and tell which there are."""
    from sqlglot import exp  # noqa: PLC0415

    found = []
    for version in list(tree.find_all(exp.Version)):
        table = version.parent
        number = _number(version)
        if not isinstance(table, exp.Table) or table.name != TABLE:
            raise QueryError(f"FOR VERSION AS OF can be used with the table {TABLE} only")
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


def _as_athena_means(tree: exp.Query) -> None:
    """Replace functions that DuckDB has under the same name with another meaning."""
    from sqlglot import exp  # noqa: PLC0415

    for node in list(tree.find_all(exp.DateDiff)):
        unit = (node.text("unit") or "day").lower()
        # Trino counts whole units that went by, DuckDB's date_diff the boundaries crossed.
        node.replace(
            exp.Anonymous(
                this="date_sub", expressions=[exp.Literal.string(unit), node.expression, node.this]
            )
        )


def _order(tree: exp.Query) -> None:
    from sqlglot import exp  # noqa: PLC0415

    if tree.args.get("order") is None and not isinstance(tree, exp.Subquery):
        everything = exp.Ordered(this=exp.Var(this="ALL"), nulls_first=False)
        tree.set("order", exp.Order(expressions=[everything]))


def _only_select(kind: str) -> str:
    return f"a statement of the kind {kind} was given: only SELECT can be run here"


def _first_line(error: Exception) -> str:
    """Keep what is wrong and where; the rest is the SQL with terminal colours."""
    return str(error).partition("\n")[0].rstrip(". ")
