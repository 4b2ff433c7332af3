"""`client-health resubmit`: hand corrected rows in for the next run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("resubmit")(resubmit)


def resubmit(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Corrected files of `rejected --export`."),
    ],
    lake: Annotated[str, typer.Option(help="The lake: a folder, or an s3:// prefix.")],
) -> None:
    """Hand corrected rows in for the next run.

    The files are those that `rejected --export` has written, corrected, and without the rows that
    stay wrong. All rows are checked before any is taken in: each must name a rejection that was
    not corrected before, and have a CPF of 11 digits. The next run publishes them once, with its
    delivery; against a row of the delivery with the same time of registration, the corrected one
    is kept. Handing the same rows in again changes nothing.

    Example: client-health resubmit --lake data/lake corrections/rejected.csv

    Exit codes: 0 handed in, now or earlier; 2 usage, or rows that can't be taken in; 4 the catalog
    could not be read.
    """
    from client_health_cli import resubmission  # noqa: PLC0415 - slows every command's start

    done = resubmission.hand_in(lake, files)
    counted = ", ".join(f"{count:,} of {source}" for source, count in done.rows.items())
    what = f"Batch {done.batch_id} ({counted})"
    if done.run_id:
        typer.echo(f"{what} is published by run {done.run_id}: nothing was changed.")
    elif not done.is_new:
        typer.echo(f"{what} waits for the next run already: nothing was changed.")
    else:
        typer.echo(f"{what} waits for the next run, which publishes it once.")
