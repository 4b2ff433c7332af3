"""What has the same name in Athena and in DuckDB, but another meaning.

Such SQL would run in DuckDB and return other rows. It is rewritten, or refused if no SQL of DuckDB
has Athena's meaning.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from client_health_cli.errors import QueryError

if TYPE_CHECKING:
    from sqlglot import exp

# In a replacement: an escaped character, a group, or what isn't allowed alone.
_REPLACEMENT = re.compile(r"\\(?P<escaped>.)|\$(?P<group>\d)(?!\d)|(?P<alone>[\\$])", re.DOTALL)


def as_athena_means(tree: exp.Query) -> None:
    """Rewrite a statement, so that DuckDB means by it what Athena does.

    Parameters
    ----------
    tree
        With types, and in the form that sqlglot reads from Athena's SQL.

    Raises
    ------
    QueryError
        If something can't be rewritten.
    """
    from sqlglot import exp  # noqa: PLC0415 - takes a while to load

    rewrites: dict[type[exp.Expr], Callable[[Any], None]] = {
        exp.AtTimeZone: _at_time_zone,
        exp.Cast: _cast,
        exp.DateDiff: _date_diff,
        exp.Extract: _extract,
        exp.Format: _format,
        exp.RegexpExtract: _regexp_extract,
        exp.RegexpReplace: _regexp_replace,
    }
    # Inner ones first: some are copied into what replaces the outer one.
    for node in reversed(list(tree.find_all(*rewrites))):
        for kind, rewrite in rewrites.items():
            if isinstance(node, kind):
                rewrite(node)


def _at_time_zone(node: exp.AtTimeZone) -> None:
    """Let a time without a zone be one in UTC, which is the zone of Athena's sessions.

    In DuckDB, it would be one in the zone that is asked for.
    """
    from sqlglot import exp  # noqa: PLC0415

    inner = node.this.unnest()
    if isinstance(inner, exp.AtTimeZone):
        # Another zone for the same moment. DuckDB's result of the first one has no zone anymore.
        node.set("this", inner.this)
        return
    # A column whose type isn't known may be of a metadata table, or of a subquery that did this.
    unknown = isinstance(inner, exp.Column) and not inner.is_type(*exp.DataType.TEMPORAL_TYPES)
    others = any(one is not node for one in node.root().find_all(exp.AtTimeZone))
    if inner.find(exp.AtTimeZone) or (unknown and others):
        raise QueryError(_elsewhere("AT TIME ZONE of what was made with another AT TIME ZONE"))
    # A cast takes a time without a zone as one in the session's, and leaves others as they are.
    node.set("this", exp.cast(node.this, "timestamptz"))


def _cast(node: exp.Cast) -> None:
    """Round halves away from zero; DuckDB rounds them to the even number."""
    from sqlglot import exp  # noqa: PLC0415

    numbers = (exp.DataType.Type.DOUBLE, exp.DataType.Type.FLOAT)
    if node.to.is_type(*exp.DataType.INTEGER_TYPES) and node.this.is_type(*numbers):
        node.set("this", exp.Round(this=node.this))


def _date_diff(node: exp.DateDiff) -> None:
    """Count full units that passed; DuckDB's date_diff counts the boundaries crossed."""
    from sqlglot import exp  # noqa: PLC0415

    unit = exp.Literal.string((node.text("unit") or "day").lower())
    new = exp.Anonymous(this="date_sub", expressions=[unit, node.expression, node.this])
    # Without its type, a division of it would not be one of whole numbers.
    new.type = exp.DataType.build("bigint")
    node.replace(new)


def _extract(node: exp.Extract) -> None:
    """Count the days of a week from Monday, 1, to Sunday, 7; DuckDB's dow has Sunday as 0."""
    from sqlglot import exp  # noqa: PLC0415

    if node.name.upper() in {"DOW", "DAYOFWEEK"}:
        node.set("this", exp.var("ISODOW"))


def _format(node: exp.Format) -> None:
    """Refuse it: DuckDB's has another syntax, and its printf other halves and nulls."""
    del node
    raise QueryError(_elsewhere("format()"))


def _regexp_extract(node: exp.RegexpExtract) -> None:
    """Return null if nothing matches; DuckDB returns an empty text."""
    from sqlglot import exp  # noqa: PLC0415

    matches = exp.RegexpLike(this=node.this.copy(), expression=node.expression.copy())
    new = exp.Case(ifs=[exp.If(this=matches, true=node.copy())])
    new.type = node.type
    node.replace(new)


def _regexp_replace(node: exp.RegexpReplace) -> None:
    r"""Write groups as DuckDB does: \1 for $1."""
    from sqlglot import exp  # noqa: PLC0415

    given = node.args.get("replacement")
    if given is None:
        return
    if given.is_string:
        node.set("replacement", exp.Literal.string(_REPLACEMENT.sub(_replaced, given.name)))
    elif any(set("$\\") & set(text.name) for text in given.find_all(exp.Literal)):
        raise QueryError(_elsewhere("regexp_replace() with groups that aren't in one text"))


def _replaced(found: re.Match[str]) -> str:
    if found["alone"]:
        raise QueryError(_elsewhere("regexp_replace() with groups other than $0 to $9"))
    if found["group"]:
        return f"\\{found['group']}"
    return "\\\\" if found["escaped"] == "\\" else found["escaped"]


def _elsewhere(what: str) -> str:
    return (
        f"{what} can't be translated for DuckDB. It may run in Athena; here, write it differently"
    )
