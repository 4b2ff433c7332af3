"""Spark's settings for sessions that read and write ``s3://``, with Hadoop's client and Iceberg's.

Both read the key pair from the environment, as boto3 does, and Iceberg's client also the region.
These settings replace what AWS provides: the endpoint of S3, how to call it, and the defaults of
Hadoop 3.4, which AWS Glue 5.1 has. A session must set everything else itself, as on AWS.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from glue_local.settings import ServiceSettings

_FILE_SYSTEM = "org.apache.hadoop.fs.s3a.S3AFileSystem"
_KEYS = "com.amazonaws.auth.EnvironmentVariableCredentialsProvider"
# The name that AWS Glue's documentation gives to Iceberg's catalog.
_CATALOG = "spark.sql.catalog.glue_catalog"
REGION = "spark.hadoop.fs.s3a.endpoint.region"
# "Migrating to AWS Glue 5.1": if neither endpoint nor region is set, S3A uses this one.
_REGION_OF_HADOOP = "us-east-2"
# For another region, where nothing of ours is: an address on which nothing listens.
_ELSEWHERE = "http://127.0.0.1:1"


def spark_conf(settings: ServiceSettings, folder: Path, given: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of a session if the service has an S3 endpoint.

    Parameters
    ----------
    settings : ServiceSettings
        The endpoint and its region; sessions' variables give Glue's endpoint.
    folder : Path
        The session's own folder; uploads are buffered there.
    given : Mapping of str to str
        The session's own settings. Hadoop's client finds the endpoint only if they name its region;
        otherwise, it looks in the same place as on AWS.
    """
    region = given.get(REGION, _REGION_OF_HADOOP)
    here = region == settings.region
    endpoint = settings.s3_endpoint or ""
    hadoop = {
        # One URI scheme for data, whichever client reads it: AWS Glue also accepts s3://.
        "fs.s3.impl": _FILE_SYSTEM,
        "fs.s3a.impl": _FILE_SYSTEM,
        "fs.s3a.endpoint": endpoint if here else _ELSEWHERE,
        "fs.s3a.endpoint.region": region,
        "fs.s3a.path.style.access": "true",
        "fs.s3a.connection.ssl.enabled": str(endpoint.startswith("https:")).lower(),
        "fs.s3a.aws.credentials.provider": _KEYS,
        "fs.s3a.buffer.dir": str(folder / "tmp"),
        # The default of Hadoop 3.4; with that of 3.3, it deletes what a role may not delete.
        "fs.s3a.directory.marker.retention": "keep",
    }
    if not here:
        # On AWS, this failure also takes long, but there is no need to wait for it here.
        hadoop |= {"fs.s3a.attempts.maximum": "1", "fs.s3a.retry.limit": "1"}
    iceberg = {"s3.endpoint": endpoint, "s3.path-style-access": "true"}
    glue = settings.inherited.get("AWS_ENDPOINT_URL_GLUE")
    if glue:
        iceberg["glue.endpoint"] = glue
    return {
        **{f"spark.hadoop.{name}": value for name, value in hadoop.items()},
        **{f"{_CATALOG}.{name}": value for name, value in iceberg.items()},
    }
