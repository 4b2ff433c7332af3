"""Changes one stack: plan, show, refuse or ask, make the change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from infra import sam
from infra.changes import Plan
from infra.errors import RefusedError, StackFailedError
from infra.sam import SamError
from infra.settings import Settings
from infra.stack import Stack
from infra.template import Skipped, Template


class Listener(Protocol):
    """Receiver of a deployment's reports and questions."""

    def note(self, text: str) -> None:
        """Report a step."""

    def planned(self, stack: str, plan: Plan) -> None:
        """Report the planned changes."""

    def skipped(self, skipped: tuple[Skipped, ...]) -> None:
        """Report what this place does not support."""

    def output(self, line: str) -> None:
        """Report a line about the progress of a change."""

    def agrees(self, question: str) -> bool:
        """Return whether to continue."""


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """The answer to a question was no; nothing was changed."""


def change(
    stack: Stack,
    template: Template,
    settings: Settings,
    listener: Listener,
    *,
    given: Mapping[str, str] | None = None,
    upload_to: str = "",
) -> None:
    """Change a stack after the plan was shown and agreed to, unless nothing would change.

    Parameters
    ----------
    stack, template
        The stack, and what it is to become.
    settings
        What is deployed, and how.
    listener
        Receives reports and questions.
    given
        Values of parameters, in addition to those of the settings.
    upload_to
        Bucket for a template that is too long for a request.

    Raises
    ------
    RefusedError
        Data would be lost.
    StackFailedError
        The stack can't be changed now, or the change failed.
    Stopped
        The listener did not agree.
    """
    if stack.status() == "ROLLBACK_COMPLETE":
        listener.note(f"{stack.name} was never created: deleting what is left of it")
        stack.delete()
    declared = template.get("Parameters", {})
    values = {**settings.given, **(given or {})}
    values = {name: value for name, value in values.items() if name in declared}
    executed = False

    def approve(change_set: str) -> None:
        nonlocal executed
        plan = stack.review(change_set)
        _ask(stack.name, plan, settings, listener)
        if not plan.creates:
            stack.protect(settings.allowed)
        executed = True

    try:
        sam.deploy(
            stack, template, settings, values, approve, show=listener.output, upload_to=upload_to
        )
    except SamError as error:
        raise StackFailedError(stack.explain(str(error), begun=executed)) from error
    finally:
        if not executed:
            stack.discard()
        elif stack.status() != "ROLLBACK_COMPLETE":
            # Also after a failed change, which may have been allowed to lose data.
            stack.protect()
    if not executed:
        listener.note(f"{stack.name}: nothing to change")
        stack.protect()


def _ask(name: str, plan: Plan, settings: Settings, listener: Listener) -> None:
    listener.planned(name, plan)
    losses = plan.losses(settings.allowed)
    if losses:
        named = ", ".join(f"{change.name} ({change.type})" for change in losses)
        raise RefusedError(
            f"the change would remove or replace resources with data: {named}. Undo it in the "
            f"template; if it is intended, FORCE={','.join(change.name for change in losses)}"
        )
    if not listener.agrees(f"{'Create' if plan.creates else 'Change'} the stack {name}?"):
        raise Stopped
