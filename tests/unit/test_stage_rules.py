"""The rules of a run in its stages: who settles them, and what they change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from test_stage import Run, a_run
from tests.support.rule_files import EXAMPLE, one, read

from client_health import stages
from client_health.errors import HandoverError, QualityGateError, SettingsError
from client_health.gate import quality
from client_health.publish import publishing
from register_contract import contract, runs
from register_contract.rule_set import RuleSet
from register_run import team_rules


def publish(run: Run) -> None:
    """Publish with the limits of the run's rules."""
    stage = run.begin(stages.QUALITY)
    branch = publishing.branch(stage)
    report = branch.checked(
        quality.validar_qualidade_dados, branch.shares, publishing.expectations(stage)
    )
    publishing.publish(stage, branch, report)


def test_a_run_under_a_file_rejects_counts_and_stops_by_it(
    spark: SparkSession, tmp_path: Path
) -> None:
    run = a_run(tmp_path)
    # All names are shorter than four letters, and no date of birth can be read.
    held = read(EXAMPLE.replace(">= TIMESTAMP '2000-01-01", ">= TIMESTAMP '2019-01-01"))
    team_rules.hand_over(run.lake, run.run_id, held)
    run.ingest()
    receipt = run.transform()
    assert receipt["rules"] == held.fingerprint() != contract.rules_fingerprint()
    assert tuple(receipt["rejections"]) == held.rejecting
    assert tuple(receipt["warnings"]) == held.counted
    assert {name: rows for name, rows in receipt["rejections"].items() if rows} == {
        "linha_malformada": 1,
        "sexo_desconhecido": 4,
        "cadastro_antes_de_2000": 1,
    }
    assert sum(rows["rejected"] for rows in receipt["rows"].values()) == 6
    with pytest.raises(QualityGateError, match=r"6 of 6 rows rejected \(100.0%, the limit is 60%"):
        publish(run)


def test_a_gate_of_one_s_own_names_its_rule_and_figures(
    spark: SparkSession, tmp_path: Path
) -> None:
    run = a_run(tmp_path)
    text = one(criticality="gate", share="0.5") + "limits:\n  rejected_share: 0.2\n"
    team_rules.hand_over(run.lake, run.run_id, read(text))
    run.ingest()
    assert run.transform()["warnings"]["nome_curto"] == 4
    with pytest.raises(QualityGateError) as stopped:
        publish(run)
    assert dict(stopped.value.failures) == {
        contract.Gate.REGRA_PROPRIA: "nome_curto: 4 of 4 rows (100%, the limit is 50%)"
    }
    assert "change the rule's share in the rules file" in str(stopped.value)
    # The limit is the rules file's: the same rows can be published under another share.
    team_rules.hand_over(run.lake, run.run_id, read(text.replace("0.5", "1")))
    with pytest.raises(HandoverError, match="Other rules held in stage 02_transform of run r1"):
        publish(run)
    run.ingest()
    run.transform()
    publish(run)


def test_a_first_stage_that_is_run_by_hand_settles_the_rules_of_its_run(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake, file = tmp_path / "lake", tmp_path / "lake" / "rules.yaml"
    lake.mkdir()
    settled = lake / runs.rules_path("manual")

    def begin(name: str) -> RuleSet:
        return stages.begin(name, lake=str(lake)).rules

    assert begin(stages.INGEST) == RuleSet()
    file.write_text(one())
    assert begin(stages.TRANSFORM) == RuleSet()
    assert begin(stages.INGEST) == begin(stages.TRANSFORM) == begin(stages.QUALITY) == read(one())
    assert RuleSet.load(settled.read_text()) == read(one())
    file.unlink()
    assert begin(stages.QUALITY) == read(one())
    assert begin(stages.INGEST) == begin(stages.QUALITY) == RuleSet()
    assert not settled.exists()


def test_a_stage_that_the_runner_starts_reads_what_the_runner_wrote(
    spark: SparkSession, tmp_path: Path
) -> None:
    run = replace(a_run(tmp_path), run_id="r2")
    Path(run.lake).mkdir()
    Path(run.lake, "rules.yaml").write_text(one())
    assert run.begin(stages.INGEST).rules == RuleSet()
    team_rules.hand_over(run.lake, "r2", read(EXAMPLE))
    assert run.begin(stages.INGEST).rules == read(EXAMPLE)
    assert replace(run, run_id="r3").begin(stages.INGEST).rules == RuleSet()
    team_rules.hand_over(run.lake, "r2", RuleSet())
    assert run.begin(stages.INGEST).rules == RuleSet()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (one(column="nome"), "rules.yaml, line 3, rule nome_curto: there is no column nome"),
        (one(expression="numero + 1"), "line 4, rule nome_curto: its result is Int32"),
        ("rules: [", "rules.yaml, line 1: not YAML"),
    ],
)
def test_a_file_that_cannot_be_used_stops_a_stage_before_it_reads_data(
    spark: SparkSession, tmp_path: Path, text: str, problem: str
) -> None:
    (tmp_path / "rules.yaml").write_text(text)
    with pytest.raises(SettingsError) as refused:
        stages.begin(stages.INGEST, lake=str(tmp_path))
    assert problem in str(refused.value)
    assert not list(tmp_path.glob("runs/*/*.json"))
