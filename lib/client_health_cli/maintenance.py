"""Maintenance and rollback of a lake, in an interactive session."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from client_health_cli import old_files
from client_health_cli.databases import tables_of
from client_health_cli.errors import LakeError, RunFailedError, SettingsError
from client_health_cli.notebooks import notebooks_folder
from client_health_cli.old_files import Old
from client_health_cli.pipeline import session_limits, session_settings
from client_health_cli.terminal import size_text
from register_contract import publications, runs, tables
from register_contract.publications import Metadata
from register_contract.retention import BRANCH_DAYS, Retention
from register_contract.runs import EXIT_SESSION
from register_run import Stage, lock, publication_record, read_notebook, storage
from strict_glue import Limits, OwnSessions, StrictGlueError, session_request, unwinding

_MAINTAIN = """\
import json
from client_health import maintenance
from register_contract.retention import Retention
print(json.dumps(maintenance.maintain({lake!r}, Retention(**{retention!r}))))
"""
_ROLLBACK = """\
import json
from client_health import maintenance
print(json.dumps(maintenance.rollback({lake!r}, {snapshot!r})))
"""
_ERASE = """\
import json
from client_health import erasure
print(json.dumps(erasure.erase({lake!r})))
"""
_HOLD = """\
import json
from client_health import holds
print(json.dumps(holds.add({lake!r})))
"""


@dataclass(frozen=True)
class Upkeep:
    """Work on a lake in a session of its own.

    Parameters
    ----------
    lake
        A folder or an `s3://` prefix.
    sessions
        `local`, `aws`, or a service's URL.
    notebooks
        Folder of the notebooks, which define the session.
    limits
        How long things may take.
    note
        Called with a line for people.
    """

    lake: str
    sessions: str
    notebooks: Path
    limits: Limits
    note: Callable[[str], None]

    @property
    def place(self) -> str:
        """The lake's absolute path or URI."""
        return storage.normalise(self.lake)

    def run(self, name: str, code: str) -> dict[str, Any]:
        """Run code, and return the JSON object in the last line that it prints.

        Raises
        ------
        StrictGlueError
            The session or its work failed.
        """
        last = Stage(name, str(self.notebooks / f"{runs.QUALITY}.ipynb"))
        asked = session_request.configuration(read_notebook(last), last.notebook)
        with (
            session_settings(self.sessions, self.place) as settings,
            OwnSessions(settings, self.limits, self.note).opened(asked, name) as session,
        ):
            printed = session.run_own(code)
        return dict(json.loads(printed.strip().splitlines()[-1]))


@contextlib.contextmanager
def upkeep(lake: str, sessions: str, *, alone: bool = False) -> Iterator[Upkeep]:
    """Yield the upkeep of a lake for a command, which reports its errors.

    Erasures keep everybody else away; other upkeep keeps erasures away.

    Parameters
    ----------
    lake
        A folder or an `s3://` prefix.
    sessions
        `local`, `aws`, or a service's URL.
    alone
        Whether nobody else may work on the lake meanwhile.

    Raises
    ------
    RunFailedError
        The session or its work failed, or others work on the lake.
    """
    limits = session_limits(sessions, os.environ)
    try:
        with (
            unwinding(signal.SIGTERM, signal.SIGHUP, raising=lambda _: SystemExit(EXIT_SESSION)),
            holding(lake, alone=alone),
        ):
            yield Upkeep(lake, sessions, notebooks_folder(None), limits, _note)
    except StrictGlueError as error:
        raise RunFailedError(str(error), error.exit_code) from error


@contextlib.contextmanager
def holding(lake: str, *, alone: bool = False) -> Iterator[None]:
    """Keep erasures away from a lake, or everybody; a lake that doesn't exist stays away.

    Parameters
    ----------
    lake
        A folder or an `s3://` prefix.
    alone
        Whether nobody else may work on the lake meanwhile.

    Raises
    ------
    RunInProgress
        Others work on the lake.
    """
    place = storage.normalise(lake)
    if not storage.is_s3(place) and not storage.local_path(place).exists():
        # A lock would create the lake.
        yield
        return
    with lock.alone(lake) if alone else lock.shared(lake):
        yield


