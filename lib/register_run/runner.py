"""A run, from start to end.

The delivery names the run. The runner looks up and verifies what the run has already done, then
executes the remaining stages in one session; each stage ends with its receipt. The runner stops the
session in any case.
"""

import contextlib
import functools
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Optional

from botocore.exceptions import BotoCoreError, ClientError

from register_contract import resubmissions, runs
from register_contract.publications import History, Publication
from register_contract.receipts import Receipt, notices
from register_contract.refusals import Refusal
from register_run import cost, lock, publication_record, receipt, storage, team_rules
from register_run.delivery import Delivery
from register_run.errors import GateStopped, MainMoved, ReceiptError, Terminated
from register_run.listener import Listener
from register_run.request import RunOutcome, RunRequest
from register_run.stage_run import Run, kernel_environment, read_notebook, run_stage
from strict_glue import (
    ConfigurationError,
    Kernels,
    OwnSessions,
    Session,
    alive,
    failure,
    kernels,
    session_request,
    unwinding,
)

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient

# How often rows are written if others keep publishing meanwhile.
_PUBLISHINGS = 3

# With this parameter, a run changes the key of the ids.
_PREVIOUS_KEY = "previous_id_key"

# Between stages, the session's variables are reset to those at its start, so that no stage depends
# on variables of another.
_KEEP = "__kept_between_stages__ = dict(globals())"
_CLEAR = """\
for __name in [name for name in globals() if name not in __kept_between_stages__]:
    if __name != "__kept_between_stages__":
        globals().pop(__name, None)
globals().update(__kept_between_stages__)
"""


def run_pipeline(asked: RunRequest, listener: Optional[Listener] = None) -> RunOutcome:
    """Publish a delivery, or find that it is already published.

    Parameters
    ----------
    asked : RunRequest
        What to do.
    listener : Listener, optional
        Receives reports during the run.

    Returns
    -------
    RunOutcome
        Only for a run with a complete and true receipt of every stage, or one that is published on
        the table's main branch.

    Raises
    ------
    StrictGlueError
        The run failed; ``exit_code`` says how.
    Terminated
        SIGTERM arrived; the session has been stopped.
    """
    try:
        return _run(asked, listener or Listener())
    except (ClientError, BotoCoreError) as error:
        raise failure("lake or catalog", error) from error


def _run(asked: RunRequest, listener: Listener) -> RunOutcome:
    if asked.run_id and not runs.is_run_id(asked.run_id):
        raise ConfigurationError(
            f"{asked.run_id!r} isn't a run id",
            next_step="use up to 64 letters, digits, dots, dashes, and underscores",
        )
    lake = _lake(asked)
    rules = team_rules.read(lake, asked.rules_file)
    asked = replace(asked, rules=rules.fingerprint(asked.rules))
    delivery = asked.delivery or Delivery.read(asked.sources)
    batches = _batches(lake, delivery, asked)
    run_id = asked.run_id or name_run(delivery, asked, batches)
    run = Run(asked, delivery, run_id, lake, listener, batches)
    listener.run_started(run.run_id, delivery)
    if batches:
        listener.note(f"with corrected rows of {', '.join(batches)}")

    with unwinding(signal.SIGTERM, raising=lambda _: Terminated()), lock.held(run.lake, run.run_id):
        history = publication_record.history(run.lake, asked.published)
        earlier = history.of_run(run.run_id)
        if earlier is not None and not asked.force:
            return _already_published(run, earlier)
        _refuse_withdrawn(run, history)
        _refuse_older(run, history)
        if asked.force:
            _forget(run)
        run = _kept(run)
        team_rules.hand_over(run.lake, run.run_id, rules)
        receipts = {} if asked.force else _verified_receipts(run)
        seconds: dict[str, float] = {}
        with _session(run, started=len(receipts)) as (session, ready_kernels):
            for attempt in range(1, _PUBLISHINGS + 1):
                try:
                    last = _stages(run, session, ready_kernels, receipts, seconds)
                    break
                except MainMoved as error:
                    history = publication_record.history(run.lake, asked.published)
                    published = _published_meanwhile(run, earlier, history)
                    if published is not None:
                        return _already_published(run, published)
                    if attempt == _PUBLISHINGS:
                        raise
                    listener.note(f"others have published meanwhile; repeating ({error.message})")
                    _repeat_writing(receipts)
                    _refuse_older(run, history)
        _clear(run)
        return _outcome(run, "published", receipts, _snapshot_of(last), seconds)


def _clear(run: Run) -> None:
    """Remove the staging files of a published run, which nothing reads any more."""
    if run.request.keep_staging:
        return
    try:
        storage.delete_tree(storage.join(run.lake, runs.staging_path(run.run_id)))
    except (ClientError, BotoCoreError) as error:
        # The run is published all the same, and the zone's retention removes them later.
        run.listener.note(f"the staging files could not be removed ({type(error).__name__})")


