"""`client-health rejected`: the rows that a run rejected, counted, masked, or exported."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from client_health_cli.commands.query import Format
from client_health_cli.errors import SettingsError
from client_health_cli.terminal import count_text


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("rejected")(rejected)


def rejected(
    lake: Annotated[str, typer.Option(help="The lake: a folder, or an s3:// prefix.")],
    run: Annotated[
        str, typer.Option(metavar="RUN", help="The run (default: the newest with such rows).")
    ] = "",
    result_format: Annotated[
        Format, typer.Option("--format", help="table, csv, or json.")
    ] = Format.TABLE,
    export: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Also write the rows, unmasked, into this folder."),
    ] = None,
) -> None:
    """Show the rows that a run rejected.

    They are counted by source and reason; a row may have several reasons. A table also shows some
    of them, masked. `--export` writes those that were not handed in again as they came, one file
    for each source, in its own format and with one more column, `rejection_id`. These files have
    CPFs: only this account may read them. Correct them, and hand them in with `resubmit`.

    Example: client-health rejected --lake data/lake --export corrections

    Exit codes: 0 shown; 2 usage, or no rejected rows; 4 the catalog could not be read.
    """
    if result_format is Format.PARQUET:
        raise SettingsError("--format is table, csv, or json")

    # These take a while to load.
    import pyarrow as pa  # noqa: PLC0415

    from client_health_cli import rejection_files, rejection_table  # noqa: PLC0415
    from client_health_cli.results import FORMATS  # noqa: PLC0415

    rows = rejection_table.rejected_rows(lake, run)
    left = rejection_table.not_handed_in(lake, rows)
    shown = pa.Table.from_pylist(rejection_table.counts(rows))
    if result_format is not Format.TABLE:
        FORMATS[result_format.value](shown.to_reader(), sys.stdout)
    else:
        one = rows.row(0, named=True)
        typer.echo(
            f"Run {one['run_id']} of {one['day']} (delivery {one['delivery_id']}) rejected "
            f"{count_text(rows.height, 'row')}; {rows.height - left.height:,} of them were handed "
            "in again.\n"
        )
        FORMATS[result_format.value](shown.to_reader(), sys.stdout)
        masked = rejection_table.samples(rows)
        if masked:
            typer.echo(f"\nSome of them, masked:\n\n{masked}")
    if export is None:
        return
    for file in rejection_files.export(left, export):
        lines = f", {file.malformed:,} of them lines that could not be split" * bool(file.malformed)
        typer.echo(f"{file.path}: {count_text(file.rows, 'row')}{lines}", err=True)
    typer.echo(
        "A date or number that couldn't be read is in the file as it came; in JSON, such a row has "
        "texts instead of numbers.",
        err=True,
    )
