"""The rejected rows of a run, from a lake's restricted table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from client_health_cli.errors import SettingsError
from client_health_cli.published import opened
from register_contract import contract, tables

if TYPE_CHECKING:
    import polars as pl

_SAMPLES: Final = 2
_REASONS: Final = "reasons"


def rejected_rows(lake: str, run_id: str = "") -> pl.DataFrame:
    """Return the rejected rows of a run.

    Parameters
    ----------
    lake
        A folder, or an `s3://` prefix.
    run_id
        The run; empty means the newest one that has rejected any.

    Returns
    -------
    DataFrame
        Rows of the table `rejected`, all of one run; at least one.

    Raises
    ------
    LakeError
        There is no lake, no run has rejected a row, or the table can't be read.
    SettingsError
        The run has rejected no row, or doesn't exist.
    """
    import polars as pl  # noqa: PLC0415 - slows every command's start
    from pyiceberg.expressions import EqualTo, Reference  # noqa: PLC0415

    with opened(lake, tables.REJECTED.name) as table:
        known = pl.DataFrame(
            pl.from_arrow(table.scan(selected_fields=(tables.RUN_ID, "recorded_at")).to_arrow())
        )
        if known.is_empty():
            raise SettingsError(f"no run has rejected a row in {lake} that is still kept")
        wanted = run_id or known.sort("recorded_at", tables.RUN_ID)[tables.RUN_ID][-1]
        if wanted not in known[tables.RUN_ID]:
            raise SettingsError(
                f"--run {wanted}: no rejected row of it is kept in {lake}. Newest runs: "
                + ", ".join(_newest(known))
            )
        own = EqualTo(Reference(tables.RUN_ID), wanted)  # type: ignore[call-arg, arg-type]
        found = table.scan(row_filter=own).to_arrow()
    return pl.DataFrame(pl.from_arrow(found))


def _newest(known: pl.DataFrame) -> list[str]:
    ordered = known.sort("recorded_at", tables.RUN_ID, descending=True)[tables.RUN_ID]
    return [str(name) for name in ordered.unique(maintain_order=True).head(5)]


def not_handed_in(lake: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rejected rows that nobody has corrected and handed in yet.

    Parameters
    ----------
    lake
        A folder, or an `s3://` prefix.
    rows
        Rejected rows.
    """
    from client_health import corrections  # noqa: PLC0415 - slows every command's start
    from register_run import storage  # noqa: PLC0415

    return rows.join(corrections.handed_in(storage.normalise(lake)), on="rejection_id", how="anti")


def counts(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the number of rows by source and reason; a row may have several reasons.

    Parameters
    ----------
    rows
        Rejected rows.
    """
    import polars as pl  # noqa: PLC0415

    meanings = {rule.name: rule.meaning for rule in contract.RULES}
    found = (
        rows.select("source", pl.col(_REASONS).str.split(",").alias("reason"))
        .explode("reason")
        .group_by("source", "reason")
        .agg(pl.len().alias("rows"))
    )
    order = {name: place for place, name in enumerate(contract.SOURCE_NAMES)}
    counted = sorted(
        found.iter_rows(named=True),
        key=lambda one: (order[one["source"]], -one["rows"], one["reason"]),
    )
    return [{**one, "meaning": meanings.get(one["reason"], "")} for one in counted]


def samples(rows: pl.DataFrame) -> str:
    """Return the first rows of each source, masked; empty if all are malformed lines.

    Parameters
    ----------
    rows
        Rejected rows.
    """
    import polars as pl  # noqa: PLC0415

    from client_health import display, rejected_rows  # noqa: PLC0415

    parts = [
        rejected_rows.sample(rejected_rows.delivered(rows, source), source, _SAMPLES)
        for source in contract.SOURCES
    ]
    shown = pl.concat(parts)
    return "" if shown.is_empty() else display.sample(shown)
