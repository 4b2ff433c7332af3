"""Progress of a run: a display on a terminal, plain lines everywhere else."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from register_contract.receipts import Receipt, total
from register_run import Delivery, Listener


class PlainListener(Listener):
    """Listener that prints a line when a stage starts and when it ends.

    Parameters
    ----------
    console
        The console to print to.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def run_started(self, run_id: str, delivery: Delivery) -> None:
        """Print the names of the run and the delivery."""
        size = sum(item.size for item in delivery.objects)
        self._line(
            f"run {run_id} of delivery {delivery.delivery_id}"
            f" ({len(delivery.objects)} files, {size:,} B)"
        )

    def stage_started(self, stage: str, cells: int) -> None:
        """Print that a stage starts."""
        self._line(f"{stage}: started, {cells} cells")

    def stage_skipped(self, stage: str, receipt: Receipt) -> None:
        """Print that an earlier start finished a stage."""
        self._line(f"{stage}: done by an earlier start, {total(receipt, 'out'):,} rows")

    def stage_finished(self, stage: str, receipt: Receipt, seconds: float) -> None:
        """Print that a stage has finished."""
        self._line(f"{stage}: done in {seconds:.1f} s, {total(receipt, 'out'):,} rows")

    def warned(self, text: str) -> None:
        """Print a warning."""
        self._line(f"warning: {text}")

    def note(self, text: str) -> None:
        """Print a note."""
        self._line(text)

    def _line(self, text: str) -> None:
        # Paths and messages are not markup, and must not be wrapped at the console's width.
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class LiveListener(PlainListener):
    """Listener that shows a bar per stage: cells done, and Spark's progress in the current one.

    Parameters
    ----------
    progress
        The started display.
    """

    def __init__(self, progress: Progress) -> None:
        super().__init__(progress.console)
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._cell = 0
        self._cells = 1
        # Spark's progress is reported from a separate thread.
        self._lock = threading.Lock()

    def run_started(self, run_id: str, delivery: Delivery) -> None:
        """Show that the session is starting, which is the longest step at first."""
        super().run_started(run_id, delivery)
        self._tasks["session"] = self._progress.add_task("session", total=None, doing="starting")

    def stage_started(self, stage: str, cells: int) -> None:
        """Add the stage's bar."""
        self._end_session()
        with self._lock:
            self._cell, self._cells = 0, max(cells, 1)
            self._tasks[stage] = self._progress.add_task(stage, total=1.0, doing="kernel")

    def cell_started(self, stage: str, index: int, total: int) -> None:
        """Move the bar to the cell."""
        with self._lock:
            self._cell, self._cells = index - 1, max(total, 1)
            self._progress.update(
                self._tasks[stage],
                completed=self._cell / self._cells,
                doing=f"cell {index} of {total}",
            )

    def progress(self, stage: str, fraction: float) -> None:
        """Move the bar within the cell."""
        with self._lock:
            if stage in self._tasks:
                done = (self._cell + min(max(fraction, 0.0), 1.0)) / self._cells
                self._progress.update(
                    self._tasks[stage],
                    completed=done,
                    doing=f"cell {self._cell + 1} of {self._cells}, Spark {fraction:.0%}",
                )

    def stage_finished(self, stage: str, receipt: Receipt, seconds: float) -> None:
        """Fill the bar."""
        with self._lock:
            self._progress.update(
                self._tasks[stage], completed=1.0, doing=f"{total(receipt, 'out'):,} rows"
            )

    def _end_session(self) -> None:
        task = self._tasks.pop("session", None)
        if task is not None:
            self._progress.update(task, visible=False)
            self._progress.stop_task(task)


@contextlib.contextmanager
def listening(console: Console) -> Iterator[Listener]:
    """Yield the right listener for the console.

    Parameters
    ----------
    console
        Console for progress, usually standard error, so that results can be piped.
    """
    if not console.is_terminal:
        yield PlainListener(console)
        return
    columns = (
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TextColumn("{task.fields[doing]}", style="dim"),
    )
    with Progress(*columns, console=console) as progress:
        yield LiveListener(progress)
