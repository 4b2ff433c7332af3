"""A run's summary, as tables for people."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from rich import box
from rich.columns import Columns
from rich.console import Console
from rich.table import Table

from register_run import RunOutcome

_UNKNOWN = "-"
_TRY = (
    "SELECT estado, count(*) AS clients FROM clientoutput "
    "GROUP BY estado ORDER BY clients DESC LIMIT 5"
)


def print_summary(console: Console, outcome: RunOutcome, lake: str) -> None:
    """Print what a run did, and what to try next.

    Parameters
    ----------
    console
        The console to print to.
    outcome
        Outcome of the run. If the run was already published, a receipt may be missing; its numbers
        are shown as dashes.
    lake
        The lake as given to the command.
    """
    if outcome.status == "already_published":
        said = "is already published: nothing to do (--force starts it over)"
    else:
        said = f"is published; its stages took {sum(outcome.seconds.values()):.1f} s"
    _say(console, f"Run {outcome.run_id} {said}.")
    _say(console, f"Delivery {outcome.delivery_id}, snapshot {outcome.snapshot_id}.")
    console.print(_accounting(outcome.receipts))
    console.print(
        Columns(
            [
                _counts("rejected, by rule", outcome.receipts.get("02_transform"), "rejections"),
                _counts("warnings, by rule", outcome.receipts.get("02_transform"), "warnings"),
                _shares(outcome.receipts.get("03_quality")),
            ],
            padding=(0, 4),
        )
    )
    places = sorted({str(PurePosixPath(place).parent) for place in outcome.notebooks.values()})
    for place in places:
        # A path object turns a URI's two slashes into one.
        _say(console, f"Executed notebooks: {place.replace(':/', '://', 1)}/")
    if "://" not in lake:
        _say(console, f"Next: client-health query --lake {shlex.quote(lake)} {shlex.quote(_TRY)}")


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _accounting(receipts: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return the row accounting: one line per source, and the sum."""
    columns = [
        ("ingested", "01_ingest", "in"),
        ("rejected", "02_transform", "rejected"),
        ("duplicates", "02_transform", "duplicates"),
        ("published", "03_quality", "out"),
    ]
    every = [rows for receipt in receipts.values() for rows in receipt["rows"].values()]
    if any(rows["suppressed"] for rows in every):
        columns.insert(3, ("suppressed", "02_transform", "suppressed"))
    if any(rows.get("resubmitted") for rows in every):
        columns.insert(1, ("resubmitted", "02_transform", "resubmitted"))
    table = _table("source", *(title for title, _, _ in columns), footer=True)
    # A dictionary keeps the receipts' order of sources; a set wouldn't.
    sources = list(dict.fromkeys(name for receipt in receipts.values() for name in receipt["rows"]))
    counts = {
        title: [
            receipts[stage]["rows"].get(source, {}).get(member) if stage in receipts else None
            for source in sources
        ]
        for title, stage, member in columns
    }
    for number, source in enumerate(sources):
        table.add_row(source, *(_count(counts[title][number]) for title in counts))
    table.columns[0].footer = "total"
    for column, known in zip(table.columns[1:], counts.values(), strict=True):
        column.footer = _UNKNOWN if None in known else _count(sum(filter(None, known)))
    return table


def _counts(title: str, receipt: Mapping[str, Any] | None, member: str) -> Table:
    table = _table(title, "rows")
    if receipt is None:
        table.add_row(_UNKNOWN, "")
        return table
    counts = {rule: rows for rule, rows in receipt[member].items() if rows}
    for rule, rows in _largest_first(counts.items()):
        table.add_row(rule, _count(rows))
    if not counts:
        table.add_row("none", "")
    return table


def _shares(receipt: Mapping[str, Any] | None) -> Table:
    table = _table("convenio", "published", "share")
    shares: Mapping[str, int] = (receipt or {}).get("shares", {})
    total = sum(shares.values())
    for name, rows in _largest_first(shares.items()):
        table.add_row(name, _count(rows), f"{rows / total:.1%}" if total else _UNKNOWN)
    if not shares:
        table.add_row(_UNKNOWN, "", "")
    return table


def _largest_first(counts: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(counts, key=lambda pair: (-pair[1], pair[0]))


def _table(first: str, *numbers: str, footer: bool = False) -> Table:
    """Return an empty table with a column of names and columns of numbers."""
    table = Table(box=box.SIMPLE_HEAD, show_footer=footer, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for title in numbers:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _count(count: int | None) -> str:
    return _UNKNOWN if count is None else f"{count:,}"
