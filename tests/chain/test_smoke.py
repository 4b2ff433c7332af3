"""`make smoke` against the emulator: as far as it goes there, and when the chain doesn't work.

Both run in the same emulator. The SAM CLI itself deploys in test_chain.py and in tests/infra.
"""

from __future__ import annotations

import io
import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from infra.local_aws import LocalAws
from infra.smoke import __main__ as command
from infra.smoke import places
from infra.smoke.checks import Check, NotAsExpectedError
from infra.smoke.on_the_emulator import DIFFERENCES
from infra.smoke.order import CHECKS, REMOVAL
from infra.smoke.table import ROWS
from infra.smoke.trial import Pace, Trial
from tests.support.quick_sam import quick_sam

from register_run.storage import s3_parts

# A whole chain, with three sessions, beside four other workers in CI.
pytestmark = pytest.mark.timeout(1800)
# What can't be checked here, with the rows of docs/deploy.md that stay open because of it.
SKIPPED_CHECKS = {
    *("optimizers", "alarms", "reader-query", "reader-denied", "crawler", "notebook-role"),
    *("job-logs", "session-logs", "metrics"),
}
PASSED_ROWS = {
    *("templates", "deploy command", "packages of the job", "start of the job"),
    *("library in the session", "S3 of the session", "catalog of the session"),
    *("events and reconciler", "cost of a run"),
}


@dataclass
class Ended:
    """The results of a smoke run."""

    code: int
    said: str
    report: dict[str, Any]

    def checks(self) -> dict[str, tuple[str, str]]:
        return {one["id"]: (one["state"], one["words"]) for one in self.report["checks"]}


def smoke(place: LocalAws, out: Path, patch: pytest.MonkeyPatch) -> Ended:
    """Run the command in this process, in an emulator that runs already."""

    def entered(folder: Path) -> AbstractContextManager[LocalAws]:
        return nullcontext(place)

    patch.setattr(places, "LocalAws", entered)
    patch.setattr(sys, "argv", ["smoke", "--emulator", "--out", str(out)])
    patch.setattr(signal, "signal", lambda *_: None)
    said = io.StringIO()
    with (
        quick_sam(place.client),
        redirect_stdout(said),
        pytest.raises(SystemExit) as ended,
    ):
        command.main()
    (written,) = out.glob("smoke-*.json")
    assert isinstance(ended.value.code, int)
    return Ended(ended.value.code, said.getvalue(), json.loads(written.read_text()))


def attempted(check: Check) -> Check:
    """Return a check that passes if a skipped one would fail here, as its reason says."""

    def attempt(trial: Trial) -> str:
        quick = replace(trial, pace=Pace(poll=0.1, publish=1.0, soon=1.0))
        try:
            found = check.run(quick)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        raise NotAsExpectedError(f"{check.id} can be checked here: {found}")

    return Check(f"attempt-{check.id}", check.title, attempt, check.needs[:0])


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory, local_aws: LocalAws) -> Ended:
    attempts = tuple(attempted(check) for check in CHECKS if check.id in DIFFERENCES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "run", partial(command.run, checks=(*CHECKS, *attempts)))
        return smoke(local_aws, tmp_path_factory.mktemp("report"), patch)


def test_each_check_passes_or_is_skipped_with_the_reason_of_the_emulator(ended: Ended) -> None:
    found = ended.checks()
    wanted = {*(check.id for check in CHECKS), REMOVAL}
    assert {name: found[name][0] for name in wanted} == {
        name: "SKIPPED" if name in SKIPPED_CHECKS else "PASS" for name in wanted
    }, ended.said
    assert {name: found[name][1] for name in SKIPPED_CHECKS} == dict(DIFFERENCES)
    assert ended.code == 0


@pytest.mark.parametrize("name", sorted(SKIPPED_CHECKS))
def test_a_skipped_check_would_fail_here(ended: Ended, name: str) -> None:
    state, words = ended.checks()[f"attempt-{name}"]
    assert state == "PASS", words


