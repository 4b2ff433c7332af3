"""`client-health docs`: the data dictionary."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from client_health_cli.commands.rules import FILE_OPTION, LAKE_OPTION


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("docs")(docs)


def docs(
    out: Annotated[Path, typer.Option(help="The HTML file to write.")],
    lake: Annotated[str, LAKE_OPTION] = "",
    file: Annotated[str, FILE_OPTION] = "",
) -> None:
    """Write the data dictionary, for readers.

    It has the columns with their types, meanings, sources, and masks, and the rules.

    It is generated from the contract that the pipeline itself reads, in Portuguese.

    Example: client-health docs --out data/dicionario-de-dados.html

    Exit codes: 0 written; 2 the file can't be written, or the rules file has mistakes.
    """
    from client_health_cli import rule_listing  # noqa: PLC0415 - these take a while to load
    from client_health_cli.dashboard import dictionary, files  # noqa: PLC0415

    files.save(out, dictionary.write(rule_listing.held(lake, file)))
    typer.echo(str(out))
