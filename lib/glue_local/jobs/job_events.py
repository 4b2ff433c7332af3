"""Reports the end of a job run to the upstream's event rules, as AWS Glue does to EventBridge.

Only services of AWS may put events with a source ``aws.*``, and emulators refuse them as well. So
this module asks which rules match, and calls their Lambda targets itself.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from glue_local.api.forward import Upstream
from glue_local.settings import ACCOUNT

log = logging.getLogger(__name__)

_SOURCE = "aws.glue"
_KIND = "Glue Job State Change"
_LAMBDA = ":lambda:"


def job_state_change(region: str, detail: dict[str, Any]) -> dict[str, Any]:
    """Return the event for a job run's end.

    Parameters
    ----------
    region : str
        Region of the job.
    detail : dict
        ``jobName``, ``severity``, ``state``, ``jobRunId``, and ``message``.
    """
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": _KIND,
        "source": _SOURCE,
        "account": ACCOUNT,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [],
        "detail": detail,
    }


def deliver(upstream: Upstream, event: dict[str, Any]) -> None:
    """Call the Lambda targets of every rule that the event matches. Blocking; best effort."""
    try:
        called = list(_call_targets(upstream, event))
    except (BotoCoreError, ClientError) as error:
        # AWS delivers these events at best effort too: nothing may rely on them.
        log.warning("an event of %a was not delivered: %a", event["detail"], str(error))
        return
    log.info("an event of %a went to %a", event["detail"], called)


def _call_targets(upstream: Upstream, event: dict[str, Any]) -> Iterator[str]:
    events = upstream.client("events")
    functions = None
    for rule in _pages(events, "list_rules", "Rules"):
        if rule.get("State") != "ENABLED" or not _matches(events, rule, event):
            continue
        for target in _pages(events, "list_targets_by_rule", "Targets", Rule=rule["Name"]):
            if _LAMBDA not in target["Arn"]:
                log.warning("rule %a has a target that isn't a Lambda function", rule["Name"])
                continue
            functions = functions or upstream.client("lambda")
            payload = target.get("Input") or json.dumps(event)
            functions.invoke(FunctionName=target["Arn"], InvocationType="Event", Payload=payload)
            yield target["Arn"]


def _matches(events: Any, rule: dict[str, Any], event: dict[str, Any]) -> bool:  # noqa: ANN401
    pattern = rule.get("EventPattern")
    if not pattern or _SOURCE not in pattern:
        return False
    return bool(events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))["Result"])


def _pages(client: Any, action: str, member: str, **parameters: str) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    while True:
        page = getattr(client, action)(**parameters)
        yield from page[member]
        if not page.get("NextToken"):
            return
        parameters["NextToken"] = page["NextToken"]
