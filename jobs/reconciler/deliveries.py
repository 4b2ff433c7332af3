"""Checks which uploads are a complete delivery: one object of each source, each version new."""

from collections.abc import Collection, Iterable, Sequence

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


def delivery_id(uploads: Iterable[Json]) -> str:
    """Return the id of the delivery that consists of a group's uploads."""
    return runs.name_delivery(
        runs.object_line(one["source"], one["version_id"], one["size"], one["key"])
        for one in uploads
    )
