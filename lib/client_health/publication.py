"""Publishing a run: the register with ids and masks, audited on its branch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pyspark.sql import DataFrame

from client_health import contract, identity, quality
from client_health.accounting import SourceRows, StageRows
from client_health.contract import Gate
from client_health.errors import QualityGateError, SettingsError
from client_health.lake import Snapshot
from client_health.quality import Expectations, QualityReport
from client_health.register import mask
from client_health.sources import SOURCE
from client_health.stage import INGEST, Stage
from register_contract import publications


def expectations(
    stage: Stage, accept_volume_change: bool | str = False, accept_older: bool | str = False
) -> Expectations:
    """Return what this run's rows are held against: earlier receipts and the last publication.

    Parameters
    ----------
    stage : Stage
    accept_volume_change, accept_older : bool or str
        The notebook's parameters; empty means "from the session's configuration".
    """
    stage.lake.make_tables()
    before = stage.receipt_before()
    last = stage.lake.complete_log().last
    return Expectations(
        stages=[stage.receipt_before(INGEST).rows, before.rows],
        published_rows=last.rows if last else None,
        accept_volume_change=_accepted(stage, "accept_volume_change", accept_volume_change),
        day=before.as_of.isoformat(),
        published_day=last.day if last else "",
        accept_older=_accepted(stage, "accept_older", accept_older),
    )


def _accepted(stage: Stage, name: str, given: bool | str) -> bool:
    return stage.setting(name, str(given or ""), "false").lower() == "true"


def publish(
    stage: Stage,
    register: DataFrame,
    report: QualityReport,
    id_key: str = "",
    accept_older: bool | str = False,
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
    accept_older : bool or str
        As for :func:`expectations`; looked at again, since others may have published meanwhile.

    Returns
    -------
    dict
        The receipt.

    Raises
    ------
    QualityGateError
        When the branch does not show what was written, or a later day's delivery was published.
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
    last = stage.lake.history().last
    if last and last.key_check not in ("", check):
        raise SettingsError(
            "The table was published with another id key: with this one every id would change. "
            "Give the key of the last publication, or start a new lake."
        )
    described = stage.receipt(
        rows, delivery_id=before.delivery_id, as_of=before.as_of, shares=report.shares
    )
    record = {
        publications.RUN_ID: stage.run_id,
        publications.DELIVERY_ID: before.delivery_id,
        publications.RECEIPT: json.dumps(described, separators=(",", ":"), ensure_ascii=False),
        publications.KEY_CHECK: check,
    }
    may_be_older = _accepted(stage, "accept_older", accept_older)

    def audit(branch: DataFrame, written: Snapshot) -> None:
        failures = quality.audit_failures(branch, report.rows)
        if written.rows != report.rows:
            failures.append(f"{report.rows:,} rows to write, {written.rows:,} in the snapshot")
        if failures:
            raise QualityGateError([(Gate.AUDITORIA_DIVERGENTE, ", ".join(failures))])
        newest = stage.lake.history().last
        published_day = newest.day if newest else ""
        older = quality.older_failures(before.as_of.isoformat(), published_day, may_be_older)
        if older:
            raise QualityGateError(older)

    published = mask(identity.add_ids(register.drop(SOURCE), key))
    snapshot = stage.lake.publish(published, stage.run_id, record, audit)
    stage.lake.complete_log()
    handover: Mapping[str, Any] = {
        "table": contract.TABLE,
        "snapshot_id": snapshot.snapshot_id,
        "rows": snapshot.rows,
    }
    return stage.finish(
        rows, handover, delivery_id=before.delivery_id, as_of=before.as_of, shares=report.shares
    )
