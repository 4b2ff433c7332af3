"""The settings of one start of the service."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/GlueLocalSessions"


@dataclass(frozen=True)
class Credentials:
    """The only key pair that this start of the service accepts."""

    access_key: str
    secret_key: str = field(repr=False)

    @classmethod
    def generate(cls) -> Credentials:
        """Return a new, random key pair."""
        return cls("LOCAL" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30))

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Credentials | None:
        """Return the key pair in an environment, or None."""
        access_key = environment.get("AWS_ACCESS_KEY_ID")
        secret_key = environment.get("AWS_SECRET_ACCESS_KEY")
        return cls(access_key, secret_key) if access_key and secret_key else None


@dataclass(frozen=True)
class ServiceSettings:
    """Settings of one start of the service.

    Parameters
    ----------
    port : int
        TCP port on 127.0.0.1; 0 takes a free one.
    region : str
        Region in the clients' environment.
    working_directory : Path
        Where the sessions' code runs.
    driver_memory : str
        Heap of each session's Spark driver, in Spark's notation.
    spark_conf : Mapping of str to str
        Spark configuration of every session, before the session's own.
    first_conf_only : bool
        Whether sessions get only the first of several settings in one ``--conf``.
    session_limit : int
        Maximum number of sessions at once.
    minute_seconds : float
        Seconds in one minute of an idle timeout; only tests change it from 60.
    stop_seconds : float
        How long a session's processes may take to end by themselves before they are killed.
    start_seconds : float
        How long a session may take to become ready.
    output_limit : int
        Maximum number of characters that a statement may print.
    upstream : str or None
        An emulator of the rest of AWS: it knows the jobs, and gets the actions that this service
        doesn't have.
    s3_endpoint : str or None
        Endpoint of S3; with it, sessions get the jars and settings for ``s3://``.
    job_log_folder : Path or None
        Folder for the output of job runs, two files per run; without it, the output is dropped.
    call_log : Path or None
        File for a line of JSON per request: the action, the caller's User-Agent, and the name of
        the resource, without the content.
    job_stop_seconds : float
        How long a job run's script may take to end after SIGTERM before it is killed.
    session_python : str
        Interpreter of sessions' drivers and workers (default: the service's own).
    python_shell : Path or None
        Root folder for job runs; without it, they run in the service's own Python.
    inherited : Mapping of str to str
        Variables of every session and job run, which override the service's own.
    """

    port: int = 0
    region: str = "us-east-1"
    working_directory: Path = field(default_factory=Path.cwd)
    driver_memory: str = "3g"
    spark_conf: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    first_conf_only: bool = False
    session_limit: int = 4
    minute_seconds: float = 60.0
    stop_seconds: float = 3.0
    start_seconds: float = 180.0
    output_limit: int = 4_000_000
    upstream: str | None = None
    s3_endpoint: str | None = None
    job_log_folder: Path | None = None
    call_log: Path | None = None
    job_stop_seconds: float = 20.0
    session_python: str = sys.executable
    python_shell: Path | None = None
    inherited: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)


def client_environment(
    endpoint: str, credentials: Credentials, settings: ServiceSettings
) -> dict[str, str]:
    """Return the variables that point boto3, the AWS command line, and the kernels here.

    Parameters
    ----------
    endpoint : str
        URL that the service listens on.
    credentials : Credentials
        Key pair of this start.
    settings : ServiceSettings
        Provides the region.

    Returns
    -------
    dict of str to str
        Only the Glue kernels read the last five. With this request origin and a user id, they skip
        looking up the caller, for which the host can't be changed. With an upstream, the variables
        point all other services of AWS at it.
    """
    return {
        **({"AWS_ENDPOINT_URL": settings.upstream} if settings.upstream else {}),
        "AWS_ENDPOINT_URL_GLUE": endpoint,
        "AWS_ACCESS_KEY_ID": credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
        "AWS_REGION": settings.region,
        "AWS_DEFAULT_REGION": settings.region,
        "glue_endpoint_url": endpoint,
        "glue_role_arn": ROLE,
        "region": settings.region,
        "request_origin": "GlueStudioNotebook",
        "userId": "local",
    }


# A profile makes the official kernel ignore the endpoint, and a session token would be sent along
# with our key pair: with either, requests would not be for this service.
REMOVED_VARIABLES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "glue_profile", "AWS_SESSION_TOKEN")
