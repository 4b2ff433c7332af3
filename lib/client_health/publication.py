"""Publishing a run: the register with ids and masks, audited on its branch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pyspark.sql import DataFrame

from client_health import contract, identity, quality
from client_health.accounting import SourceRows, StageRows
from client_health.errors import QualityGateError, SettingsError
from client_health.lake import Snapshot
from client_health.quality import Expectations, QualityReport
from client_health.register import mask
from client_health.sources import SOURCE
from client_health.stage import INGEST, Stage

# Tells whether two publications used the same id key, without saying anything about it.
_KEY_CHECK = "pipeline.key-check"


def expectations(stage: Stage, accept_volume_change: bool | str = False) -> Expectations:
    """Return what this run's rows are held against: earlier receipts and the last publication."""
    stage.lake.make_table()
    accept = stage.setting("accept_volume_change", str(accept_volume_change or ""), "false")
    published = stage.lake.snapshot()
    return Expectations(
        stages=[stage.receipt_before(INGEST).rows, stage.receipt_before().rows],
        published_rows=published.rows if published else None,
        accept_volume_change=accept.lower() == "true",
    )


def publish(
    stage: Stage, register: DataFrame, report: QualityReport, id_key: str = ""
) -> dict[str, Any]:
    """Add ids, mask, write the audit branch, check it, publish it, and write the receipt.

    Parameters
    ----------
    stage : Stage
    register : DataFrame
        ``source`` and the register's columns, checked.
    report : QualityReport
        What was checked.
    id_key : str
        Location of the id key; see :func:`client_health.identity.load_key`.

    Returns
    -------
    dict
        The receipt.

    Raises
    ------
    QualityGateError
        When the branch does not show what was written.
    SettingsError
        When the id key is missing, or not the one of the last publication.
    """
    key = identity.load_key(stage.setting("id_key", id_key, ""))
    before = stage.receipt_before()
    rows = StageRows(
        {name: SourceRows(count, count) for name, count in report.by_source.items()},
        before.rows.rejections,
        before.rows.warnings,
    )
    check = identity.key_check(key)
    last = stage.lake.snapshot()
    if last and last.summary.get(_KEY_CHECK, check) != check:
        raise SettingsError(
            "The table was published with another id key: with this one every id would change. "
            "Give the key of the last publication, or start a new lake."
        )
    described = stage.receipt(
        rows, delivery_id=before.delivery_id, as_of=before.as_of, shares=report.shares
    )
    record = {
        contract.SNAPSHOT_RUN_ID: stage.run_id,
        contract.SNAPSHOT_DELIVERY_ID: before.delivery_id,
        contract.SNAPSHOT_RECEIPT: json.dumps(described, separators=(",", ":"), ensure_ascii=False),
        _KEY_CHECK: check,
    }

    def audit(branch: DataFrame, written: Snapshot) -> None:
        failures = quality.audit_failures(branch, report.rows)
        if written.rows != report.rows:
            failures.append(f"{report.rows:,} rows to write, {written.rows:,} in the snapshot")
        if failures:
            raise QualityGateError([("auditoria_divergente", ", ".join(failures))])

    published = mask(identity.add_ids(register.drop(SOURCE), key))
    snapshot = stage.lake.publish(published, stage.run_id, record, audit)
    handover: Mapping[str, Any] = {
        "table": contract.TABLE,
        "snapshot_id": snapshot.snapshot_id,
        "rows": snapshot.rows,
    }
    return stage.finish(
        rows, handover, delivery_id=before.delivery_id, as_of=before.as_of, shares=report.shares
    )
