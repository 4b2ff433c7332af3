"""`client-health report`: a run's notebooks as one page, in the text and in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import canaries, executed, lakes

from client_health_cli import report
from client_health_cli.commands import history
from client_health_cli.errors import LakeError, SettingsError
from client_health_cli.main import app
from register_contract.contract import Gate
from register_contract.runs import INGEST, STAGES, TRANSFORM, notebook_path
from register_run import Listener, cost

RUN = "r75d52766cee0a0a6"
OLDER = "r0000000000000001"
FAILED = "r00000000000000ff"
CANARY = f"{canaries.cpf(5)} Zyxcanario Nome"


def with_two_runs(lake: Path) -> Path:
    lakes.make(lake)
    for run_id in (OLDER, RUN):
        lakes.publish(lake, run_id, lakes.clients(30))
        executed.write(lake, run_id)
    return lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_two_runs(tmp_path_factory.mktemp("report") / "lake")


@pytest.fixture(scope="module")
def page(lake: Path) -> str:
    return report.write(str(lake), RUN)


def facts(text: str) -> dict[str, str]:
    return dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text))


def rows(text: str) -> dict[str, list[str]]:
    found = re.findall(r'<tr><th scope="row">(\w+)</th>(.*?)</tr>', text)
    return {name: re.findall(r'<td class="right">(.*?)</td>', cells) for name, cells in found}


# What it says


def test_the_top_says_what_the_run_cost(lake: Path) -> None:
    assert facts(report.write(str(lake), OLDER))["Cost"] == report.UNKNOWN
    for name, kind, seconds in (("s1", cost.SESSION, 700.0), ("jr_1", cost.JOB, 20.0)):
        cost.keep(str(lake), RUN, cost.Cost(name, kind, seconds, reported=True), Listener())
    assert facts(report.write(str(lake), RUN))["Cost"] == "0.2000 DPU-hours"
    shown = facts(report.write(str(lake), RUN, 0.44))["Cost"]
    assert shown == "0.2000 DPU-hours, 0.09 at 0.44 for each"


def test_the_top_says_which_run_and_what_became_of_it(page: str, lake: Path) -> None:
    found = facts(page)
    assert found["Run"] == RUN
    assert found["Delivery"] == f"d-{RUN}"
    assert found["Day"] == "2026-01-31"
    assert found["State"] == "published; it is what readers see"
    assert found["Gates"] == "all passed"
    assert found["Recorded"].endswith(" UTC")
    assert facts(report.write(str(lake), OLDER))["State"] == "published; readers see a later run"


def test_after_an_erasure_the_top_says_that_an_earlier_runs_rows_are_gone(tmp_path: Path) -> None:
    lake = with_two_runs(tmp_path / "lake")
    lakes.erase(lake)
    assert facts(report.write(str(lake), OLDER))["State"] == (
        "published; its rows are gone, because people were erased"
    )
    # What readers see has been erased from, and stays.
    assert facts(report.write(str(lake), RUN))["State"] == report.STATES["current"]


def test_each_state_of_the_history_has_words() -> None:
    """The history's own states, so that a new one can't be forgotten here."""
    found = set(re.findall(r"`(\w+)`", (history.history.__doc__ or "").partition("`gates`")[0]))
    assert found - {"stopped"} == set(report.STATES)


def test_the_top_names_a_gate_that_a_person_let_pass(tmp_path: Path) -> None:
    lake = with_two_runs(tmp_path / "lake")
    lakes.remember(lake, OLDER, 30, {})
    lakes.remember(lake, RUN, 31, {}, accepted=Gate.VOLUME_DIFERENTE.value)
    assert facts(report.write(str(lake), RUN))["Gates"] == "accepted volume_diferente"
    assert facts(report.write(str(lake), OLDER))["Gates"] == "all passed"


def test_the_rows_are_those_of_the_receipts(page: str) -> None:
    found = rows(page)
    assert found["csv"] == ["72", "12", "30", "0", "30"]
    assert found["total"] == ["72", "12", "30", "0", "30"]


def test_the_three_notebooks_are_in_it_with_code_and_outputs(page: str) -> None:
    for stage in STAGES:
        assert f'<article class="card notebook" id="stage-{stage}"' in page
    assert page.count("<h1>") == 1
    assert "validar_esquema" in page
    assert "data:image/png;base64," in page
    # Each text is a text, and a notebook's title is a heading below the page's.
    assert "<h2>01 · Ingest</h2>" in page
    assert "&lt;p&gt;" not in page
    assert "&lt;h" not in page


def test_parameters_paths_and_other_addresses_are_not(page: str, lake: Path) -> None:
    assert str(lake.parent) not in page
    assert "lake lake, dados_cadastro_2.csv" in page
    assert "id_key =" not in page
    assert "id.key" not in page
    assert re.findall(r"(?:src|href)=\"(?!data:|#)([^\"]*)", page) == []
    assert "<script" not in page


# A run that failed


def failed(lake: Path, ename: str, evalue: str) -> str:
    executed.write(lake, FAILED, [INGEST])
    executed.fail(lake, FAILED, TRANSFORM, ename, evalue)
    lakes.save_receipt(lake, lakes.receipt(FAILED, INGEST, 30))
    return report.write(str(lake), FAILED)


def test_a_stopped_gate_is_shown_with_its_finding(lake: Path) -> None:
    finding = "rejeitados_demais: 12.0 % of 300 rows rejected, at most 5 % may be"
    text = failed(lake, "QualityGateError", finding)
    found = facts(text)
    assert found["State"] == "failed in 02_transform: QualityGateError"
    assert found["Gates"] == "stopped by rejeitados_demais"
    assert finding in text
    assert rows(text)["csv"] == ["72", "–", "–", "–", "–"]
    assert "03_quality: did not run, or its notebook is gone" in text


@pytest.mark.parametrize("ename", ["ValueError", "GlueStatementError", f"Evil {CANARY}"])
def test_of_anybody_elses_error_only_the_name_is_shown(lake: Path, ename: str) -> None:
    text = failed(lake, ename, f"bad value {CANARY} in {lake}")
    name = ename if ename.isidentifier() else "an error"
    assert facts(text)["State"] == f"failed in 02_transform: {name}"
    assert canaries.found_in(text) == []
    assert str(lake) not in text
    assert "a warning about" not in text
    assert "line 1" not in text


# What can't be shown


def test_a_run_that_is_not_there_and_one_whose_notebooks_are_gone_are_told_apart(
    lake: Path, tmp_path: Path
) -> None:
    with pytest.raises(LakeError, match=r"there is no run r2 in .*client-health history"):
        report.write(str(lake), "r2")
    with pytest.raises(LakeError, match="there is no run"):
        report.write(str(tmp_path / "nowhere"), RUN)
    with pytest.raises(SettingsError, match="is not a run"):
        report.write(str(lake), "../../etc")
    lakes.save_receipt(lake, lakes.receipt("r3", INGEST, 30))
    with pytest.raises(LakeError, match="notebooks of run r3 are no longer in"):
        report.write(str(lake), "r3")
    (lake / notebook_path("r3", INGEST)).write_text("not a notebook")
    with pytest.raises(LakeError, match="no longer in"):
        report.write(str(lake), "r3")


def test_the_command_writes_the_file(lake: Path, tmp_path: Path, page: str) -> None:
    out = tmp_path / "new" / "run.html"
    app(["report", RUN, "--lake", str(lake), "--out", str(out)], standalone_mode=False)
    assert out.read_text("utf-8") == page


# In a browser


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=["desktop", "phone"])
def opened(
    request: pytest.FixtureRequest, browser: Any, page: str, tmp_path: Path
) -> Iterator[tuple[Any, list[str]]]:
    path = tmp_path / "run.html"
    path.write_text(page, "utf-8")
    width, height = request.param
    context = browser.new_context(viewport={"width": width, "height": height}, offline=True)
    shown, said = context.new_page(), []
    shown.on("console", lambda message: said.append(message.text))
    shown.on("request", lambda asked: said.append(asked.url))
    shown.goto(path.as_uri())
    said.remove(path.as_uri())
    yield shown, said
    context.close()


def test_a_browser_shows_it_without_a_fault_and_asks_for_nothing(
    opened: tuple[Any, list[str]],
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    shown, said = opened
    found = Axe().run(shown).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
    assert said == []
    assert shown.title() == f"Run {RUN}"
    # Only tables and code scroll, not the page.
    assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")
