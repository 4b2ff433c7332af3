"""What a run reports while it runs. A subclass overrides the methods that it needs."""

import logging

from register_contract.receipts import Receipt
from register_run.delivery import Delivery
from strict_glue import Usage

log = logging.getLogger(__name__)


class Listener:
    """Receiver of a run's reports; the base class ignores them.

    `progress` is called from a separate thread, everything else from the run's thread.
    """

    def run_started(self, run_id: str, delivery: Delivery) -> None:
        """Note that a run has started, and its name."""

    def delivery_kept(self, delivery: Delivery) -> None:
        """Note that the lake has copies of the delivery's objects, at its sources' locations."""

    def stage_started(self, stage: str, cells: int) -> None:
        """Note that a notebook of ``cells`` cells starts."""

    def cell_started(self, stage: str, index: int, total: int) -> None:
        """Note that cell ``index`` of ``total``, counted from 1, starts."""

    def progress(self, stage: str, fraction: float) -> None:
        """Note how much of the running statement's Spark work is done, from 0 to 1."""

    def stage_skipped(self, stage: str, receipt: Receipt) -> None:
        """Note that an earlier start finished a stage, and that its receipt is still true."""

    def stage_finished(self, stage: str, receipt: Receipt, seconds: float) -> None:
        """Note that a stage is done and its receipt is accepted."""

    def session_used(self, used: Usage) -> None:
        """Note what the run's session used; it has ended, or is about to."""

    def warned(self, text: str) -> None:
        """Note something about the run that people should look at, although the run goes on."""

    def note(self, text: str) -> None:
        """Note something worth a line."""


class LogListener(Listener):
    """Listener that writes each report to the log, in one line."""

    def run_started(self, run_id: str, delivery: Delivery) -> None:
        """Log the names of run and delivery."""
        log.info(
            "run %s: delivery %s, %d object(s)", run_id, delivery.delivery_id, len(delivery.objects)
        )

    def delivery_kept(self, delivery: Delivery) -> None:
        """Log the locations of the copies."""
        for source, place in delivery.sources.items():
            log.info("delivery %s: %s kept as %s", delivery.delivery_id, source, place)

    def stage_started(self, stage: str, cells: int) -> None:
        """Log the start of a stage."""
        log.info("%s: %d cells", stage, cells)

    def stage_skipped(self, stage: str, receipt: Receipt) -> None:
        """Log that an earlier start finished a stage."""
        log.info("%s: done by an earlier start, receipt verified", stage)

    def stage_finished(self, stage: str, receipt: Receipt, seconds: float) -> None:
        """Log how many rows a stage handed over, and how long it took."""
        log.info("%s: %d rows in %.1f s", stage, receipt["handover"]["rows"], seconds)

    def session_used(self, used: Usage) -> None:
        """Log what the session used."""
        kind = "reported by the service" if used.reported else "its capacity times its age"
        log.info("session %s: %.1f DPU-seconds, %s", used.session_id, used.dpu_seconds, kind)

    def warned(self, text: str) -> None:
        """Log a warning."""
        log.warning(text)

    def note(self, text: str) -> None:
        """Log a note."""
        log.info(text)
