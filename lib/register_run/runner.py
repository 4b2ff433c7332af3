"""A run, told from top to bottom.

The delivery names the run. What the run has already done is looked up and verified; the rest is
done, in one session, stage by stage, each ended by its receipt. The session is stopped however
it ends.
"""

import contextlib
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Optional

from botocore.exceptions import BotoCoreError, ClientError

from register_contract import runs
from register_contract.publications import History, Publication
from register_contract.receipts import Receipt
from register_run import lock, publication_record, receipt, storage
from register_run.delivery import Delivery
from register_run.errors import GateStopped, MainMoved, ReceiptError, Terminated
from register_run.listener import Listener
from register_run.request import RunOutcome, RunRequest
from register_run.stage_run import Run, kernel_environment, read_notebook, run_stage
from strict_glue import (
    ConfigurationError,
    Kernels,
    Session,
    alive,
    failure,
    kernels,
    own_session,
    session_request,
    unwinding,
)

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient

# How often rows are written anew since others have published meanwhile.
_PUBLISHINGS = 3

# What the session had at its start is put back between stages, and everything else removed, so
# that no stage leans on another's leftovers.
_KEEP = "__kept_between_stages__ = dict(globals())"
_CLEAR = """\
for __name in [name for name in globals() if name not in __kept_between_stages__]:
    if __name != "__kept_between_stages__":
        globals().pop(__name, None)
globals().update(__kept_between_stages__)
"""


def run_pipeline(asked: RunRequest, listener: Optional[Listener] = None) -> RunOutcome:
    """Publish a delivery, or find that it is published.

    Parameters
    ----------
    asked : RunRequest
        What to do.
    listener : Listener, optional
        Hears what happens meanwhile.

    Returns
    -------
    RunOutcome
        Only of a run whose every stage has a complete and true receipt, or that the table's
        main branch carries.

    Raises
    ------
    StrictGlueError
        Anything else; ``exit_code`` says which kind.
    Terminated
        SIGTERM arrived; the session has been stopped.
    """
    try:
        return _run(asked, listener or Listener())
    except (ClientError, BotoCoreError) as error:
        raise failure("lake or catalogue", error) from error


def _run(asked: RunRequest, listener: Listener) -> RunOutcome:
    if asked.run_id and not runs.is_run_id(asked.run_id):
        raise ConfigurationError(
            f"{asked.run_id!r} isn't a run id",
            next_step="use up to 64 letters, digits, dots, dashes and underscores",
        )
    delivery = asked.delivery or Delivery.read(asked.sources)
    run = Run(asked, delivery, asked.run_id or name_run(delivery, asked), _lake(asked), listener)
    listener.run_started(run.run_id, delivery)

    with unwinding(signal.SIGTERM, raising=lambda _: Terminated()), lock.held(run.lake, run.run_id):
        history = publication_record.history(run.lake, asked.published)
        published = None if asked.force else history.of_run(run.run_id)
        if published is not None:
            return _already_published(run, published)
        _refuse_older(run, history)
        if asked.force:
            _forget(run)
        run = _kept(run)
        receipts = {} if asked.force else _verified_receipts(run)
        seconds: dict[str, float] = {}
        with _session(run, started=len(receipts)) as (session, ready_kernels):
            for attempt in range(1, _PUBLISHINGS + 1):
                try:
                    last = _stages(run, session, ready_kernels, receipts, seconds)
                    break
                except MainMoved as error:
                    if attempt == _PUBLISHINGS:
                        raise
                    listener.note(f"others have published meanwhile, again ({error.message})")
                    _repeat_writing(receipts)
                    _refuse_older(run, publication_record.history(run.lake, asked.published))
        return _outcome(run, "published", receipts, _snapshot_of(last), seconds)


def _stages(
    run: Run,
    session: Session,
    ready_kernels: Kernels,
    receipts: dict[str, Receipt],
    seconds: dict[str, float],
) -> Optional[Receipt]:
    """Do the stages that have no receipt, in their order; return the last one's."""
    before: Optional[Receipt] = None
    for stage in run.request.stages:
        if stage.name not in receipts:
            session.run_own(_CLEAR)
            started = time.monotonic()
            receipts[stage.name] = run_stage(run, stage, session, before, ready_kernels)
            seconds[stage.name] = time.monotonic() - started
            run.listener.stage_finished(stage.name, receipts[stage.name], seconds[stage.name])
        before = receipts[stage.name]
    return before


def _repeat_writing(receipts: dict[str, Receipt]) -> None:
    """Forget the stage that wrote the branch which ``main`` has left behind."""
    for name in [name for name, one in receipts.items() if "branch" in one["handover"]]:
        del receipts[name]


def name_run(delivery: Delivery, asked: RunRequest) -> str:
    """Name a run by its input; see :func:`register_contract.runs.name_run`."""
    return runs.name_run(delivery.delivery_id, asked.library_version, asked.rules)


def _snapshot_of(last: Optional[Receipt]) -> str:
    return "" if last is None else str(last["handover"].get("snapshot_id", ""))


def _lake(asked: RunRequest) -> str:
    if not asked.stages:
        raise ConfigurationError("a run without stages", next_step="name at least one notebook")
    return storage.normalise(asked.lake)


