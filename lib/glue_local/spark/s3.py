"""Spark's settings for sessions that read and write ``s3://``, with Hadoop's client and Iceberg's.

Both take the key pair from the environment, as boto3 does, and Iceberg's the region as well. What
is set here stands in for AWS: where S3 is, how it is spoken to, and what Hadoop 3.4 does by itself,
which AWS Glue 5.1 has. Nothing more: what a session needs there, it must bring here.
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
# "Migrating to AWS Glue 5.1": where neither endpoint nor region is set, S3A takes this one.
_REGION_OF_HADOOP = "us-east-2"
# Nothing of ours is in another region, and nothing listens there.
_ELSEWHERE = "http://127.0.0.1:1"


def spark_conf(settings: ServiceSettings, folder: Path, given: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of a session where the service has an S3 endpoint.

    Parameters
    ----------
    settings : ServiceSettings
        The endpoint and its region; Glue is where sessions' variables say.
    folder : Path
        The session's own; uploads are buffered there.
    given : Mapping of str to str
        What the session is created with. Only when it names the endpoint's region does Hadoop's
        client find the endpoint: without, it looks where it would on AWS.
    """
    region = given.get(REGION, _REGION_OF_HADOOP)
    here = region == settings.region
    endpoint = settings.s3_endpoint or ""
    hadoop = {
        # One address for data, whichever client reads it: AWS Glue has s3:// too.
        "fs.s3.impl": _FILE_SYSTEM,
        "fs.s3a.impl": _FILE_SYSTEM,
        "fs.s3a.endpoint": endpoint if here else _ELSEWHERE,
        "fs.s3a.endpoint.region": region,
        "fs.s3a.path.style.access": "true",
        "fs.s3a.connection.ssl.enabled": str(endpoint.startswith("https:")).lower(),
        "fs.s3a.aws.credentials.provider": _KEYS,
        "fs.s3a.buffer.dir": str(folder / "tmp"),
        # The default of Hadoop 3.4; that of 3.3 deletes what a role may not.
        "fs.s3a.directory.marker.retention": "keep",
    }
    if not here:
        # AWS's answer is late as well, but a stand-in need not keep anybody waiting.
        hadoop |= {"fs.s3a.attempts.maximum": "1", "fs.s3a.retry.limit": "1"}
    iceberg = {"s3.endpoint": endpoint, "s3.path-style-access": "true"}
    glue = settings.inherited.get("AWS_ENDPOINT_URL_GLUE")
    if glue:
        iceberg["glue.endpoint"] = glue
    return {
        **{f"spark.hadoop.{name}": value for name, value in hadoop.items()},
        **{f"{_CATALOG}.{name}": value for name, value in iceberg.items()},
    }
