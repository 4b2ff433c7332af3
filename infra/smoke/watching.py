"""Checks of what people watch: logs without personal data, metrics, alarms, lost events."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from botocore.exceptions import ClientError

from infra.smoke.checks import NotAsExpectedError, expect
from infra.smoke.delivering import FIRST
from infra.smoke.trial import Trial
from register_run import cost
from register_run.storage import s3_parts

SESSION_LOGS = ("/aws-glue/sessions/output", "/aws-glue/sessions/error")
# What can be a CPF, with or without its punctuation.
_CPF = re.compile(r"(?<!\d)\d{3}\.?\d{3}\.?\d{3}-?\d{2}(?!\d)")
_WANTED = {"RunSucceeded", "RunPublished", "RowsPublished"}


def reconciler_log(trial: Trial) -> str:
    """Read the function's log."""
    name = trial.names.function_log
    return _read(trial, name, lambda: _lines(trial, name), "uploads_seen")


def job_logs(trial: Trial) -> str:
    """Read the job's two logs."""
    group = trial.names.job_log(trial.chain.client("s3").meta.region_name)
    names = {f"{group}/output": "RunSucceeded", f"{group}/error": "delivery"}
    said = [_read(trial, name, _of(trial, name), wanted) for name, wanted in names.items()]
    return "; ".join(said)


def session_logs(trial: Trial) -> str:
    """Read the logs of the sessions that were seen."""
    trial.see_sessions()
    streams = [(group, stream) for group in SESSION_LOGS for stream in _streams(trial, group)]
    expect(streams, f"no session has a log in {' or '.join(SESSION_LOGS)}, expected one of each")
    lines = chain.from_iterable(_lines(trial, group, stream) for group, stream in streams)
    return f"{_without_cpfs(trial, lines, 'the sessions')}, in {len(streams)} streams"


def metrics(trial: Trial) -> str:
    """Look for the metrics that alarms and dashboard use."""
    cloudwatch, namespace = trial.chain.client("cloudwatch"), trial.names.namespace

    def arrived() -> set[str]:
        pages = cloudwatch.get_paginator("list_metrics").paginate(Namespace=namespace)
        found = {str(metric["MetricName"]) for page in pages for metric in page["Metrics"]}
        return found if found >= _WANTED else set()

    wanted = f"{', '.join(sorted(_WANTED))} in {namespace}"
    return f"{len(trial.until(wanted, arrived, trial.pace.soon))} metrics in {namespace}"


def alarms(trial: Trial) -> str:
    """Wait until each alarm has looked and found nothing."""
    cloudwatch = trial.chain.client("cloudwatch")
    states: dict[str, str] = {}

    def all_quiet() -> bool:
        pages = cloudwatch.get_paginator("describe_alarms").paginate(
            AlarmNamePrefix=trial.names.own
        )
        found = [alarm for page in pages for alarm in page["MetricAlarms"]]
        states.update({str(alarm["AlarmName"]): str(alarm["StateValue"]) for alarm in found})
        return bool(states) and set(states.values()) == {"OK"}

    trial.until("all alarms to be OK", all_quiet, trial.pace.soon)
    return f"{len(states)} alarms are OK"


def run_cost(trial: Trial) -> str:
    """Read what the first run's session and job used."""
    bucket, start = s3_parts(f"{trial.chain.lake}/runs/{trial.runs[FIRST]}/costs/")
    s3 = trial.chain.client("s3")

    def kept() -> list[dict[str, Any]]:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=start)
        keys = [str(item["Key"]) for page in pages for item in page.get("Contents", ())]
        found = [json.loads(trial.chain.read(f"s3://{bucket}/{key}")) for key in keys]
        return found if {one["kind"] for one in found} == {cost.SESSION, cost.JOB} else []

    # The job counts itself, and writes last.
    used = trial.until("costs of session and job", kept, trial.pace.soon)
    session = [one for one in used if one["kind"] == cost.SESSION]
    unsaid = [one["id"] for one in session if not one["reported"]]
    expect(not unsaid, f"Glue gave no DPUSeconds for {', '.join(unsaid)}")
    seconds = sum(one["dpu_seconds"] for one in session)
    expect(seconds > 0, "the session used 0 DPU-seconds")
    return f"{seconds:.0f} DPU-seconds of the session, as Glue counts them"


def lost_events(trial: Trial) -> str:
    """Count the events that could not be delivered."""
    sqs = trial.chain.client("sqs")
    url = sqs.get_queue_url(QueueName=trial.names.queue)["QueueUrl"]
    name = "ApproximateNumberOfMessages"
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name]
    expect(found == "0", f"{found} events are in the queue of lost events, expected none")
    return "the queue of lost events is empty"


def _read(trial: Trial, name: str, lines: Callable[[], Iterator[str]], wanted: str) -> str:
    """Wait for a word in a log, and look for CPFs in all of it."""
    trial.until(
        f"{wanted!r} in {name}", lambda: any(wanted in line for line in lines()), trial.pace.soon
    )
    return _without_cpfs(trial, lines(), name)


def _without_cpfs(trial: Trial, lines: Iterator[str], name: str) -> str:
    """Return how many lines a log has.

    Raises
    ------
    NotAsExpectedError
        A CPF of an upload is in them; the message doesn't repeat it.
    """
    count = 0
    for count, line in enumerate(lines, 1):
        digits = {"".join(filter(str.isdigit, found)) for found in _CPF.findall(line)}
        if digits & trial.cpfs:
            raise NotAsExpectedError(f"{name} has a CPF of an upload, in line {count}")
    return f"{count} lines of {name} without a CPF"


def _of(trial: Trial, name: str) -> Callable[[], Iterator[str]]:
    return lambda: _lines(trial, name)


def _lines(trial: Trial, name: str, stream: str = "") -> Iterator[str]:
    pages = trial.chain.client("logs").get_paginator("filter_log_events")
    one = {"logStreamNames": [stream]} if stream else {}
    for page in pages.paginate(logGroupName=name, **one):
        for event in page["events"]:
            yield str(event["message"])


def _streams(trial: Trial, group: str) -> Iterator[str]:
    """Yield a group's streams of the sessions that were seen; all sessions share the group."""
    pages = trial.chain.client("logs").get_paginator("describe_log_streams")
    for session in sorted(trial.sessions):
        try:
            for page in pages.paginate(logGroupName=group, logStreamNamePrefix=session):
                yield from (str(stream["logStreamName"]) for stream in page["logStreams"])
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