def _kept(run: Run) -> Run:
    """Let the run work on copies in its lake where both are in S3, where uploads may follow."""
    if not all(map(storage.is_s3, (run.lake, *run.delivery.sources.values()))):
        return run
    kept = replace(run, delivery=run.delivery.kept_in(run.lake))
    run.listener.delivery_kept(kept.delivery)
    return kept


def _forget(run: Run) -> None:
    """Remove what the run has left outside the table, so that it starts afresh."""
    storage.delete_tree(storage.join(run.lake, runs.staging_path(run.run_id)))
    for stage in run.request.stages:
        storage.delete(receipt.uri_of(run.lake, run.run_id, stage.name))


def _refuse_older(run: Run, history: History) -> None:
    """Stop before a session is paid for when a later day's delivery is published.

    Raises
    ------
    GateStopped
        An older register must not replace a newer one, unless a person says so.
    """
    last = history.last
    if last is None or run.request.accept_older or not run.as_of < last.day:
        return
    raise GateStopped(
        f"{run.request.published.older_gate}: the delivery is of {run.as_of}, the published one"
        f" ({last.delivery_id}) of {last.day}; an older register would replace a newer one",
        next_step="if that is meant, run again with --accept-older; on AWS start the job with"
        " --CLAIM and --ACCEPT_OLDER true",
    )


def _already_published(run: Run, published: Publication) -> RunOutcome:
    if published.delivery_id != run.delivery.delivery_id:
        raise ConfigurationError(
            f"run {run.run_id} was published from delivery {published.delivery_id}, this is"
            f" {run.delivery.delivery_id}",
            next_step="choose another run id, or --force to publish this delivery under it",
        )
    last = run.request.stages[-1]
    found: dict[str, Receipt] = {}
    for stage in run.request.stages:
        with contextlib.suppress(ReceiptError):  # only told, no longer decisive
            stored = receipt.load(run.lake, run.run_id, stage.name)
            if stored is not None:
                found[stage.name] = stored
    if last.name not in found or _snapshot_of(found[last.name]) != published.snapshot_id:
        rebuilt = publication_record.receipt_of(published, run.request.published.table, last.name)
        if rebuilt is not None:
            receipt.save(run.lake, rebuilt)
            found[last.name] = rebuilt
            run.listener.note(f"{last.name}: lost receipt rebuilt from the publication's record")
    run.listener.note(f"run {run.run_id} is published (snapshot {published.snapshot_id})")
    return _outcome(run, "already_published", found, published.snapshot_id, {})


def _verified_receipts(run: Run) -> dict[str, Receipt]:
    """Take over the stages that an earlier start finished, as far as they are still true.

    The last stage is never among them: had it been finished, the table would carry the run.
    """
    verified: dict[str, Receipt] = {}
    before: Optional[Receipt] = None
    table = publication_record.metadata(run.lake, run.request.published)
    for stage in run.request.stages[:-1]:
        try:
            found = receipt.load(run.lake, run.run_id, stage.name)
            if found is None:
                break
            receipt.verify(found, run.expected(stage, before), run.lake, table)
        except ReceiptError as error:
            run.listener.note(f"{stage.name} is done again: {error.message}")
            break
        run.listener.stage_skipped(stage.name, found)
        verified[stage.name] = before = found
    return verified


@contextlib.contextmanager
def _session(run: Run, started: int) -> Iterator[tuple[Session, Kernels]]:
    """Give a ready session for the stages from number ``started`` on; stop it in any case."""
    asked: dict[str, Any] = {}
    for stage in run.request.stages[started:]:
        wishes = session_request.configuration(read_notebook(stage), stage.notebook)
        if asked and wishes != asked:
            raise ConfigurationError(
                f"{stage.notebook} asks for another session than the notebook before it",
                stage=stage.name,
                next_step="write the same %%configure into all notebooks: a run has one session",
            )
        asked = wishes
    if not storage.is_s3(run.lake):
        # Under the run's lock nobody else works on it; in S3, the delivery's claim must tell.
        _stop_leftovers(own_session.client(run.request.session), run)
    with (
        own_session.created(
            asked, run.request.session, run.request.limits, run.run_id, run.listener.note
        ) as session,
        kernels.prepared(kernel_environment(run, session)) as ready_kernels,
    ):
        own_session.wait(session, run.listener.note)
        session.run_own(_KEEP)
        yield session, ready_kernels


def _stop_leftovers(client: "GlueClient", run: Run) -> None:
    """Stop sessions that an earlier start of this run left: a killed process stops nothing."""
    tag = {session_request.RUN_TAG: run.run_id}
    start = session_request.id_start(run.request.session, run.run_id)
    for left in alive(client, tag, start, run.request.limits):
        left.stop()
        run.listener.note(f"session {left.session_id} was left by an earlier start, stopped")


def _outcome(
    run: Run,
    status: str,
    receipts: dict[str, Receipt],
    snapshot_id: str,
    seconds: dict[str, float],
) -> RunOutcome:
    return RunOutcome(
        run_id=run.run_id,
        delivery_id=run.delivery.delivery_id,
        status=status,
        receipts=receipts,
        notebooks={stage.name: run.notebook_of(stage) for stage in run.request.stages},
        seconds=seconds,
        snapshot_id=snapshot_id,
    )
