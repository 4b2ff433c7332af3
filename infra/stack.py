"""One CloudFormation stack: plans its changes, makes them, and explains failures."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from infra.changes import Plan, change_of
from infra.errors import StackFailedError
from infra.events import (
    UNFINISHED,
    Event,
    event_of,
    explain,
    is_refusal,
    refusal_of,
)
from infra.template import Template, render

_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]
_EMPTY = ("didn't contain changes", "No updates are to be performed")
_NEVER_CREATED = frozenset({None, "REVIEW_IN_PROGRESS", "DELETE_COMPLETE"})


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

    def status(self) -> str | None:
        """Return the stack's status, or None if there is no stack."""
        found = self._describe(self.name)
        return None if found is None else str(found["StackStatus"])

    def exists(self) -> bool:
        """Whether the stack has been created."""
        return self.status() not in _NEVER_CREATED

    def outputs(self) -> dict[str, str]:
        """Return the stack's outputs."""
        found = self._describe(self.name) or {}
        return {o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])}

    def parameters(self) -> dict[str, str]:
        """Return the values of the stack's parameters."""
        found = self._describe(self.name) or {}
        return {p["ParameterKey"]: p["ParameterValue"] for p in found.get("Parameters", [])}

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

    def plan(
        self,
        template: Template,
        *,
        url: str | None = None,
        parameters: Mapping[str, str],
    ) -> Plan | None:
        """Create a change set.

        Parameters
        ----------
        template
            The template as data, which shows its parameters.
        url
            URL of the template, if it is too long for the request.
        parameters
            New values; other parameters keep theirs, or have their default.

        Returns
        -------
        Plan or None
            None if nothing would change.

        Raises
        ------
        StackFailedError
            The stack can't be changed now, or CloudFormation refuses the template.
        """
        found = self._describe(self.name)
        status = None if found is None else found["StackStatus"]
        creates = status in _NEVER_CREATED
        if not creates:
            _check_can_change(self.name, str(status))
        had = {p["ParameterKey"] for p in (found or {}).get("Parameters", [])}
        declared = template.get("Parameters", {})
        given: list[dict[str, Any]] = [
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in parameters.items()
            if key in declared
        ]
        given += [
            {"ParameterKey": key, "UsePreviousValue": True}
            for key in declared
            if key not in parameters and key in had and not creates
        ]
        try:
            made = self._client.create_change_set(
                StackName=self.name,
                ChangeSetName=f"deploy-{uuid.uuid4().hex[:12]}",
                ChangeSetType="CREATE" if creates else "UPDATE",
                Parameters=given,
                Capabilities=_CAPABILITIES,
                **({"TemplateURL": url} if url else {"TemplateBody": render(template)}),
            )
        except ClientError as error:
            raise StackFailedError(
                f"CloudFormation refuses the template of {self.name}: "
                f"{error.response['Error']['Message']}"
            ) from error
        return self._planned(made["Id"], made["StackId"], creates=creates)

    def _planned(self, change_set: str, stack_id: str, *, creates: bool) -> Plan | None:
        while True:
            pages = self._client.get_paginator("describe_change_set").paginate(
                ChangeSetName=change_set, StackName=stack_id
            )
            answers = list(pages)
            last = answers[-1]
            if last["Status"] in {"CREATE_COMPLETE", "FAILED"}:
                break
            time.sleep(self._poll)
        changes = tuple(
            change_of(entry["ResourceChange"])
            for answer in answers
            for entry in answer.get("Changes", [])
            if "ResourceChange" in entry
        )
        plan = Plan(change_set, stack_id, creates, changes)
        if last["Status"] == "CREATE_COMPLETE":
            return plan
        reason = str(last.get("StatusReason", ""))
        self.discard(plan)
        if any(words in reason for words in _EMPTY):
            return None
        raise StackFailedError(
            f"CloudFormation can't say what would change in {self.name}: {reason}"
        )

    def discard(self, plan: Plan) -> None:
        """Delete a change set, and the empty stack that was made for it."""
        self._client.delete_change_set(ChangeSetName=plan.id, StackName=plan.stack_id)
        if plan.creates and self.status() == "REVIEW_IN_PROGRESS":
            self._client.delete_stack(StackName=plan.stack_id)

    def execute(self, plan: Plan, on_event: Callable[[Event], None]) -> None:
        """Execute a change set and wait for the end.

        Parameters
        ----------
        plan
            The result of :meth:`plan`.
        on_event
            Called with each new event.

        Raises
        ------
        StackFailedError
            A resource could not be created; CloudFormation has rolled everything back.
        """
        seen = {event.id for event in self._events(plan.stack_id)}
        self._client.execute_change_set(ChangeSetName=plan.id, StackName=plan.stack_id)
        wanted = "CREATE_COMPLETE" if plan.creates else "UPDATE_COMPLETE"
        self._wait(plan.stack_id, seen, wanted, on_event)

    def delete(self, on_event: Callable[[Event], None]) -> None:
        """Delete the stack and wait for the end; retained resources stay.

        Raises
        ------
        StackFailedError
            A resource could not be deleted.
        """
        found = self._describe(self.name)
        if found is None:
            return
        stack_id = found["StackId"]
        seen = {event.id for event in self._events(stack_id)}
        self._client.delete_stack(StackName=stack_id)
        self._wait(stack_id, seen, "DELETE_COMPLETE", on_event)

    def _wait(
        self, stack_id: str, seen: set[str], wanted: str, on_event: Callable[[Event], None]
    ) -> None:
        told: list[Event] = []
        while True:
            for event in self._events(stack_id):
                if event.id not in seen:
                    seen.add(event.id)
                    told.append(event)
                    on_event(event)
            ends = [e.status for e in told if e.of_stack and not e.status.endswith("_IN_PROGRESS")]
            if ends:
                break
            time.sleep(self._poll)
        if ends[-1] != wanted:
            raise StackFailedError(explain(self.name, ends[-1], [*self._refusals(stack_id), *told]))

    def _refusals(self, stack_id: str) -> list[Event]:
        """Return why the last operation was refused before anything was created."""
        try:
            answer = self._client.describe_events(
                StackName=stack_id, Filters={"FailedEvents": True}
            )["OperationEvents"]
        except ClientError:
            # Without permission for this request, the other events are still shown.
            return []
        last = answer[0].get("OperationId") if answer else None
        return [refusal_of(e) for e in answer if is_refusal(e) and e.get("OperationId") == last]

    def _events(self, stack_id: str) -> list[Event]:
        """Return the events, oldest first."""
        pages = self._client.get_paginator("describe_stack_events").paginate(StackName=stack_id)
        return [event_of(entry, stack_id) for page in pages for entry in page["StackEvents"]][::-1]

    def _describe(self, name: str) -> dict[str, Any] | None:
        try:
            stacks = self._client.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if "does not exist" in error.response["Error"]["Message"]:
                return None
            raise
        return dict(stacks[0]) if stacks else None


def _check_can_change(name: str, status: str) -> None:
    if status in {"UPDATE_ROLLBACK_FAILED"}:
        raise StackFailedError(f"the stack {name} is {status}: {UNFINISHED}")
    if status.endswith("_IN_PROGRESS"):
        raise StackFailedError(
            f"the stack {name} is {status}: it is being changed; try again when that is done"
        )
    if status in {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"}:
        raise StackFailedError(
            f"the stack {name} is {status} and can't be updated: run 'make undeploy', then again"
        )
