"""One CloudFormation stack: what it has, what a change set would change, and why it failed."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from infra.changes import NAMED_BY, Plan, change_of, stack_policy
from infra.errors import StackFailedError
from infra.events import Event, begins, event_of, explain, refusal_of

_NEVER_CREATED = frozenset({None, "REVIEW_IN_PROGRESS", "DELETE_COMPLETE"})
# How the names of the SAM CLI's change sets begin.
CHANGE_SETS = "samcli-deploy"
_MADE = frozenset({"CREATE_COMPLETE", "FAILED"})
_NOT_EXECUTED = frozenset({"AVAILABLE", "UNAVAILABLE"})
_DELETE_SECONDS = 3600


class Stack:
    """A stack by its name, whether it exists or not.

    Parameters
    ----------
    client
        A CloudFormation client.
    name
        The stack's name.
    poll_seconds
        Seconds between two requests for progress.
    """

    def __init__(self, client: Any, name: str, *, poll_seconds: float = 2.0) -> None:  # noqa: ANN401 - boto3 makes its clients' classes up
        self._client = client
        self._poll = poll_seconds
        self.name = name
        self.region = str(client.meta.region_name)

    def status(self) -> str | None:
        """Return the stack's status, or None if there is no stack."""
        found = self._describe()
        return None if found is None else str(found["StackStatus"])

    def exists(self) -> bool:
        """Whether the stack has been created."""
        return self.status() not in _NEVER_CREATED

    def outputs(self) -> dict[str, str]:
        """Return the stack's outputs."""
        found = self._describe() or {}
        return {o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])}

    def tags(self) -> dict[str, str]:
        """Return the tags that somebody gave the stack itself."""
        found = (self._describe() or {}).get("Tags", [])
        return {t["Key"]: t["Value"] for t in found if not t["Key"].startswith("aws:")}

    def parameters(self) -> dict[str, str]:
        """Return the values of the stack's parameters; empty if there is no stack."""
        found = self._describe() or {}
        return {p["ParameterKey"]: p.get("ParameterValue", "") for p in found.get("Parameters", [])}

    def resources(self) -> dict[str, tuple[str, str]]:
        """Return type and physical name of each resource, by logical name."""
        pages = self._client.get_paginator("list_stack_resources").paginate(StackName=self.name)
        found = (entry for page in pages for entry in page["StackResourceSummaries"])
        return {
            entry["LogicalResourceId"]: (entry["ResourceType"], entry["PhysicalResourceId"])
            for entry in found
            if entry.get("PhysicalResourceId") and entry["ResourceStatus"] != "DELETE_COMPLETE"
        }

    def template(self) -> str:
        """Return the stack's template, as text."""
        answer = self._client.get_template(StackName=self.name, TemplateStage="Original")
        body = answer["TemplateBody"]
        return body if isinstance(body, str) else json.dumps(body)

    def review(self, change_set: str) -> Plan:
        """Return the changes of a change set that has been created."""
        pages = self._client.get_paginator("describe_change_set").paginate(
            ChangeSetName=change_set, StackName=self.name
        )
        changes = tuple(
            change_of(entry["ResourceChange"])
            for page in pages
            for entry in page.get("Changes", [])
            if "ResourceChange" in entry
        )
        return Plan(change_set, creates=not self.exists(), changes=changes)

    def discard(self) -> None:
        """Delete change sets that were not executed, and an empty stack that was made for one."""
        status = self.status()
        if status == "REVIEW_IN_PROGRESS":
            self._client.delete_stack(StackName=self.name)
        elif status is not None:
            pages = self._client.get_paginator("list_change_sets").paginate(StackName=self.name)
            for made in (made for page in pages for made in page["Summaries"]):
                waits = made["Status"] in _MADE and made["ExecutionStatus"] in _NOT_EXECUTED
                if waits and made["ChangeSetName"].startswith(CHANGE_SETS):
                    self._client.delete_change_set(ChangeSetName=made["ChangeSetId"])

    def protect(self, allowed: Collection[str] = ()) -> None:
        """Set the stack policy: no update replaces or deletes what holds data.

        Parameters
        ----------
        allowed
            Logical names of resources that may be lost.
        """
        names = [name for name, (kind, _) in self.resources().items() if kind in NAMED_BY]
        policy = stack_policy([name for name in names if name not in allowed])
        self._client.set_stack_policy(StackName=self.name, StackPolicyBody=json.dumps(policy))

    def delete(self) -> None:
        """Delete the stack and wait for the end; retained resources stay.

        Raises
        ------
        StackFailedError
            A resource could not be deleted.
        """
        found = self._describe()
        if found is None:
            return
        self._client.delete_stack(StackName=found["StackId"])
        every = {"Delay": self._poll, "MaxAttempts": int(_DELETE_SECONDS / self._poll)}
        try:
            self._client.get_waiter("stack_delete_complete").wait(
                StackName=found["StackId"], WaiterConfig=every
            )
        except WaiterError as error:
            raise StackFailedError(self.explain(str(error))) from error

    def explain(self, reported: str, *, begun: bool = True) -> str:
        """Return an explanation of why the stack's last operation failed.

        Parameters
        ----------
        reported
            What the tool reported that was to carry it out.
        begun
            Whether it had begun.
        """
        events = [*self._refusals(), *self._last_events()] if begun else []
        return explain(self.name, self.status() or "not there", events, reported)

    def _refusals(self) -> list[Event]:
        """Return why the last operation was refused before anything was created."""
        try:
            answer = self._client.describe_events(
                StackName=self.name, Filters={"FailedEvents": True}
            )["OperationEvents"]
        except ClientError:
            # Without permission for this request, the other events are still shown.
            return []
        last = answer[0].get("OperationId") if answer else None
        return [
            refusal_of(entry)
            for entry in answer
            if entry.get("EventType") == "VALIDATION_ERROR"
            and entry.get("OperationId") == last
            and "LogicalResourceId" in entry
        ]

    def _last_events(self) -> list[Event]:
        """Return the last operation's events, oldest first."""
        pages = self._client.get_paginator("describe_stack_events").paginate(StackName=self.name)
        found: list[Event] = []
        for entry in (entry for page in pages for entry in page["StackEvents"]):
            found.insert(0, event_of(entry))
            if begins(found[0]):
                break
        return found

    def _describe(self) -> dict[str, Any] | None:
        try:
            stacks = self._client.describe_stacks(StackName=self.name)["Stacks"]
        except ClientError as error:
            if "does not exist" in error.response["Error"]["Message"]:
                return None
            raise
        return dict(stacks[0]) if stacks else None
