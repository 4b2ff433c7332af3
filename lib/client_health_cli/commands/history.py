"""`client-health history`: what a lake has published, and what was withdrawn."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from client_health_cli.commands.query import Format
from client_health_cli.errors import LakeError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from client_health_cli.gate_results import Gates
    from register_contract.publications import History, Metadata, Publication


COLUMNS = (
    *("run", "day", "recorded", "published", "resubmitted", "rejected", "duplicates", "gates"),
    *("state", "snapshot", "dpu_hours"),
)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("history")(history)


def history(
    lake: Annotated[str, typer.Option(help="The lake: a folder, or an s3:// prefix.")],
    result_format: Annotated[
        Format, typer.Option("--format", help="table, csv, or json.")
    ] = Format.TABLE,
    dpu_hour_price: Annotated[
        float | None, typer.Option(help="Price of a DPU-hour: adds the column `cost`.", min=0)
    ] = None,
) -> None:
    """List the published and the stopped runs, newest first.

    A run is `current` (what readers see now), `earlier`, `expired` (its rows are gone, its record
    is kept), `erased` (its rows are gone because people were erased; no rollback brings them back),
    `withdrawn` (readers saw it until the table was rolled back), or `stopped` by a gate. `gates`
    says whether all gates passed, or names those that stopped the run or that a person let pass;
    it is empty for runs from before the history of quality. `dpu_hours` is what the sessions and
    job runs of a run used; for a lake on this machine, what sessions of the same size and time use
    on AWS. The snapshot is what
    `FOR VERSION AS OF` of a query takes. Times are in UTC.

    Example: client-health history --lake data/lake

    Exit codes: 0 listed; 2 usage, or no lake; 4 the catalog, or a file of the lake, could not be
    read.
    """
    if result_format is Format.PARQUET:
        raise SettingsError("--format is table, csv, or json")

    # These take a while to load.
    import pyarrow as pa  # noqa: PLC0415

    from client_health_cli.databases import tables_of  # noqa: PLC0415
    from client_health_cli.errors import RunFailedError  # noqa: PLC0415
    from client_health_cli.gate_results import gates_of  # noqa: PLC0415
    from client_health_cli.results import FORMATS  # noqa: PLC0415
    from register_run import cost, publication_record, storage  # noqa: PLC0415
    from strict_glue import StrictGlueError  # noqa: PLC0415

    place = storage.normalise(lake)
    tables = tables_of(place)
    try:
        metadata = publication_record.metadata(place, tables)
        found = publication_record.history(place, tables)
    except StrictGlueError as error:
        raise RunFailedError(str(error), error.exit_code) from error
    if metadata is None or not (found.published or found.withdrawn):
        raise LakeError(
            lake,
            f"nothing has been published in {lake}: name a lake that `client-health run` has "
            "published to",
        )
    texts = ("run", "day", "recorded", "gates", "state", "snapshot")
    kinds: dict[str, pa.DataType] = {
        name: pa.string() if name in texts else pa.int64() for name in COLUMNS
    }
    kinds["dpu_hours"] = pa.float64()
    told = rows(found, metadata, gates_of(lake))
    used = cost.of_lake(place)
    for row in told:
        row["dpu_hours"] = cost.hours(used[row["run"]]) if row["run"] in used else None
    if dpu_hour_price is not None:
        kinds["cost"] = pa.float64()
        for row in told:
            hours = row["dpu_hours"]
            row["cost"] = None if hours is None else round(hours * dpu_hour_price, 4)
    listed = pa.Table.from_pylist(told, schema=pa.schema(kinds))
    FORMATS[result_format.value](listed.to_reader(), sys.stdout)


def rows(
    found: History, metadata: Metadata, gates: Mapping[str, Gates] | None = None
) -> list[dict[str, Any]]:
    """Return a row for each publication and for each run that a gate stopped, newest first.

    Parameters
    ----------
    found
        The history of the published table.
    metadata
        The table's metadata, which shows the snapshots that have not expired.
    gates
        What the gates said of each run.
    """
    known = gates or {}
    kept = {str(one["snapshot-id"]) for one in metadata.get("snapshots", ())}
    states = [(one, "withdrawn") for one in found.withdrawn]
    for one in found.published:
        state = "earlier" if one.snapshot_id in kept else "expired"
        state = state if found.erased_after(one) is None else "erased"
        states.append((one, "current" if one is found.last else state))
    states.sort(key=lambda row: row[0].sequence, reverse=True)
    told = [_row(one, state, known.get(one.run_id)) for one, state in states]
    published = {row["run"] for row in told}
    for run_id, found_gates in known.items():
        if found_gates.stopped and run_id not in published:
            told.append(_stopped(run_id, found_gates))
    # Publications without a time keep their places.
    return sorted(told, key=lambda row: row["recorded"], reverse=True)


def _stopped(run_id: str, one: Gates) -> dict[str, Any]:
    return dict.fromkeys(COLUMNS) | {
        "run": run_id,
        "day": one.day,
        "recorded": f"{one.recorded_at:%Y-%m-%d %H:%M:%S}",
        "gates": one.described(),
        "state": "stopped",
    }


def _row(one: Publication, state: str, gates: Gates | None) -> dict[str, Any]:
    from register_contract import receipts  # noqa: PLC0415

    counted = "rows" in one.receipt
    at = one.recorded_at
    return {
        "run": one.run_id,
        "day": one.day,
        "recorded": f"{at:%Y-%m-%d %H:%M:%S}" if at else "",
        "published": one.rows_seen,
        "resubmitted": receipts.total(one.receipt, "resubmitted") if counted else None,
        "rejected": receipts.total(one.receipt, "rejected") if counted else None,
        "duplicates": receipts.total(one.receipt, "duplicates") if counted else None,
        "gates": gates.described() if gates else "",
        "state": state,
        "snapshot": one.snapshot_id,
    }
