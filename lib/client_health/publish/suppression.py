"""The list of erased people's ids, whose rows no run publishes again.

The list is not part of a run's name. The receipt of ``02_transform`` has its fingerprint instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from client_health.publish import records
from client_health.publish.lake import Lake
from register_contract.tables import PERSON, SUPPRESSIONS


def ids(lake: Lake) -> set[str]:
    """Return the suppressed ids of a lake."""
    return set(records.read(lake, SUPPRESSIONS)[PERSON].to_list())


def fingerprint(suppressed: Iterable[str]) -> str:
    """Return a fingerprint of suppressed ids, in any order; empty if there are none."""
    listed = sorted(suppressed)
    if not listed:
        return ""
    return "sha256:" + hashlib.sha256("\n".join(listed).encode()).hexdigest()