def test_each_row_of_the_page_is_printed_with_its_state(ended: Ended) -> None:
    states = {row["part"]: row["state"] for row in ended.report["rows"]}
    assert states == {row.part: "PASS" if row.part in PASSED_ROWS else "SKIPPED" for row in ROWS}
    for part, state in states.items():
        assert f"{state:7} {part}: " in ended.said
    assert "a rehearsal, which settles none of them" in ended.said


def test_the_report_says_where_it_was_made(ended: Ended) -> None:
    assert (ended.report["place"], ended.report["region"]) == ("emulator", "us-east-1")
    assert ended.report["seconds"] > 10


def names_of_everything(trial: Trial) -> dict[str, list[str]]:
    """Return what there is in the account."""
    client = trial.chain.client
    keys = [
        client("kms").describe_key(KeyId=key["KeyId"]) for key in client("kms").list_keys()["Keys"]
    ]
    return {
        "stacks": trial.chain.stacks(),
        "buckets": [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]],
        "databases": [one["Name"] for one in client("glue").get_databases()["DatabaseList"]],
        "secrets": [one["Name"] for one in client("secretsmanager").list_secrets()["SecretList"]],
        "functions": [
            one["FunctionName"] for one in client("lambda").list_functions()["Functions"]
        ],
        "jobs": [job["Name"] for job in client("glue").get_jobs()["Jobs"]],
        "roles": [role["RoleName"] for role in client("iam").list_roles()["Roles"]],
        "groups": [
            group["logGroupName"] for group in client("logs").describe_log_groups()["logGroups"]
        ],
        "keys": [
            key["KeyMetadata"]["KeyId"]
            for key in keys
            if key["KeyMetadata"]["KeyManager"] == "CUSTOMER"
            and key["KeyMetadata"]["KeyState"] != "PendingDeletion"
        ],
    }


def without_the_script(trial: Trial) -> Callable[[], None]:
    """Return a deployment after which the job can't start, because its script is gone."""
    deploy = trial.chain.deploy

    def broken() -> None:
        deploy()
        job = trial.chain.client("glue").get_job(JobName=trial.chain.outputs["JobName"])["Job"]
        bucket, key = s3_parts(job["Command"]["ScriptLocation"])
        trial.chain.client("s3").delete_object(Bucket=bucket, Key=key)

    return broken


def test_a_chain_that_publishes_nothing_fails_and_leaves_nothing(
    tmp_path: Path, local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    whole = places.on_the_emulator

    @contextmanager
    def broken(*given: Any) -> Iterator[Trial]:
        with whole(*given) as trial:
            settings = trial.chain.settings
            parameters = {**settings.parameters, "MaxAttempts": "1"}
            trial.chain.settings = replace(settings, parameters=parameters)
            monkeypatch.setattr(trial.chain, "deploy", without_the_script(trial))
            s3 = trial.chain.client("s3")
            s3.create_bucket(Bucket="cliente-data-of-others-us-east-1")
            before.update(names_of_everything(trial))
            yield trial
            s3.delete_bucket(Bucket="cliente-data-of-others-us-east-1")

    def removed(trial: Trial, **given: Any) -> list[Any]:
        results = run(trial, **given)
        after.update(names_of_everything(trial))
        return results

    run = command.run
    monkeypatch.setattr(command, "run", removed)
    monkeypatch.setattr(places, "on_the_emulator", broken)
    ended = smoke(local_aws, tmp_path, monkeypatch)
    assert ended.code == 1
    found = ended.checks()
    assert found["publish"][0] == "FAIL"
    assert "the delivery is failed, expected published" in found["publish"][1]
    assert found["second-upload"][1] == "needs publish"
    assert {found[name][0] for name in ("deploy", "deploy-again", REMOVAL)} == {"PASS"}
    assert {row["part"]: row["state"] for row in ended.report["rows"]}["start of the job"] == "FAIL"
    assert after == before
    assert "FAIL    publish" in ended.said
