"""Output of a deployment for people."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.prompt import Confirm
from rich.table import Table

from infra.changes import Plan
from infra.drift import Drift
from infra.template import Skipped


class TerminalListener:
    """Listener that prints tables and lines, and asks questions.

    Parameters
    ----------
    console
        The console to print to.
    yes
        Whether to agree to everything without asking.
    """

    def __init__(self, console: Console, *, yes: bool) -> None:
        self._console = console
        self._yes = yes

    def note(self, text: str) -> None:
        """Print a line."""
        # Names and messages are not markup, and must not be wrapped at the console's width.
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def planned(self, stack: str, plan: Plan) -> None:
        """Show the changes as a table."""
        table = Table(title=f"{stack}: {'new stack' if plan.creates else 'changes'}")
        for heading in ("action", "resource", "type", "replaced"):
            table.add_column(heading)
        for change in plan.changes:
            table.add_row(change.action, change.name, change.type, change.replacement)
        self._console.print(table)

    def skipped(self, skipped: tuple[Skipped, ...]) -> None:
        """Show what is left out, and why."""
        table = Table(title="left out here")
        for heading in ("name", "type", "reason"):
            table.add_column(heading)
        for entry in skipped:
            table.add_row(entry.name, entry.type, entry.reason)
        if skipped:
            self._console.print(table)

    def drifted(self, drift: Drift) -> None:
        """Show how a stack differs from its template, and what could not be checked."""
        if not drift.differences:
            self.note(f"{drift.stack}: as deployed")
        else:
            table = Table(title=f"{drift.stack}: differs from its template")
            for heading in ("resource", "type", "property", "what", "template", "found"):
                table.add_column(heading, overflow="fold")
            for one in drift.differences:
                row = (one.resource, one.type, one.path, one.what, one.expected, one.actual)
                # Values such as [1] are not markup.
                table.add_row(*map(escape, row))
            self._console.print(table)
        if drift.unchecked:
            kinds = ", ".join(f"{name} ({kind})" for name, kind in drift.unchecked.items())
            self.note(f"{drift.stack}: CloudFormation can't check {kinds}")

    def output(self, line: str) -> None:
        """Print a line of the SAM CLI, which reports CloudFormation's events."""
        self.note(line)

    def agrees(self, question: str) -> bool:
        """Ask, unless everything is agreed to beforehand."""
        if self._yes:
            return True
        try:
            return Confirm.ask(question, console=self._console, default=False)
        except EOFError:
            self.note("there is no terminal for an answer: use --yes (YES=1) to agree")
            return False
