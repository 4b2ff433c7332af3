"""The rules and columns of the last runs on the dashboard: lights, words, and what is usual."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support import lakes

from client_health_cli.dashboard import rule_history as module
from client_health_cli.dashboard.rule_history import BAD, GOOD, WARN, RuleHistory, rule_history
from client_health_cli.published import published_table


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> RuleHistory:
    lake = tmp_path_factory.mktemp("rules") / "lake"
    lakes.make(lake)
    for number in range(1, 10):
        lakes.publish(lake, f"run-{number}", lakes.clients(9), receipts=False, follow=False)
        failed = {"cpf_formato": 2, "nome_ausente": 80 if number == 9 else 20}
        lakes.remember(lake, f"run-{number}", number, failed)
    lakes.remember(lake, "stopped", 10, {"cpf_formato": 2}, "rejeitados_demais")
    return rule_history(published_table(str(lake)))


def lights(found: RuleHistory, rule: str) -> list[str]:
    (line,) = (line for line in found.lines if line.rule == rule)
    return [cell.light for cell in line.cells]


def test_the_last_runs_are_shown_oldest_first_also_one_that_a_gate_stopped(
    found: RuleHistory,
) -> None:
    assert [run.run_id for run in found.runs] == [*(f"run-{n}" for n in range(4, 10)), "stopped"]
    assert [run.stopped for run in found.runs] == [False] * 6 + [True]
    assert found.runs[0].day == "04/01/2026"


def test_a_rule_that_is_broken_far_more_often_than_usual_is_worth_a_look(
    found: RuleHistory,
) -> None:
    assert lights(found, "cpf_formato") == [GOOD] * 7
    assert lights(found, "nome_ausente") == [GOOD] * 5 + [WARN, GOOD]
    (line,) = (line for line in found.lines if line.rule == "nome_ausente")
    assert (line.cells[5].word, line.cells[5].number) == ("subiu", "8,00\N{NBSP}%")
    assert line.meaning == "sem nome"


def test_rules_that_nothing_breaks_take_no_line_and_gates_that_stopped_nothing_one(
    found: RuleHistory,
) -> None:
    assert [line.rule for line in found.lines] == [
        "cpf_formato", "nome_ausente", "rejeitados_demais", "demais bloqueios",
    ]  # fmt: skip
    assert lights(found, "rejeitados_demais") == [GOOD] * 6 + [BAD]
    assert lights(found, "demais bloqueios") == [GOOD] * 7


def test_columns_of_the_last_publication_are_compared_with_the_runs_before(
    found: RuleHistory,
) -> None:
    name, birth, sexo = found.columns
    assert (name.name, birth.name, sexo.name) == ("nome_completo", "data_nascimento", "sexo")
    # The ninth run against the second to the eighth.
    assert (name.nulls, name.usual, name.distinct) == (0.009, 0.005, 90)
    assert birth.extremes == "1931 a 2020"


def test_a_lake_without_a_history_shows_none(tmp_path: Path) -> None:
    lakes.make(tmp_path / "lake")
    lakes.publish(tmp_path / "lake", "run", lakes.clients(9))
    assert rule_history(published_table(str(tmp_path / "lake"))) == RuleHistory()


def test_a_warning_about_a_whole_run_and_an_accepted_gate_are_told(tmp_path: Path) -> None:
    row = {"rows_checked": 10, "rows_failed": None, "share": 4.0, "passed": True, "finding": "x"}
    assert module._row_rule([[row]])[0].word == "mudou"
    assert module._gate([row]).word == "liberado"
    assert module._gate([]).light == ""
