"""A class archive for Spark's driver: classes are loaded and checked once, then memory-mapped.

The JVM spends most of Spark's start, and of a first query, on reading about 15,000 classes. A
class-data-sharing archive (JDK 13 and up, JEP 350) halves that. ``python -m
glue_local.spark.class_data`` creates it: it runs a small job once and dumps the loaded classes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from glue_local.errors import GlueLocalError
from glue_local.sessions.arguments import SessionArguments
from glue_local.sessions.provision import provision
from glue_local.settings import ServiceSettings
from glue_local.spark import driver
from glue_local.spark.jars import archive_path, find_archive

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

_KEPT = 8


class ClassDataError(GlueLocalError):
    """The archive could not be created. Sessions work without it, but start more slowly.

    Shown: on the terminal, by `python -m glue_local.prepare`.
    Why: Java is older than 13, or the disk is full.
    What to do: install Java 17, or continue without the archive: nothing else depends on it.
    """


def ensure(formats: Sequence[str] = ()) -> Path:
    """Return the path of the archive for sessions with some formats; create it if it is missing.

    Parameters
    ----------
    formats : sequence of str, optional
        As in ``--datalake-formats``; see :data:`glue_local.spark.jars.FORMATS`.

    Raises
    ------
    ClassDataError
        If the JVM does not write an archive.
    """
    if found := find_archive(formats):
        return found
    path = archive_path(formats)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Next to the target, so that the last step is a rename: no start maps half an archive.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".make-") as name:
        folder = Path(name)
        made = folder / path.name
        asked = SessionArguments({}, tuple(formats))
        session = provision(asked, ServiceSettings(driver_memory="1g"), folder, Event())
        done = subprocess.run(
            [
                sys.executable,
                "-P",
                "-m",
                "glue_local.spark.class_data",
                str(folder),
                str(made),
                *formats,
            ],
            env=session.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode != 0 or not made.exists():
            raise ClassDataError(
                f"Java wrote no class archive ({done.stderr.strip()[-300:]}). Sessions start "
                "without it, a few seconds slower."
            )
        made.replace(path)
    drop_old(path.parent)
    return path


def drop_old(folder: Path) -> None:
    """Delete all archives but those used last; each has about 150 MB, one per Java and Spark."""
    archives = sorted(folder.glob("*.jsa"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in archives[_KEPT:]:
        path.unlink()


def _exercise(spark: SparkSession, folder: Path) -> None:
    """Run what sessions usually run, so that the classes for it are loaded."""
    from pyspark.sql import functions as f  # noqa: PLC0415 - only where Spark runs
    from pyspark.sql.window import Window  # noqa: PLC0415

    rows = spark.range(200).select(
        "id",
        f.col("id").cast("string").alias("name"),
        f.current_timestamp().alias("at"),
        f.to_date(f.lit("2024-01-31")).alias("day"),
        (f.col("id") % 7).alias("part"),
    )
    for kind in ("parquet", "csv", "json"):
        rows.write.format(kind).partitionBy("part").save(str(folder / kind))
        read = spark.read.format(kind).load(str(folder / kind))
        read.groupBy("part").count().orderBy("part").collect()
    newest = Window.partitionBy("part").orderBy(f.desc("at"))
    ranked = rows.withColumn("rank", f.row_number().over(newest)).where("rank = 1")
    ranked.join(f.broadcast(rows.select("id")), "id").show()
    spark.sparkContext.parallelize([1], 1).map(str).collect()
    rows.limit(3).toPandas()
    rows.mapInArrow(_pass_on, rows.schema).repartition(2, "part").collect()


def _pass_on(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield from batches


def _exercise_iceberg(spark: SparkSession) -> None:
    """Run what sessions usually do with an Iceberg table, on a branch that ``main`` moves to."""
    table = "local.db.t"
    spark.sql("CREATE DATABASE local.db")
    spark.sql(f"CREATE TABLE {table} (id bigint, part string) USING iceberg PARTITIONED BY (part)")
    rows = spark.range(20).selectExpr("id", "CAST(id % 3 AS string) AS part")
    rows.writeTo(table).append()
    spark.sql(f"ALTER TABLE {table} CREATE BRANCH b RETAIN 1 DAYS")
    rows.writeTo(f"{table}.branch_b").overwritePartitions()
    spark.sql("CALL local.system.fast_forward('db.t', 'main', 'b')")
    spark.sql(f"ALTER TABLE {table} DROP BRANCH IF EXISTS b")
    spark.table(table).groupBy("part").count().orderBy("part").collect()
    spark.table(f"{table}.files").select("file_path", "record_count").collect()


# A catalog in SQLite, as in a local lake, and Iceberg's statements.
_ICEBERG = {
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    "spark.sql.catalog.local": "org.apache.iceberg.spark.SparkCatalog",
    "spark.sql.catalog.local.type": "jdbc",
}


def _main(folder: Path, archive: Path, formats: Sequence[str]) -> int:
    description = json.loads((folder / driver.SETTINGS_FILE).read_text(encoding="utf-8"))
    options = f"-XX:ArchiveClassesAtExit={archive} -Xlog:cds=off -Xlog:cds+dynamic=off"
    description["conf"]["spark.driver.extraJavaOptions"] = options
    if "iceberg" in formats:
        place = {"uri": f"jdbc:sqlite:{folder / 'catalog.db'}", "warehouse": str(folder / "lake")}
        description["conf"] |= _ICEBERG
        description["conf"] |= {f"spark.sql.catalog.local.{k}": v for k, v in place.items()}
    started = driver.launch(description, folder)
    spark = driver.connect(started)
    _exercise(spark, folder)
    if "iceberg" in formats:
        _exercise_iceberg(spark)
    spark.stop()
    assert started.process.stdin is not None  # noqa: S101 - the driver is started with a pipe
    # Closing it makes the JVM exit properly and write the archive.
    started.process.stdin.close()
    return started.process.wait()


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
