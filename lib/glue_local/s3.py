"""Spark's settings for sessions that read and write ``s3://``, with Hadoop's client and Iceberg's.

Both take the key pair from the environment, as boto3 does.
"""

from __future__ import annotations

from pathlib import Path

from glue_local.settings import ServiceSettings

_FILE_SYSTEM = "org.apache.hadoop.fs.s3a.S3AFileSystem"
_KEYS = "com.amazonaws.auth.EnvironmentVariableCredentialsProvider"
# The name that AWS Glue's documentation gives to Iceberg's catalog.
_CATALOG = "spark.sql.catalog.glue_catalog"


def spark_conf(settings: ServiceSettings, folder: Path) -> dict[str, str]:
    """Return the settings of a session where the service has an S3 endpoint.

    Parameters
    ----------
    settings : ServiceSettings
        The endpoint and the region; Glue is where sessions' variables say.
    folder : Path
        The session's own; uploads are buffered there.
    """
    endpoint = settings.s3_endpoint or ""
    hadoop = {
        # One address for data, whichever client reads it: AWS Glue has s3:// too.
        "fs.s3.impl": _FILE_SYSTEM,
        "fs.s3a.impl": _FILE_SYSTEM,
        "fs.s3a.endpoint": endpoint,
        "fs.s3a.endpoint.region": settings.region,
        "fs.s3a.path.style.access": "true",
        "fs.s3a.connection.ssl.enabled": str(endpoint.startswith("https:")).lower(),
        "fs.s3a.aws.credentials.provider": _KEYS,
        "fs.s3a.buffer.dir": str(folder / "tmp"),
        # A rename copies every object there: files are moved once, when their task commits.
        "mapreduce.fileoutputcommitter.algorithm.version": "2",
        "fs.s3a.directory.marker.retention": "keep",
    }
    iceberg = {
        "s3.endpoint": endpoint,
        "s3.path-style-access": "true",
        "client.region": settings.region,
    }
    glue = settings.inherited.get("AWS_ENDPOINT_URL_GLUE")
    if glue:
        iceberg["glue.endpoint"] = glue
    return {
        **{f"spark.hadoop.{name}": value for name, value in hadoop.items()},
        **{f"{_CATALOG}.{name}": value for name, value in iceberg.items()},
    }
