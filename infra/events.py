"""What CloudFormation tells of an operation, and why one failed, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_STACK = "AWS::CloudFormation::Stack"
# What follows from another failure, and says nothing of its cause.
_CANCELLED = ("Resource creation cancelled", "Resource update cancelled", "cancelled")


@dataclass(frozen=True)
class Event:
    """What CloudFormation tells of a resource, or of the stack itself."""

    id: str
    name: str
    type: str
    status: str
    reason: str
    of_stack: bool

    @property
    def failed(self) -> bool:
        """Whether it tells of a failure that is a cause of its own."""
        is_effect = any(word in self.reason for word in _CANCELLED)
        return self.status.endswith("_FAILED") and not self.of_stack and not is_effect


def explain(name: str, status: str, events: Sequence[Event]) -> str:
    """Say in words why a stack's operation failed.

    Parameters
    ----------
    name
        The stack's name.
    status
        What the stack is in now.
    events
        Of this operation, oldest first.
    """
    first = next((event for event in events if event.failed), None)
    lines = [f"the stack {name} is {status}: what was asked for was not done"]
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
        lines.append("  what was there before is there again, unchanged")
    return "\n".join(lines)


UNFINISHED = (
    "going back failed as well: fix the named resource, then choose 'Continue update rollback' "
    "for the stack in the CloudFormation console"
)


def _advice(reason: str) -> Iterator[str]:
    low = reason.lower()
    if "not authorized" in low or "access denied" in low or "accessdenied" in low:
        yield "deploy with credentials that may do the named action"
    elif "already exists" in low or "already owned" in low:
        yield (
            "something of that name is there already, of another stack or left by an earlier one: "
            "delete it, or give another name as a parameter"
        )
    elif "limit" in low or "quota" in low:
        yield "have the quota raised in the Service Quotas console, or free what is not needed"
    elif "not empty" in low and "bucket" in low:
        yield "empty the bucket in the S3 console, if nobody needs what is in it"
    else:
        yield "fix what the reason names, then run the same command again"


def event_of(entry: Mapping[str, Any], stack_id: str) -> Event:
    """Read an event as CloudFormation tells it."""
    return Event(
        str(entry["EventId"]),
        str(entry["LogicalResourceId"]),
        str(entry["ResourceType"]),
        str(entry["ResourceStatus"]),
        str(entry.get("ResourceStatusReason", "")),
        entry["ResourceType"] == _STACK and entry.get("PhysicalResourceId") == stack_id,
    )


def is_refusal(entry: Mapping[str, Any]) -> bool:
    """Whether an operation's event tells that a resource did not pass the checks beforehand."""
    return entry.get("EventType") == "VALIDATION_ERROR" and "LogicalResourceId" in entry


def refusal_of(entry: Mapping[str, Any]) -> Event:
    """Read such an event; it tells of a failure like any other."""
    return Event(
        str(entry["EventId"]),
        str(entry["LogicalResourceId"]),
        str(entry.get("ResourceType", "")),
        "VALIDATION_FAILED",
        str(entry.get("ValidationStatusReason", "")),
        of_stack=False,
    )
