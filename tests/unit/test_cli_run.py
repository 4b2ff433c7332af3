"""`client-health run`: what it passes to the runner, and what it shows during and after a run."""

import ast
import dataclasses
import io
import json
import re
from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber
from rich.console import Console

from client_health_cli.errors import SettingsError
from client_health_cli.listeners import LiveListener, PlainListener, listening
from client_health_cli.main import main
from client_health_cli.notebooks import notebooks_folder
from client_health_cli.pipeline import Asked, request, session_settings
from client_health_cli.sample_data import write
from client_health_cli.summary import print_summary
from register_contract import contract
from register_contract.runs import STAGES
from register_run.delivery import Delivery
from register_run.request import RunOutcome
from strict_glue.errors import ConfigurationError, ServiceError
from strict_glue.session_request import session_request

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMED = {"parquet": "p", "csv": "c", "json": "j"}


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    write(folder, 20, 1)
    return str(folder)


@pytest.fixture
def glue(monkeypatch):
    """Return the answers of AWS Glue; in the tests of the chain, a real service answers."""
    for name in ("CLIENT_HEALTH_JOB", "CLIENT_HEALTH_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    client = boto3.client("glue", region_name="sa-east-1", **keys)
    monkeypatch.setattr(boto3, "client", lambda _: client)
    with Stubber(client) as answers:
        yield answers


def asked(**changes):
    return Asked(**{"lake": "lake", "notebooks": NOTEBOOKS, "sources": NAMED, **changes})


def text_of(print_, width=200):
    file = io.StringIO()
    print_(Console(file=file, width=width))
    return file.getvalue()


def test_each_stage_is_given_exactly_the_parameters_of_its_notebook():
    for stage in request(asked()).stages:
        cells = json.loads(Path(stage.notebook).read_text(encoding="utf-8"))["cells"]
        (cell,) = [c for c in cells if "parameters" in c["metadata"].get("tags", [])]
        names = [node.targets[0].id for node in ast.parse("".join(cell["source"])).body]
        assert list(stage.parameters) == names, stage.name


def test_the_three_notebooks_run_in_their_order():
    assert [stage.name for stage in request(asked()).stages] == list(STAGES)
    assert [path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb"))] == list(STAGES)


def test_a_folder_gives_each_source_its_place(raw):
    sources = request(asked(raw=raw, sources=None)).sources
    assert {name: Path(place).name for name, place in sources.items()} == {
        source.name: source.file for source in contract.SOURCES
    }


def test_the_run_is_recorded_under_the_contracts_names():
    published = request(asked()).published
    assert (published.table, published.log) == (contract.TABLE, contract.LOG_TABLE)
    assert published.older_gate == contract.Gate.REMESSA_ANTIGA


def test_options_reach_the_runner(tmp_path):
    key = tmp_path / "key"
    key.touch()
    made = request(asked(run_id="r1", as_of="2026-01-31", force=True, accept_volume_change=True,
                         id_key=str(key), previous_id_key="secretsmanager:old"))  # fmt: skip
    assert (made.run_id, made.as_of, made.force) == ("r1", "2026-01-31", True)
    assert made.parameters == {
        "id_key": str(key),
        "previous_id_key": "secretsmanager:old",
        "accept_volume_change": True,
        "accept_drift": False,
    }
    assert made.accept_older is False
    assert made.rules == contract.rules_fingerprint()


def test_local_sessions_are_given_up_on_sooner():
    local, remote = request(asked()), request(asked(sessions="aws"))
    assert local.limits.provisioning == 90
    assert remote.limits.provisioning == 600


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sources": {}}, "--raw FOLDER"),
        ({"sources": {"parquet": "p", "csv": "", "json": "j"}}, "--raw FOLDER"),
        ({"raw": "r"}, "--raw and --csv"),
        ({"run_id": "../other"}, "--run-id '../other'"),
        ({"run_id": "a\n"}, "--run-id"),
        ({"run_id": ""}, "--run-id"),
        ({"run_id": "a" * 65}, "--run-id"),
        ({"as_of": "yesterday"}, "--as-of 'yesterday'"),
        ({"as_of": "20260131"}, "--as-of"),
        ({"sessions": "loca"}, "--sessions 'loca'"),
        ({"id_key": "/nowhere/key"}, "--id-key /nowhere/key"),
        ({"previous_id_key": "/nowhere/key"}, "--previous-id-key /nowhere/key"),
    ],
)
def test_options_that_cannot_be_meant_are_refused_before_anything_starts(changes, said):
    with pytest.raises(SettingsError, match=re.escape(said)):
        asked(**changes).check()


