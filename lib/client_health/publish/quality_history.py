"""The memory of the checks: the result of every rule, and what the columns contained, by run.

Both tables are written once a run: before it is published, or when a gate stops it. A run that is
repeated replaces its rows. Only what was published counts as usual.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from client_health import storage
from client_health.errors import QualityGateError
from client_health.gate import rule_results
from client_health.gate.drift import Columns
from client_health.gate.rule_results import Result
from client_health.publish import records
from client_health.stages import Stage
from register_contract import contract, refusals, runs, tables
from register_contract.contract import Criticality
from register_contract.publications import History
from register_contract.receipts import Profile
from register_contract.tables import COLUMN_PROFILES, QUALITY_RESULTS

logger = logging.getLogger(__name__)
_CATEGORIES = (contract.PARTITION_COLUMN, "sexo", "estado")
_REGISTRATION = "data_cadastro"


@contextmanager
def stops(stage: Stage, delivery_id: str = "", day: str = "") -> Iterator[None]:
    """Record it if a gate stops the run in this block.

    Parameters
    ----------
    stage : Stage
    delivery_id, day : str
        As far as known; the day is an ISO date.

    Raises
    ------
    QualityGateError
        The gate's own error, whether it could be recorded or not.
    """
    try:
        yield
    except QualityGateError as error:
        found = error.results or rule_results.of_failures(error.failures)
        try:
            keep_results(stage, found, delivery_id, day)
        except Exception:
            # Whatever it is, the gate's error must reach the runner.
            logger.warning("the table %s could not be written", QUALITY_RESULTS.name)
        raise


def keep_results(stage: Stage, found: Sequence[Result], delivery_id: str, day: str) -> None:
    """Write the results of a run's rules, in place of those that it has written before.

    Parameters
    ----------
    stage : Stage
        The stage that checked the gates; row rules are checked by ``02_transform``.
    found : sequence of Result
    delivery_id, day : str
    """
    _collect(stage)
    fingerprint = stage.rules.fingerprint()
    rows = [
        {
            "stage": stage.name if one.source is None else runs.TRANSFORM,
            "source": one.source,
            "rule": str(one.rule),
            "criticality": one.criticality.value,
            "rows_checked": one.checked,
            "rows_failed": one.failed,
            "share": one.share,
            "limit": one.limit,
            "passed": one.passed,
            "finding": one.finding or None,
            "rules": fingerprint,
        }
        for one in found
    ]
    _replace(stage, QUALITY_RESULTS, _own(stage, delivery_id, day), rows)


def _collect(stage: Stage) -> None:
    """Write what the runner noted about runs that never had a session, and remove the notes."""
    for file in storage.files(stage.lake.path(refusals.FOLDER)):
        try:
            note = refusals.Refusal.parse(storage.read_bytes(file.uri))
        except ValueError:
            logger.warning("%s is no note about a run: remove it", file.relative)
            continue
        # This run was allowed meanwhile, and writes its own results.
        if note.run_id != stage.run_id:
            row = {
                "stage": runs.INGEST,
                "rule": note.rule,
                "criticality": Criticality.GATE.value,
                "passed": False,
                "finding": note.finding,
                "rules": note.rules,
            }
            recorded = datetime.fromisoformat(note.recorded_at)
            run = _run(note.run_id, note.delivery_id, note.day, recorded)
            _replace(stage, QUALITY_RESULTS, run, [row])
        storage.delete(file.uri)


def keep_profile(
    stage: Stage,
    profile: Profile,
    shares: Mapping[str, int],
    *,
    delivery_id: str,
    day: str,
) -> None:
    """Write what a run's columns contain, in place of what it has written before.

    Parameters
    ----------
    stage : Stage
    profile : Profile
        From ``02_transform``.
    shares : mapping of str to int
        Rows by health plan.
    delivery_id, day : str
    """
    total = sum(shares.values())
    categories = {contract.PARTITION_COLUMN: shares, **profile["categories"]}

    def part(column: str, category: str, count: int) -> dict[str, Any]:
        share = count / total if total else 0.0
        return {"column_name": column, "category": category, "rows": count, "share": share}

    def whole(column: str, nulls: int) -> dict[str, Any]:
        extremes = profile["extremes"].get(column, [None, None])
        known = len(categories[column]) if column in categories else None
        return {
            "column_name": column,
            "rows": total,
            "share": 1.0,
            "nulls": nulls,
            "null_share": nulls / total if total else 0.0,
            "distinct_count": profile["distinct"].get(column, known),
            "minimum": extremes[0],
            "maximum": extremes[1],
        }

    rows = [whole(column, nulls) for column, nulls in profile["nulls"].items()]
    rows += [part(name, *one) for name in categories for one in categories[name].items()]
    rows += [part(_REGISTRATION, *one) for one in profile["registrations"].items()]
    _replace(stage, COLUMN_PROFILES, _own(stage, delivery_id, day), rows)


def _own(stage: Stage, delivery_id: str, day: str) -> dict[str, Any]:
    return _run(stage.run_id, delivery_id, day, datetime.now(tz=UTC).replace(tzinfo=None))


def _run(run_id: str, delivery_id: str, day: str, recorded_at: datetime) -> dict[str, Any]:
    """Return what all rows of a run have in common."""
    return {
        tables.RUN_ID: run_id,
        "delivery_id": delivery_id or None,
        "day": date.fromisoformat(day) if day else None,
        "recorded_at": recorded_at,
    }


def _replace(
    stage: Stage, table: tables.Table, run: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> None:
    frame = pl.DataFrame([{**run, **row} for row in rows], schema=records.schema(table))
    records.replace(stage.lake, table, run[tables.RUN_ID], frame)


def usual(stage: Stage, history: History) -> list[Columns]:
    """Return what the columns of the last published runs contained, oldest first.

    The run itself is not among them, even if it was published before. Without enough published
    runs, the list is empty.

    Parameters
    ----------
    stage : Stage
    history : History
        What is published.
    """
    limits = stage.rules.limits
    published = [one for one in history.published if one.run_id != stage.run_id]
    run_ids = list(dict.fromkeys(one.run_id for one in reversed(published)))[: limits.drift_runs]
    if len(run_ids) < limits.drift_least_runs:
        return []
    found = records.read(stage.lake, COLUMN_PROFILES, run_ids)
    by_run = found.partition_by(tables.RUN_ID, as_dict=True)
    return [_columns(by_run[one,]) for one in reversed(run_ids) if (one,) in by_run]


def _columns(rows: pl.DataFrame) -> Columns:
    whole, parts = rows.filter(pl.col("category").is_null()), rows.drop_nulls("category")

    def of(column: str, value: str) -> dict[str, Any]:
        one = parts.filter(pl.col("column_name") == column)
        return dict(one.select("category", value).iter_rows())

    return Columns(
        day=str(rows["day"][0]),
        rows=int(whole["rows"][0]),
        categories={column: of(column, "share") for column in _CATEGORIES},
        nulls=dict(whole.select("column_name", "null_share").iter_rows()),
        registrations=of(_REGISTRATION, "rows"),
    )