def _stages(
    run: Run,
    session: Session,
    ready_kernels: Kernels,
    receipts: dict[str, Receipt],
    seconds: dict[str, float],
) -> Optional[Receipt]:
    """Run the stages that have no receipt, in order; return the last stage's receipt."""
    before: Optional[Receipt] = None
    for stage in run.request.stages:
        if stage.name not in receipts:
            session.run_own(_CLEAR)
            started = time.monotonic()
            receipts[stage.name] = run_stage(run, stage, session, before, ready_kernels)
            seconds[stage.name] = time.monotonic() - started
            run.listener.stage_finished(stage.name, receipts[stage.name], seconds[stage.name])
            for notice in notices(receipts[stage.name]):
                run.listener.warned(notice)
        before = receipts[stage.name]
    return before


def _repeat_writing(receipts: dict[str, Receipt]) -> None:
    """Remove the receipt of the stage whose branch no longer descends from ``main``."""
    for name in [name for name, one in receipts.items() if "branch" in one["handover"]]:
        del receipts[name]


def _published_meanwhile(
    run: Run, earlier: Optional[Publication], history: History
) -> Optional[Publication]:
    """Return the run's publication by another start, which nothing keeps away from a lake in S3."""
    found = history.of_run(run.run_id)
    if found is None or earlier is None:
        return found
    # With --force, there was one before. An erasure gives it another snapshot, and the same rows.
    return None if found.attempt == earlier.attempt else found


def name_run(delivery: Delivery, asked: RunRequest, batches: Iterable[str] = ()) -> str:
    """Return a run's name, made from its input; see :func:`register_contract.runs.name_run`."""
    return runs.name_run(delivery.delivery_id, asked.library_version, asked.rules, batches)


def _batches(lake: str, delivery: Delivery, asked: RunRequest) -> tuple[str, ...]:
    """Return the batches of corrected rows that a run of the delivery takes in."""
    files = storage.list_files(storage.join(lake, resubmissions.FOLDER))
    found = resubmissions.among(file.name for file in files)
    history = publication_record.history(lake, asked.published)
    return resubmissions.of_run(delivery.delivery_id, found, history)


def _snapshot_of(last: Optional[Receipt]) -> str:
    return "" if last is None else str(last["handover"].get("snapshot_id", ""))


def _lake(asked: RunRequest) -> str:
    if not asked.stages:
        raise ConfigurationError("a run without stages", next_step="name at least one notebook")
    return storage.normalise(asked.lake)


def _kept(run: Run) -> Run:
    """Return the run on copies in its lake if both are in S3, where new uploads may follow."""
    if not all(map(storage.is_s3, (run.lake, *run.delivery.sources.values()))):
        return run
    kept = replace(run, delivery=run.delivery.kept_in(run.lake))
    run.listener.delivery_kept(kept.delivery)
    return kept


def _forget(run: Run) -> None:
    """Remove the run's files outside the table, so that it starts over."""
    storage.delete_tree(storage.join(run.lake, runs.staging_path(run.run_id)))
    for stage in run.request.stages:
        storage.delete(receipt.uri_of(run.lake, run.run_id, stage.name))


def _refuse_withdrawn(run: Run, history: History) -> None:
    """Stop if the delivery was published and withdrawn: only a person publishes it again.

    Raises
    ------
    ConfigurationError
        The delivery was withdrawn, and the request doesn't force it.
    """
    delivery = run.delivery.delivery_id
    withdrawn = [one.run_id for one in history.withdrawn if one.delivery_id == delivery]
    if run.request.force or not withdrawn or history.of_delivery(delivery) is not None:
        return
    raise ConfigurationError(
        f"delivery {delivery} was published by run {withdrawn[-1]}, and then withdrawn",
        next_step="if it is to be published again, run with --force; on AWS, start the job with"
        " --CLAIM and --FORCE true",
    )


def _refuse_older(run: Run, history: History) -> None:
    """Stop, before a session costs money, if a later day's delivery is published.

    Raises
    ------
    GateStopped
        An older register must not replace a newer one, unless a person allows it.
    """
    last = history.last
    if last is None or run.request.accept_older or not run.as_of < last.day:
        return
    gate = run.request.published.older_gate
    finding = (
        f"the delivery is of {run.as_of}, the published one ({last.delivery_id}) of {last.day}"
    )
    _note_refusal(run, gate, finding)
    raise GateStopped(
        f"{gate}: {finding}; an older register would replace a newer one",
        next_step="if that is intended, run again with --accept-older; on AWS, start the job with"
        " --CLAIM and --ACCEPT_OLDER true",
    )


