"""The lists of people: erased ones, whose rows no run publishes again, and held ones.

The lists are not part of a run's name. The receipt of ``02_transform`` has the fingerprint of the
suppressed ids instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date

import polars as pl

from client_health.clean import rekeying
from client_health.publish import records
from client_health.publish.lake import Lake
from register_contract.tables import ID_KEY, PERSON, SUPPRESSIONS

#: The rows of each list, by the name of its table.
Lists = Mapping[str, pl.DataFrame]


def lists(lake: Lake) -> Lists:
    """Return the rows of all lists of a lake."""
    return {table.name: records.read(lake, table) for table in rekeying.LISTS}


def listed(lake: Lake) -> set[str]:
    """Return the suppressed ids of a lake, whichever key they were made with."""
    return ids({SUPPRESSIONS.name: records.read(lake, SUPPRESSIONS)})


def ids(found: Lists) -> set[str]:
    """Return the suppressed ids, whichever key they were made with."""
    return set(found[SUPPRESSIONS.name][PERSON].to_list())


def ids_of_key(found: Lists, id_key: str) -> list[str]:
    """Return the ids that a key has given, of all lists, sorted."""
    of_key = (rows.filter(pl.col(ID_KEY) == id_key)[PERSON] for rows in found.values())
    return sorted(set(pl.concat(of_key).to_list()))


def fingerprint(suppressed: Iterable[str]) -> str:
    """Return a fingerprint of suppressed ids, in any order; empty if there are none."""
    listed = sorted(suppressed)
    if not listed:
        return ""
    return "sha256:" + hashlib.sha256("\n".join(listed).encode()).hexdigest()


def waiting(found: Lists, id_key: str, today: date) -> dict[str, int]:
    """Return how many entries of each list have an id of an earlier key only, if any does."""
    counts = {
        table.name: rekeying.waiting(found[table.name], table, id_key, today)
        for table in rekeying.LISTS
    }
    return {name: count for name, count in counts.items() if count}


def rekey(lake: Lake, found: Lists, moved: pl.DataFrame, previous: str, id_key: str) -> Lists:
    """Write the entries of people whose new id is known under the new key, too.

    Parameters
    ----------
    lake : Lake
    found : mapping
        From :func:`lists`.
    moved : DataFrame
        Both ids of people; see :func:`client_health.clean.rekeying.again`.
    previous, id_key : str
        Versions of the earlier and of the new key.

    Returns
    -------
    mapping
        The lists with what was written. If they are written again, nothing is added.
    """
    after = dict(found)
    for table in rekeying.LISTS:
        added = rekeying.again(found[table.name], table, moved, previous, id_key)
        if added.height:
            records.append(lake, table, added)
            after[table.name] = pl.concat([found[table.name], added])
    return after
