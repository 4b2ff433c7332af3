"""Workers use one thread each, and their answers name the file that they are about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
from pyspark.sql import SparkSession

from client_health import spark_session


def test_polars_has_one_thread_in_a_worker(spark: SparkSession) -> None:
    def threads(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import polars

        for _ in batches:
            yield pa.RecordBatch.from_pydict({"threads": [polars.thread_pool_size()]})

    spark_session.configure(spark)
    found = spark.range(0, 2, 1, 2).mapInArrow(threads, "threads long").collect()
    assert {row.threads for row in found} == {1}
