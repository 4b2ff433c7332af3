"""The Spark session of a stage, and its settings from outside."""

from __future__ import annotations

import importlib
import os

from pyspark.sql import SparkSession

from client_health.errors import SettingsError

# Values for a notebook's empty parameters: set with the session's `--conf`.
CONF_PREFIX = "spark.client_health."


def spark_session() -> SparkSession:
    """Return the Spark session, from a ``GlueContext`` if the runtime has one.

    Returns
    -------
    SparkSession
        With the settings that make results the same everywhere: time zone UTC, errors in casts
        become null (the rules report them), column names compared exactly.
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
    """Apply the settings that every stage needs, on any session."""
    context = spark.sparkContext
    # Polars reads this once, when a worker loads it. Spark already has a worker for each core.
    context.environment["POLARS_MAX_THREADS"] = "1"
    region = spark.conf.get("spark.hadoop.fs.s3a.endpoint.region", None)
    if region:
        os.environ.setdefault("AWS_REGION", region)
    # Workers reach S3 as the driver does; they use their host's credentials.
    for name in ("AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        if name in os.environ:
            context.environment[name] = os.environ[name]
    for key, value in {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "false",
        "spark.sql.caseSensitive": "true",
        # Most groups of duplicates have a single row: limiting groups before the shuffle would
        # only sort everything twice.
        "spark.sql.optimizer.windowGroupLimitThreshold": "-1",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
    }.items():
        spark.conf.set(key, value)


def setting(spark: SparkSession, name: str, given: str, default: str | None = None) -> str:
    """Return a parameter's value: from the notebook, the session, or the default, in this order.

    Parameters
    ----------
    spark : SparkSession
    name : str
        Name of the notebook parameter.
    given : str
        Its value in the notebook; empty means "from outside".
    default : str, optional
        The value if it is not set.

    Raises
    ------
    SettingsError
        If it is not set and has no default.
    """
    value = given or spark.conf.get(CONF_PREFIX + name, None) or default
    if value is None:
        raise SettingsError(
            f"The parameter '{name}' is empty. Set it in the cell tagged 'parameters', or start "
            f"the session with --conf {CONF_PREFIX}{name}=..."
        )
    return value
