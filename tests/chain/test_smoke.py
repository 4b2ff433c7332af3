"""`make smoke` against the emulator: as far as it goes there, and when the chain doesn't work."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from infra.smoke import __main__ as command
from infra.smoke import places
from infra.smoke.on_the_emulator import DIFFERENCES
from infra.smoke.order import CHECKS, REMOVAL
from infra.smoke.table import ROWS
from infra.smoke.trial import Trial

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
    "events and reconciler",
}


@pytest.fixture(scope="module")
def ended(
    tmp_path_factory: pytest.TempPathFactory, emulator_environment: None, root: Path
) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    out = tmp_path_factory.mktemp("report")
    asked = [sys.executable, "-m", "infra.smoke", "--emulator", "--out", str(out)]
    done = subprocess.run(asked, cwd=root, capture_output=True, text=True, check=False)
    reports = sorted(out.glob("smoke-*.json"))
    assert reports, done.stdout + done.stderr
    return done, json.loads(reports[0].read_text())


def test_each_check_passes_or_is_skipped_with_the_reason_of_the_emulator(
    ended: tuple[subprocess.CompletedProcess[str], dict[str, Any]],
) -> None:
    done, report = ended
    found = {one["id"]: (one["state"], one["words"]) for one in report["checks"]}
    wanted = {*(check.id for check in CHECKS), REMOVAL}
    assert {name: state for name, (state, _) in found.items()} == {
        name: "SKIPPED" if name in SKIPPED_CHECKS else "PASS" for name in wanted
    }, done.stdout
    assert {name: found[name][1] for name in SKIPPED_CHECKS} == dict(DIFFERENCES)
    assert done.returncode == 0


def test_each_row_of_the_page_is_printed_with_its_state(
    ended: tuple[subprocess.CompletedProcess[str], dict[str, Any]],
) -> None:
    done, report = ended
    states = {row["part"]: row["state"] for row in report["rows"]}
    assert states == {row.part: "PASS" if row.part in PASSED_ROWS else "SKIPPED" for row in ROWS}
    for part, state in states.items():
        assert f"{state:7} {part}: " in done.stdout


def test_the_report_says_where_it_was_made(
    ended: tuple[subprocess.CompletedProcess[str], dict[str, Any]],
) -> None:
    _, report = ended
    assert report["place"] == "emulator"
    assert report["region"] == "us-east-1"
    assert report["seconds"] > 10


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
        "jobs": client("glue").list_jobs()["JobNames"],
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
    tmp_path: Path,
    emulator_environment: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
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
            trial.chain.client("s3").create_bucket(Bucket="cliente-data-of-others-us-east-1")
            before.update(names_of_everything(trial))
            yield trial
            after.update(names_of_everything(trial))

    monkeypatch.setattr(places, "on_the_emulator", broken)
    monkeypatch.setattr(sys, "argv", ["smoke", "--emulator", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 1
    (written,) = tmp_path.glob("smoke-*.json")
    report = json.loads(written.read_text())
    found = {one["id"]: one for one in report["checks"]}
    assert found["publish"]["state"] == "FAIL"
    assert "the delivery is failed, expected published" in found["publish"]["words"]
    assert found["second-upload"]["words"] == "needs publish"
    assert {found[name]["state"] for name in ("deploy", "deploy-again", REMOVAL)} == {"PASS"}
    assert {row["part"]: row["state"] for row in report["rows"]}["start of the job"] == "FAIL"
    assert after == before
    assert "FAIL    publish" in capsys.readouterr().out
