"""CloudFormation's events of an operation, and an explanation if it failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_NEXT_STEPS = {
    **dict.fromkeys(
        ("ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"),
        "remove what is in the way, then run 'make undeploy' again",
    ),
    "ROLLBACK_COMPLETE": "the stack was never created: the next 'make deploy' deletes it first",
    "UPDATE_ROLLBACK_COMPLETE": "the previous state is restored, unchanged",
    "UPDATE_ROLLBACK_FAILED": (
        "the rollback failed as well: fix the named resource, then choose 'Continue update "
        "rollback' for the stack in the CloudFormation console"
    ),
}
_BEGINS = frozenset({"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS"})


@dataclass(frozen=True)
class Event:
    """CloudFormation's event for a resource, or for the stack itself."""

    name: str
    type: str
    status: str
    reason: str
    of_stack: bool

    @property
    def failed(self) -> bool:
        """Whether it is a failure that is not caused by another one."""
        is_effect = "cancelled" in self.reason
        return self.status.endswith("_FAILED") and not self.of_stack and not is_effect


def explain(name: str, status: str, events: Sequence[Event], reported: str = "") -> str:
    """Return an explanation of why a stack's operation failed.

    Parameters
    ----------
    name
        The stack's name.
    status
        The stack's current status.
    events
        Events of this operation, oldest first; none if it did not begin.
    reported
        What the tool reported that was to carry it out.
    """
    first = next((event for event in events if event.failed), None)
    lines = [f"the stack {name} is {status}: the requested change was not made"]
    if first is not None:
        lines += [f"  first failed: {first.name} ({first.type})", f"  reason: {first.reason}"]
        lines.append(f"  next: {_advice(first.reason)}")
    elif reported:
        lines.append(f"  reason: {reported}")
    if status.endswith("_IN_PROGRESS"):
        lines.append("  the stack is still being changed: run the same command when that is done")
    elif status in _NEXT_STEPS:
        lines.append(f"  {_NEXT_STEPS[status]}")
    return "\n".join(lines)


def _advice(reason: str) -> str:
    low = reason.lower()
    if "not authorized" in low or "access denied" in low or "accessdenied" in low:
        return "deploy with credentials that may do the named action"
    if "already exists" in low or "already owned" in low:
        return (
            "something with that name already exists, in another stack or left by an earlier one: "
            "delete it, or give another name as a parameter"
        )
    if "limit" in low or "quota" in low:
        return "have the quota raised in the Service Quotas console, or free what is not needed"
    if "not empty" in low and "bucket" in low:
        return "empty the bucket in the S3 console, if its content is not needed"
    return "fix what the reason names, then run the same command again"


def begins(event: Event) -> bool:
    """Return whether an operation on the stack begins with this event."""
    return event.of_stack and event.status in _BEGINS


def event_of(entry: Mapping[str, Any]) -> Event:
    """Return the event in CloudFormation's entry."""
    return Event(
        str(entry["LogicalResourceId"]),
        str(entry["ResourceType"]),
        str(entry["ResourceStatus"]),
        str(entry.get("ResourceStatusReason", "")),
        of_stack=entry.get("PhysicalResourceId") == entry["StackId"],
    )


def refusal_of(entry: Mapping[str, Any]) -> Event:
    """Return what did not pass the checks beforehand, as a failure like any other."""
    return Event(
        str(entry["LogicalResourceId"]),
        str(entry.get("ResourceType", "")),
        "VALIDATION_FAILED",
        str(entry.get("ValidationStatusReason", "")),
        of_stack=False,
    )
