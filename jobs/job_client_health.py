"""The production job: publishes one delivery of the client register.

It runs where papermill runs (an AWS Glue Python Shell job, a scheduler, a laptop), and executes the
three notebooks in an interactive session. It takes arguments as AWS Glue passes them
(``--NAME value``), and ignores those that AWS Glue adds.
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Optional

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from register_contract import __version__, contract, runs
from register_run import (
    Claim,
    Delivery,
    LogListener,
    Outcome,
    PublishedTable,
    RunOutcome,
    RunRequest,
    Stage,
    Terminated,
    alerting,
    cost,
    find_sources,
    run_pipeline,
    storage,
    webhook,
)
from register_run.metrics import embedded, of_receipts
from strict_glue import (
    ConfigurationError,
    Limits,
    SessionSettings,
    StrictGlueError,
    Usage,
    failure,
)

JOB = "job_client_health"
SESSION_PREFIX = "client-health"
#: Spark setting with the database of a lake in S3, for the notebooks.
DATABASE_SETTING = "spark.client_health.database"
# What may still be set when a session runs.
_SET_LATER = ("spark.client_health.", "spark.hadoop.fs.s3a.")
_DATA_FOLDER = "clientoutput"
_INTERRUPTED = "stopped from outside; start again to continue after the last finished stage"
_TRUE = frozenset({"1", "true", "yes"})
_ACTIVE = frozenset({"STARTING", "RUNNING", "STOPPING"})
# A lookup that only finds this start's id must not delay it.
_QUICK = Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 2})

log = logging.getLogger(JOB)


def build_request(
    sources: Mapping[str, str],
    lake: str,
    *,
    delivery: Optional[Delivery] = None,
    notebooks: str = "",
    run_id: str = "",
    as_of: str = "",
    force: bool = False,
    id_key: str = "",
    previous_id_key: str = "",
    accept_volume_change: bool = False,
    accept_older: bool = False,
    accept_drift: bool = False,
    keep_staging: bool = False,
    rules_file: str = "",
    database: str = contract.DATABASE,
    prefix: str = "",
    session: Optional[SessionSettings] = None,
    limits: Optional[Limits] = None,
) -> RunRequest:
    """Return the request that publishes a delivery with the three notebooks.

    Parameters
    ----------
    sources : mapping of str to str
        Path or URI of the ``parquet``, ``csv``, and ``json`` source.
    lake : str
        Folder, or ``s3://bucket/prefix``.
    delivery : Delivery, optional
        What is already known about the sources, such as the versions of a claim.
    notebooks : str
        Folder of the three notebooks; empty means next to this module.
    run_id, as_of : str
        Override the values derived from the delivery.
    force : bool
        Whether to start the run over, even if it is published.
    id_key : str
        Location of the key for ids, never the key itself.
    previous_id_key : str
        Location of the key that ids were made with until now, if it changes.
    accept_volume_change : bool
        Whether the row count may differ by more than the limit from the last publication's.
    accept_older : bool
        Whether the delivery's day may be before the published one.
    accept_drift : bool
        Whether columns may differ in any way from what is usual.
    keep_staging : bool
        Whether the run's staging files stay after it is published.
    rules_file : str
        Path or URI of the rules file; empty means the lake's ``rules.yaml``, if there is one.
    database : str
        The catalog's database with the lake's tables.
    prefix : str
        Start of the sessions' names, which tells environments in one account apart.
    session : SessionSettings, optional
        What the place of the run adds to the session.
    limits : Limits, optional
        How long things may take.
    """
    folder = (notebooks or default_notebooks()).rstrip("/")
    return RunRequest(
        sources=dict(sources),
        lake=lake,
        stages=tuple(
            Stage(name, f"{folder}/{name}.ipynb", taken) for name, taken in runs.PARAMETERS.items()
        ),
        library_version=__version__,
        rules=contract.rules_fingerprint(),
        delivery=delivery,
        published=PublishedTable.of_database(
            database, contract.CATALOG, contract.Gate.REMESSA_ANTIGA
        ),
        run_id=run_id or None,
        as_of=as_of or None,
        force=force,
        accept_older=accept_older,
        keep_staging=keep_staging,
        rules_file=rules_file,
        parameters={
            "id_key": id_key,
            "previous_id_key": previous_id_key,
            "accept_volume_change": accept_volume_change,
            "accept_drift": accept_drift,
        },
        session=replace(session or SessionSettings(), id_prefix=f"{prefix}{SESSION_PREFIX}"),
        limits=limits or Limits(),
    )


def default_notebooks() -> str:
    """Return the folder of the notebooks: packed next to this module, or in the repository."""
    here = Path(__file__).resolve().parent
    packed = here / "client_health_notebooks"
    return str(packed if packed.is_dir() else here.parent / "notebooks")


class JobListener(LogListener):
    """Listener that logs what the job does, and starts the crawler on the kept delivery.

    Parameters
    ----------
    crawler : str
        Name of the crawler; empty for none.
    """

    def __init__(self, crawler: str = "") -> None:
        self._crawler = crawler
        self.run_id = ""
        self.session_seconds: Optional[float] = None

    def run_started(self, run_id: str, delivery: Delivery) -> None:
        """Keep the run's name for the outcome."""
        self.run_id = run_id
        super().run_started(run_id, delivery)

    def session_used(self, used: Usage) -> None:
        """Keep what the session used for the metrics."""
        self.session_seconds = used.dpu_seconds
        super().session_used(used)

    def delivery_kept(self, delivery: Delivery) -> None:
        """Start the crawler; if that fails, the run continues without a catalog of raw copies."""
        super().delivery_kept(delivery)
        if not self._crawler:
            return
        try:
            boto3.client("glue").start_crawler(Name=self._crawler)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "CrawlerRunningException":
                self.note(f"crawler {self._crawler} is already running")
            else:
                log.warning("crawler %s was not started (%s); run continues", self._crawler, code)
        except BotoCoreError as error:
            log.warning("crawler %s was not started (%s); run continues", self._crawler, error)
        else:
            self.note(f"crawler {self._crawler} started")


