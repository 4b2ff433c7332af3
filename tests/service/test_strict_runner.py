"""The runner: a stage is done only if its receipt says so, and no session is left running."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from tests.support.local_api import CREATE
from tests.support.misbehaving import ENDED_DPU_SECONDS, change, refuse
from tests.support.papermill_helpers import STAGES, Place, Recorder, write_notebook

from register_run import cost, receipt
from register_run.delivery import Delivery
from register_run.errors import (
    GateStopped,
    InputError,
    MainMoved,
    NotebookFailed,
    ReceiptError,
    RunInProgress,
)
from register_run.lock import held
from register_run.runner import name_run, run_pipeline
from register_run.stage_run import Run, kernel_environment, run_stage
from strict_glue import kernels
from strict_glue.api import glue_client
from strict_glue.errors import (
    ConfigurationError,
    KernelDied,
    ServiceError,
    SessionError,
    StageTimeout,
    StrictGlueError,
)
from strict_glue.session import Session
from strict_glue.settings import Limits, SessionSettings

FIRST, SECOND, LAST = STAGES


@pytest.fixture
def place(tmp_path, local_service):
    return Place(tmp_path, local_service)


@pytest.fixture
def shared_place(tmp_path, local_service, shared_sessions):
    """Return a place whose sessions share a real session."""
    made = Place(tmp_path, local_service)
    made.environment = shared_sessions
    return made


@pytest.fixture
def start(place, api, session, monkeypatch):
    """Run one stage in the shared session, as a run does."""

    def run(name, *, receipts=None, limits=None, session_id=session):
        request = place.request(limits=limits or Limits(retries=5, stage=60))
        delivery = Delivery.read(request.sources)
        named = Run(request, delivery, name_run(delivery, request), str(place.lake), Recorder())
        stage = next(stage for stage in request.stages if stage.name == name)
        shared = Session(api.client, session_id, request.limits)
        with kernels.prepared(kernel_environment(named, shared)) as ready:
            # There is no next stage that needs another one.
            monkeypatch.setattr(kernels.Kernels, "prepare", lambda _: None)
            return run_stage(named, stage, shared, receipts, ready)

    return run


def _run_id(place):
    request = place.request()
    return name_run(Delivery.read(request.sources), request)


def _statuses(api, run_id):
    sessions = api.client.list_sessions(Tags={"run-id": run_id})["Sessions"]
    return [found["Status"] for found in sessions]


def _wait_until_none_runs(api, run_id):
    deadline = time.monotonic() + 30
    while set(_statuses(api, run_id)) - {"STOPPED", "FAILED"}:
        assert time.monotonic() < deadline, _statuses(api, run_id)
        time.sleep(0.1)


def test_a_run_publishes_once_until_it_is_forced(place, api, shared_sessions):
    # No stage depends on variables of another stage.
    place.notebook(FIRST, "leftover = 1\nspark = None")
    place.notebook(SECOND, "assert 'leftover' not in globals()\nassert spark.range(1)")
    heard = Recorder()
    outcome = run_pipeline(place.request(), heard)

    assert outcome.status == "published"
    assert outcome.snapshot_id == "1"
    assert list(outcome.receipts) == list(STAGES)
    assert [name for name, _ in heard.of("finished")] == list(STAGES)
    ((run_id, delivery_id),) = heard.of("run")
    assert (run_id, delivery_id) == (outcome.run_id, outcome.delivery_id)
    assert run_id == _run_id(place)
    cells = [event for event in heard.of("cell") if event[0] == FIRST]
    assert [index for _, index, _ in cells] == list(range(1, cells[0][2] + 1))
    for stage in STAGES:
        assert Path(outcome.notebooks[stage]) == place.lake / f"runs/{run_id}/{stage}.ipynb"
        assert place.executed(run_id, stage).metadata.papermill.exception is None
        assert place.receipt(run_id, stage) == outcome.receipts[stage]
    # All stages use one session, which is gone at the end.
    assert len(_statuses(api, run_id)) == 1
    ((used,),) = heard.of("used")
    ended = api.client.get_session(Id=used.session_id)["Session"]
    assert (used.dpu_seconds, used.reported) == (ended["DPUSeconds"], True)
    assert cost.of_run(str(place.lake), run_id) == used.dpu_seconds > 0
    _wait_until_none_runs(api, run_id)
    assert not (place.lake / "staging" / run_id).exists()

    again = Recorder()
    repeated = run_pipeline(place.request(), again)
    assert repeated.status == "already_published"
    assert repeated.snapshot_id == "1"
    assert repeated.receipts == outcome.receipts
    assert again.of("started") == []
    assert len(_statuses(api, run_id)) == 1, "no session is started for a published run"

    (place.lake / f"runs/{run_id}/{LAST}.json").unlink()
    rebuilt = run_pipeline(place.request(), again)
    # It's unknown which start of the run published.
    assert rebuilt.receipts[LAST] == {**outcome.receipts[LAST], "attempt": ""}
    assert place.receipt(run_id, LAST) == rebuilt.receipts[LAST]
    assert any("rebuilt" in text for (text,) in again.of("note"))

    place.environment = shared_sessions
    heard = Recorder()
    forced = run_pipeline(place.request(force=True), heard)
    assert forced.status == "published"
    assert forced.snapshot_id == "2"
    assert [name for name, _ in heard.of("finished")] == list(STAGES)
    assert forced.receipts[FIRST]["attempt"] != outcome.receipts[FIRST]["attempt"]

    place.notebook(LAST, "raise RuntimeError('before the commit')")
    with pytest.raises(NotebookFailed):  # commits of earlier starts don't count
        run_pipeline(place.request(LAST, force=True))


def test_a_failed_run_goes_on_where_it_stopped_and_a_changed_handover_is_done_again(shared_place):
    run_id = _run_id(shared_place)
    staging = shared_place.lake / "staging" / run_id
    shared_place.notebook(SECOND, "raise RuntimeError('no luck')")
    with pytest.raises(NotebookFailed) as caught:
        run_pipeline(shared_place.request())
    assert caught.value.stage == SECOND

    shared_place.notebook(SECOND)
    shared_place.notebook(LAST, "raise RuntimeError('still no luck')")
    (staging / "ingested" / "part-0").write_text("tampered with")
    heard = Recorder()
    with pytest.raises(NotebookFailed) as caught:
        run_pipeline(shared_place.request(), heard)
    assert caught.value.stage == LAST
    assert heard.of("skipped") == []
    assert any(FIRST in text and "is repeated" in text for (text,) in heard.of("note"))
    assert any(staging.rglob("part-*")), "a run that is not published goes on from them"

    shared_place.notebook(LAST)
    # Simulate that somebody writes to the branch.
    file = sorted((shared_place.lake / "warehouse").glob("*.json"))[-1]
    metadata = json.loads(file.read_text())
    (branch,) = metadata["refs"]
    metadata["refs"][branch]["snapshot-id"] = 99
    file.write_text(json.dumps(metadata))
    heard = Recorder()
    outcome = run_pipeline(shared_place.request(keep_staging=True), heard)
    assert outcome.status == "published"
    files = shared_place.lake.glob(f"runs/{run_id}/costs/*.json")
    assert len(list(files)) == 3, "each start has its session, also one that failed"
    assert cost.of_lake(str(shared_place.lake)) == {run_id: 3 * ENDED_DPU_SECONDS}
    assert [name for name, _ in heard.of("skipped")] == [FIRST]
    assert [name for name, _ in heard.of("finished")] == [SECOND, LAST]
    assert any(SECOND in text and "is repeated" in text for (text,) in heard.of("note"))

    # Staging files stay if they are to. A start that died between publication and clearing up
    # leaves them too, to the next one.
    assert any(staging.rglob("part-*"))
    assert run_pipeline(shared_place.request()).status == "already_published"
    assert not staging.exists()


def test_what_differs_from_the_last_runs_is_told(shared_place):
    drift = "{'convenios_diferentes': '1 new: Ouro'}"
    more = f"'drift': {drift}, 'earlier_ids': {{'suppressions': 2}}"
    ending = f"write({{**receipt('{LAST}', publish()), {more}}})"
    shared_place.notebook(LAST, ending=ending)
    heard = Recorder()
    assert run_pipeline(shared_place.request(SECOND, LAST), heard).status == "published"
    (drifted,), (earlier,) = heard.of("warned")
    assert drifted == "convenios_diferentes: 1 new: Ouro"
    assert earlier.startswith("suppressions: entries with an id of an earlier key only: 2;")


def test_rows_that_others_have_overtaken_are_written_again_in_the_same_session(
    shared_place, endpoint
):
    shared_place.notebook(
        LAST, "if not any('another' in str(s) for s in table()['snapshots']): others_publish()"
    )
    heard = Recorder()
    outcome = run_pipeline(shared_place.request(SECOND, LAST), heard)
    assert outcome.status == "published"
    assert outcome.snapshot_id == "3"
    assert [name for name, _ in heard.of("finished")] == [SECOND, SECOND, LAST]
    assert any("others have published meanwhile" in text for (text,) in heard.of("note"))
    assert list(endpoint.sessions.values()) == ["STOPPED"]
    assert outcome.receipts[SECOND] == shared_place.receipt(outcome.run_id, SECOND)
    assert run_pipeline(shared_place.request()).status == "already_published"


def test_a_run_that_another_start_has_published_meanwhile_is_not_published_twice(
    shared_place, endpoint
):
    # In S3, no lock keeps another start away; it writes to another branch.
    shared_place.notebook(LAST, "publish(write_branch('02_second', 'audit_of_another_start'))")
    heard = Recorder()
    outcome = run_pipeline(shared_place.request(SECOND, LAST), heard)
    assert (outcome.status, outcome.snapshot_id) == ("already_published", "2")
    assert [name for name, _ in heard.of("finished")] == [SECOND]
    assert outcome.receipts[LAST]["handover"]["snapshot_id"] == "2"
    assert list(endpoint.sessions.values()) == ["STOPPED"]

    # A forced start doesn't take the publication that it is to replace for another start's.
    shared_place.notebook(
        LAST, "if not any('another' in str(s) for s in table()['snapshots'][2:]): others_publish()"
    )
    heard = Recorder()
    outcome = run_pipeline(shared_place.request(SECOND, LAST, force=True), heard)
    assert (outcome.status, outcome.snapshot_id) == ("published", "5")
    assert [name for name, _ in heard.of("finished")] == [SECOND, SECOND, LAST]


def test_a_table_that_moves_under_every_attempt_is_given_up_after_three(shared_place):
    shared_place.notebook(LAST, "others_publish()")
    heard = Recorder()
    with pytest.raises(MainMoved) as caught:
        run_pipeline(shared_place.request(SECOND, LAST), heard)
    assert caught.value.exit_code == 1
    assert caught.value.stage == LAST
    assert [name for name, _ in heard.of("finished")] == [SECOND] * 3
    assert len([name for name, _ in heard.of("started") if name == LAST]) == 3


def test_a_run_that_others_of_a_later_day_overtook_stops_at_its_gate(shared_place):
    shared_place.notebook(
        LAST,
        "others_publish()",
        "file = sorted(pathlib.Path(lake).glob('warehouse/*.json'))[-1]\n"
        "content = json.loads(file.read_text())\n"
        "kept = content['snapshots'][-1]['summary']\n"
        "newer = {**json.loads(kept['pipeline.receipt']), 'as_of': '2999-01-01'}\n"
        "kept['pipeline.receipt'] = json.dumps(newer)\n"
        "file.write_text(json.dumps(content))",
    )
    heard = Recorder()
    with pytest.raises(GateStopped, match="2999-01-01"):
        run_pipeline(shared_place.request(SECOND, LAST), heard)
    assert [name for name, _ in heard.of("finished")] == [SECOND]


def test_a_session_that_dies_between_two_cells_ends_the_run(place, api):
    place.notebook(
        SECOND,
        "import os, threading\nthreading.Timer(1, os._exit, (9,)).start()",
        "import time; time.sleep(5)",
    )
    with pytest.raises(SessionError) as caught:
        run_pipeline(place.request(SECOND))
    assert caught.value.exit_code == 4
    assert caught.value.stage == SECOND
    run_id = _run_id(place)
    assert len(_statuses(api, run_id)) == 1, "no new session is started silently"
    (error,) = [
        output
        for cell in place.executed(run_id, SECOND).cells
        for output in cell.get("outputs", ())
        if output.output_type == "error"
    ]
    assert error.ename == "GlueSessionError"


def test_a_session_that_a_killed_start_left_is_stopped_and_no_other(shared_place, endpoint):
    run_id = _run_id(shared_place)
    left, another = f"test-{run_id}-left", f"other-{run_id}"
    client = glue_client(shared_place.environment)
    for name in (left, another):
        request = {"Id": name, "Role": shared_place.environment["glue_role_arn"], **CREATE}
        client.create_session(Tags={"run-id": run_id}, **request)
    shared_place.notebook(FIRST, "raise RuntimeError('enough')")
    heard = Recorder()
    with pytest.raises(NotebookFailed):
        run_pipeline(shared_place.request(FIRST), heard)
    assert endpoint.sessions[left] == "STOPPED"
    assert any(left in text and "an earlier start left" in text for (text,) in heard.of("note"))
    assert endpoint.living() == [another]


def test_a_commit_before_the_stage_failed_is_found_and_the_run_succeeds(shared_place):
    shared_place.notebook(LAST, "publish()", "raise RuntimeError('after the commit')", ending="")
    heard = Recorder()
    outcome = run_pipeline(shared_place.request(SECOND, LAST), heard)
    assert outcome.status == "published"
    assert outcome.snapshot_id == "1"
    assert shared_place.receipt(outcome.run_id, LAST) == outcome.receipts[LAST]
    assert any("after its commit" in text for (text,) in heard.of("note"))


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "ExpiredToken", "Message": "too old"}}, "GetObject"),
        EndpointConnectionError(endpoint_url="http://s3"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_commit_before_the_lake_failed_is_found_and_the_run_succeeds(
    shared_place, monkeypatch, error
):
    real, failures = receipt.load, [error]

    def load(lake, run_id, stage):
        if stage == LAST and failures:
            raise failures.pop()
        return real(lake, run_id, stage)

    monkeypatch.setattr(receipt, "load", load)
    heard = Recorder()
    outcome = run_pipeline(shared_place.request(SECOND, LAST), heard)
    assert (outcome.status, outcome.snapshot_id, failures) == ("published", "1", [])
    assert any("failed after its commit (lake or catalog" in text for (text,) in heard.of("note"))


def test_a_failed_stage_is_the_error_also_if_its_session_cannot_be_stopped(shared_place, endpoint):
    shared_place.notebook(LAST, "raise RuntimeError('the cause')", ending="")
    endpoint.will("StopSession", refuse("ExpiredTokenException", "too old"))
    with pytest.raises(NotebookFailed, match="the cause") as caught:
        run_pipeline(shared_place.request(SECOND, LAST))
    assert caught.value.stage == LAST


def test_a_session_that_fails_to_start_is_an_error_with_its_reason(shared_place, endpoint):
    request = shared_place.request()
    endpoint.will("CreateSession", refuse("ResourceNumberLimitExceededException", "too many"))
    endpoint.will("GetSession", change(Status="FAILED", ErrorMessage="no capacity"))
    with pytest.raises(SessionError, match="FAILED, expected READY: no capacity"):
        run_pipeline(request)
    endpoint.will("CreateSession", refuse("AccessDeniedException", "not you"))
    with pytest.raises(SessionError, match="AccessDeniedException: not you"):
        run_pipeline(request)
    endpoint.will("CreateSession", refuse("ExpiredTokenException", "too old"))
    with pytest.raises(StrictGlueError, match="ExpiredTokenException: too old") as caught:
        run_pipeline(request)
    assert caught.value.exit_code == 4
    assert endpoint.living() == []


def test_an_unreachable_service_is_a_service_error(place):
    nowhere = {**place.service.environment, "glue_endpoint_url": "http://127.0.0.1:9"}
    request = place.request(
        session=SessionSettings(environment=nowhere), limits=Limits(retries=0.5)
    )
    with pytest.raises(ServiceError, match=r"127\.0\.0\.1:9"):
        run_pipeline(request)


# -- single stages, in the shared session ------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind", "exit_code"),
    [
        # To papermill, this one is a success.
        ("raise SystemExit", NotebookFailed, 1),
        ("class InputError(Exception): pass\nraise InputError('torn file')", InputError, 2),
    ],
)
def test_an_exception_ends_the_stage_and_is_kept_in_the_notebook(
    place, start, code, kind, exit_code
):
    place.notebook(FIRST, code)
    with pytest.raises(kind) as caught:
        start(FIRST)
    error = caught.value
    assert error.exit_code == exit_code
    assert error.stage == FIRST
    # Title, magics, parameters, injected parameters, helpers, then the failing cell.
    assert error.cell == 6
    executed = place.executed(_run_id(place), FIRST)
    (shown,) = [
        output
        for cell in executed.cells
        for output in cell.get("outputs", ())
        if output.output_type == "error"
    ]
    assert (shown.ename, shown.evalue) == (error.ename, error.evalue)
    assert shown.traceback
    assert error.notebook in str(error)
    assert error.ename in str(error)


def test_a_stage_without_a_receipt_is_not_done(place, start):
    start(FIRST)  # its receipt must not count for the next start
    place.notebook(FIRST, ending="print('forgot the receipt')")
    with pytest.raises(ReceiptError, match="no receipt") as caught:
        start(FIRST)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("ending", "problem"),
    [
        ("write({**receipt('01_first', hand_over('x')), 'attempt': 'other'})", "attempt"),
        (
            "write(receipt('01_first', hand_over('x'))); hand_over('x')\n"
            "pathlib.Path(lake, 'staging', run_id, 'x', 'more').write_text('late')",
            "handed over",
        ),
    ],
)
def test_an_untrue_receipt_is_refused(place, start, ending, problem):
    place.notebook(FIRST, ending=ending)
    with pytest.raises(ReceiptError, match=problem) as caught:
        start(FIRST)
    assert caught.value.exit_code == 4


def test_a_branch_that_the_stage_left_elsewhere_is_refused(place, start):
    place.notebook(
        SECOND, ending="write(receipt('02_second', {**write_branch('02_second'), 'branch': 'b'}))"
    )
    before = {"stage": FIRST, "rows": {"csv": {"in": 10, "out": 10}}}
    with pytest.raises(ReceiptError, match="the branch b is gone, or not the one"):
        start(SECOND, receipts=before)


def test_a_stage_must_take_in_what_the_one_before_handed_over(place, start):
    before = {"stage": FIRST, "rows": {"csv": {"in": 12, "out": 12}}}
    with pytest.raises(ReceiptError, match="handed over 12"):
        start(SECOND, receipts=before)


def test_a_receipt_that_names_another_snapshot_than_main_carries_is_refused(shared_place):
    shared_place.notebook(
        LAST,
        "publish(write_branch('02_second'))",
        ending="write(receipt('03_publish', {'table': 't', 'snapshot_id': '99', 'rows': 10}))",
    )
    with pytest.raises(ReceiptError, match="snapshot 99, but main has 1"):
        run_pipeline(shared_place.request(LAST))


def test_a_stage_that_takes_too_long_is_ended(place, start):
    place.notebook(FIRST, "import time\ntime.sleep(8)")
    with pytest.raises(StageTimeout) as caught:
        start(FIRST, limits=Limits(stage=2, retries=5))
    assert caught.value.exit_code == 4
    assert caught.value.cell == 6


def test_a_kernel_that_dies_is_told_from_a_session_that_does(place, start, monkeypatch):
    cell = "%%sql\nSELECT 1"
    place.notebook(FIRST, cell)
    real = Recorder.cell_started

    def kill_on_the_sixth(self, stage, index, total):
        real(self, stage, index, total)
        if index == 6:
            (kernel,) = _kernels()
            os.kill(kernel, signal.SIGKILL)

    monkeypatch.setattr(Recorder, "cell_started", kill_on_the_sixth)
    with pytest.raises(KernelDied) as caught:
        start(FIRST)
    assert caught.value.exit_code == 4
    assert "kernel process on this host" in str(caught.value)


def _kernels():
    import psutil

    children = sorted(psutil.Process().children(), key=lambda child: child.create_time())
    return [child.pid for child in children if "strict_glue.kernel" in " ".join(child.cmdline())]


# -- without a session -------------------------------------------------------------------------


def test_a_run_that_another_process_works_on_is_refused(place):
    with held(str(place.lake), _run_id(place)), pytest.raises(RunInProgress) as caught:
        run_pipeline(place.request())
    assert str(os.getpid()) in str(caught.value)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("run_id", ["../x", "a/b", ".hidden", "x" * 65, "a b"])
def test_a_run_id_that_is_no_name_is_refused(place, run_id):
    with pytest.raises(ConfigurationError, match="isn't a run id"):
        run_pipeline(place.request(run_id=run_id))


def test_notebooks_that_ask_for_different_sessions_are_refused(place):
    write_notebook(place.folder / "notebooks", LAST, configure='%%configure\n{"timeout": 1}')
    with pytest.raises(ConfigurationError, match="a different session"):
        run_pipeline(place.request())


def test_a_missing_notebook_and_a_missing_source_are_named(place):
    (place.folder / "notebooks" / f"{SECOND}.ipynb").unlink()
    with pytest.raises(ConfigurationError, match=SECOND):
        run_pipeline(place.request())
    (place.raw / "clients.csv").unlink()
    with pytest.raises(InputError, match="source csv"):
        run_pipeline(place.request())


def test_another_delivery_library_or_rule_set_is_another_run(place):
    request = place.request()
    delivery = Delivery.read(request.sources)
    names = {
        name_run(delivery, request),
        name_run(delivery, place.request(library_version="10")),
        name_run(delivery, place.request(rules="rules-2")),
    }
    (place.raw / "clients.csv").write_text("a|b\n1|3\n")
    names.add(name_run(Delivery.read(request.sources), request))
    assert len(names) == 4
