"""`client-health query`: SQL over the published table."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TextIO

import typer

from client_health_cli.errors import SettingsError


class Format(StrEnum):
    """How a result is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("query")(query)


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT; DuckDB's dialect.")],
    lake: Annotated[str, typer.Option(help="The lake: a folder.")],
    result_format: Annotated[
        Format, typer.Option("--format", help="A table shows the first 200 rows.")
    ] = Format.TABLE,
    out: Annotated[Path | None, typer.Option(help="Write to this file instead.")] = None,
) -> None:
    """Ask the published table something, in SQL.

    The table is called clientoutput; it is read as its current snapshot stands. Only SELECT
    can be run, and only the table can be read.

    Example: client-health query --lake data/lake
    "SELECT estado, count(*) AS clients FROM clientoutput GROUP BY estado ORDER BY clients DESC"

    Exit codes: 0 answered; 2 no published table, or SQL that can't be run.
    """
    from client_health_cli import queries  # noqa: PLC0415
    from client_health_cli.published import published_table  # noqa: PLC0415
    from client_health_cli.results import FORMATS  # noqa: PLC0415

    table = published_table(lake)
    with queries.query(table, sql) as result, _destination(out) as file:
        FORMATS[result_format.value](result, file)


@contextlib.contextmanager
def _destination(out: Path | None) -> Iterator[TextIO]:
    """Give a file that takes its name when it is whole, or standard output."""
    if out is None:
        yield sys.stdout
        return
    partial = out.with_name(f".{out.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            yield file
        partial.replace(out)
    except OSError as error:
        raise SettingsError(f"{out} can't be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