def _note_refusal(run: Run, gate: str, finding: str) -> None:
    """Leave a note for the history of quality, which the next run with a session writes."""
    now = datetime.now(timezone.utc).replace(tzinfo=None, microsecond=0)
    refusal = Refusal(
        run.run_id,
        run.delivery.delivery_id,
        run.as_of,
        gate,
        finding,
        run.request.rules,
        now.isoformat(),
    )
    try:
        storage.write_text(storage.join(run.lake, refusal.path), refusal.dump())
    except (ClientError, BotoCoreError, OSError) as error:
        # Whatever it is, the gate's error must reach the caller.
        run.listener.note(f"the history of quality has no row of this run ({type(error).__name__})")


def _refuse_another_input(run: Run, published: Publication) -> None:
    """Stop if the run was published from other input; exit 0 would hide that this one is not.

    Raises
    ------
    ConfigurationError
        A person chose the run id. One that the runner makes changes with the input.
    """
    delivery, batches, rules = run.delivery.delivery_id, run.resubmissions, run.request.rules
    taken = resubmissions.named_by(published)
    applied = published.receipt.get("rules", rules)  # not every record has them
    if published.delivery_id != delivery:
        other = f"from delivery {published.delivery_id}, this is {delivery}"
    elif run.request.run_id and sorted(taken) != sorted(batches):
        other = f"with corrected rows of {_listed(taken)}, now it has those of {_listed(batches)}"
    elif run.request.run_id and applied != rules:
        other = f"by the rules {applied}, now it has {rules}"
    else:
        return
    raise ConfigurationError(
        f"run {run.run_id} was published {other}",
        next_step="choose another run id, or --force to publish this delivery under it",
    )


def _listed(batches: Iterable[str]) -> str:
    return ", ".join(batches) or "no batch"


def _already_published(run: Run, published: Publication) -> RunOutcome:
    _refuse_another_input(run, published)
    _clear(run)
    last = run.request.stages[-1]
    found: dict[str, Receipt] = {}
    for stage in run.request.stages:
        with contextlib.suppress(ReceiptError):  # only for information
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
    if run.request.parameters.get(_PREVIOUS_KEY):
        run.listener.note("its ids stay as they are; to change their key now, run with --force")
    return _outcome(run, "already_published", found, published.snapshot_id, {})


def _verified_receipts(run: Run) -> dict[str, Receipt]:
    """Return the receipts of the stages that an earlier start finished, as far as still true.

    The last stage is never among them: if it had finished, the table would show the run.
    """
    verified: dict[str, Receipt] = {}
    before: Optional[Receipt] = None
    table = publication_record.metadata(run.lake, run.request.published)
    for stage in run.request.stages[:-1]:
        if run.request.parameters.get(_PREVIOUS_KEY) and _PREVIOUS_KEY in stage.parameters:
            run.listener.note(f"{stage.name} is repeated: an earlier start may have had one key")
            break
        try:
            found = receipt.load(run.lake, run.run_id, stage.name)
            if found is None:
                break
            receipt.verify(found, run.expected(stage, before), run.lake, table)
        except ReceiptError as error:
            run.listener.note(f"{stage.name} is repeated: {error.message}")
            break
        run.listener.stage_skipped(stage.name, found)
        verified[stage.name] = before = found
    return verified


@contextlib.contextmanager
def _session(run: Run, started: int) -> Iterator[tuple[Session, Kernels]]:
    """Yield a ready session for the stages from number ``started`` on; stop it in any case."""
    asked: dict[str, Any] = {}
    for stage in run.request.stages[started:]:
        wishes = session_request.configuration(read_notebook(stage), stage.notebook)
        if asked and wishes != asked:
            raise ConfigurationError(
                f"{stage.notebook} asks for a different session than the notebook before it",
                stage=stage.name,
                next_step="write the same %%configure in all notebooks: a run has one session",
            )
        asked = wishes
    account = functools.partial(cost.keep_usage, run.lake, run.run_id, run.listener)
    sessions = OwnSessions(run.request.session, run.request.limits, run.listener.note, account)
    if not storage.is_s3(run.lake):
        # The lock keeps others off the run. In S3 there is no lock, so a session may be in use.
        _stop_leftovers(sessions.client, run)
    with (
        sessions.created(asked, run.run_id) as session,
        kernels.prepared(kernel_environment(run, session)) as ready_kernels,
    ):
        sessions.wait(session)
        session.run_own(_KEEP)
        yield session, ready_kernels


def _stop_leftovers(client: "GlueClient", run: Run) -> None:
    """Stop sessions that an earlier start of this run left, for example because it was killed."""
    tag = {session_request.RUN_TAG: run.run_id}
    start = session_request.id_start(run.request.session, run.run_id)
    for left in alive(client, tag, start, run.request.limits):
        left.stop()
        run.listener.note(f"stopped session {left.session_id}, which an earlier start left")


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
