"""What the checks of one smoke run share: the chain, who acts, and what was found so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from infra.chain import Chain
from infra.changes import Plan
from infra.deployment import Clients
from infra.smoke.marker import Marker
from infra.smoke.names import Names
from infra.terminal import TerminalListener
from register_run.storage import s3_parts

_T = TypeVar("_T")
_NOTE_SECONDS = 10.0


class LoggedDeployment(TerminalListener):
    """Listener that agrees to everything, and remembers which stacks had changes.

    Parameters
    ----------
    console
        Where the deployment is reported: a log file.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(console, yes=True)
        self.changed: list[str] = []

    def planned(self, stack: str, plan: Plan) -> None:
        """Report and remember the changes."""
        self.changed.append(stack)
        super().planned(stack, plan)


class TooLateError(Exception):
    """Something did not happen in time."""


@dataclass(frozen=True)
class Pace:
    """How long things may take, in seconds.

    Parameters
    ----------
    poll
        Between two looks.
    publish
        From the last upload of a delivery until it is published.
    soon
        For what takes minutes at most: logs, metrics, alarms, a query.
    """

    poll: float = 3.0
    publish: float = 2700.0
    soon: float = 900.0


@dataclass
class Trial:
    """One smoke run.

    Parameters
    ----------
    chain : Chain
        The chain, deployed by the first check.
    listener : LoggedDeployment
        The chain's own listener.
    marker : Marker
        The stack that marks everything with this prefix as a smoke run's, with the roles.
    folder : Path
        For sample files and the deployment's log.
    note : callable
        Receives progress, line by line.
    acting : callable
        Returns the clients of a role, by its ARN.
    pace : Pace
        How long things may take.
    differences : mapping of str to str
        Checks that this place can't run, and why; empty on AWS.

    Attributes
    ----------
    cpfs : set of str
        The synthetic CPFs of all uploads.
    runs : dict of str to str
        Run id of each published delivery, by the folder that it was uploaded to.
    sessions : set of str
        Ids of the sessions that were seen.
    """

    chain: Chain
    listener: LoggedDeployment
    marker: Marker
    folder: Path
    note: Callable[[str], None]
    acting: Callable[[str], Clients]
    pace: Pace = field(default_factory=Pace)
    differences: Mapping[str, str] = field(default_factory=dict)
    cpfs: set[str] = field(default_factory=set)
    runs: dict[str, str] = field(default_factory=dict)
    sessions: set[str] = field(default_factory=set)

    @property
    def prefix(self) -> str:
        """Start of all names; never empty."""
        return self.chain.settings.prefix

    @property
    def names(self) -> Names:
        """Names of the chain's resources."""
        return Names(self.prefix)

    def until(self, what: str, look: Callable[[], _T | None], seconds: float) -> _T:
        """Return the first true answer, and report every few seconds what it waits for.

        Raises
        ------
        TooLateError
            There is none in time.
        """
        started = noted = time.monotonic()
        while not (found := look()):
            now = time.monotonic()
            if now - started > seconds:
                raise TooLateError(f"{what}: not within {seconds:.0f} s")
            if now - noted >= _NOTE_SECONDS:
                noted = now
                self.note(f"    {now - started:.0f} s: waiting for {what}")
            time.sleep(self.pace.poll)
        return found

    def keys(self, uri: str) -> Iterator[str]:
        """Yield the keys below a URI, relative to it."""
        bucket, prefix = s3_parts(uri)
        pages = self.chain.client("s3").get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", ()):
                yield str(item["Key"])[len(prefix) :]

    def runs_of(self, claim: str) -> list[Mapping[str, Any]]:
        """Return the job's runs for a claim, oldest first."""
        found = [run for run in self.chain.runs() if run["Arguments"].get("--CLAIM") == claim]
        return found[::-1]

    def see_sessions(self) -> list[Mapping[str, Any]]:
        """Return the job's sessions, and remember their ids."""
        ask: dict[str, Any] = {"Tags": {"job": self.chain.outputs["JobName"]}}
        found: list[Mapping[str, Any]] = []
        while True:
            page = self.chain.client("glue").list_sessions(**ask)
            found += page["Sessions"]
            if not page.get("NextToken"):
                break
            ask["NextToken"] = page["NextToken"]
        self.sessions.update(str(session["Id"]) for session in found)
        return found
