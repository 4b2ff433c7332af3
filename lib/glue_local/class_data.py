"""A class archive for Spark's driver: loaded and checked once, mapped by every later start.

The JVM spends most of Spark's start, and of a first query, on reading some 15,000 classes. A
class-data-sharing archive (JDK 13 and up, JEP 350) halves that. It is made by running a small
job once and dumping what was loaded; ``python -m glue_local.class_data`` does it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from glue_local import driver
from glue_local.arguments import SessionArguments
from glue_local.errors import GlueLocalError
from glue_local.jars import archive_path
from glue_local.provision import SETTINGS_FILE, provision
from glue_local.settings import ServiceSettings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_KEPT = 6


class ClassDataError(GlueLocalError):
    """The archive could not be made. Sessions work without it, only slower.

    Shown: the terminal, of `python -m glue_local.prepare`.
    Why: Java is older than 13, or the disk is full.
    What to do: install Java 17, or go on without: nothing else depends on it.
    """


def ensure() -> Path:
    """Return the archive's path, making it when it isn't there.

    Raises
    ------
    ClassDataError
        When the JVM does not write one.
    """
    path = archive_path()
    if path.exists():
        # As if it were new: `drop_old` leaves alone what is used.
        path.touch()
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the last step is one rename: no start maps half an archive.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".make-") as name:
        folder = Path(name)
        made = folder / path.name
        session = provision(
            SessionArguments({}), ServiceSettings(driver_memory="1g"), folder, Event()
        )
        done = subprocess.run(
            [sys.executable, "-P", "-m", "glue_local.class_data", str(folder), str(made)],
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
                "without it, some seconds slower."
            )
        made.replace(path)
    drop_old(path.parent)
    return path


def drop_old(folder: Path) -> None:
    """Keep the newest archives; each is some 150 MB, and another Java or Spark makes another."""
    archives = sorted(folder.glob("*.jsa"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in archives[_KEPT:]:
        path.unlink()


def _exercise(spark: SparkSession, folder: Path) -> None:
    """Run what sessions usually run, so that its classes are loaded."""
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


def _main(folder: Path, archive: Path) -> int:
    description = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
    options = f"-XX:ArchiveClassesAtExit={archive} -Xlog:cds=off -Xlog:cds+dynamic=off"
    description["conf"]["spark.driver.extraJavaOptions"] = options
    started = driver.launch(description, folder)
    spark = driver.connect(started)
    _exercise(spark, folder)
    spark.stop()
    assert started.process.stdin is not None  # noqa: S101 - the driver is started with a pipe
    # Its end is what makes the JVM leave in good order, and write.
    started.process.stdin.close()
    return started.process.wait()


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1]), Path(sys.argv[2])))
