"""A smoke run goes through its checks in order, and always removes what it made.

The checks and the removal are stand-ins here: what they do themselves is tested on the emulator, in
``tests/chain/test_smoke.py``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError
from infra.errors import SettingsError
from infra.settings import Settings
from infra.smoke import reading, run, watching
from infra.smoke.checks import Check, NotAsExpectedError, State
from infra.smoke.order import CHECKS
from infra.smoke.trial import Pace, TooLateError, Trial


class Removal:
    """Stands in for the removal: says what it was told to leave."""

    left: ClassVar[list[str]] = []
    done: ClassVar[int] = 0

    def __init__(self, trial: Trial) -> None:
        pass

    def remove(self) -> list[str]:
        type(self).done += 1
        return self.left

    def remains(self) -> list[str]:
        return self.left


@pytest.fixture(autouse=True)
def removal(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Removal]]:
    monkeypatch.setattr(run, "Removal", Removal)
    Removal.left, Removal.done = [], 0
    yield Removal


def trial(prefix: str = "smoke-", *, marked: bool = False, **services: Any) -> Trial:
    settings = Settings(prefix=prefix)
    chain = SimpleNamespace(settings=settings, client=services.get, outputs={"FunctionName": "f"})
    marker = SimpleNamespace(exists=lambda: marked, name="smoke-client-health-smoke")
    pace = Pace(poll=0.01, publish=0.05, soon=0.05)
    return Trial(
        chain,  # type: ignore[arg-type]
        None,  # type: ignore[arg-type]
        marker,  # type: ignore[arg-type]
        Path(),
        lambda text: None,
        lambda role: services.get,  # type: ignore[arg-type, return-value]
        pace,
    )


def check(name: str, found: object = "found", *needs: str) -> Check:
    def look(_: Trial) -> str:
        if isinstance(found, BaseException):
            raise found
        return str(found)

    return Check(name, f"title of {name}", look, needs)


def states(results: list[Any]) -> dict[str, str]:
    return {result.id: str(result.state) for result in results}


def test_a_failure_skips_what_needs_it_and_removes_everything() -> None:
    checks = (
        check("deploy", NotAsExpectedError("found 1, expected 2")),
        check("publish", "rows", "deploy"),
        check("query", "rows", "publish"),
        check("other"),
    )
    results = run.run(trial(), checks=checks)
    assert states(results) == {
        "deploy": "FAIL",
        "publish": "SKIPPED",
        "query": "SKIPPED",
        "other": "PASS",
        "removal": "PASS",
    }
    assert results[0].words == "found 1, expected 2"
    assert (results[1].words, results[2].words) == ("needs deploy", "needs publish")
    assert Removal.done == 1


def test_ctrl_c_fails_the_check_skips_the_others_and_removes_everything() -> None:
    results = run.run(trial(), checks=(check("a", KeyboardInterrupt()), check("b")))
    assert states(results) == {"a": "FAIL", "b": "SKIPPED", "removal": "PASS"}
    assert Removal.done == 1


def test_a_fault_of_a_check_fails_it_and_removes_everything() -> None:
    results = run.run(trial(), checks=(check("a", ZeroDivisionError("by zero")), check("b")))
    assert states(results) == {"a": "FAIL", "b": "PASS", "removal": "PASS"}
    assert "the check itself failed: ZeroDivisionError" in results[0].words


def test_what_remains_fails_the_removal_and_is_named() -> None:
    Removal.left = ["bucket smoke-x is still there"]
    (result,) = run.run(trial(), checks=())
    assert (result.state, result.words) == (State.FAIL, "bucket smoke-x is still there")


def test_keep_removes_nothing() -> None:
    (result,) = run.run(trial(), checks=(), keep=True)
    assert result.state is State.SKIPPED
    assert Removal.done == 0


def test_what_a_place_cannot_check_is_skipped_with_its_reason() -> None:
    one = trial()
    one.differences = {"a": "there is none here"}
    results = run.run(one, checks=(check("a", ZeroDivisionError()), check("b", "x", "a")))
    assert [result.words for result in results[:2]] == ["there is none here", "needs a"]


def test_it_refuses_an_empty_prefix_and_what_no_smoke_run_made() -> None:
    with pytest.raises(SettingsError, match="--prefix smoke-"):
        run.refuse(trial(""))
    run.refuse(trial())
    Removal.left = ["bucket smoke-cliente-data-raw"]
    with pytest.raises(SettingsError, match="smoke-cliente-data-raw exists already"):
        run.refuse(trial())
    run.refuse(trial(marked=True))


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command where AWS can't be reached."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    nowhere = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_MAX_ATTEMPTS": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", "infra.smoke", "--region", "sa-east-1", "--yes", *arguments],
        cwd=Path(__file__).resolve().parents[2],
        env={**kept, **nowhere},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_exit_codes_of_wrong_usage_and_of_an_aws_that_does_not_answer() -> None:
    without = command("--prefix", "")
    assert (without.returncode, "needs one" in without.stderr) == (2, True)
    unusable = command("--prefix", "no hyphen")
    assert (unusable.returncode, "such as dev-" in unusable.stderr) == (2, True)
    unreached = command()
    assert (unreached.returncode, "can't be reached" in unreached.stderr) == (4, True)


def test_needs_name_earlier_checks() -> None:
    seen: set[str] = set()
    for one in CHECKS:
        assert set(one.needs) <= seen, one.id
        seen.add(one.id)


def test_waiting_ends_and_says_for_what() -> None:
    noted: list[str] = []
    one = trial()
    one.note = noted.append
    started = time.monotonic()
    with pytest.raises(TooLateError, match="the moon: not within 0 s"):
        one.until("the moon", lambda: None, 0.05)
    assert time.monotonic() - started < 5
    assert one.until("the sun", lambda: "up", 0.05) == "up"


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "GetObject")


def raised(code: str) -> None:
    raise refusal(code)


def test_only_a_denial_is_a_denial() -> None:
    reading.must_be_denied("it", lambda: raised("AccessDenied"))
    with pytest.raises(NotAsExpectedError, match="AWS answers NoSuchKey"):
        reading.must_be_denied("it", lambda: raised("NoSuchKey"))
    with pytest.raises(NotAsExpectedError, match="AWS allows it"):
        reading.must_be_denied("it", lambda: None)


class Pages:
    """Stands in for a client whose paginators answer with the same page."""

    def __init__(self, **page: Any) -> None:
        self._page = page

    def get_paginator(self, _: str) -> Pages:
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return [self._page]


CPF = "52998224725"


@pytest.mark.parametrize("written", ["52998224725", "529.982.247-25"])
def test_a_cpf_in_a_log_fails_the_check_without_repeating_it(written: str) -> None:
    lines = [{"message": "uploads_seen"}, {"message": f"row with {written} in it"}]
    one = trial(logs=Pages(events=lines))
    one.cpfs = {CPF}
    with pytest.raises(NotAsExpectedError, match="has a CPF of an upload, in line 2") as caught:
        watching.reconciler_log(one)
    assert written not in str(caught.value)
    # A longer number that contains it is another number, such as a time.
    lines[1]["message"] = f"1{CPF} and 11144477735"
    assert watching.reconciler_log(one).startswith("2 lines of ")


def test_a_log_without_the_expected_line_is_too_late() -> None:
    with pytest.raises(TooLateError, match="'uploads_seen' in /aws/lambda/smoke-def_lambda"):
        watching.reconciler_log(trial(logs=Pages(events=[{"message": "other"}])))


def test_metrics_must_be_those_of_job_and_reconciler() -> None:
    named = [{"MetricName": name} for name in ("RunSucceeded", "RunPublished", "RowsPublished")]
    assert watching.metrics(trial(cloudwatch=Pages(Metrics=named))).startswith("3 metrics")
    with pytest.raises(TooLateError, match="smoke-ClientHealth"):
        watching.metrics(trial(cloudwatch=Pages(Metrics=named[:2])))


@pytest.mark.parametrize("state", ["ALARM", "INSUFFICIENT_DATA"])
def test_an_alarm_that_is_not_ok_fails_the_check(state: str) -> None:
    found = [{"AlarmName": "smoke-a", "StateValue": "OK"}, {"AlarmName": "b", "StateValue": "OK"}]
    assert watching.alarms(trial(cloudwatch=Pages(MetricAlarms=found))) == "2 alarms are OK"
    found[1]["StateValue"] = state
    with pytest.raises(TooLateError, match="all alarms to be OK"):
        watching.alarms(trial(cloudwatch=Pages(MetricAlarms=found)))
    with pytest.raises(TooLateError):
        watching.alarms(trial(cloudwatch=Pages(MetricAlarms=[])))
