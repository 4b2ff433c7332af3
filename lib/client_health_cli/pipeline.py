"""The command's request to the runner, and the place of its sessions."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import job_client_health
from client_health_cli import databases, rule_listing
from client_health_cli.databases import database_of
from client_health_cli.errors import SettingsError
from client_health_cli.service import local_service
from register_contract import contract, runs
from register_run import Delivery, RunRequest, find_sources
from strict_glue import ConfigurationError, Limits, SessionSettings, failure

_LOCAL_LIMITS = Limits(provisioning=90.0, poll=0.2)


@dataclass(frozen=True)
class Asked:
    """The command's options.

    Parameters
    ----------
    lake
        The lake.
    notebooks
        Folder of the three notebooks.
    raw
        A folder with the three sources; empty if each is named.
    sources
        File or folder of each named source.
    run_id, as_of
        Override the derived values.
    force
        Whether to start the run over.
    accept_volume_change
        Whether the number of rows may differ in any way from the last published one.
    accept_older
        Whether the delivery's day may be before the published one.
    accept_drift
        Whether columns may differ in any way from what is usual.
    keep_staging
        Whether the run's staging files stay after it is published.
    sessions
        `local`, `aws`, or a service's URL.
    id_key
        Location of the key for ids; empty means the user's own.
    previous_id_key
        Location of the key that ids were made with until now, if it changes.
    rules
        The rules file; empty means the lake's own, if there is one.
    """

    lake: str
    notebooks: Path
    raw: str = ""
    sources: Mapping[str, str] | None = None
    run_id: str | None = None
    as_of: str | None = None
    force: bool = False
    accept_volume_change: bool = False
    accept_older: bool = False
    accept_drift: bool = False
    keep_staging: bool = False
    sessions: str = "local"
    id_key: str = ""
    previous_id_key: str = ""
    rules: str = ""

    def check(self) -> None:
        """Refuse invalid options before anything is started.

        Raises
        ------
        SettingsError
            Names the option.
        """
        named = sorted(name for name, place in (self.sources or {}).items() if place)
        if self.raw and named:
            raise SettingsError(f"--raw and --{named[0]} were given: name a folder or each source")
        if not self.raw and named != sorted(contract.SOURCE_NAMES):
            raise SettingsError(
                "the sources are not all named: give --raw FOLDER, or --parquet, --csv and --json"
            )
        if self.run_id is not None and not runs.is_run_id(self.run_id):
            raise SettingsError(
                f"--run-id {self.run_id!r}: use up to 64 letters, digits, '_', '.' or '-', "
                "beginning with a letter or a digit"
            )
        if self.as_of is not None and not _is_day(self.as_of):
            raise SettingsError(f"--as-of {self.as_of!r}: give a day such as 2026-01-31")
        if self.sessions not in {"local", "aws"} and "://" not in self.sessions:
            raise SettingsError(
                f"--sessions {self.sessions!r}: give local, aws, or the URL of a service"
            )
        for option in ("id_key", "previous_id_key"):
            key = getattr(self, option)
            if _is_file(key) and not Path(key).is_file():
                name = option.replace("_", "-")
                raise SettingsError(f"--{name} {key}: there is no such file")

    def check_rules(self) -> None:
        """Refuse a bad rules file before anything is started.

        Raises
        ------
        SettingsError
            Names every mistake of the rules file.
        RunFailedError
            The lake, which may have the file, doesn't answer.
        """
        rule_listing.held(self.lake, self.rules)


def request(asked: Asked) -> RunRequest:
    """Return the request to the runner.

    Parameters
    ----------
    asked
        The command's options, checked.

    Returns
    -------
    RunRequest
        For the three notebooks, in order, still without session settings.

    Raises
    ------
    InputError
        If the folder doesn't have exactly one source of each kind.
    """
    return job_client_health.build_request(
        find_sources(asked.raw) if asked.raw else dict(asked.sources or {}),
        asked.lake,
        notebooks=str(asked.notebooks),
        run_id=asked.run_id or "",
        as_of=asked.as_of or "",
        force=asked.force,
        id_key=_absolute(asked.id_key),
        previous_id_key=_absolute(asked.previous_id_key),
        accept_volume_change=asked.accept_volume_change,
        accept_older=asked.accept_older,
        accept_drift=asked.accept_drift,
        keep_staging=asked.keep_staging,
        rules_file=asked.rules,
        database=database_of(asked.lake),
        limits=session_limits(asked.sessions, os.environ),
    )


def session_limits(sessions: str, variables: Mapping[str, str]) -> Limits:
    """Return how long things may take; limits for local sessions are shorter than for AWS.

    Parameters
    ----------
    sessions
        `local`, `aws`, or a service's URL.
    variables
        The environment, which may override the limits.

    Raises
    ------
    ConfigurationError
        If a variable isn't a number of seconds.
    """
    return Limits.from_environment(variables, _LOCAL_LIMITS if sessions == "local" else None)


@contextlib.contextmanager
def session_settings(sessions: str, lake: str = "") -> Iterator[SessionSettings]:
    """Yield the settings for sessions; for `local`, run a service meanwhile.

    Parameters
    ----------
    sessions
        `local`, `aws`, or a service's URL.
    lake
        The lake; for one in S3, sessions get region and database as an argument, like the deployed
        job's.

    Raises
    ------
    ServiceFailedError
        If the local service doesn't start.
    ConfigurationError
        For `aws`: there is no deployed job, or it publishes into another database.
    ServiceError
        For `aws`: AWS Glue doesn't answer, or refuses.
    """
    arguments = _place_argument(lake, os.environ)
    if sessions == "aws":
        yield _like_the_jobs(lake)
    elif sessions == "local":
        with local_service() as service:
            yield SessionSettings(
                id_prefix=job_client_health.SESSION_PREFIX,
                default_arguments=_place_argument(lake, service.environment),
                environment=service.environment,
                removed_variables=service.removed_variables,
            )
    else:
        yield SessionSettings(
            id_prefix=job_client_health.SESSION_PREFIX,
            default_arguments=arguments,
            environment={"AWS_ENDPOINT_URL_GLUE": sessions, "glue_endpoint_url": sessions},
            # The kernels ignore the endpoint if a profile is set.
            removed_variables=("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "glue_profile"),
        )


@contextlib.contextmanager
def looked_at(request: RunRequest) -> Iterator[Callable[[], Delivery | None]]:
    """Fingerprint a local delivery while other things start.

    Parameters
    ----------
    request
        The request to the runner.

    Yields
    ------
    callable
        Waits for the delivery and returns it; None if the runner must look itself, as for S3.

    Raises
    ------
    InputError
        If a source is missing; raised by the callable.
    """
    if any(place.startswith("s3://") for place in request.sources.values()):
        yield lambda: None
        return
    with ThreadPoolExecutor(max_workers=1) as beside:
        yield beside.submit(Delivery.read, request.sources).result


def _like_the_jobs(lake: str) -> SessionSettings:
    """Return settings for sessions with the library and the role that the deployed job gives its.

    A session on AWS has only AWS Glue's own packages.
    """
    import boto3  # noqa: PLC0415 - heavy
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    name = databases.job()
    try:
        found = boto3.client("glue").get_job(JobName=name)
    except (ClientError, BotoCoreError) as error:
        trouble = failure("GetJob", error)
        if trouble.ename != "EntityNotFoundException":
            raise trouble from error
        raise ConfigurationError(
            f"AWS Glue has no job {name}, which says what sessions need",
            next_step=f"check the region, or name the deployed job in {databases.JOB_VARIABLE}",
        ) from error
    arguments = found["Job"].get("DefaultArguments", {})
    theirs, ours = arguments.get("--DATABASE", contract.DATABASE), database_of(lake)
    if lake.startswith("s3://") and theirs != ours:
        raise ConfigurationError(
            f"the job {name} publishes into the database {theirs}, not {ours}",
            next_step="name both of one deployment,"
            f" in {databases.JOB_VARIABLE} and {databases.VARIABLE}",
        )
    return job_client_health.session_of_job(arguments)


def _place_argument(lake: str, environment: Mapping[str, str]) -> dict[str, str]:
    if not lake.startswith("s3://"):
        return {}
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    database = database_of(lake)
    wanted = [
        f"spark.hadoop.fs.s3a.endpoint.region={region}" if region else "",
        f"{job_client_health.DATABASE_SETTING}={database}" if database != contract.DATABASE else "",
    ]
    conf = job_client_health.joined_conf(*wanted)
    return {"--conf": conf} if conf else {}


def _is_file(key: str) -> bool:
    return bool(key) and not key.startswith(("arn:", "secretsmanager:"))


def _absolute(key: str) -> str:
    """Return the location of a key as the session finds it, which has another working folder."""
    return str(Path(key).absolute()) if _is_file(key) else key


def _is_day(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