def _note(text: str) -> None:
    typer.echo(text, err=True)


@dataclass(frozen=True)
class RolledBack:
    """What readers see after a rollback, and the runs that they no longer see."""

    snapshot_id: str
    day: str
    rows: int | None
    withdrawn: tuple[str, ...] = ()


@dataclass(frozen=True)
class Maintained:
    """The results of maintenance; see ``client_health.publish.maintenance.maintain``."""

    publications: int
    snapshots_before: int
    snapshots_after: int
    expired_files: int
    orphan_files: int
    expired_rows: int
    old_folders: int = 0


@dataclass(frozen=True)
class Due:
    """What of a lake is older than its limit.

    Attributes
    ----------
    retention
        The limits.
    snapshots, all_snapshots
        Snapshots that expire, and all of them.
    old
        Old files outside the tables; empty for a lake in S3.
    """

    retention: Retention
    snapshots: int
    all_snapshots: int
    old: tuple[Old, ...]

    def described(self) -> list[tuple[str, str, str]]:
        """Return zone, limit, and what is removed, for a table."""
        limits = self.retention
        kept = f"{limits.snapshot_days} days, at least {limits.snapshots_kept}"
        rows = [
            ("snapshots", kept, f"{self.snapshots:,} of {self.all_snapshots:,}"),
            ("stray files", f"{limits.orphan_days} days", "counted when removed"),
        ]
        for table in tables.TABLES:
            days = limits.of_table(table.name)
            if days is not None:
                rows.append((f"rows of {table.name}", f"{days} days", "counted when removed"))
        rows += [
            (
                f"{one.folder}/",
                f"{one.days} days",
                f"{len(one.paths):,} items, {size_text(one.size)}" if one.paths else "nothing",
            )
            for one in self.old
        ]
        return rows


def due(upkeep: Upkeep, retention: Retention) -> Due | None:
    """Return what of a lake is older than its limit; nothing is changed, and no session is needed.

    Parameters
    ----------
    upkeep
        The lake.
    retention
        The limits.

    Returns
    -------
    Due or None
        None if nothing has been published there, and no file is too old.

    Raises
    ------
    LakeError
        A run works on a lake in S3, where no lock keeps it away.
    """
    published = tables_of(upkeep.place)
    metadata = publication_record.metadata(upkeep.place, published)
    now = dt.datetime.now(dt.UTC)
    old: tuple[Old, ...] = ()
    if not storage.is_s3(upkeep.place):
        old = old_files.find(storage.local_path(upkeep.place), retention, now)
    elif metadata is not None:
        _refuse_at_work(upkeep, metadata, now)
    is_empty = metadata is None or publication_record.history(upkeep.place, published).last is None
    # A delivery that no run could publish has left its files.
    if is_empty and not any(one.paths for one in old):
        return None
    snapshots = (metadata or {}).get("snapshots", ())
    limit = (now - dt.timedelta(days=retention.snapshot_days)).timestamp() * 1000
    ages = sorted((one["timestamp-ms"] for one in snapshots), reverse=True)
    expired = [at for at in ages[retention.snapshots_kept :] if at < limit]
    return Due(retention, len(expired), len(ages), old)


def _refuse_at_work(upkeep: Upkeep, metadata: Metadata, now: dt.datetime) -> None:
    """Refuse while a run's branch is younger than the time after which it is abandoned."""
    times = {one["snapshot-id"]: one["timestamp-ms"] for one in metadata.get("snapshots", ())}
    limit = (now - dt.timedelta(days=BRANCH_DAYS)).timestamp() * 1000
    for name, ref in metadata.get("refs", {}).items():
        if name != publications.MAIN and times.get(ref["snapshot-id"], 0) > limit:
            raise LakeError(
                upkeep.lake,
                f"a run works on {upkeep.lake} (branch {name}): run this again when it has ended. "
                f"The branch of a run that died counts for {BRANCH_DAYS} days",
            )


