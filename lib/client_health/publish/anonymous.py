"""The anonymous table, which follows ``main`` of the published one.

Two tables cannot be committed together. So the summary of the anonymous table's snapshot names the
snapshot that it was made from. Where that is not what readers see, the next stage, maintenance, or
rollback makes the table again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pyarrow.parquet as pq

from client_health import storage
from client_health.clean import classes
from client_health.errors import PublishError
from client_health.publish import records
from client_health.publish.lake import Lake
from register_contract import anonymity, contract
from register_contract.anonymity import QUASI_IDENTIFIERS, Report
from register_contract.tables import CLIENTOUTPUT_ANONIMA, RUN_ID


def follow(lake: Lake) -> Report | None:
    """Make the anonymous table from what readers see, unless it already is.

    The driver reads the quasi-identifiers of one health plan at a time, and keeps only counts.

    Parameters
    ----------
    lake : Lake

    Returns
    -------
    Report or None
        How the table was made; None while nothing has been published.

    Raises
    ------
    PublishError
        If the published table has delete files.
    """
    source = lake.snapshot()
    if source is None:
        return None
    records.make(lake, CLIENTOUTPUT_ANONIMA)
    recipe = anonymity.recipe()
    made = lake.snapshot(table=records.name(lake, CLIENTOUTPUT_ANONIMA))
    summary = made.summary if made else {}
    if (summary.get(anonymity.SOURCE_SNAPSHOT), summary.get(anonymity.RECIPE)) == (
        source.snapshot_id,
        recipe,
    ):
        return anonymity.parse(summary[anonymity.REPORT])
    rows, report = classes.anonymous(classes.tally(_plans(lake, source.snapshot_id)))
    last = lake.history().last
    day = date.fromisoformat(last.day) if last and last.day else None
    described = rows.select(
        pl.lit(last.run_id if last else None, pl.String).alias(RUN_ID),
        pl.lit(day, pl.Date).alias("day"),
        *rows.columns,
    )
    properties = {
        anonymity.SOURCE_SNAPSHOT: source.snapshot_id,
        anonymity.RECIPE: recipe,
        anonymity.REPORT: report.dump(),
    }
    records.rewrite(lake, CLIENTOUTPUT_ANONIMA, described, properties)
    expire(lake)
    return report


def expire(lake: Lake, days: int = anonymity.SNAPSHOT_DAYS) -> None:
    """Remove the anonymous table's earlier snapshots, and the files that they replaced.

    Parameters
    ----------
    lake : Lake
        Its anonymous table must exist.
    days : int
        Only older ones; 0 leaves the present one alone.
    """
    until = datetime.now(tz=UTC) - timedelta(days=days)
    table = lake.loaded(records.name(lake, CLIENTOUTPUT_ANONIMA))
    # Without Spark: there are a few files, and on AWS no optimizer is needed for this table.
    change = table.expireSnapshots().expireOlderThan(int(until.timestamp() * 1000))
    change.retainLast(1).commit()


def _plans(lake: Lake, snapshot_id: str) -> Iterator[pl.LazyFrame]:
    """Yield the quasi-identifiers of each health plan's clients."""
    for plan, uris in _files(lake, snapshot_id).items():
        others = [name for name in QUASI_IDENTIFIERS if name != contract.PARTITION_COLUMN]
        parts = []
        for uri in uris:
            with storage.opened(uri) as file:
                # Arrow reads only the bytes of these columns.
                found = pq.read_table(file, columns=others)
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
