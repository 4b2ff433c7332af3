"""What a run tells while it goes on. Every method may be left as it is."""

from glue_papermill.drop import Drop
from glue_papermill.receipt import Receipt


class Listener:
    """Hears what a run does; the base class keeps silent.

    `progress` is called from a thread of its own, everything else from the run's.
    """

    def run_started(self, run_id: str, drop: Drop) -> None:
        """Hear that a run has its name."""

    def stage_started(self, stage: str, cells: int) -> None:
        """Hear that a notebook of ``cells`` cells starts."""

    def cell_started(self, stage: str, index: int, total: int) -> None:
        """Hear that cell ``index`` of ``total``, counted from 1, starts."""

    def progress(self, stage: str, fraction: float) -> None:
        """Hear how much of the running statement's Spark work is done, from 0 to 1."""

    def stage_skipped(self, stage: str, receipt: Receipt) -> None:
        """Hear that an earlier start finished a stage, and that its receipt is still true."""

    def stage_finished(self, stage: str, receipt: Receipt, seconds: float) -> None:
        """Hear that a stage is done, and its receipt accepted."""

    def note(self, text: str) -> None:
        """Hear something worth a line."""
