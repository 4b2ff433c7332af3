"""`client-health maintain`: expire old snapshots, delete unreferenced files."""

from __future__ import annotations

from typing import Annotated

import typer

from register_contract.retention import RETENTION, Retention


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("maintain")(maintain)


def maintain(
    lake: Annotated[str, typer.Option(help="The lake: a folder or an s3:// prefix.")],
    snapshot_days: Annotated[
        int, typer.Option(min=0, help="Keep snapshots that are younger, in days.")
    ] = RETENTION.snapshot_days,
    snapshots_kept: Annotated[
        int, typer.Option(min=1, help="Keep this many snapshots, however old they are.")
    ] = RETENTION.snapshots_kept,
    orphan_days: Annotated[
        int,
        typer.Option(min=1, help="Delete unreferenced files that are older, in days."),
    ] = RETENTION.orphan_days,
    sessions: Annotated[
        str, typer.Option(metavar="local|aws|URL", help="Where Interactive Sessions are created.")
    ] = "local",
) -> None:
    """Expire old snapshots of the table and delete stray files.

    Published rows don't change, and published runs still count as published: the table of
    publications keeps the record of each run. Time travel works as far back as snapshots are kept.
    On AWS, the stack's table optimizers do the same automatically.

    Example: client-health maintain --lake data/lake

    Exit codes: 0 done; 2 usage, or no lake; 4 a session, statement, or service failed.
    """
    from client_health_cli import maintenance  # noqa: PLC0415 - slows every command's start

    retention = Retention(snapshot_days, snapshots_kept, orphan_days)
    with maintenance.upkeep(lake, sessions) as upkeep:
        done = maintenance.maintain(upkeep, retention)
    if done is None:
        typer.echo(f"Nothing has been published in {lake} yet, so there is nothing to do.")
        return
    typer.echo(
        f"{done.snapshots_before - done.snapshots_after} of {done.snapshots_before} snapshots"
        f" expired, {done.expired_files:,} of their files and {done.orphan_files:,} stray files"
        f" deleted; {done.publications} publications on record."
    )
