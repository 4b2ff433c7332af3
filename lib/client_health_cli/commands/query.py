"""`client-health query`: SQL over the published table, and those beside it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from client_health_cli.errors import SettingsError

if TYPE_CHECKING:
    import pyarrow as pa


class Format(StrEnum):
    """Format of a result."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


class Engine(StrEnum):
    """Engine that runs a query."""

    LOCAL = "local"
    ATHENA = "athena"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("query")(query)


def query(  # noqa: PLR0917 - one for each option
    sql: Annotated[
        str | None, typer.Argument(metavar="[SQL]", help="One SELECT in Athena's dialect.")
    ] = None,
    lake: Annotated[str, typer.Option(help="The lake: a folder, or an s3:// prefix.")] = "",
    name: Annotated[str, typer.Option(help="Run this query from queries/ instead.")] = "",
    show_list: Annotated[
        bool, typer.Option("--list", help="List the queries in queries/, and exit.")
    ] = False,
    result_format: Annotated[
        Format, typer.Option("--format", help="A table shows the first 200 rows.")
    ] = Format.TABLE,
    out: Annotated[Path | None, typer.Option(help="Write to this file instead.")] = None,
    engine: Annotated[
        Engine | None,
        typer.Option(
            help="DuckDB on this machine, or Athena. Default: DuckDB; for an s3:// lake, Athena, "
            "unless AWS_ENDPOINT_URL points elsewhere than AWS."
        ),
    ] = None,
    queries_folder: Annotated[
        Path | None, typer.Option("--queries", help="Folder of the queries, if not ./queries.")
    ] = None,
) -> None:
    """Query the published table with SQL.

    The table is clientoutput, at its current snapshot; clientoutput_anonima and cadastros_anonimos
    count the same clients without persons. quality_results and column_profiles are what runs found.
    Only SELECT is allowed, and only on these tables. FOR VERSION AS OF reads an older snapshot of
    clientoutput; its number 0 is the run published before. Without an ORDER BY, rows are sorted by
    their values, so that the same query gives the same answer.

    Example: client-health query --lake data/lake --name convenios

    Example: client-health query --lake data/lake
    "SELECT estado, count(*) AS clients FROM clientoutput GROUP BY estado ORDER BY clients DESC"

    Exit codes: 0 answered; 2 no published table, or SQL that can't be run.
    """
    from client_health_cli.questions import question, questions  # noqa: PLC0415

    if show_list:
        known = questions(queries_folder)
        width = max(map(len, known))
        for one in known.values():
            typer.echo(f"{one.name:{width}}  {one.meaning}")
        return
    if bool(sql) == bool(name):
        raise SettingsError("give either SQL or --name NAME; --list shows the names")
    if not lake:
        raise SettingsError("--lake is missing: give the folder of the published lake")
    if result_format is Format.PARQUET and out is None:
        raise SettingsError("--format parquet is not for a terminal: name a file with --out")
    asked = question(name, queries_folder).sql if name else str(sql)

    from client_health_cli.results import FORMATS  # noqa: PLC0415 - takes a while to load

    binary = result_format is Format.PARQUET
    with (
        _answered(asked, lake, engine or _engine(lake)) as answer,
        _destination(out, binary=binary) as file,
    ):
        FORMATS[result_format.value](answer, file)


def _engine(lake: str) -> Engine:
    elsewhere = os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT_URL_S3")
    return Engine.ATHENA if lake.startswith("s3://") and not elsewhere else Engine.LOCAL


@contextlib.contextmanager
def _answered(sql: str, lake: str, engine: Engine) -> Iterator[pa.RecordBatchReader]:
    # These take a while to load.
    from client_health_cli.published import published_table  # noqa: PLC0415

    if engine is Engine.ATHENA:
        from client_health_cli import athena  # noqa: PLC0415
        from client_health_cli.databases import database_of, workgroup  # noqa: PLC0415

        settings = athena.Settings(workgroup(), database_of(lake))
        with athena.query(sql, settings, lambda: published_table(lake)) as answer:
            yield answer
    else:
        from client_health_cli import dialect, queries  # noqa: PLC0415

        # What a run found can be read before anything is published.
        alone = dialect.reads_only_others(dialect.parse(sql))
        with queries.query(published_table(lake, may_be_empty=alone), sql) as answer:
            yield answer


@contextlib.contextmanager
def _destination(out: Path | None, *, binary: bool) -> Iterator[IO[Any]]:
    """Yield a file that gets its name only when complete, or standard output."""
    if out is None:
        yield sys.stdout
        return
    partial = out.with_name(f".{out.name}.partial")
    try:
        with (
            partial.open("wb")
            if binary
            else partial.open("w", encoding="utf-8", newline="") as file
        ):
            yield file
        partial.replace(out)
    except OSError as error:
        raise SettingsError(f"{out} can't be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
