"""A stage's receipt: what the session writes, and the runner, the command, and the table read.

``receipt.schema.json`` beside this module says which values are allowed; the types here name the
fields for those who write and read them. A test compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

#: Version of the form.
VERSION = 1
#: How each source's rows are counted: those that came in, and where they are now.
COUNTS = ("in", "rejected", "duplicates", "suppressed", "out")

Counts = TypedDict(
    "Counts", {"in": int, "rejected": int, "duplicates": int, "suppressed": int, "out": int}
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
    """What the next stage reads: files, the head of an audit branch, or a published snapshot."""

    rows: int


class _Found(TypedDict, total=False):
    badly_formed_cpfs: int
    shares: dict[str, int]


class Record(_Found):
    """A receipt but for its handover: what the table carries of a run."""

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
    """A stage's whole receipt."""

    handover: Handover


def schema() -> dict[str, Any]:
    """Read the JSON Schema of a receipt."""
    from importlib import resources  # noqa: PLC0415 - the Lambda function needs no schema

    text = resources.files(__package__ or "").joinpath("receipt.schema.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def missing(counts: Counts) -> int:
    """Count the rows of a source that came in and are nowhere: zero when all is well."""
    gone = counts["rejected"] + counts["duplicates"] + counts["suppressed"]
    return counts["in"] - counts["out"] - gone


def total(receipt: Mapping[str, Any], count: str) -> int:
    """Sum one of ``COUNTS`` over all sources of a receipt, or of a record."""
    rows: Iterable[Mapping[str, int]] = receipt["rows"].values()
    return sum(int(counts[count]) for counts in rows)
