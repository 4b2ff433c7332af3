"""The steps of an erasure, which a second start repeats until all of them are done."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from client_health_cli.erasing import keeping, places, raw_files, raw_records, zones
from client_health_cli.erasing.keeping import State
from client_health_cli.erasing.objects import Refusal
from client_health_cli.erasing.places import Place, Prefix
from client_health_cli.erasing.search import ID, Report, Values, search
from client_health_cli.errors import SettingsError
from client_health_cli.terminal import count_text
from register_contract import tables
from register_contract.erasures import Request, Zone
from register_run import storage

#: The folder of the table that keeps the ids of erased people.
_LIST = tables.restricted_path(tables.SUPPRESSIONS)
_CLAIMS = "claims"


def plan(
    lake: Place,
    values: Values,
    *,
    ground: str,
    by: str,
    held: int,
    id_keys: Sequence[str],
    raw: raw_files.Found | None = None,
) -> tuple[State, zones.Found]:
    """Return what an erasure will do; nothing is changed.

    Parameters
    ----------
    lake
        The lake.
    values
        CPFs and ids of the people.
    ground, by
        Why, and who ordered it.
    held
        How many more people are left because of a legal hold.
    id_keys
        Versions of the keys that the people's ids were made with, the earlier one last.
    raw
        The raw files that hold the people, if they are erased from these, too.

    Returns
    -------
    State, Found
        The state to keep, and what is in the lake now.

    Raises
    ------
    SettingsError
        The erasure of other people has begun and must be finished first.
    """
    begun = keeping.load(lake)
    place = str(raw.place) if raw else ""
    if begun is None:
        request = keeping.begun_elsewhere(lake, values) or _request(
            values, ground, by, held, id_keys
        )
    else:
        if begun.values.cpfs != values.cpfs:
            raise SettingsError(
                f"the erasure of {len(begun.values.cpfs):,} others has begun in this lake and "
                "isn't finished: run the same command with their CPFs first"
            )
        if begun.raw not in {"", place}:
            raise SettingsError(
                f"this erasure has begun with --raw {begun.raw}: run the same command again"
            )
        request, values = begun.request, begun.values
    found = zones.find(lake, values)
    now = (*found.zones, *(raw.zones() if raw else ()))
    before = [zone for zone in request.zones if zone.name != raw_files.KEPT]
    request = replace(
        request,
        zones=zones.larger(before, now),
        rejections=tuple(sorted({*request.rejections, *found.rejections})),
    )
    shared = max(found.shared, begun.shared if begun else 0)
    return State(request, found.values, shared, place), found


def _request(values: Values, ground: str, by: str, held: int, id_keys: Sequence[str]) -> Request:
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None).isoformat(timespec="seconds")
    return Request(
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


def steps(  # noqa: PLR0917 - what a plan has, and two calls
    lake: Place,
    state: State,
    found: zones.Found,
    in_session: Callable[[], object],
    raw: raw_files.Found | None = None,
    refused: Callable[[Refusal], None] = lambda _: None,
) -> Iterator[Callable[[], Report | None]]:
    """Yield the steps of an erasure, in order; the last one returns the proof.

    Parameters
    ----------
    lake
        The lake.
    state, found, raw
        From :func:`plan`, and what it was given.
    in_session
        Erases from the tables what the request in the lake asks for.
    refused
        Called with each raw file that could not be deleted.
    """
    yield lambda: keeping.keep(lake, state)
    yield lambda: _remove(found)
    if raw is not None:
        yield lambda: _remove_raw(lake, state, raw, refused)
    yield lambda: _in_session(in_session)
    if isinstance(lake, Prefix):
        yield lambda: _remove_older(lake)
    yield lambda: prove(lake, state.values)


def prove(lake: Place, values: Values) -> Report:
    """Search every file of a lake for values of people.

    Returns
    -------
    Report
        The list of suppressed ids is expected to have ids, and nothing else.
    """
    report = search(zones.everything(lake), values)
    for file, kind in list(report.found):
        if kind == ID and places.relative(file, lake).startswith(f"{_LIST}/"):
            del report.found[file, kind]
    return report


def counted(found: tuple[Zone, ...]) -> list[str]:
    """Return a line for each zone."""
    lines = []
    for zone in found:
        rows = "" if zone.rows is None else f"{count_text(zone.rows, 'row')} in "
        lines.append(f"{zone.name}: {rows}{count_text(zone.files, 'file')}")
    return lines


def _remove(found: zones.Found) -> None:
    places.delete(found.files)
    for batch in found.batches:
        raw_records.remove_from(batch, found.values)


def _remove_raw(
    lake: Place, state: State, raw: raw_files.Found, refused: Callable[[Refusal], None]
) -> None:
    notes = storage.join(str(lake), _CLAIMS) if isinstance(lake, Prefix) else ""
    refusals = raw_files.erase(raw, state.values, notes)
    for one in refusals:
        refused(one)
    stay = {one.file for one in refusals}
    kept = [one for one in raw.going if one.file in stay]
    if kept:
        # Before the session, which writes the audit record.
        zone = Zone(raw_files.KEPT, sum(one.rows or 0 for one in kept), len(kept))
        request = replace(state.request, zones=(*state.request.zones, zone))
        keeping.keep(lake, replace(state, request=request))


def _remove_older(lake: Place) -> None:
    """Delete what the lake's bucket keeps of replaced and deleted objects, if it does."""
    places.delete(places.older(lake))


def _in_session(work: Callable[[], object]) -> None:
    work()
