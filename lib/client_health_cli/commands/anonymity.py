"""`client-health anonymity`: how many clients a published row can be told from."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from client_health_cli.commands.query import Format
from client_health_cli.errors import SettingsError


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("anonymity")(anonymity)


def anonymity(
    lake: Annotated[str, typer.Option(help="The lake: a folder, or an s3:// prefix.")],
    result_format: Annotated[
        Format, typer.Option("--format", help="table, csv, or json.")
    ] = Format.TABLE,
) -> None:
    """Measure the k-anonymity of the published table.

    A class is all clients with the same convênio, sexo, UF, and date of birth, and, in the columns
    `_with_name`, the same name. The report has the smallest class and the percentage of clients in
    classes under five, as published and for each step that generalizes more. The chosen step is
    that of the table clientoutput_anonima.

    Example: client-health anonymity --lake data/lake

    Exit codes: 0 measured; 2 usage, or no published table.
    """
    if result_format is Format.PARQUET:
        raise SettingsError("--format is table, csv, or json")

    # These take a while to load.
    import pyarrow as pa  # noqa: PLC0415

    from client_health_cli import anonymous_table, ladder  # noqa: PLC0415
    from client_health_cli.published import published_table  # noqa: PLC0415
    from client_health_cli.results import FORMATS  # noqa: PLC0415

    table = published_table(lake)
    FORMATS[result_format.value](
        pa.Table.from_pylist(ladder.measured(table)).to_reader(), sys.stdout
    )
    typer.echo(anonymous_table.state(table), err=True)
