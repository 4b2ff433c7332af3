"""`client-health contract`: the data contract as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from client_health_cli.commands.rules import FILE_OPTION, LAKE_OPTION
from client_health_cli.errors import SettingsError


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("contract")(contract)


def contract(
    owner: Annotated[str, typer.Option(help="The team that answers for the data.")] = "data team",
    out: Annotated[Path | None, typer.Option(help="Write to this file instead.")] = None,
    lake: Annotated[str, LAKE_OPTION] = "",
    file: Annotated[str, FILE_OPTION] = "",
) -> None:
    """Write the data contract as a file (ODCS 3).

    In the Open Data Contract Standard, it has the columns with their types and classification, the
    rules and gates, roles, and retention, for a data catalog or `datacontract-cli`.

    Example: client-health contract --out clientoutput.odcs.yaml

    Exit codes: 0 written; 2 the file can't be written, or the rules file has mistakes.
    """
    from client_health_cli import data_contract, rule_listing  # noqa: PLC0415 - take a while

    text = data_contract.write(owner, rule_listing.held(lake, file))
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{out} can't be written: {error.strerror}") from error
    typer.echo(str(out))
