"""The Spark session a stage runs in, and the settings that reach it from outside."""

from __future__ import annotations

import importlib
import os

from pyspark.sql import SparkSession

from client_health.errors import SettingsError

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
    context = spark.sparkContext
    # Read once, when a worker loads Polars: Spark already has a worker for each core.
    context.environment["POLARS_MAX_THREADS"] = "1"
    region = spark.conf.get("spark.hadoop.fs.s3a.endpoint.region", None)
    if region:
        os.environ.setdefault("AWS_REGION", region)
    # Workers reach S3 as the driver does; credentials are their host's own.
    for name in ("AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        if name in os.environ:
            context.environment[name] = os.environ[name]
    for key, value in {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "false",
        "spark.sql.caseSensitive": "true",
        # Of a group of duplicates most are single rows: limiting groups before the shuffle would
        # only sort everything twice.
        "spark.sql.optimizer.windowGroupLimitThreshold": "-1",
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
        If it is nowhere.
    """
    value = given or spark.conf.get(CONF_PREFIX + name, None) or default
    if value is None:
        raise SettingsError(
            f"The parameter '{name}' is empty. Give it in the cell tagged 'parameters', or start "
            f"the session with --conf {CONF_PREFIX}{name}=..."
        )
    return value
