"""`client-health maintain`: show what is older than its limit, and remove it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from register_contract.retention import RETENTION, Retention

if TYPE_CHECKING:
    from client_health_cli.maintenance import Due, Maintained


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("maintain")(maintain)


def maintain(  # noqa: PLR0917 - one for each option
    lake: Annotated[str, typer.Option(help="The lake: a folder or an s3:// prefix.")],
    apply: Annotated[
        bool, typer.Option("--apply", help="Remove it; without this, it is only shown.")
    ] = False,
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
    staging_days: Annotated[
        int, typer.Option(min=1, help="Keep staging files of unfinished runs, in days.")
    ] = RETENTION.staging_days,
    delivery_days: Annotated[
        int, typer.Option(min=1, help="Keep copies of deliveries, in days.")
    ] = RETENTION.delivery_days,
    rejected_days: Annotated[
        int, typer.Option(min=1, help="Keep rejected rows, in days.")
    ] = RETENTION.rejected_days,
    run_days: Annotated[
        int, typer.Option(min=1, help="Keep receipts, notebooks, and quality history, in days.")
    ] = RETENTION.run_days,
    sessions: Annotated[
        str, typer.Option(metavar="local|aws|URL", help="Where Interactive Sessions are created.")
    ] = "local",
) -> None:
    """Show what is too old in a lake; --apply removes it.

    Published rows don't change, and published runs still count as published: the table of
    publications keeps the record of each run. Time travel works as far back as snapshots are kept.
    On AWS, the table's optimizers and the bucket's lifecycle rules do the same automatically.
    Nobody else may work on a local lake meanwhile; in S3, the command refuses while a run works.

    Example: client-health maintain --lake data/lake --apply

    Exit codes: 0 done, or no lake; 2 usage, a run at work in S3, or a file that can't be removed;
    4 a session, statement, or service failed, or others work on the lake.
    """
    from client_health_cli import maintenance  # noqa: PLC0415 - slows every command's start

    retention = Retention(
        snapshot_days,
        snapshots_kept,
        orphan_days,
        staging_days=staging_days,
        delivery_days=delivery_days,
        rejected_days=rejected_days,
        run_days=run_days,
    )
    with maintenance.upkeep(lake, sessions, alone=apply) as upkeep:
        due = maintenance.due(upkeep, retention)
        if due is None:
            typer.echo(
                f"Nothing has been published in {lake} yet, and no file there is too old, so there "
                "is nothing to do."
            )
            return
        _show(due)
        if not apply:
            typer.echo("Nothing was changed: run the same command with --apply to remove this.")
            return
        _tell(maintenance.maintain(upkeep, retention))


def _show(due: Due) -> None:
    from rich.console import Console  # noqa: PLC0415 - slows every command's start
    from rich.table import Table  # noqa: PLC0415

    table = Table("zone", "kept", "to remove", box=None, pad_edge=False)
    for row in due.described():
        table.add_row(*row)
    Console(soft_wrap=True).print(table)


def _tell(done: Maintained) -> None:
    typer.echo(
        f"{done.snapshots_before - done.snapshots_after} of {done.snapshots_before} snapshots"
        f" expired, {done.expired_files:,} of their files and {done.orphan_files:,} stray files"
        f" deleted, {done.expired_rows:,} old rows and {done.old_folders:,} old runs, deliveries,"
        " and batches removed;"
        f" {done.publications} publications on record."
    )
