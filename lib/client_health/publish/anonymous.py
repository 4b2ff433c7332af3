"""The tables without persons, which follow ``main`` of the published one.

Two tables cannot be committed together. So the summary of each one's snapshot names the snapshot
that it was made from. Where that is not what readers see, the next stage, maintenance, or rollback
makes both again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime

import polars as pl
import pyarrow.parquet as pq

from client_health import storage
from client_health.clean import classes, registrations
from client_health.errors import PublishError
from client_health.publish import records
from client_health.publish.lake import Lake
from register_contract import anonymity, contract
from register_contract.anonymity import QUASI_IDENTIFIERS, Report
from register_contract.tables import (
    CADASTROS_ANONIMOS,
    CLIENTOUTPUT_ANONIMA,
    RUN_ID,
    WITHOUT_PERSONS,
    Table,
)


def follow(lake: Lake) -> Report | None:
    """Make the tables without persons from what readers see, unless they already are.

    The driver reads the quasi-identifiers and the times of registration of one health plan at a
    time, and keeps only counts.

    Parameters
    ----------
    lake : Lake

    Returns
    -------
    Report or None
        How the anonymous table was made; None while nothing has been published.

    Raises
    ------
    PublishError
        If the published table has delete files.
    """
    source = lake.snapshot()
    if source is None:
        return None
    made_from = {
        anonymity.SOURCE_SNAPSHOT: source.snapshot_id,
        anonymity.RECIPE: anonymity.recipe(),
    }
    summaries = {table: _summary(lake, table) for table in WITHOUT_PERSONS}
    if all(made_from.items() <= summary.items() for summary in summaries.values()):
        return anonymity.parse(summaries[CLIENTOUTPUT_ANONIMA][anonymity.REPORT])
    last = lake.history().last
    day = date.fromisoformat(last.day) if last and last.day else None
    until, years = day or datetime.now(tz=UTC).date(), []

    def counted() -> Iterator[pl.LazyFrame]:
        for part in _plans(lake, source.snapshot_id):
            years.append(registrations.by_year(part, until))
            yield part

    rows, report = classes.anonymous(classes.tally(counted()))
    run = (
        pl.lit(last.run_id if last else None, pl.String).alias(RUN_ID),
        pl.lit(day, pl.Date).alias("day"),
    )
    for table, found, properties in (
        (CADASTROS_ANONIMOS, registrations.anonymous(years), made_from),
        (CLIENTOUTPUT_ANONIMA, rows, {**made_from, anonymity.REPORT: report.dump()}),
    ):
        described = found.select(*run, *found.columns)
        records.rewrite(lake, table, described, properties)
    expire(lake)
    return report


def expire(lake: Lake, days: int = anonymity.SNAPSHOT_DAYS) -> None:
    """Remove earlier snapshots of the tables without persons, and the files that they replaced.

    Parameters
    ----------
    lake : Lake
        Its tables without persons must exist.
    days : int
        Only older ones; 0 leaves the present ones alone.
    """
    # On AWS, these tables need no optimizer.
    for table in WITHOUT_PERSONS:
        records.expire_snapshots(lake.loaded(records.name(lake, table)), days)


def _summary(lake: Lake, table: Table) -> Mapping[str, str]:
    """Return how a table was made, and create it if it is missing."""
    records.make(lake, table)
    made = lake.snapshot(table=records.name(lake, table))
    return made.summary if made else {}


def _plans(lake: Lake, snapshot_id: str) -> Iterator[pl.LazyFrame]:
    """Yield what is counted of each health plan's clients."""
    for plan, uris in _files(lake, snapshot_id).items():
        others = [name for name in QUASI_IDENTIFIERS if name != contract.PARTITION_COLUMN]
        parts = []
        for uri in uris:
            with storage.opened(uri) as file:
                # Arrow reads only the bytes of these columns.
                found = pq.read_table(file, columns=[*others, registrations.REGISTERED])
            parts.append(pl.DataFrame(found).lazy())
        yield pl.concat(parts).with_columns(pl.lit(plan).alias(contract.PARTITION_COLUMN))


def _files(lake: Lake, snapshot_id: str) -> dict[str, list[str]]:
    """Return the data files of each health plan."""
    text = lake.java.java.lang.Class.forName("java.lang.String")
    planned = lake.loaded(lake.table).newScan().useSnapshot(int(snapshot_id)).planFiles()
    found: dict[str, list[str]] = {}
    tasks = planned.iterator()
    while tasks.hasNext():
        task = tasks.next()
        if task.deletes().size():
            raise PublishError(
                f"{lake.published} has delete files, and the anonymous table is made from whole "
                "data files. Rewrite the data files with rewrite_data_files, and run again."
            )
        file = task.file()
        found.setdefault(str(file.partition().get(0, text)), []).append(str(file.location()))
    planned.close()
    return found
