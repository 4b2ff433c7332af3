"""One stage of one run: what it reads, what it hands over, and its receipt.

``01_ingest`` hands over files in ``staging/<run_id>/``, and ``02_transform`` an audit branch of the
table, so each can run alone. As its last step, a stage writes a receipt to ``runs/<run_id>/``;
without one, it counts as not done.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from pyspark.sql import SparkSession

import client_health
from client_health import storage
from client_health.errors import HandoverError, SettingsError
from client_health.gate.accounting import SourceRows, StageRows
from client_health.held_rules import held_rules
from client_health.publish.lake import Lake
from client_health.spark_session import setting, spark_session
from register_contract import manifest, receipts, runs
from register_contract.manifest import Line
from register_contract.rule_set import RuleSet
from register_contract.runs import INGEST, QUALITY, TRANSFORM

INGESTED, REJECTED = "ingested", "rejected"
_BEFORE = {TRANSFORM: INGEST, QUALITY: TRANSFORM}


@dataclass(frozen=True)
class Receipt:
    """A receipt as written; see :mod:`register_contract.receipts`."""

    content: receipts.Receipt

    @property
    def delivery_id(self) -> str:
        """Id of the delivery."""
        return self.content["delivery_id"]

    @property
    def as_of(self) -> date:
        """Day of the delivery: later dates are in the future."""
        return date.fromisoformat(self.content["as_of"])

    @property
    def rows(self) -> StageRows:
        """The stage's counts."""
        return StageRows(
            {name: SourceRows.from_receipt(rows) for name, rows in self.content["rows"].items()},
            self.content["rejections"],
            self.content["warnings"],
            self.content.get("badly_formed_cpfs", 0),
            self.content.get("findings", {}),
            resubmissions=self.content.get("resubmissions", ()),
        )

    @property
    def handover(self) -> receipts.Handover:
        """What the stage hands over: files, or a snapshot on a branch."""
        return self.content["handover"]


