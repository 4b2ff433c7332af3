"""`client-health history`: each publication once, with what became of it."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from tests.support import lakes

from client_health_cli.commands.history import rows
from client_health_cli.errors import LakeError
from client_health_cli.gate_results import Gates
from client_health_cli.main import app, main
from register_contract.publications import History, Publication
from register_contract.refusals import Refusal
from register_run import Listener, cost

AN_EARLIER, THE_LAST = "r-first", "r-second"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with two publications, and no log yet."""
    made = tmp_path_factory.mktemp("published") / "lake"
    lakes.make(made)
    lakes.publish(made, AN_EARLIER, lakes.clients(3))
    lakes.publish(made, THE_LAST, lakes.clients(5))
    return made


def listed(lake: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    app(["history", "--lake", str(lake), "--format", "json"], standalone_mode=False)
    return list(json.loads(capsys.readouterr().out))


def test_runs_are_listed_newest_first_with_their_rows(
    lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last, first = listed(lake, capsys)
    assert (last["run"], last["published"], last["state"]) == (THE_LAST, 5, "current")
    assert (first["run"], first["published"], first["state"]) == (AN_EARLIER, 3, "earlier")
    assert last["day"] == "2026-01-31"
    assert last["recorded"] >= first["recorded"] > "2026"
    assert last["snapshot"] != first["snapshot"]


def test_a_table_is_for_people(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app(["history", "--lake", str(lake)], standalone_mode=False)
    head, rule, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["run", "day", "recorded"]
    assert set(rule) == {"-", " "}
    assert len(lines) == 2


def test_what_a_run_cost_is_told_in_dpu_hours_and_for_a_price_as_money(
    lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spent = cost.Cost("s1", cost.SESSION, 1800.0, reported=True)
    cost.keep(str(lake), THE_LAST, spent, Listener())
    last, first = listed(lake, capsys)
    assert (last["dpu_hours"], first["dpu_hours"]) == (0.5, None)
    assert "cost" not in last
    app(
        ["history", "--lake", str(lake), "--format", "json", "--dpu-hour-price", "0.44"],
        standalone_mode=False,
    )
    last, first = json.loads(capsys.readouterr().out)
    assert (last["cost"], first["cost"]) == (0.22, None)


def publication(number: int) -> Publication:
    counts = {"in": 9, "resubmitted": 0, "rejected": 2, "duplicates": 3, "suppressed": 0, "out": 4}
    record = {"as_of": f"2026-01-0{number}", "rows": {"csv": counts}}
    return Publication(f"r{number}", f"d{number}", str(number), number, "u", "", record)


def test_what_became_of_a_publication_is_its_state() -> None:
    expired, withdrawn, earlier, last = map(publication, (1, 2, 3, 4))
    found = History(published=(expired, earlier, last), withdrawn=(withdrawn,))
    metadata = {"snapshots": [{"snapshot-id": number} for number in (2, 3, 4)]}
    states = [(row["run"], row["state"]) for row in rows(found, metadata)]
    assert states == [
        ("r4", "current"),
        ("r3", "earlier"),
        ("r2", "withdrawn"),
        ("r1", "expired"),
    ]


def test_the_gates_of_each_run_are_told_also_of_runs_that_they_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = tmp_path / "lake"
    lakes.make(lake)
    lakes.publish(lake, AN_EARLIER, lakes.clients(3), follow=False)
    lakes.publish(lake, THE_LAST, lakes.clients(5), follow=False)
    lakes.remember(lake, THE_LAST, 2, {})
    lakes.remember(lake, "r-stopped", 3, {}, "rejeitados_demais")
    told = {row["run"]: row for row in listed(lake, capsys)}
    assert [told[run]["gates"] for run in (AN_EARLIER, THE_LAST)] == ["", "ok"]
    stopped = told["r-stopped"]
    assert (stopped["gates"], stopped["state"]) == ("stopped by rejeitados_demais", "stopped")
    assert (stopped["day"], stopped["published"]) == ("2026-01-03", None)


def test_a_run_that_never_had_a_session_is_listed_before_a_table_has_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = tmp_path / "lake"
    lakes.make(lake)
    lakes.publish(lake, THE_LAST, lakes.clients(5), follow=False)
    note = Refusal("r-old", "d", "2026-01-02", "remessa_antiga", "x", "f", "2026-02-01T03:00:00")
    (lake / note.path).parent.mkdir(parents=True)
    (lake / note.path).write_text(note.dump(), encoding="utf-8")
    told = {row["run"]: row for row in listed(lake, capsys)}["r-old"]
    assert (told["gates"], told["state"]) == ("stopped by remessa_antiga", "stopped")
    assert (told["day"], told["published"]) == ("2026-01-02", None)


def test_a_gate_that_a_person_let_pass_is_named() -> None:
    let_pass = Gates("2026-01-01", dt.datetime(2026, 1, 1), (), ("nulos_em_alta",))
    (row,) = rows(History(published=(publication(1),)), {"snapshots": []}, {"r1": let_pass})
    assert row["gates"] == "accepted nulos_em_alta"


def test_a_record_without_counts_has_none() -> None:
    bare = Publication("r1", "d1", "1", 1, "u", "", {})
    (row,) = rows(History(published=(bare,)), {"snapshots": []})
    assert (row["published"], row["rejected"], row["recorded"]) == (None, None, "")


def test_an_unpublished_lake_is_an_error_with_a_next_step(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="client-health run"):
        app(["history", "--lake", str(tmp_path / "nowhere")], standalone_mode=False)
    lakes.make(tmp_path / "empty")
    with pytest.raises(LakeError, match="nothing has been published"):
        app(["history", "--lake", str(tmp_path / "empty")], standalone_mode=False)


@pytest.mark.parametrize(
    ("service", "operation", "name"),
    [("glue", "get_table", "GetTable"), ("s3", "get_object", "GetObject")],
)
def test_what_aws_refuses_is_told_without_a_traceback(
    service: str,
    operation: str,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    account = boto3.Session("none", "none", region_name="sa-east-1")
    clients = {one: account.client(one) for one in ("glue", "s3")}
    monkeypatch.setattr(boto3, "client", lambda asked: clients[asked])
    stubs = {one: Stubber(client) for one, client in clients.items()}
    if service == "s3":
        place = {"metadata_location": "s3://bucket/lake/warehouse/00001-a.metadata.json"}
        stubs["glue"].add_response("get_table", {"Table": {"Name": "t", "Parameters": place}})
    why = "User: analyst is not authorized to perform this"
    stubs[service].add_client_error(operation, "AccessDenied", why, http_status_code=403)
    with stubs["glue"], stubs["s3"], pytest.raises(SystemExit) as ended:
        main(["history", "--lake", "s3://bucket/lake"])
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (4, "")
    (line,) = said.err.splitlines()
    refused = f"(AccessDenied) when calling the {name} operation: {why}."
    assert line.startswith("client-health: AWS: ")
    assert refused in line
    assert "permissions" in line
