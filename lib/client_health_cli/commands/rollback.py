"""`client-health rollback`: let readers see an earlier run again."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("rollback")(rollback)


def rollback(
    lake: Annotated[str, typer.Option(help="The lake: a folder or an s3:// prefix.")],
    to: Annotated[str, typer.Option(metavar="RUN", help="The run that readers are to see.")],
    sessions: Annotated[
        str, typer.Option(metavar="local|aws|URL", help="Where Interactive Sessions are created.")
    ] = "local",
) -> None:
    """Let readers see the rows of an earlier run again.

    The table changes in one step. Later runs become withdrawn: their rows can be read by snapshot
    until they expire, and the same delivery is published again only with `run --force`. A run that
    is working meanwhile writes its rows again before it publishes.

    Example: client-health rollback --lake data/lake --to r75d52766cee0a0a6

    Exit codes: 0 done, or readers see that run already; 2 usage, or a run that is not published
    there or has expired; 4 a session, statement, or service failed.
    """
    from client_health_cli import maintenance  # noqa: PLC0415 - slows every command's start

    with maintenance.upkeep(lake, sessions) as upkeep:
        done = maintenance.rollback(upkeep, to)
    if not done.withdrawn:
        typer.echo(f"Readers see run {to} already; nothing was changed.")
        return
    rows = "" if done.rows is None else f", {done.rows:,} rows"
    typer.echo(
        f"Readers see run {to} of {done.day} again (snapshot {done.snapshot_id}{rows}). "
        f"Withdrawn: {', '.join(done.withdrawn)}."
    )