@dataclass(frozen=True)
class Stage:
    """A stage that has begun.

    Parameters
    ----------
    name : str
        ``01_ingest``, ``02_transform``, or ``03_quality``.
    lake : Lake
    run_id : str
    attempt : str
        Set by the runner for each start; empty if the notebook is run by hand.
    started : datetime
    rules : RuleSet
        The rules and limits that hold in this run.
    """

    name: str
    lake: Lake
    run_id: str
    attempt: str
    started: datetime
    rules: RuleSet = field(default_factory=RuleSet)
    _clock: float = field(default_factory=time.monotonic, repr=False)

    @property
    def spark(self) -> SparkSession:
        """The Spark session, with the lake's catalog."""
        return self.lake.spark

    def setting(self, name: str, given: str, default: str | None = None) -> str:
        """Return a notebook parameter; see :func:`client_health.spark_session.setting`."""
        return setting(self.spark, name, given, default)

    def receipt_before(self, name: str = "") -> Receipt:
        """Return the receipt of the previous stage, or of a named one.

        Raises
        ------
        HandoverError
            If that stage has not finished, or other rules held in it.
        """
        wanted = name or _BEFORE[self.name]
        text = storage.read_text(self._receipt_uri(wanted))
        if text is None:
            raise HandoverError(
                f"Stage {wanted} of run {self.run_id} has no receipt. Run its notebook first."
            )
        found = Receipt(json.loads(text))
        if found.content["rules"] != self.rules.fingerprint():
            raise HandoverError(
                f"Other rules held in stage {wanted} of run {self.run_id}. Run its notebook again."
            )
        return found

    def folder(self, name: str) -> str:
        """Return the URI of a folder of this run's files."""
        return self.lake.path(self._staging(name))

    def files(self) -> list[Line]:
        """Return the files that this run's ``01_ingest`` handed over, complete and unchanged.

        Raises
        ------
        HandoverError
            If the files are not the ones in the receipt.
        """
        handover = self.receipt_before(INGEST).handover
        folder = self.lake.path(handover["path"])
        text = storage.read_text(storage.join(folder, manifest.NAME)) or ""
        there = {file.relative: file.size for file in storage.files(folder)}
        try:
            lines = manifest.parse(text)
            found = manifest.fingerprint_of(text, there)
        except ValueError:
            lines, found = [], ""
        if handover["path"] != self._staging(INGESTED) or found != handover["fingerprint"]:
            raise HandoverError(
                f"The files in {handover['path']} are not the ones that stage {INGEST} handed over."
                " Run that stage again."
            )
        return lines

    def hand_over(self, lines: Sequence[Line]) -> receipts.Handover:
        """Hand files over by naming them in a manifest.

        Parameters
        ----------
        lines : sequence of Line
            The files of this run's folder ``ingested``, each once.

        Returns
        -------
        dict
            The receipt's ``handover``.
        """
        text = manifest.dump(lines)
        name = storage.join(self.folder(INGESTED), manifest.NAME)
        storage.write_text(name, text, private=True)
        return {
            "path": self._staging(INGESTED),
            "rows": sum(one.rows for one in lines),
            "fingerprint": manifest.fingerprint_of(text, {one.file: one.size for one in lines}),
        }

    def finish(
        self,
        rows: StageRows,
        handover: receipts.Handover,
        *,
        delivery_id: str,
        as_of: date,
        inputs: Sequence[receipts.Input] = (),
        shares: Mapping[str, int] | None = None,
        profile: receipts.Profile | None = None,
        drift: Mapping[str, str] | None = None,
    ) -> receipts.Receipt:
        """Write the receipt, as the stage's last step.

        Parameters
        ----------
        rows : StageRows
        handover : mapping
            What the next stage reads, or the published snapshot.
        delivery_id, as_of, inputs, shares, profile, drift
            Further values for the receipt.

        Returns
        -------
        dict
            The receipt.
        """
        record = self.record(
            rows, delivery_id=delivery_id, as_of=as_of, inputs=inputs, shares=shares
        )
        receipt: receipts.Receipt = {**record, "handover": handover}
        found = {
            source: {rule: count for rule, count in one.items() if count}
            for source, one in rows.findings.items()
        }
        if found:
            receipt["findings"] = found
        if rows.id_key:
            receipt["id_key"] = rows.id_key
        if rows.earlier_ids:
            receipt["earlier_ids"] = dict(rows.earlier_ids)
        if profile is not None:
            receipt["profile"] = profile
        if drift:
            receipt["drift"] = dict(drift)
        text = json.dumps(receipt, indent=2, ensure_ascii=False) + "\n"
        storage.write_text(self._receipt_uri(self.name), text)
        return receipt

    def record(
        self,
        rows: StageRows,
        *,
        delivery_id: str,
        as_of: date,
        inputs: Sequence[receipts.Input] = (),
        shares: Mapping[str, int] | None = None,
    ) -> receipts.Record:
        """Return the receipt so far, without its handover."""
        record: receipts.Record = {
            "receipt": receipts.VERSION,
            "stage": self.name,
            "run_id": self.run_id,
            "delivery_id": delivery_id,
            "attempt": self.attempt,
            "as_of": as_of.isoformat(),
            "library_version": client_health.__version__,
            "rules": self.rules.fingerprint(),
            "started_at": self.started.isoformat(timespec="seconds"),
            "duration_seconds": round(time.monotonic() - self._clock, 1),
            "inputs": list(inputs),
            "rows": {name: counts.as_receipt() for name, counts in rows.sources.items()},
            "rejections": dict(rows.rejections),
            "warnings": dict(rows.warnings),
        }
        if rows.badly_formed_cpfs:
            record["badly_formed_cpfs"] = rows.badly_formed_cpfs
        if rows.suppressions:
            record["suppressions"] = rows.suppressions
        if rows.resubmissions:
            record["resubmissions"] = list(rows.resubmissions)
        if shares is not None:
            record["shares"] = dict(shares)
        return record

    def _staging(self, name: str) -> str:
        return runs.staging_path(self.run_id, name)

    def _receipt_uri(self, stage: str) -> str:
        return self.lake.path(runs.receipt_path(self.run_id, stage))


def begin(name: str, *, run_id: str = "", lake: str = "", attempt: str = "") -> Stage:
    """Begin a stage.

    Parameters
    ----------
    name : str
        ``01_ingest``, ``02_transform``, or ``03_quality``.
    run_id, lake, attempt : str
        The notebook's parameters; empty means "from the session's configuration".

    Returns
    -------
    Stage
        With its lake opened. An older receipt of this stage is deleted, so the stage counts as not
        done until it finishes.

    Raises
    ------
    SettingsError
        If there is no such stage, or the rules file can't be used.
    """
    if name not in runs.STAGES:
        raise SettingsError(
            f"There is no stage {name!r}; expected {INGEST}, {TRANSFORM} or {QUALITY}."
        )
    started = datetime.now(tz=UTC)
    spark = spark_session()
    opened = Lake.open(spark, setting(spark, "lake", lake))
    run = setting(spark, "run_id", run_id, "manual")
    start = setting(spark, "attempt", attempt, "")
    rules = held_rules(opened.uri, run, settle=name == INGEST and not start)
    stage = Stage(name, opened, run, start, started, rules)
    storage.delete(opened.path(runs.receipt_path(stage.run_id, name)))
    return stage
