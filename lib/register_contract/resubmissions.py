"""Batches of corrected rows, which stewards hand in for the next publication.

A batch is one file in the lake, named by its content. It waits until a publication's record names
it, and again if that publication is withdrawn; nothing else says what became of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from register_contract.publications import History, Publication
from register_contract.tables import RESTRICTED

#: The lake's folder of all batches.
FOLDER = f"{RESTRICTED}/resubmissions"
_NAME = re.compile(r"\A(b[0-9a-f]{16})\.parquet\Z")


def path_of(batch_id: str) -> str:
    """Return the path of a batch in the lake."""
    return f"{FOLDER}/{batch_id}.parquet"


def name_batch(rows: Iterable[str]) -> str:
    """Return a batch's name, made from its rows in any order: ``b`` and 16 hexadecimal digits.

    Parameters
    ----------
    rows : iterable of str
        One line for each row, with everything in it.
    """
    digest = hashlib.sha256()
    for row in sorted(rows):
        digest.update(row.encode() + b"\n")
    return "b" + digest.hexdigest()[:16]


def among(names: Iterable[str]) -> tuple[str, ...]:
    """Return the batches among the names of files in their folder, sorted."""
    return tuple(sorted(found[1] for name in names if (found := _NAME.match(name))))


def named_by(publication: Publication | None) -> tuple[str, ...]:
    """Return the batches that a publication has taken in."""
    return tuple(publication.receipt.get("resubmissions", ())) if publication else ()


def published(history: History) -> dict[str, Publication]:
    """Return the publication of each batch that is published."""
    return {batch: one for one in history.published for batch in named_by(one)}


def of_run(delivery_id: str, found: Iterable[str], history: History) -> tuple[str, ...]:
    """Return the batches that a run of a delivery takes in, sorted.

    They are those that wait, and those that the delivery's last publication has taken in: so a
    second start finds itself published. A delivery that a later one has replaced takes in no more.

    Parameters
    ----------
    delivery_id : str
    found : iterable of str
        All batches in the lake.
    history : History
    """
    last = history.of_delivery(delivery_id)
    own = set(named_by(last))
    if last is None or last == history.last:
        own |= set(found) - set(published(history))
    return tuple(sorted(own))
