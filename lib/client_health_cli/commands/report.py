"""`client-health report`: a run's executed notebooks as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("report")(report)


def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run.")],
    lake: Annotated[str, typer.Option(help="The lake: a folder or an s3:// prefix.")],
    out: Annotated[Path, typer.Option(help="The HTML file to write.")],
    dpu_hour_price: Annotated[
        float | None, typer.Option(help="Price of a DPU-hour, to show the cost as money.", min=0)
    ] = None,
) -> None:
    """Write a run's executed notebooks as one page.

    It is for people without access to the lake. It needs no network and no server. At its top are
    the run, its delivery, its state, the rows by source, the gates, and what it cost. For a few
    rows, the notebooks show id, health plan, sex, state, and time of registration: an id is
    personal data, so give the page only to people who may see it. It has no names, CPFs, addresses,
    or dates of birth, and no parameters, paths, or tracebacks: of an error in somebody else's
    words, it shows only the name.

    Example: client-health report r75d52766cee0a0a6 --lake data/lake --out data/run.html

    Exit codes: 0 written; 2 there is no such run, its notebooks are gone, or the file can't be
    written; 4 the catalog, or a file of the lake, could not be read.
    """
    from client_health_cli import report as page  # noqa: PLC0415 - slows every command's start
    from client_health_cli.dashboard import files  # noqa: PLC0415
    from client_health_cli.terminal import size_text  # noqa: PLC0415

    size = files.save(out, page.write(lake, run, dpu_hour_price))
    typer.echo(f"{out} ({size_text(size)})")
