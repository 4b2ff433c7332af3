"""`client-health rules`: the rules that hold, and limits proposed from the history."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from client_health_cli.commands.query import Format
from client_health_cli.errors import SettingsError

LAKE_OPTION = typer.Option(help="A lake: its rules.yaml holds, if there is one.")
FILE_OPTION = typer.Option("--rules", metavar="FILE", help="A rules file, instead of the lake's.")


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    group = typer.Typer(invoke_without_command=True)
    group.callback()(rules)
    group.command("suggest")(suggest)
    app.add_typer(group, name="rules")


def rules(
    context: typer.Context,
    lake: Annotated[str, LAKE_OPTION] = "",
    file: Annotated[str, FILE_OPTION] = "",
    result_format: Annotated[
        Format, typer.Option("--format", help="table, csv, or json.")
    ] = Format.TABLE,
) -> None:
    """List the rules that hold, or check a rules file.

    Each rule has its criticality (`error` rejects the row, `warn` counts it, `gate` stops the run),
    its column, meaning, and limit, and where it comes from: `default` or `file`.

    Example: client-health rules --lake data/lake

    Exit codes: 0 listed; 2 usage, or a rules file with mistakes; 4 the lake could not be read.
    """
    if context.invoked_subcommand is not None:
        return
    if result_format is Format.PARQUET:
        raise SettingsError("--format is table, csv, or json")

    # These take a while to load.
    import pyarrow as pa  # noqa: PLC0415

    from client_health_cli import rule_listing  # noqa: PLC0415
    from client_health_cli.results import FORMATS  # noqa: PLC0415

    listed = list(rule_listing.rows(rule_listing.held(lake, file)))
    schema = pa.schema([(name, pa.string()) for name in rule_listing.COLUMNS])
    FORMATS[result_format.value](
        pa.Table.from_pylist(listed, schema=schema).to_reader(), sys.stdout
    )


def suggest(
    lake: Annotated[str, typer.Option(help="The lake: a folder, or an s3:// prefix.")],
    file: Annotated[str, FILE_OPTION] = "",
) -> None:
    """Propose limits from the history, as lines for the rules file.

    A limit is a little above the largest share of the last published runs. Gates of the rules file
    get a share in the same way. Nothing is written.

    Example: client-health rules suggest --lake data/lake

    Exit codes: 0 proposed; 2 usage, a rules file with mistakes, or no history; 4 the lake could not
    be read.
    """
    from client_health_cli import rule_listing, suggestions  # noqa: PLC0415 - take a while

    typer.echo(suggestions.suggest(lake, rule_listing.held(lake, file)), nl=False)
