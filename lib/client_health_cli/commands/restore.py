"""`client-health restore`: make lost entries of the catalog again."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("restore")(restore)


def restore(
    lake: Annotated[str, typer.Option(help="The lake: a folder or an s3:// prefix.")],
    apply: Annotated[
        bool, typer.Option("--apply", help="Make the entries; without this, they are only shown.")
    ] = False,
) -> None:
    """Show tables that the catalog has lost; --apply restores.

    A table's entry in the catalog names its newest metadata file. If somebody has deleted the
    entry, the database, or a local lake's catalog.db, the lake still has all files: this makes the
    entry again from the metadata file with the highest number. Entries that exist aren't changed.
    In S3, check first that no run is at work.

    Example: client-health restore --lake data/lake --apply

    Exit codes: 0 done; 2 usage, or nothing to restore from; 4 others work on the lake.
    """
    from client_health_cli import catalog_entries  # noqa: PLC0415 - slows every command's start

    found = catalog_entries.entries(lake)
    lost = [entry for entry in found if entry.lost]
    for entry in found:
        newest = PurePosixPath(entry.location).name
        typer.echo(f"{entry.table}: " + ("in the catalog" if entry.listed else f"lost; {newest}"))
    if not lost:
        typer.echo("No entry is lost.")
    elif not apply:
        typer.echo("Nothing was changed: run the same command with --apply to restore them.")
    else:
        catalog_entries.restore(lake, lost)
        typer.echo(f"Entries restored: {len(lost)}. `client-health history` shows the runs.")
