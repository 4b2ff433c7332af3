"""The steps of an erasure, which a second start repeats until all of them are done."""

from __future__ import annotations

import datetime as dt
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from client_health_cli.erasing import raw_records, zones
from client_health_cli.erasing.search import ID, Report, Values, search
from client_health_cli.errors import SettingsError
from register_contract import erasures, tables
from register_contract.erasures import Request, Zone

#: The folder of the table that keeps the ids of erased people.
_LIST = tables.restricted_path(tables.SUPPRESSIONS)


@dataclass(frozen=True)
class State:
    """What an erasure must know until it is proved.

    Attributes
    ----------
    request
        What the session does.
    values
        What the proof looks for.
    shared
        How many names and streets tell of others, too, and so prove nothing.
    """

    request: Request
    values: Values
    shared: int = 0

    def dump(self) -> str:
        """Return the state as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)


def load(lake: Path) -> State | None:
    """Return the state of an erasure that a lake waits for; None if there is none."""
    try:
        fields = json.loads((lake / erasures.STATE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    values = Values(**{name: tuple(found) for name, found in fields["values"].items()})
    return State(erasures.parse(json.dumps(fields["request"])), values, fields["shared"])


def plan(
    lake: Path,
    values: Values,
    *,
    ground: str,
    by: str,
    held: int,
    id_keys: Sequence[str],
) -> tuple[State, zones.Found]:
    """Return what an erasure will do; nothing is changed.

    Parameters
    ----------
    lake
        The lake's folder.
    values
        CPFs and ids of the people.
    ground, by
        Why, and who ordered it.
    held
        How many more people are left because of a legal hold.
    id_keys
        Versions of the keys that the people's ids were made with, the earlier one last.

    Returns
    -------
    State, Found
        The state to keep, and what is in the lake now.

    Raises
    ------
    SettingsError
        The erasure of other people has begun and must be finished first.
    """
    begun = load(lake)
    if begun is None:
        now = dt.datetime.now(dt.UTC).replace(tzinfo=None).isoformat(timespec="seconds")
        request = Request(
            "e" + secrets.token_hex(8),
            values.ids,
            ground,
            by,
            now,
            held,
            id_key=id_keys[0],
            previous_ids=values.previous_ids,
            previous_id_key=id_keys[1] if values.previous_ids else "",
        )
    else:
        if begun.values.cpfs != values.cpfs:
            raise SettingsError(
                f"the erasure of {len(begun.values.cpfs):,} others has begun in this lake and "
                "isn't finished: run the same command with their CPFs first"
            )
        request, values = begun.request, begun.values
    found = zones.find(lake, values)
    request = replace(
        request,
        zones=zones.larger(request.zones, found.zones),
        rejections=tuple(sorted({*request.rejections, *found.rejections})),
    )
    shared = max(found.shared, begun.shared if begun else 0)
    return State(request, found.values, shared), found


def steps(
    lake: Path, state: State, found: zones.Found, in_session: Callable[[], object]
) -> Iterator[Callable[[], Report | None]]:
    """Yield the steps of an erasure, in order; the last one returns the proof.

    Parameters
    ----------
    lake
        The lake's folder.
    state, found
        From :func:`plan`.
    in_session
        Erases from the tables what the request in the lake asks for.
    """
    yield lambda: _keep(lake, state)
    yield lambda: _remove(found)
    yield lambda: _in_session(in_session)
    yield lambda: prove(lake, state.values)


def prove(lake: Path, values: Values) -> Report:
    """Search every file of a lake for values of people.

    Returns
    -------
    Report
        The list of suppressed ids is expected to have ids, and nothing else.
    """
    report = search(zones.everything(lake), values)
    for path, kind in list(report.found):
        if kind == ID and path.is_relative_to(lake / _LIST):
            del report.found[path, kind]
    return report


def finish(lake: Path) -> None:
    """Remove what the erasure had to know."""
    shutil.rmtree(lake / erasures.FOLDER, ignore_errors=True)


def ask(lake: Path, rows: list[dict[str, str]] | None) -> None:
    """Write the holds that the session is to add to their table; None removes the request."""
    if rows is None:
        (lake / erasures.HOLDS).unlink(missing_ok=True)
        return
    _folder(lake)
    _write(lake / erasures.HOLDS, json.dumps(rows, ensure_ascii=False))


def counted(found: tuple[Zone, ...]) -> list[str]:
    """Return a line for each zone."""
    lines = []
    for zone in found:
        rows = "" if zone.rows is None else f"{zone.rows:,} rows in "
        lines.append(f"{zone.name}: {rows}{zone.files:,} files")
    return lines


def _folder(lake: Path) -> None:
    folder = lake / erasures.FOLDER
    for missing in (folder.parent, folder):
        missing.mkdir(mode=0o700, exist_ok=True)
        missing.chmod(0o700)


def _keep(lake: Path, state: State) -> None:
    _folder(lake)
    # The state first: a request without a state would be unknown to a second start.
    _write(lake / erasures.STATE, state.dump())
    _write(lake / erasures.REQUEST, state.request.dump())


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _remove(found: zones.Found) -> None:
    for path in found.files:
        path.unlink(missing_ok=True)
    for batch in found.batches:
        raw_records.remove_from(batch, found.values)


def _in_session(work: Callable[[], object]) -> None:
    work()