def test_usual_options_are_accepted():
    asked(run_id="2026-01-31_again.2", as_of="2026-01-31", sessions="https://x").check()
    asked(id_key="arn:aws:secretsmanager:sa-east-1:1:secret:x", sessions="aws").check()
    named = asked(id_key="secretsmanager:client-health/id-key", sessions="aws")
    named.check()
    assert request(named).parameters["id_key"] == named.id_key


def test_a_service_by_url_is_not_bypassed_by_a_profile():
    with session_settings("http://127.0.0.1:1") as settings:
        assert settings.environment["AWS_ENDPOINT_URL_GLUE"] == "http://127.0.0.1:1"
        assert {"AWS_PROFILE", "glue_profile"} <= set(settings.removed_variables)


def test_local_sessions_have_a_service_of_their_own():
    with session_settings("local") as settings:
        assert settings.environment["AWS_ENDPOINT_URL_GLUE"].startswith("http://127.0.0.1:")
        assert settings.environment["AWS_SECRET_ACCESS_KEY"]


def test_sessions_on_aws_are_like_the_deployed_jobs(glue, monkeypatch):
    monkeypatch.setenv("CLIENT_HEALTH_JOB", "dev-job_client_health")
    monkeypatch.setenv("CLIENT_HEALTH_DATABASE", "dev_db_client_insurance")
    arguments = {
        "--PREFIX": "dev-",
        "--DATABASE": "dev_db_client_insurance",
        "--SESSION_ROLE": "arn:role",
        "--SESSION_CONF": "a=b --conf c=d",
        "--PYTHON_MODULES": "s3://b/w.gluewheels.zip",
        "--CONNECTION": "network",
        "--TAGS": "CostCenter=1",
        "library-set": "none",
    }
    asks = {"JobName": "dev-job_client_health"}
    glue.add_response("get_job", {"Job": {"DefaultArguments": arguments}}, asks)
    with session_settings("aws", "s3://bucket/lake") as settings:
        assert not settings.environment
        assert not settings.removed_variables
    request = session_request({}, settings, {}, "erase")
    assert request["Id"].startswith("dev-client-health-erase-")
    assert request["Role"] == "arn:role"
    assert request["DefaultArguments"] == {
        "--additional-python-modules": "s3://b/w.gluewheels.zip",
        "--python-modules-installer-option": "--no-index",
        "--conf": "a=b --conf c=d --conf spark.client_health.database=dev_db_client_insurance",
    }
    assert request["Connections"] == {"Connections": ["network"]}
    # Without the job's tag: the reconciler stops a session whose job isn't running.
    assert request["Tags"] == {
        "CostCenter": "1",
        "project": "dev-client-health",
        "run-id": "erase",
    }


def test_a_job_of_another_deployment_is_refused(glue):
    arguments = {"--DATABASE": "dev_db_client_insurance"}
    glue.add_response("get_job", {"Job": {"DefaultArguments": arguments}})
    said = "into the database dev_db_client_insurance, not db_client_insurance"
    with (
        pytest.raises(ConfigurationError, match=said) as refused,
        session_settings("aws", "s3://bucket/lake"),
    ):
        pass
    assert "CLIENT_HEALTH_JOB and CLIENT_HEALTH_DATABASE" in refused.value.next_step


@pytest.mark.parametrize(
    ("code", "error", "step"),
    [
        ("EntityNotFoundException", ConfigurationError, "CLIENT_HEALTH_JOB"),
        ("AccessDeniedException", ServiceError, "permissions"),
    ],
)
def test_sessions_on_aws_without_a_job_to_ask_say_what_is_missing(glue, code, error, step):
    glue.add_client_error("get_job", code)
    with (
        pytest.raises(error) as refused,
        session_settings("aws", "s3://bucket/lake"),
    ):
        pass
    assert step in refused.value.next_step


