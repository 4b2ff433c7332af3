"""A stage's receipt, which the session writes and the runner, the command, and the table use.

``receipt.schema.json``, next to this module, defines the allowed values; the types in this module
define the fields for the code that writes and reads them. A test compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

#: Version of the receipt's format.
VERSION = 1
#: Counts of each source's rows: those read, corrected ones that came back, and what happened.
COUNTS = ("in", "resubmitted", "rejected", "duplicates", "suppressed", "out")

Counts = TypedDict(
    "Counts",
    {
        "in": int,
        "resubmitted": int,
        "rejected": int,
        "duplicates": int,
        "suppressed": int,
        "out": int,
    },
)


class Input(TypedDict):
    """One file that a stage has read: its name without folders, and its size in bytes."""

    source: str
    name: str
    size: int
    version: str


class _Place(TypedDict, total=False):
    path: str
    fingerprint: str
    table: str
    branch: str
    snapshot_id: str


class Handover(_Place):
    """The next stage's input: files, the head of an audit branch, or a published snapshot."""

    rows: int


class Profile(TypedDict):
    """What the columns contain: missing values, categories, registrations by day, and so on."""

    nulls: dict[str, int]
    categories: dict[str, dict[str, int]]
    registrations: dict[str, int]
    extremes: dict[str, list[str]]
    distinct: dict[str, int]


class _Found(TypedDict, total=False):
    badly_formed_cpfs: int
    shares: dict[str, int]
    findings: dict[str, dict[str, int]]
    profile: Profile
    drift: dict[str, str]
    suppressions: str
    resubmissions: list[str]
    id_key: str
    earlier_ids: dict[str, int]


class Record(_Found):
    """A receipt without its handover: a run's record in the table."""

    receipt: int
    stage: str
    run_id: str
    delivery_id: str
    attempt: str
    as_of: str
    library_version: str
    rules: str
    started_at: str
    duration_seconds: float
    inputs: list[Input]
    rows: dict[str, Counts]
    rejections: dict[str, int]
    warnings: dict[str, int]


class Receipt(Record):
    """A stage's complete receipt."""

    handover: Handover


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a receipt."""
    from importlib import resources  # noqa: PLC0415 - the Lambda function needs no schema

    text = resources.files(__package__ or "").joinpath("receipt.schema.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def notices(receipt: Mapping[str, Any]) -> list[str]:
    """Return what people should look at, although the stage is done: a line each."""
    found = [f"{rule}: {finding}" for rule, finding in receipt.get("drift", {}).items()]
    found += [
        f"{table}: entries with an id of an earlier key only: {count:,}; these people are not"
        " recognized: give that key as --previous-id-key (job: --PREVIOUS_ID_KEY) until a delivery"
        " has shown them"
        for table, count in receipt.get("earlier_ids", {}).items()
    ]
    return found


def missing(counts: Counts) -> int:
    """Return the rows of a source that are unaccounted for; zero if all is well."""
    gone = counts["rejected"] + counts["duplicates"] + counts["suppressed"]
    return taken(counts) - counts["out"] - gone


def taken(counts: Counts) -> int:
    """Return all rows of a source that a stage took in: delivered or handed over, and corrected."""
    # Records of earlier versions don't have this count.
    return counts["in"] + counts.get("resubmitted", 0)


def total(receipt: Mapping[str, Any], count: str) -> int:
    """Return the sum of one of ``COUNTS`` over all sources of a receipt or record."""
    rows: Iterable[Mapping[str, int]] = receipt["rows"].values()
    return sum(int(counts.get(count, 0)) for counts in rows)
