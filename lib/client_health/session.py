"""The Spark session a stage runs in, and the settings that reach it from outside."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from pyspark.sql import SparkSession

from client_health.errors import SettingsError

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject

# Values for a notebook's empty parameters: set with the session's `--conf`.
CONF_PREFIX = "spark.client_health."


def spark_session() -> SparkSession:
    """Return the session's Spark, from a ``GlueContext`` where the runtime has one.

    Returns
    -------
    SparkSession
        With the settings that make results the same everywhere: time zone UTC, errors in casts
        become null (the rules say so), column names compared exactly.
    """
    base = SparkSession.builder.getOrCreate()
    try:
        glue = importlib.import_module("awsglue.context")
    except ModuleNotFoundError:
        spark = base
    else:
        spark = glue.GlueContext(base.sparkContext).spark_session
    configure(spark)
    return spark


def configure(spark: SparkSession) -> None:
    """Set what every stage relies on, on a session of any origin."""
    for key, value in {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "false",
        "spark.sql.caseSensitive": "true",
        # A malformed line is only seen when all its columns are parsed.
        "spark.sql.csv.parser.columnPruning.enabled": "false",
        # Java runs a method of more than 8,000 bytes of code uncompiled, many times slower:
        # Spark then splits the work into smaller methods instead.
        "spark.sql.codegen.hugeMethodLimit": "8000",
        # Of a group of duplicates most are single rows: limiting groups before the shuffle would
        # only sort everything twice.
        "spark.sql.optimizer.windowGroupLimitThreshold": "-1",
        # A register is some hundred megabytes: more partitions than this only cost files.
        "spark.sql.shuffle.partitions": "32",
        # A delivery is three files of some hundred megabytes: smaller pieces keep every core busy.
        "spark.sql.files.maxPartitionBytes": "32m",
        # Staging lives for a run: cheap to write matters more than small.
        "spark.sql.parquet.compression.codec": "snappy",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
    }.items():
        spark.conf.set(key, value)


def setting(spark: SparkSession, name: str, given: str, default: str | None = None) -> str:
    """Return a parameter's value: as given, else from the session, else the default.

    Parameters
    ----------
    spark : SparkSession
    name : str
        Name of the notebook parameter.
    given : str
        Its value in the notebook; empty means "from outside".
    default : str, optional
        What holds when nobody gave it.

    Raises
    ------
    SettingsError
        When it is nowhere.
    """
    value = given or spark.conf.get(CONF_PREFIX + name, None) or default
    if value is None:
        raise SettingsError(
            f"The parameter '{name}' is empty. Give it in the cell tagged 'parameters', or start "
            f"the session with --conf {CONF_PREFIX}{name}=..."
        )
    return value


def jvm(spark: SparkSession) -> JavaObject:
    """Return the driver's JVM, for the parts of Hadoop that Spark's Python does not offer."""
    gateway = spark.sparkContext._jvm
    if gateway is None:
        raise SettingsError(
            "The Spark session was stopped. Run the notebook again, in a new session."
        )
    return gateway
