"""Checks which uploads are a complete delivery: one object of each source, each version new."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from reconciler.uploads import FORMATS, Json
from register_contract import runs


def gaps(uploads: Sequence[Json], used: Collection[str]) -> list[str]:
    """Return what a group lacks to be a new delivery; empty if it is one.

    Parameters
    ----------
    uploads
        Uploads in one folder.
    used
        All versions in the folder's claims.
    """
    found = []
    for source in FORMATS:
        here = [upload["version_id"] for upload in uploads if upload["source"] == source]
        if len(here) != 1:
            found.append(f"{source}: {len(here)} objects")
        elif here[0] in used:
            found.append(f"{source}: not new")
    return found


def rewritten(uploads: Iterable[Json], notes: Mapping[str, datetime]) -> list[str]:
    """Return the versions that an erasure uploaded again without a person: they are not new.

    Parameters
    ----------
    uploads
        Uploads in one folder.
    notes
        When an erasure noted each rewritten upload, by its ``runs.rewritten_name``.
    """
    found = []
    for upload in uploads:
        noted = notes.get(runs.rewritten_name(upload["key"], upload["size"]))
        modified = datetime.fromisoformat(upload["modified"])
        if noted and abs(modified - noted) <= runs.REWRITTEN_WITHIN:
            found.append(upload["version_id"])
    return found


def delivery_id(uploads: Iterable[Json]) -> str:
    """Return the id of the delivery that consists of a group's uploads."""
    return runs.name_delivery(
        runs.object_line(one["source"], one["version_id"], one["size"], one["key"])
        for one in uploads
    )
