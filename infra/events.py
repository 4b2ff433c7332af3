"""CloudFormation's events of an operation, and an explanation if it failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_STACK = "AWS::CloudFormation::Stack"
# Failures that follow from another one, and do not show its cause.
_CANCELLED = ("Resource creation cancelled", "Resource update cancelled", "cancelled")


@dataclass(frozen=True)
class Event:
    """CloudFormation's event for a resource, or for the stack itself."""

    id: str
    name: str
    type: str
    status: str
    reason: str
    of_stack: bool

    @property
    def failed(self) -> bool:
        """Whether it is a failure that is not caused by another one."""
        is_effect = any(word in self.reason for word in _CANCELLED)
        return self.status.endswith("_FAILED") and not self.of_stack and not is_effect


def explain(name: str, status: str, events: Sequence[Event]) -> str:
    """Return an explanation of why a stack's operation failed.

    Parameters
    ----------
    name
        The stack's name.
    status
        The stack's current status.
    events
        Events of this operation, oldest first.
    """
    first = next((event for event in events if event.failed), None)
    lines = [f"the stack {name} is {status}: the requested change was not made"]
    if first is not None:
        lines += [f"  first failed: {first.name} ({first.type})", f"  reason: {first.reason}"]
        lines += [f"  next: {text}" for text in _advice(first.reason)]
    if status == "ROLLBACK_COMPLETE":
        lines.append(
            "  the stack was never created and can't be updated: 'make deploy' deletes it first"
        )
    elif status == "UPDATE_ROLLBACK_FAILED":
        lines.append(f"  {UNFINISHED}")
    elif status == "DELETE_FAILED":
        lines.append("  remove what is in the way, then run 'make undeploy' again")
    else:
        lines.append("  the previous state is restored, unchanged")
    return "\n".join(lines)


UNFINISHED = (
    "the rollback failed as well: fix the named resource, then choose 'Continue update rollback' "
    "for the stack in the CloudFormation console"
)


def _advice(reason: str) -> Iterator[str]:
    low = reason.lower()
    if "not authorized" in low or "access denied" in low or "accessdenied" in low:
        yield "deploy with credentials that may do the named action"
    elif "already exists" in low or "already owned" in low:
        yield (
            "something with that name already exists, in another stack or left by an earlier one: "
            "delete it, or give another name as a parameter"
        )
    elif "limit" in low or "quota" in low:
        yield "have the quota raised in the Service Quotas console, or free what is not needed"
    elif "not empty" in low and "bucket" in low:
        yield "empty the bucket in the S3 console, if its content is not needed"
    else:
        yield "fix what the reason names, then run the same command again"


def event_of(entry: Mapping[str, Any], stack_id: str) -> Event:
    """Return the event in CloudFormation's entry."""
    return Event(
        str(entry["EventId"]),
        str(entry["LogicalResourceId"]),
        str(entry["ResourceType"]),
        str(entry["ResourceStatus"]),
        str(entry.get("ResourceStatusReason", "")),
        entry["ResourceType"] == _STACK and entry.get("PhysicalResourceId") == stack_id,
    )


def is_refusal(entry: Mapping[str, Any]) -> bool:
    """Return whether an event says that a resource did not pass the checks beforehand."""
    return entry.get("EventType") == "VALIDATION_ERROR" and "LogicalResourceId" in entry


def refusal_of(entry: Mapping[str, Any]) -> Event:
    """Return such an event, as a failure like any other."""
    return Event(
        str(entry["EventId"]),
        str(entry["LogicalResourceId"]),
        str(entry.get("ResourceType", "")),
        "VALIDATION_FAILED",
        str(entry.get("ValidationStatusReason", "")),
        of_stack=False,
    )
