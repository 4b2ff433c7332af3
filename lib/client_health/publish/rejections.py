"""The table of rejected rows, which stewards read, correct, and hand in again.

It is written by ``02_transform``, so it has the rows of runs that a gate stopped later, too. A run
that is repeated replaces its rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime

import polars as pl

from client_health import storage
from client_health.clean import rejected_rows
from client_health.publish import records
from client_health.spark_session import setting
from client_health.stages import Stage
from register_contract import tables
from register_contract.retention import RETENTION


def keep(stage: Stage, frames: Iterable[pl.DataFrame], delivery_id: str, day: date) -> None:
    """Write a run's rejected rows, in place of those that it has written before.

    Parameters
    ----------
    stage : Stage
    frames : iterable of DataFrame
        Rejected rows in the register's shape, with their reasons; each of one source.
    delivery_id : str
    day : date
        Day of the delivery.
    """
    run = {
        tables.RUN_ID: stage.run_id,
        "delivery_id": delivery_id,
        "day": day,
        "recorded_at": datetime.now(tz=UTC).replace(tzinfo=None),
    }
    same = [pl.lit(value).alias(name) for name, value in run.items()]
    kind = records.schema(tables.REJECTED)
    rows = (
        part.with_columns(same).select(kind.names()).cast(kind)
        for part in rejected_rows.described(frames, delivery_id)
    )
    records.replace(stage.lake, tables.REJECTED, stage.run_id, rows)
    if storage.is_remote(stage.lake.uri):
        # The bucket's lifecycle rules can't: they would delete files that the table names. In a
        # folder, a person does it with `client-health maintain`, which shows it first.
        given = setting(stage.lake.spark, "rejected_days", "", str(RETENTION.rejected_days))
        records.expire(stage.lake, tables.REJECTED, int(given))
