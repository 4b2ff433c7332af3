"""One stage: papermill executes its notebook, and the runner checks its receipt."""

import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

import nbformat
import papermill
from botocore.exceptions import BotoCoreError, ClientError
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from register_contract import runs
from register_contract.receipts import Receipt
from register_run import publication_record, receipt, storage
from register_run.cell_errors import from_cell
from register_run.delivery import Delivery
from register_run.errors import MainMoved, ReceiptError
from register_run.listener import Listener
from register_run.receipt import Expected
from register_run.request import RunRequest, Stage
from strict_glue import (
    SESSION_VARIABLE,
    ConfigurationError,
    KernelDied,
    Kernels,
    ProgressWatch,
    Session,
    StrictGlueError,
    engine,
    failure,
    kernelspec,
    shorten,
)


@dataclass(frozen=True)
class Run:
    """A named run: its request, its delivery, its lake, and batches of corrected rows."""

    request: RunRequest
    delivery: Delivery
    run_id: str
    lake: str
    listener: Listener
    resubmissions: tuple[str, ...] = ()

    @property
    def as_of(self) -> str:
        """Day of the delivery, as an ISO date."""
        return self.request.as_of or self.delivery.as_of

    def notebook_of(self, stage: Stage) -> str:
        """Return the location of a stage's executed notebook."""
        return storage.join(self.lake, runs.notebook_path(self.run_id, stage.name))

    def expected(
        self, stage: Stage, before: Optional[Receipt], attempt: Optional[str] = None
    ) -> Expected:
        """Return what a stage's receipt must agree with."""
        return Expected(
            stage=stage.name,
            run_id=self.run_id,
            delivery_id=self.delivery.delivery_id,
            library_version=self.request.library_version,
            rules=self.request.rules,
            attempt=attempt,
            before=before,
            resubmissions=self.resubmissions,
            # Without an asked day, a run keeps the one that it started with.
            as_of=self.request.as_of or None,
        )

    def is_last(self, stage: Stage) -> bool:
        """Return whether the stage is the one that publishes."""
        return stage is self.request.stages[-1]


def read_notebook(stage: Stage) -> NotebookNode:
    """Read a stage's notebook.

    Raises
    ------
    ConfigurationError
        The file does not exist, or isn't a notebook.
    """
    body = storage.read_bytes(stage.notebook)
    try:
        if body is None:
            raise ValueError("no such file")  # noqa: TRY301 - one message for both
        return nbformat.reads(body.decode(), as_version=4)
    except ValueError as error:
        raise ConfigurationError(
            f"notebook {stage.notebook} cannot be read: {error}",
            stage=stage.name,
            next_step="check where the notebooks are",
        ) from error


def run_stage(
    run: Run, stage: Stage, session: Session, before: Optional[Receipt], kernels: Kernels
) -> Receipt:
    """Execute a stage in a session and check its receipt.

    Parameters
    ----------
    run : Run
        The run.
    stage : Stage
        One of its stages.
    session : Session
        Ready, and without earlier stages' variables.
    before : Receipt, optional
        Receipt of the previous stage.
    kernels : Kernels
        Provides the kernel; meanwhile, the next one starts.

    Raises
    ------
    StrictGlueError
        A cell failed, the session ended, or there is no complete and true receipt.
    """
    attempt = uuid.uuid4().hex
    # An earlier start's receipt must not be taken for this one's.
    storage.delete(receipt.uri_of(run.lake, run.run_id, stage.name))
    try:
        try:
            _execute(run, stage, session, attempt, kernels)
            return _accepted(run, stage, before, attempt)
        except (ClientError, BotoCoreError) as error:
            # The stage may have committed before its notebook could not be saved, for example.
            raise failure("lake or catalog", error) from error
    except StrictGlueError as error:
        error.at(stage=stage.name, notebook=run.notebook_of(stage))
        if isinstance(error, MainMoved):
            raise  # the stage itself has checked main; the session is still needed
        rebuilt = _published_nevertheless(run, stage, session, before, attempt)
        if rebuilt is None:
            raise
        run.listener.note(
            f"{stage.name} failed after its commit ({shorten(error.message)}); the table"
            " has the run's record, so the receipt was rebuilt from it"
        )
        return rebuilt