def test_local_sessions_on_a_lake_in_s3_are_told_its_region(monkeypatch):
    monkeypatch.setenv("AWS_REGION", "sa-east-1")
    for sessions in ("local", "http://127.0.0.1:1"):
        with session_settings(sessions, "s3://bucket/lake") as settings:
            told = {"--conf": "spark.hadoop.fs.s3a.endpoint.region=sa-east-1"}
            assert settings.default_arguments == told
    with session_settings("http://127.0.0.1:1", "/a/lake") as settings:
        assert not settings.default_arguments


def test_notebooks_are_found_where_one_stands_or_in_the_source_tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert notebooks_folder() == NOTEBOOKS
    (tmp_path / "notebooks").mkdir()
    for stage in STAGES:
        (tmp_path / "notebooks" / f"{stage}.ipynb").touch()
    assert notebooks_folder() == tmp_path / "notebooks"
    with pytest.raises(SettingsError, match="--notebooks"):
        notebooks_folder(tmp_path)


@pytest.mark.parametrize("missing", ["parquet", "csv", "json"])
def test_a_delivery_with_a_source_missing_exits_2_and_names_it(raw, missing, tmp_path, capsys):
    for path in Path(raw).iterdir():
        if path.suffix != f".{missing}":
            (tmp_path / path.name).symlink_to(path)
    with pytest.raises(SystemExit) as ended:
        main(["run", "--raw", str(tmp_path), "--lake", str(tmp_path / "lake")])
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert f"none for {missing}" in said.err
    assert "Traceback" not in said.err
    assert said.out == ""
    assert not (tmp_path / "lake").exists()


def receipt(rows, **more):
    members = ("in", "out", "rejected", "duplicates", "suppressed")
    counts = {name: dict(zip(members, row, strict=True)) for name, row in rows.items()}
    return {"rows": counts, "rejections": {}, "warnings": {}, **more}


@pytest.fixture
def outcome():
    return RunOutcome(
        run_id="r1",
        delivery_id="d1",
        status="published",
        receipts={
            "01_ingest": receipt({"parquet": (1_000_000, 1_000_000, 0, 0, 0),
                                  "csv": (2_000, 2_000, 0, 0, 0)}),
            "02_transform": receipt(
                {"parquet": (1_000_000, 900_000, 1_500, 98_500, 0), "csv": (2_000, 1_990, 3, 7, 0)},
                rejections={"cpf_ausente": 3, "cpf_formato": 1_500, "linha_malformada": 0},
                warnings={"nome_ausente": 12, "numero_invalido": 40_000},
            ),
            "03_quality": receipt({"parquet": (900_000, 900_000, 0, 0, 0),
                                   "csv": (1_990, 1_990, 0, 0, 0)},
                                  shares={"SUS": 300_663, "AMIL": 601_327}),
        },
        notebooks={stage: f"/lakes/my lake/runs/r1/{stage}.ipynb" for stage in STAGES},
        seconds={"01_ingest": 10.04, "02_transform": 20.0, "03_quality": 3.0},
        snapshot_id="77",
    )  # fmt: skip


def lines_of(outcome, lake="my lake"):
    text = text_of(lambda console: print_summary(console, outcome, lake))
    return [" ".join(line.split()) for line in text.splitlines()]


def test_the_summary_accounts_for_every_source_and_their_sum(outcome):
    lines = lines_of(outcome)
    assert "source ingested rejected duplicates published" in lines
    assert "parquet 1,000,000 1,500 98,500 900,000" in lines
    assert "csv 2,000 3 7 1,990" in lines
    assert "total 1,002,000 1,503 98,507 901,990" in lines


def test_numbers_of_the_summary_stand_to_the_right(outcome):
    text = text_of(lambda console: print_summary(console, outcome, "lake"))
    rows = [line for line in text.splitlines() if line.strip().startswith(("parquet", "csv"))]
    assert len(rows) == 2
    assert len({len(row.rstrip()) for row in rows}) == 1


