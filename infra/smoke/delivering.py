"""Checks of deliveries: one is published, one file again starts nothing, a killed run goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from client_health_cli.sample_data import write
from infra.chain import Claimed
from infra.smoke.checks import NotAsExpectedError, expect
from infra.smoke.trial import Trial
from register_contract import runs
from register_contract.receipts import total

FIRST, SECOND = "2026-01-01", "2026-01-02"
ROWS = 300
_SEEDS = {FIRST: 1, SECOND: 2}
_CSV = "dados_cadastro_2.csv"
_KILLED_IN = "02_transform"
_LIVE = ("PROVISIONING", "READY")
_ACTIVE = ("STARTING", "RUNNING", "STOPPING", "WAITING")


def publish(trial: Trial) -> str:
    """Upload three synthetic files, and wait until the chain has published them."""
    trial.chain.upload(_sample(trial, FIRST))
    claim = trial.until(
        f"the delivery of {FIRST} to end", lambda: _ended(trial, FIRST), trial.pace.publish
    )
    outcome = _outcome(trial, claim)
    _expect_published(claim, outcome)
    trial.runs[FIRST] = str(outcome["run_id"])
    trial.see_sessions()
    first, last = (_receipt(trial, stage) for stage in (runs.STAGES[0], runs.STAGES[-1]))
    rows_in, rows = total(first, "in"), total(last, "out")
    expect(rows_in == 3 * ROWS, f"the run read {rows_in} rows, {3 * ROWS} were uploaded")
    expect(2 * ROWS < rows < rows_in, f"{rows} of {rows_in} rows were published")
    return f"{rows} of {rows_in} rows published"


def published_rows(trial: Trial) -> int:
    """Return the number of rows that the last run of ``publish`` published, by its receipt."""
    return int(total(_receipt(trial, runs.STAGES[-1]), "out"))


def second_upload(trial: Trial) -> str:
    """Upload one file of the published delivery again, and have the reconciler look."""
    chain, before = trial.chain, trial.chain.claims()
    started = len(chain.runs())
    name = f"{FIRST}/{_CSV}"
    chain.upload({name: trial.folder / name})
    chain.reconcile()
    after = chain.claims()
    expect(after == before, f"{len(after)} claims after the upload, expected {len(before)}")
    found = len(chain.runs())
    expect(found == started, f"{found} runs of the job after it, expected {started}")
    return f"the reconciler looked, and there are {len(after)} claims and {found} runs as before"


def kill(trial: Trial) -> str:
    """Stop the job's run in its second stage; the reconciler must finish the delivery."""
    chain = trial.chain
    known = set(_run_ids(trial))
    chain.upload(_sample(trial, SECOND))
    claim = trial.until("the second claim", lambda: _of(trial, SECOND), trial.pace.soon)
    trial.until(
        f"{_KILLED_IN} of the second run",
        lambda: [
            run_id
            for run_id in set(_run_ids(trial)) - known
            if runs.notebook_path(run_id, _KILLED_IN) in _run_files(trial)
        ],
        trial.pace.publish,
    )
    session = [str(one["Id"]) for one in trial.see_sessions() if one["Status"] in _LIVE]
    (run,) = trial.runs_of(claim.uri)
    stopped = chain.client("glue").batch_stop_job_run(
        JobName=chain.outputs["JobName"], JobRunIds=[run["Id"]]
    )
    expect(
        not stopped["Errors"] and run["JobRunState"] in _ACTIVE,
        f"the run was {run['JobRunState']} and could not be stopped: {stopped['Errors']}",
    )
    claim = trial.until(
        "the stopped delivery to end", lambda: _ended(trial, SECOND), trial.pace.publish
    )
    outcome = _outcome(trial, claim)
    _expect_published(claim, outcome)
    trial.runs[SECOND] = str(outcome["run_id"])
    states = [one["JobRunState"] for one in trial.runs_of(claim.uri)]
    expect(
        len(states) > 1 and states[0] in {"STOPPED", "FAILED"} and states[-1] == "SUCCEEDED",
        f"the delivery's runs are {states}, expected one that was stopped and one that succeeded",
    )
    living = {str(one["Id"]) for one in trial.see_sessions() if one["Status"] in _LIVE}
    left = living & set(session)
    expect(session, "the run had no session when it was stopped, expected one")
    expect(not left, f"the stopped run's session still lives: {sorted(left)}")
    return f"runs {', '.join(states)}; the stopped run's session has ended"


def copy_of_a_delivery(trial: Trial) -> str:
    """Return the URI of a published delivery's CSV copy in the lake, with CPFs."""
    folder = f"{trial.chain.lake}/deliveries/"
    return folder + next(key for key in sorted(trial.keys(folder)) if key.endswith(_CSV))


def _sample(trial: Trial, group: str) -> dict[str, Path | bytes]:
    raw = trial.folder / group
    write(raw, ROWS, _SEEDS[group])
    lines = (raw / _CSV).read_text(encoding="utf-8").splitlines()[1:]
    trial.cpfs.update("".join(filter(str.isdigit, line.split("|")[0])) for line in lines)
    return {f"{group}/{path.name}": path for path in sorted(raw.glob("dados_*"))}


def _of(trial: Trial, group: str) -> Claimed | None:
    return next((claim for claim in trial.chain.claims() if claim.group == group), None)


def _ended(trial: Trial, group: str) -> Claimed | None:
    claim = _of(trial, group)
    return claim if claim and claim.end else None


def _outcome(trial: Trial, claim: Claimed) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = json.loads(
            trial.chain.read(f"{claim.uri.removesuffix('.json')}.outcome.json")
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return {}
    return found


def _expect_published(claim: Claimed, outcome: Mapping[str, Any]) -> None:
    if claim.end != "published" or not outcome:
        words = outcome.get("message", "its job left no outcome; see the job's log")
        raise NotAsExpectedError(f"the delivery is {claim.end}, expected published: {words}")


def _receipt(trial: Trial, stage: str) -> Any:  # noqa: ANN401 - as JSON has it
    path = runs.receipt_path(trial.runs[FIRST], stage)
    return json.loads(trial.chain.read(f"{trial.chain.lake}/{path}"))


def _run_files(trial: Trial) -> set[str]:
    return {f"runs/{key}" for key in trial.keys(f"{trial.chain.lake}/runs/")}


def _run_ids(trial: Trial) -> set[str]:
    return {path.split("/")[1] for path in _run_files(trial) if path.count("/") > 1}
