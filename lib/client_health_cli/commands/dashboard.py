"""`client-health dashboard`: a page of aggregates for readers."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

DICTIONARY = "dicionario-de-dados.html"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("dashboard")(dashboard)


def dashboard(
    lake: Annotated[str, typer.Option(help="The lake: a folder.")],
    out: Annotated[Path, typer.Option(help="The HTML file to write.")],
) -> None:
    """Write the dashboard: one page for readers.

    The page needs no network and no server. It contains only counts, none of fewer than five
    clients. The data dictionary is the file dicionario-de-dados.html in the same folder.

    Example: client-health dashboard --lake data/lake --out data/painel.html

    Exit codes: 0 written; 2 no lake, or the file can't be written.
    """
    from client_health_cli.dashboard.files import write_pages  # noqa: PLC0415 - takes a while
    from client_health_cli.terminal import size_text  # noqa: PLC0415

    pages = write_pages(lake, out, out.with_name(DICTIONARY), dt.datetime.now(dt.UTC))
    typer.echo(f"{out} ({size_text(pages.size)}), {pages.dictionary}")