def live_branches(upkeep: Upkeep) -> list[str]:
    """Return the branches of runs in a lake in S3, where no lock keeps runs away."""
    if not storage.is_s3(upkeep.place):
        return []
    metadata = publication_record.metadata(upkeep.place, tables_of(upkeep.place)) or {}
    return sorted(name for name in metadata.get("refs", {}) if name != publications.MAIN)


def maintain(upkeep: Upkeep, retention: Retention) -> Maintained:
    """Remove what of a lake is older than its limit.

    Parameters
    ----------
    upkeep
        The lake, and where to work.
    retention
        What is kept.

    Raises
    ------
    StrictGlueError
        The session or its work failed.
    LakeError
        A file that is too old can't be removed.
    """
    code = _MAINTAIN.format(lake=upkeep.place, retention=dataclasses.asdict(retention))
    done = upkeep.run("maintain", code)
    found: tuple[Old, ...] = ()
    if not storage.is_s3(upkeep.place):
        lake = storage.local_path(upkeep.place)
        found = old_files.find(lake, retention, dt.datetime.now(dt.UTC))
        old_files.remove(lake, found)
    return Maintained(**done, old_folders=sum(len(one.paths) for one in found))


def erase(upkeep: Upkeep) -> None:
    """Erase people from the tables of a lake, as the request in it says.

    Parameters
    ----------
    upkeep
        The lake, and where to work.
    """
    upkeep.run("erase", _ERASE.format(lake=upkeep.place))


def hold(upkeep: Upkeep) -> int:
    """Write legal holds, as the request in the lake says; return how many rows these are.

    Parameters
    ----------
    upkeep
        The lake, and where to work.
    """
    return int(upkeep.run("hold", _HOLD.format(lake=upkeep.place))["people"])


def rollback(upkeep: Upkeep, run_id: str) -> RolledBack:
    """Let readers see the rows of an earlier run again.

    Parameters
    ----------
    upkeep
        The lake, and where to work.
    run_id
        The run.

    Returns
    -------
    RolledBack
        Without withdrawn runs if readers see that run already.

    Raises
    ------
    LakeError
        The run isn't published there.
    SettingsError
        Its rows have expired, or it has none.
    StrictGlueError
        The session or its work failed.
    """
    metadata = publication_record.metadata(upkeep.place, tables_of(upkeep.place)) or {}
    history = publication_record.history(upkeep.place, tables_of(upkeep.place))
    target = history.of_run(run_id)
    if target is None:
        raise LakeError(
            upkeep.lake,
            f"run {run_id} is not published in {upkeep.lake}: take one that "
            f"`client-health history --lake {upkeep.lake}` lists as earlier",
        )
    done = RolledBack(target.snapshot_id, target.day, target.rows)
    if target is history.last:
        return done
    erased = history.erased_after(target)
    if erased is not None:
        when = f" of {erased.recorded_at:%Y-%m-%d}" if erased.recorded_at else ""
        raise SettingsError(
            f"run {run_id} was published before erasure {erased.erasure_id}{when}: no rollback goes"
            " past an erasure, and its rows are gone. Publish its delivery again with"
            " `client-health run --force --accept-older`, which leaves erased people out"
        )
    found = [one for one in metadata["snapshots"] if str(one["snapshot-id"]) == target.snapshot_id]
    if not found:
        raise SettingsError(
            f"the rows of run {run_id} have expired, only its record is kept: publish its delivery "
            "again with `client-health run --force --accept-older`"
        )
    if int(found[0]["summary"].get("total-records", 0)) == 0:
        raise SettingsError(f"run {run_id} has no rows: take another one")
    code = _ROLLBACK.format(lake=upkeep.place, snapshot=target.snapshot_id)
    return dataclasses.replace(done, withdrawn=tuple(upkeep.run("rollback", code)["withdrawn"]))
