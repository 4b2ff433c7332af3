"""Publishes a run: compares the audit branch with all counts, then moves ``main``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import polars as pl
import pyarrow.parquet as pq
from pyspark.sql import DataFrame

from client_health import storage
from client_health.errors import HandoverError, MainMovedError, QualityGateError
from client_health.gate import quality
from client_health.gate.accounting import SourceRows, StageRows
from client_health.gate.quality import Expectations, QualityReport
from client_health.publish import quality_history, suppression
from client_health.publish.data_files import DataFile
from client_health.publish.lake import shares_of
from client_health.stages import Receipt as Before
from client_health.stages import Stage
from register_contract.publications import BranchState, branch_state
from register_contract.receipts import Handover, Receipt
from register_contract.runs import INGEST

# Rows of each file that a sample is taken from.
_SAMPLED = 10_000
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Branch:
    """The audit branch that ``02_transform`` handed over, with the rows to publish.

    Parameters
    ----------
    stage : Stage
    name : str
    snapshot_id : str
        The branch's head.
    is_published : bool
        Whether ``main`` already has it, because an earlier attempt died after its commit.
    """

    stage: Stage
    name: str
    snapshot_id: str
    is_published: bool = False

    @cached_property
    def before(self) -> Before:
        """The receipt of ``02_transform``."""
        return self.stage.receipt_before()

    @property
    def rows(self) -> DataFrame:
        """The rows, as readers would see them."""
        return self.stage.lake.at(self.snapshot_id)

    @cached_property
    def files(self) -> list[DataFile]:
        """The data files with the rows."""
        return self.stage.lake.files(self.snapshot_id)

    @property
    def shares(self) -> dict[str, int]:
        """Rows by health plan, largest first."""
        return shares_of(self.files)

    def sample(self, rows: int = 2) -> pl.DataFrame:
        """Return some rows of the smallest health plan, from the beginning of its files.

        Parameters
        ----------
        rows : int
            How many; fewer if the plan has fewer.
        """
        smallest = list(self.shares)[-1]
        parts = []
        for file in self.files:
            if file.partition == smallest:
                with storage.opened(file.uri) as content:
                    # The only plan of a register may have all its rows.
                    first = next(pq.ParquetFile(content).iter_batches(_SAMPLED))
                parts.append(pl.DataFrame(pl.from_arrow(first)).sort("id").head(rows))
        return pl.concat(parts).sort("id").head(rows)

    def checked(
        self,
        check: Callable[..., _Found],
        *held_against: Any,  # noqa: ANN401 - each check has its own
    ) -> _Found:
        """Run a check of the rows; if a gate stops the run, remove the branch.

        Parameters
        ----------
        check : callable
            Takes the rows and the further arguments.
        held_against
            Its further arguments.

        Raises
        ------
        QualityGateError
            From the check. Rows that must not be published are not kept.
        """
        try:
            with quality_history.stops(
                self.stage, self.before.delivery_id, self.before.as_of.isoformat()
            ):
                return check(self.rows, *held_against)
        except QualityGateError:
            self.drop()
            raise

    def drop(self) -> None:
        """Remove the branch, unless it is already published."""
        if not self.is_published:
            self.stage.lake.drop_branch(self.name)


def branch(stage: Stage) -> Branch:
    """Return the branch that this run's ``02_transform`` handed over, complete and unchanged.

    Parameters
    ----------
    stage : Stage

    Raises
    ------
    HandoverError
        If the branch does not exist, or has changed.
    MainMovedError
        If others have published since it was written.
    """
    handover = stage.receipt_before().handover
    stage.lake.make_tables()
    name, snapshot_id = handover["branch"], handover["snapshot_id"]
    state = branch_state(stage.lake.metadata(), name, snapshot_id)
    if state is BranchState.GONE:
        raise HandoverError(
            f"The branch {name} of {stage.lake.published} is not the one that 02_transform handed "
            "over. Run 02_transform again."
        )
    if state is BranchState.OVERTAKEN:
        stage.lake.drop_branch(name)
        raise MainMovedError.since_written(stage.lake.published)
    return Branch(stage, name, snapshot_id, is_published=state is BranchState.PUBLISHED)


def expectations(
    stage: Stage,
    accept_volume_change: bool | str = False,
    accept_older: bool | str = False,
    accept_drift: bool | str = False,
) -> Expectations:
    """Return what this run's rows are compared with: earlier receipts and the last publication.

    Parameters
    ----------
    stage : Stage
    accept_volume_change, accept_older, accept_drift : bool or str
        The notebook's parameters; empty means "from the session's configuration".
    """
    before = stage.receipt_before()
    history = stage.lake.complete_log()
    last = history.last
    return Expectations(
        stages=[stage.receipt_before(INGEST).rows, before.rows],
        published_rows=last.rows_seen if last else None,
        accept_volume_change=_accepted(stage, "accept_volume_change", accept_volume_change),
        day=before.as_of.isoformat(),
        published_day=last.day if last else "",
        accept_older=_accepted(stage, "accept_older", accept_older),
        profile=before.content.get("profile"),
        usual=quality_history.usual(stage, history),
        accept_drift=_accepted(stage, "accept_drift", accept_drift),
        limits=stage.rules.limits,
        rules=stage.rules,
    )


def _accepted(stage: Stage, name: str, given: bool | str) -> bool:
    return stage.setting(name, str(given or ""), "false").lower() == "true"


def publish(
    stage: Stage, audited: Branch, report: QualityReport, accept_older: bool | str = False
) -> Receipt:
    """Publish an audited branch, and write the receipt.

    Parameters
    ----------
    stage : Stage
    audited : Branch
    report : QualityReport
        The results of the checks.
    accept_older : bool or str
        As for :func:`expectations`; checked again, since others may have published meanwhile.

    Returns
    -------
    dict
        The receipt.

    Raises
    ------
    QualityGateError
        If a later day's delivery was published meanwhile.
    MainMovedError
        If another delivery was, or people were erased meanwhile.
    """
    before = audited.before
    if not audited.is_published:
        newest = stage.lake.history().last
        older = quality.older_failures(
            before.as_of.isoformat(),
            newest.day if newest else "",
            _accepted(stage, "accept_older", accept_older),
        )
        if older:
            audited.drop()
            with quality_history.stops(stage, before.delivery_id, before.as_of.isoformat()):
                raise QualityGateError(older)
    _remember(stage, before, report)
    if not audited.is_published:
        # Last: an erasure that begins now finds the rows on `main`.
        left_out = suppression.fingerprint(suppression.listed(stage.lake))
        if left_out != before.content.get("suppressions", ""):
            audited.drop()
            raise MainMovedError.by_an_erasure(stage.lake.published)
        stage.lake.publish(audited.name)
    stage.lake.drop_branch(audited.name)
    stage.lake.complete_log()
    stage.lake.show_id_key()
    handover: Handover = {
        "table": stage.lake.published,
        "snapshot_id": audited.snapshot_id,
        "rows": report.rows,
    }
    kept = {name: rows.rows_out for name, rows in before.rows.sources.items()}
    rows = StageRows(
        {name: SourceRows(count, count) for name, count in kept.items()},
        before.rows.rejections,
        before.rows.warnings,
        resubmissions=before.rows.resubmissions,
    )
    return stage.finish(
        rows,
        handover,
        delivery_id=before.delivery_id,
        as_of=before.as_of,
        shares=report.shares,
        drift={one.rule: one.detail for one in report.drift.warnings},
    )


def _remember(stage: Stage, before: Before, report: QualityReport) -> None:
    """Write the run's results and profile: before the publication, which ends all doubt."""
    of_run = {"delivery_id": before.delivery_id, "day": before.as_of.isoformat()}
    quality_history.keep_results(stage, report.results, **of_run)
    profile = before.content.get("profile")
    if profile is not None:
        quality_history.keep_profile(stage, profile, report.shares, **of_run)
