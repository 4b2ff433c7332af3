"""What a start of the service is given, read once at the edge."""

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
    """The key pair that this start of the service accepts, and no other."""

    access_key: str
    secret_key: str = field(repr=False)

    @classmethod
    def generate(cls) -> Credentials:
        """Return a pair that was never used before."""
        return cls("LOCAL" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30))

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Credentials | None:
        """Return the pair that an environment holds, if it does."""
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
        Region that the environment lines name.
    working_directory : Path
        Where the sessions' code runs.
    driver_memory : str
        Heap of each session's Spark driver, as Spark writes it.
    spark_conf : Mapping of str to str
        Spark configuration of every session, before the session's own.
    session_limit : int
        How many sessions may live at once.
    minute_seconds : float
        Seconds that one minute of an idle timeout lasts; other than 60 in tests only.
    stop_seconds : float
        How long a session's processes get to end by themselves before they are killed.
    start_seconds : float
        How long a session may take to become ready.
    output_limit : int
        Most characters of text that a statement may print.
    upstream : str or None
        An emulator of the rest of AWS: it knows the jobs, and what this service does not do is
        forwarded to it.
    s3_endpoint : str or None
        Where S3 is; sessions get what reads ``s3://`` there.
    job_log_folder : Path or None
        Where the output of job runs goes, two files a run; dropped without.
    call_log : Path or None
        Gets a line of JSON for each request: the action, the caller's User-Agent, and the name of
        what it is about; nothing of its content.
    job_stop_seconds : float
        How long a job run's script gets to end after SIGTERM before it is killed.
    session_python : str
        Interpreter of sessions' drivers and workers; the service's own unless told.
    python_shell : Path or None
        The root folder that job runs start in; without, they run in the service's own Python.
    inherited : Mapping of str to str
        Variables of every session and job run, over the service's own.
    """

    port: int = 0
    region: str = "us-east-1"
    working_directory: Path = field(default_factory=Path.cwd)
    driver_memory: str = "3g"
    spark_conf: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
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
    """Return the variables that point boto3, the AWS command line and the kernels here.

    Parameters
    ----------
    endpoint : str
        URL that the service listens on.
    credentials : Credentials
        Key pair of this start.
    settings : ServiceSettings
        Gives the region.

    Returns
    -------
    dict of str to str
        The last five are read by the Glue kernels alone. With this request origin and a user id
        they skip their look-up of the caller, whose host nobody can redirect. With an upstream,
        every other service of AWS is there.
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


# A profile makes the official kernel ignore the endpoint, and a session token would be sent
# beside our key pair: both would take the caller elsewhere than here.
REMOVED_VARIABLES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "glue_profile", "AWS_SESSION_TOKEN")