def request_from_arguments(arguments: Sequence[str]) -> RunRequest:
    """Return the request in the job's arguments; unknown arguments are ignored.

    Raises
    ------
    ConfigurationError
        The lake or a source is not given, or the tags are no tags.
    InputError
        ``--RAW`` does not have exactly one source of each format, or ``--CLAIM`` isn't a claim.
    """
    given, _ = _parser().parse_known_args(list(arguments))
    return _request(given)


def _request(given: argparse.Namespace) -> RunRequest:
    lake = given.LAKE or _lake_of(given.OUTPUT_PATH)
    claim = Claim.read(given.CLAIM) if given.CLAIM else None
    if not lake:
        raise ConfigurationError(
            "no lake: neither --LAKE nor --OUTPUT_PATH is given", next_step="give one of them"
        )
    named = {"parquet": given.PARQUET_PATH, "csv": given.CSV_PATH, "json": given.JSON_PATH}
    if claim:
        sources = dict(claim.delivery.sources)
    else:
        sources = find_sources(given.RAW) if given.RAW else {}
        sources.update({kind: place for kind, place in named.items() if place})
    absent = sorted(set(named) - set(sources))
    if absent:
        raise ConfigurationError(
            f"no source for {', '.join(absent)}",
            next_step="give --RAW, or all of --PARQUET_PATH, --CSV_PATH, and --JSON_PATH",
        )
    return build_request(
        sources,
        lake,
        delivery=claim.delivery if claim else None,
        notebooks=given.NOTEBOOKS,
        run_id=given.RUN_ID,
        as_of=given.AS_OF,
        force=_is_true(given.FORCE),
        id_key=given.ID_KEY,
        previous_id_key=given.PREVIOUS_ID_KEY,
        accept_volume_change=_is_true(given.ACCEPT_VOLUME_CHANGE),
        accept_older=_is_true(given.ACCEPT_OLDER),
        accept_drift=_is_true(given.ACCEPT_DRIFT),
        keep_staging=_is_true(given.KEEP_STAGING),
        rules_file=given.RULES,
        database=given.DATABASE or contract.DATABASE,
        prefix=given.PREFIX,
        session=_session(given, claimed=claim is not None),
        limits=Limits.from_environment(os.environ),
    )


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the job: log each step, then a line of metrics, and write the claim's outcome.

    Returns
    -------
    int
        0 published; 2 usage or input; 3 a gate; 4 session or service; 1 anything else.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for chatty in ("botocore", "boto3", "s3transfer", "papermill"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    given, _ = _parser().parse_known_args(sys.argv[1:] if arguments is None else list(arguments))
    # With this, CloudTrail distinguishes the job's calls from others.
    os.environ.setdefault("AWS_SDK_UA_APP_ID", JOB)
    listener = JobListener(given.CRAWLER)
    alerts = alerting.Alerts(listener, _channels(given))
    started = time.monotonic()
    found: Optional[RunOutcome] = None
    ended: Optional[BaseException] = None
    code, message = runs.EXIT_SESSION, _INTERRUPTED
    try:
        found = run_pipeline(_asked(given), alerts)
        code, message = runs.EXIT_PUBLISHED, f"snapshot {found.snapshot_id}"
        log.info("run %s: %s, %s", found.run_id, found.status, message)
    except StrictGlueError as error:
        ended, code, message = error, error.exit_code, str(error)
        log.error("%s", error)  # noqa: TRY400 - its text is enough; the notebook has the traceback
    except (KeyboardInterrupt, Terminated) as error:
        ended = error
        log.error(_INTERRUPTED)  # noqa: TRY400
    except Exception as error:
        ended = error
        code, message = runs.EXIT_OTHER, "the job itself failed; its log has the traceback"
        raise
    finally:
        status = found.status if found else ("stopped" if code in runs.EXITS_FOR_GOOD else "failed")
        own = find_job_run(given.CLAIM, f"{given.PREFIX}{JOB}") if given.CLAIM else {}
        used = {"SessionDpuSeconds": listener.session_seconds, "JobDpuSeconds": _used(own)}
        _tell(found, code, time.monotonic() - started, used, given.PREFIX)
        if given.CLAIM:
            _leave(given.CLAIM, Outcome(code, status, listener.run_id, own.get("Id", ""), message))
            _account(given, listener, own.get("Id", ""), used["JobDpuSeconds"])
        # Last: whatever channels do, numbers and outcome are written.
        alerts.ended(ended)
    return code


def find_job_run(claim: str, job: str = JOB) -> Mapping[str, Any]:
    """Return this run of the job, of which AWS Glue passes nothing to a Python Shell job.

    Parameters
    ----------
    claim : str
        The claim that the run was started for; one run at a time works on it.
    job : str
        Name of the job.

    Returns
    -------
    mapping
        The newest active run for it; empty if there is none, or it can't be looked up.
    """
    try:
        found = boto3.client("glue", config=_QUICK).get_job_runs(JobName=job, MaxResults=20)
    except (ClientError, BotoCoreError) as error:
        log.warning("the id of this job run was not found (%s)", error)
        return {}
    active = (run for run in found["JobRuns"] if run["JobRunState"] in _ACTIVE)
    own = (run for run in active if run.get("Arguments", {}).get("--CLAIM") == claim)
    return next(own, {})


def _channels(given: argparse.Namespace) -> list[alerting.Channel]:
    """Return the ways to people; one that can't be set up is logged, and the run goes on."""
    channels: list[alerting.Channel] = []
    if given.ALERT_TOPIC:
        channels.append(alerting.Topic(given.ALERT_TOPIC))
    if given.ALERT_SECRET:
        try:
            secrets = boto3.client("secretsmanager", config=_QUICK)
            url = secrets.get_secret_value(SecretId=given.ALERT_SECRET)["SecretString"]
            channels.append(webhook.read(url, given.ALERT_FORMAT))
        except (ClientError, BotoCoreError, KeyError, ValueError) as error:
            # The text of another error could quote the secret.
            reason = error if isinstance(error, (ClientError, ValueError)) else type(error).__name__
            log.warning("alerts go to no webhook (%s); run continues", reason)
    return channels


def _asked(given: argparse.Namespace) -> RunRequest:
    try:
        return _request(given)
    except (ClientError, BotoCoreError) as error:
        raise failure("claim or uploads", error) from error


def _used(own: Mapping[str, Any]) -> Optional[float]:
    """Return this job run's DPU-seconds so far; AWS Glue reports none for a Python Shell run."""
    if not own.get("MaxCapacity"):
        return None
    age: float = (datetime.now(timezone.utc) - own["StartedOn"]).total_seconds()
    return round(float(own["MaxCapacity"]) * age, 3)


def _account(
    given: argparse.Namespace, listener: JobListener, job_run: str, used: Optional[float]
) -> None:
    """Write what this job run used into the run's folder; its session's cost is there already."""
    if used is None or not listener.run_id:
        return
    lake = storage.normalise(given.LAKE or _lake_of(given.OUTPUT_PATH))
    own = cost.Cost(job_run, cost.JOB, used, reported=False)
    cost.keep(lake, listener.run_id, own, listener)


def _tell(
    found: Optional[RunOutcome],
    code: int,
    seconds: float,
    used: Mapping[str, Optional[float]],
    prefix: str,
) -> None:
    """Write the metrics that the alarms of the deployed stack use."""
    metrics = {
        "RunSucceeded": int(code == 0),
        "RunFailed": int(code != 0),
        "GateStopped": int(code == runs.EXIT_GATE),
        "DurationSeconds": round(seconds, 1),
        **{name: value for name, value in used.items() if value is not None},
        **(of_receipts(found.receipts) if found and found.status == "published" else {}),
    }
    line = embedded(metrics, {"Job": f"{prefix}{JOB}"}, {"ExitCode": code}, prefix=prefix)
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _leave(claim: str, outcome: Outcome) -> None:
    try:
        outcome.leave(claim)
    except (ClientError, BotoCoreError) as error:
        # Without it, the reconciler assumes that the run was killed, and starts it again.
        log.warning("the outcome could not be written to %s (%s)", claim, error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Publish one delivery of the client register.", allow_abbrev=False
    )
    texts = {
        "CLAIM": "s3:// URI of the claim of the delivery to publish, instead of --RAW",
        "RAW": "folder or prefix with one Parquet, one CSV, and one JSON source",
        "PARQUET_PATH": "the Parquet source, a file or folder",
        "CSV_PATH": "the CSV source",
        "JSON_PATH": "the JSON source",
        "LAKE": "folder or s3:// prefix of the lake",
        "OUTPUT_PATH": f"the lake's {_DATA_FOLDER} folder, instead of --LAKE",
        "DATABASE": f"database of the lake's tables in the Data Catalog ({contract.DATABASE})",
        "PREFIX": "start of the names of this job and its sessions",
        "NOTEBOOKS": "folder or s3:// prefix of the three notebooks",
        "RUN_ID": "name of the run (default: made from its input)",
        "AS_OF": "dates after this day (ISO) are in the future",
        "RULES": "the rules file (default: rules.yaml in the lake, if there is one)",
        "ID_KEY": "location of the key for ids",
        "PREVIOUS_ID_KEY": "location of the key that ids were made with, if it changes",
        "CRAWLER": "crawler to start on the kept copies of the delivery",
        "ALERT_TOPIC": "topic of SNS for alerts",
        "ALERT_SECRET": "secret with the URL of a webhook for alerts",
        "ALERT_FORMAT": "what the webhook takes, slack or teams (default: its host decides)",
        "REGION": "region of AWS, if the host doesn't say it; the start script uses it",
        "SESSION_ROLE": "role of the interactive session",
        "PYTHON_MODULES": "zip of wheels with the session's libraries, and all that they need",
        "SESSION_CONF": "Spark settings for the session, 'a=b --conf c=d'",
        "TAGS": "tags of the session besides the job's own, Name=value with commas",
        "CONNECTION": "connection of AWS Glue that puts the session into a network",
    }
    for name, text in texts.items():
        parser.add_argument(f"--{name}", default="", help=text)
    # AWS Glue passes no bare flags, but people do.
    for name, text in (
        ("FORCE", "start the run over, even if it is published"),
        ("ACCEPT_VOLUME_CHANGE", "publish even if the row count differs much from the last one"),
        ("ACCEPT_OLDER", "publish even if a later day's delivery is published"),
        ("ACCEPT_DRIFT", "publish even if columns differ much from what is usual"),
        ("KEEP_STAGING", "keep the run's staging files, which hold unmasked rows"),
    ):
        parser.add_argument(f"--{name}", nargs="?", const="true", default="", help=text)
    return parser


def _lake_of(output_path: str) -> str:
    path = output_path.rstrip("/")
    parent, _, name = path.rpartition("/")
    return parent if name == _DATA_FOLDER else path


def session_of_job(arguments: Mapping[str, str]) -> SessionSettings:
    """Return the settings for a session like those of a deployed job.

    Parameters
    ----------
    arguments : mapping of str to str
        The job's default arguments, as AWS Glue describes them.

    Raises
    ------
    ConfigurationError
        The job's tags are no tags.
    """
    given, _ = _parser().parse_known_args([f"{key}={text}" for key, text in arguments.items()])
    prefix = f"{given.PREFIX}{SESSION_PREFIX}"
    return replace(_session(given, claimed=False), id_prefix=prefix)


def _session(given: argparse.Namespace, *, claimed: bool) -> SessionSettings:
    arguments = _session_arguments(given)
    return SessionSettings(
        role=given.SESSION_ROLE,
        default_arguments=arguments,
        code=_conf_again(arguments.get("--conf", "")),
        options=_network(given.CONNECTION),
        # The reconciler finds a dead job's session by its tag, and ignores other starts.
        tags={
            **SessionSettings.tags_of(given.TAGS),
            "project": f"{given.PREFIX}{SESSION_PREFIX}",
            **({"job": f"{given.PREFIX}{JOB}"} if claimed else {}),
        },
    )


def _session_arguments(given: argparse.Namespace) -> dict[str, Any]:
    database = f"{DATABASE_SETTING}={given.DATABASE}" if given.DATABASE else ""
    arguments = {
        "--additional-python-modules": given.PYTHON_MODULES,
        # The archive is complete: a missing package is a fault, not a reason to use an index.
        "--python-modules-installer-option": "--no-index" if given.PYTHON_MODULES else "",
        "--conf": joined_conf(given.SESSION_CONF, database),
    }
    return {name: value for name, value in arguments.items() if value}


def _conf_again(conf: str) -> str:
    """Return code that makes a session's settings once more.

    AWS Glue documents several settings in one ``--conf``, but sessions have been reported to apply
    only some (aws-samples/dbt-glue, issue 682).
    """
    named = [one.strip().partition("=") for one in conf.split(" --conf ")]
    own = [(name, value) for name, _, value in named if name.startswith(_SET_LATER)]
    lines = [f"SparkSession.builder.getOrCreate().conf.set({n!r}, {v!r})" for n, v in own]
    return "\n".join(["from pyspark.sql import SparkSession", *lines]) if lines else ""


def joined_conf(*settings: str) -> str:
    """Return Spark settings as the one ``--conf`` that a session takes; empty ones are left out."""
    return " --conf ".join(filter(None, settings))


def _network(connection: str) -> dict[str, Any]:
    return {"Connections": {"Connections": [connection]}} if connection else {}


def _is_true(text: str) -> bool:
    return text.strip().lower() in _TRUE


if __name__ == "__main__":
    sys.exit(main())
