"""Rows in a shuffle: all rows of a person reach the same task, and none is lost."""

from __future__ import annotations

import polars as pl
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from client_health import parcels


def people(count: int) -> pl.DataFrame:
    ids = [f"{number % 700:04}" for number in range(count)]
    return pl.DataFrame({"id": ids, "number": range(count)}, schema={"id": str, "number": int})


@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_spark_sends_the_numbers_to_the_tasks_in_their_order(
    spark: SparkSession, count: int
) -> None:
    numbers = parcels.tasks(count)
    frame = spark.createDataFrame([(number,) for number in numbers], f"{parcels.TASK} int")
    placed = frame.repartition(count, parcels.TASK).withColumn("at", F.spark_partition_id())
    found = {row[parcels.TASK]: row["at"] for row in placed.collect()}
    assert [found[number] for number in numbers] == list(range(count))


def test_rows_alike_go_to_the_same_task_and_all_arrive() -> None:
    rows, numbers = people(2_000), parcels.tasks(5)
    parts: dict[int, list[pl.DataFrame]] = {}
    for half in (rows[:900], rows[900:]):
        for batch in parcels.pack(half, "id", numbers):
            part, notes = parcels.unpack([batch])
            assert part is not None
            assert notes == []
            parts.setdefault(batch.column(parcels.TASK)[0].as_py(), []).append(part)
    tasks = [pl.concat(frames) for frames in parts.values()]
    assert set(parts) == set(numbers)
    assert pl.concat(tasks).sort("number").equals(rows)
    assert sum(task["id"].n_unique() for task in tasks) == rows["id"].n_unique()


def test_a_note_travels_once() -> None:
    batches = list(parcels.pack(people(900), "id", parcels.tasks(3), note="counted"))
    assert len(batches) == 3
    assert parcels.unpack(batches)[1] == ["counted"]


def test_nothing_packed_is_nothing_unpacked() -> None:
    assert list(parcels.pack(people(0), "id", parcels.tasks(3))) == []
    assert parcels.unpack([]) == (None, [])