def _execute(run: Run, stage: Stage, session: Session, attempt: str, kernels: Kernels) -> None:
    cells = len(read_notebook(stage).cells)
    run.listener.stage_started(stage.name, cells)
    output = run.notebook_of(stage)
    if not storage.is_s3(output):
        storage.local_path(output).parent.mkdir(parents=True, exist_ok=True)
    limits = run.request.limits
    deadline = time.monotonic() + limits.stage
    engine.register()

    def report(fraction: float) -> None:
        run.listener.progress(stage.name, fraction)

    def on_cell(index: int, total: int) -> None:
        run.listener.cell_started(stage.name, index, total)

    try:
        kernel = kernels.take()
        if not run.is_last(stage):
            kernels.prepare()
        with ProgressWatch(session, report, limits.progress):
            executed = papermill.execute_notebook(
                _literal(stage.notebook),
                _literal(output),
                parameters=_parameters(run, stage, attempt),
                engine_name=engine.NAME,
                kernel_name=kernelspec.NAME,
                language="python",
                progress_bar=False,
                kernel_environment=kernel_environment(run, session),
                prepared=kernel,
                on_cell=on_cell,
                remaining=lambda: deadline - time.monotonic(),
            )
    except PapermillExecutionError as error:
        raise _cell_error(run, stage, error.cell_index, error) from error
    except RuntimeError as error:
        raise KernelDied(
            f"the kernel process on this host did not start: {error}",
            next_step="see its messages on standard error, then run again",
        ) from error
    # papermill treats a SystemExit as a success.
    for index, cell in enumerate(executed.cells):
        for output_of_cell in cell.get("outputs", ()):
            if output_of_cell["output_type"] == "error":
                raise _cell_error(run, stage, index, output_of_cell)


def _cell_error(run: Run, stage: Stage, index: int, found: Any) -> StrictGlueError:  # noqa: ANN401
    return from_cell(
        stage=stage.name,
        cell=index + 1,
        ename=found.ename,
        evalue=found.evalue,
        traceback=found.traceback,
        notebook=run.notebook_of(stage),
        input_errors=run.request.input_errors,
        gate_errors=run.request.gate_errors,
        moved_errors=run.request.moved_errors,
    )


def _accepted(run: Run, stage: Stage, before: Optional[Receipt], attempt: str) -> Receipt:
    found = receipt.load(run.lake, run.run_id, stage.name)
    uri = receipt.uri_of(run.lake, run.run_id, stage.name)
    if found is None:
        raise ReceiptError.missing(stage.name, uri)
    table = publication_record.metadata(run.lake, run.request.published)
    receipt.verify(found, run.expected(stage, before, attempt), run.lake, table)
    if run.is_last(stage):
        published = publication_record.history(run.lake, run.request.published).of_run(run.run_id)
        on_main = published.snapshot_id if published else "none"
        named = found["handover"].get("snapshot_id", "none")
        if published is None or named != on_main:
            problem = f"it names snapshot {named}, but main has {on_main} for this run"
            raise ReceiptError.untrue(stage.name, uri, [problem])
    return found


def _published_nevertheless(
    run: Run, stage: Stage, session: Session, before: Optional[Receipt], attempt: str
) -> Optional[Receipt]:
    """Rebuild the receipt of a failed last stage if the stage had committed."""
    if not run.is_last(stage):
        return None
    try:
        session.stop()  # so that nothing is committed after this check
    except StrictGlueError:
        return None  # what ended the stage is the error to tell; the next start looks again
    published = publication_record.history(run.lake, run.request.published).of_run(run.run_id)
    # With --force, an earlier start's snapshot may have the same run id.
    written = before["handover"].get("snapshot_id") if before else None
    if published is None or published.snapshot_id != written:
        return None
    rebuilt = publication_record.receipt_of(
        published, run.request.published.table, stage.name, attempt
    )
    if rebuilt is None:
        return None
    receipt.verify(rebuilt, run.expected(stage, before, attempt), run.lake)
    receipt.save(run.lake, rebuilt)
    return rebuilt


def _parameters(run: Run, stage: Stage, attempt: str) -> dict[str, Any]:
    known: Mapping[str, Any] = {
        "run_id": run.run_id,
        "lake": run.lake,
        "attempt": attempt,
        "delivery_id": run.delivery.delivery_id,
        "as_of": run.as_of,
        "accept_older": run.request.accept_older,
        "resubmissions": ",".join(run.resubmissions),
        **{f"{name}_path": place for name, place in run.delivery.sources.items()},
        **run.request.parameters,
    }
    unknown = sorted(set(stage.parameters) - set(known))
    if unknown:
        raise ConfigurationError(
            f"{stage.name} takes {', '.join(unknown)}, which the run does not have",
            next_step="add them to the request's parameters",
        )
    return {name: known[name] for name in stage.parameters}


def kernel_environment(run: Run, session: Session) -> dict[str, str]:
    """Return the environment of a kernel that attaches to the run's session."""
    settings = run.request.session
    inherited = {
        name: value for name, value in os.environ.items() if name not in settings.removed_variables
    }
    return {
        **inherited,
        **settings.environment,
        **run.request.limits.environment(),
        SESSION_VARIABLE: session.session_id,
    }


def _literal(path: str) -> str:
    """Escape braces in a path, which papermill would fill in."""
    return path.replace("{", "{{").replace("}", "}}")