def test_rules_and_plans_come_with_the_largest_first(outcome):
    text = text_of(lambda console: print_summary(console, outcome, "lake"), width=80)
    order = ["cpf_formato", "cpf_ausente"], ["numero_invalido", "nome_ausente"], ["AMIL", "SUS"]
    for larger, smaller in order:
        assert -1 < text.index(larger) < text.index(smaller)
    assert "linha_malformada" not in text
    assert "66.7%" in text
    assert "33.3%" in text


def test_the_summary_says_where_the_notebooks_are_and_what_to_try(outcome):
    lines = lines_of(outcome)
    assert "Run r1 is published; its stages took 33.0 s." in lines
    assert "Executed notebooks: /lakes/my lake/runs/r1/" in lines
    assert lines[-1].startswith("Next: client-health query --lake 'my lake' 'SELECT ")


def test_a_lake_on_aws_keeps_its_uri_and_is_given_no_local_query(outcome):
    notebooks = {stage: f"s3://bucket/lake/runs/r1/{stage}.ipynb" for stage in STAGES}
    lines = lines_of(dataclasses.replace(outcome, notebooks=notebooks), "s3://bucket/lake")
    assert lines[-1] == "Executed notebooks: s3://bucket/lake/runs/r1/"


def test_a_run_published_before_shows_what_is_still_known(outcome):
    last = {"03_quality": outcome.receipts["03_quality"]}
    lines = lines_of(dataclasses.replace(outcome, status="already_published", receipts=last))
    assert any("already published" in line and "--force" in line for line in lines)
    assert "parquet - - - 900,000" in lines
    assert "total - - - 901,990" in lines


def test_rows_left_out_by_law_get_a_column_when_there_are_any(outcome):
    receipts = {
        **outcome.receipts,
        "02_transform": receipt({"parquet": (1_000_000, 899_995, 1_500, 98_500, 5),
                                 "csv": (2_000, 1_990, 3, 7, 0)}),
        "03_quality": receipt({"parquet": (899_995, 899_995, 0, 0, 0),
                               "csv": (1_990, 1_990, 0, 0, 0)}, shares={}),
    }  # fmt: skip
    lines = lines_of(dataclasses.replace(outcome, receipts=receipts))
    assert "source ingested rejected duplicates suppressed published" in lines
    assert "total 1,002,000 1,503 98,507 5 901,985" in lines


def tell(listener, raw, outcome):
    """Report the events of a run with two stages."""
    delivery = Delivery.read({"csv": f"{raw}/dados_cadastro_2.csv"})
    listener.run_started("r1", delivery)
    listener.note("session [s1] ready")
    listener.stage_skipped("01_ingest", outcome.receipts["01_ingest"])
    listener.stage_started("02_transform", 4)
    listener.cell_started("02_transform", 2, 4)
    listener.progress("02_transform", 0.5)


def test_piped_progress_is_a_line_when_a_stage_starts_and_one_when_it_ends(raw, outcome):
    file = io.StringIO()
    with listening(Console(file=file)) as listener:
        assert type(listener) is PlainListener
        tell(listener, raw, outcome)
        listener.stage_finished("02_transform", outcome.receipts["02_transform"], 20.04)
    lines = file.getvalue().splitlines()
    assert lines[0].startswith("run r1 of delivery d")
    assert lines[1:] == [
        "session [s1] ready",
        "01_ingest: done by an earlier start, 1,002,000 rows",
        "02_transform: started, 4 cells",
        "02_transform: done in 20.0 s, 901,990 rows",
    ]


def test_a_terminal_shows_cell_and_spark_progress(raw, outcome):
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=100, legacy_windows=False)
    with listening(console) as listener:
        assert isinstance(listener, LiveListener)
        tell(listener, raw, outcome)
        (task,) = [t for t in listener._progress.tasks if t.description == "02_transform"]
        assert task.completed == pytest.approx((1 + 0.5) / 4)
        assert task.fields["doing"] == "cell 2 of 4, Spark 50%"
        listener.stage_finished("02_transform", outcome.receipts["02_transform"], 20.0)
        assert task.finished
    assert "✓" in file.getvalue()


def test_a_terminal_survives_progress_of_a_stage_that_is_not_shown_yet(raw, outcome):
    with listening(Console(file=io.StringIO(), force_terminal=True)) as listener:
        listener.progress("02_transform", 0.5)
        tell(listener, raw, outcome)
