"""`client-health rules`: what holds, what a file is refused for, and limits from the history."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from pyspark.sql import SparkSession
from tests.support.rule_files import EXAMPLE, one, read
from tests.support.webhooks import Webhook

from client_health.publish import records
from client_health.publish.lake import Lake
from client_health_cli import alert_url, data_contract, rule_listing, suggestions
from client_health_cli.dashboard import dictionary
from client_health_cli.errors import LakeError, SettingsError
from client_health_cli.main import main
from client_health_cli.pipeline import Asked, request
from register_contract import contract, rule_set, tables
from register_contract.rule_set import RuleSet

Capture = pytest.CaptureFixture[str]


def ended(*arguments: object) -> int:
    """Run the command and return its exit code."""
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    return int(stopped.value.code or 0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "team.yaml"
    path.write_text(EXAMPLE)
    return path


def listed(text: str) -> dict[str, dict[str, str]]:
    return {row["rule"]: row for row in csv.DictReader(io.StringIO(text))}


def test_the_contracts_rules_hold_where_no_file_is(capsys: Capture, tmp_path: Path) -> None:
    assert ended("rules", "--lake", tmp_path, "--format", "csv") == 0
    found = listed(capsys.readouterr().out)
    assert {row["origin"] for row in found.values()} == {"default"}
    assert set(found) >= {str(rule.name) for rule in contract.RULES}
    assert found["rejeitados_demais"]["limit"] == "rejected_share 0.05"
    assert found["nome_ausente"] == {
        "rule": "nome_ausente", "criticality": "warn", "column": "nome_completo",
        "meaning": "no name", "limit": "", "origin": "default",
    }  # fmt: skip
    limits = " ".join(row["limit"] for row in found.values())
    assert all(f"{name} " in limits for name in vars(contract.LIMITS))


def test_what_a_file_changes_is_marked(capsys: Capture, file: Path, tmp_path: Path) -> None:
    assert ended("rules", "--rules", file, "--format", "csv") == 0
    shown = capsys.readouterr().out
    found = listed(shown)
    assert {name for name, row in found.items() if row["origin"] == "file"} == {
        "sexo_desconhecido", "rejeitados_demais", "nome_curto", "cadastro_antes_de_2000",
        "menor_de_idade",
    }  # fmt: skip
    assert found["sexo_desconhecido"]["criticality"] == "error"
    assert found["menor_de_idade"]["limit"] == "share 0.25"
    assert found["menor_de_idade"]["meaning"] == "under age in a plan for adults"
    (tmp_path / "rules.yaml").write_text(EXAMPLE)
    assert ended("rules", "--lake", tmp_path, "--format", "csv") == 0
    assert capsys.readouterr().out == shown


def test_a_limit_without_a_gate_is_listed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_set, "LIMITED", {})
    found = {row["rule"]: row["limit"] for row in rule_listing.rows(RuleSet())}
    assert found["volume_change"] == "volume_change 0.5"


def test_every_mistake_of_a_file_is_named_and_the_exit_code_is_2(
    capsys: Capture, file: Path
) -> None:
    file.write_text("limits:\n  rejected_share: 2\n" + one(expression="nome > 1 / numero"))
    assert ended("rules", "--rules", file) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[1:] == [
        "  team.yaml, line 2: rejected_share is 2; a share between 0 and 1 was expected",
        "  team.yaml, line 6, rule nome_curto: there is no column nome",
        "  team.yaml, line 6, rule nome_curto: a division by something that may be zero: divide "
        "by a number, or by NULLIF(…, 0)",
    ]
    file.write_text(one(expression="LENGTH(nome_completo)"))
    assert ended("rules", "--rules", file) == 2
    assert "line 4, rule nome_curto: its result is UInt32; true" in capsys.readouterr().err
    assert ended("rules", "--format", "parquet") == 2


def test_a_run_with_a_bad_file_is_refused_before_anything_starts(
    capsys: Capture, file: Path, tmp_path: Path
) -> None:
    file.write_text(one(expression="numero"))
    lake = tmp_path / "lake"
    sources = ("--parquet", "p", "--csv", "c", "--json", "j")
    assert ended("run", "--lake", lake, *sources, "--rules", file) == 2
    assert "line 4, rule nome_curto: its result is Int32" in capsys.readouterr().err
    assert not lake.exists()
    assert ended("run", "--lake", lake, *sources, "--rules", tmp_path / "none.yaml") == 2
    assert "there is no such file" in capsys.readouterr().err


def test_people_are_told_of_a_bad_file_but_not_of_a_bad_option(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = Webhook()
    lake = tmp_path / "lake"
    lake.mkdir()
    (lake / "rules.yaml").write_text("limits:\n  x: 1\n" + one(column="nome"))
    sources = ("--parquet", "p", "--csv", "c", "--json", "j")
    try:
        for options in (("--as-of", "yesterday"), ()):
            monkeypatch.setenv(alert_url.VARIABLE, server.url)
            assert ended("run", "--lake", lake, *sources, *options) == 2
    finally:
        server.close()
    (told,) = map(json.dumps, server.arrived)
    assert "A run failed" in told
    assert "line 2: limits has no x" in told
    assert "line 5, rule nome_curto: there is no column nome" in told
    assert "did not reach" not in capsys.readouterr().err


def test_a_named_file_reaches_the_runner(file: Path) -> None:
    asked = Asked("lake", Path("notebooks"), sources=dict.fromkeys(contract.SOURCE_NAMES, "x"))
    assert request(asked).rules_file == ""
    named = Asked(**{**vars(asked), "rules": str(file)})
    named.check()
    named.check_rules()
    assert request(named).rules_file == str(file)


def test_the_contract_as_a_file_has_the_rules_that_hold(capsys: Capture, file: Path) -> None:
    assert ended("contract", "--rules", file) == 0
    written = yaml.safe_load(capsys.readouterr().out)
    (table,) = written["schema"]
    found = {
        rule["name"]: rule["severity"]
        for place in (table, *table["properties"])
        for rule in place.get("quality", ())
    }
    held = read(EXAMPLE)
    assert found == {str(rule.name): rule.criticality.value for rule in held.rules()}
    assert written["customProperties"][0]["value"] == held.fingerprint()
    assert data_contract.write("data team") == data_contract.write("data team", RuleSet())


def test_the_data_dictionary_has_the_rules_that_hold(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    assert ended("docs", "--rules", file, "--out", out) == 0
    page = out.read_text("utf-8")
    held = read(EXAMPLE)
    assert page == dictionary.write(held)
    assert "menor de idade em convênio para adultos" in page
    assert "no máximo 60" in page
    assert held.fingerprint() in page
    assert "nome_curto" not in dictionary.write()


# -- limits from the history -------------------------------------------------------------------


def result(run: str, rule: str, share: float | None, **changes: Any) -> dict[str, Any]:
    day = dt.date(2026, 1, int(run[1:]))
    return {
        "run_id": run,
        "delivery_id": "d0",
        "day": day,
        "recorded_at": dt.datetime(day.year, day.month, day.day, 6),
        "stage": "03_quality",
        "source": None,
        "rule": rule,
        "criticality": "gate",
        "rows_checked": 1000,
        "rows_failed": int(1000 * (share or 0)),
        "share": share,
        "limit": 0.05,
        "passed": True,
        "finding": "",
        "rules": "0",
        **changes,
    }


def test_limits_are_a_little_above_what_published_runs_had() -> None:
    results = [
        result("r1", "rejeitados_demais", 0.01),
        result("r2", "rejeitados_demais", 0.0213),
        result("r2", "rejeitados_demais", 0.9, source="csv"),
        result("r2", "volume_diferente", None),
        result("r2", "nome_ausente", 0.7),
        result("r2", "menor_de_idade", 0.9),
        result("r3", "rejeitados_demais", 0.4, passed=False),
        result("r3", "menor_de_idade", 0.95),
    ]
    held = read(EXAMPLE)
    text = suggestions.proposals(results, held)
    assert text is not None
    first, _, body = text.partition("\n")
    assert first == (
        "# 1.2 times the largest share in the last 2 published runs, of 2026-01-01 to 2026-01-02."
    )
    assert yaml.safe_load(body)["limits"] == {"rejected_share": 0.026}
    # It can be pasted: the file accepts it.
    pasted = read(text)
    assert pasted.limits.rejected_share == 0.026
    assert [(own.rule.name, own.share) for own in pasted.own] == [("menor_de_idade", 1.0)]
    assert pasted.own[0].expression == held.own[2].expression


@pytest.mark.parametrize(
    ("share", "limit"), [(0.0, 0.001), (0.0009, 0.0011), (0.05, 0.06), (0.333, 0.4), (0.99, 1.0)]
)
def test_a_proposed_limit_has_two_digits(share: float, limit: float) -> None:
    text = suggestions.proposals([result("r1", "rejeitados_demais", share)], RuleSet())
    assert yaml.safe_load(text or "") == {"limits": {"rejected_share": limit}}


def test_only_the_last_runs_count() -> None:
    days = range(1, suggestions.LAST + 2)
    results = [result(f"r{day}", "rejeitados_demais", 0.5 if day == 1 else 0.01) for day in days]
    text = suggestions.proposals(results, RuleSet())
    assert yaml.safe_load(text or "") == {"limits": {"rejected_share": 0.012}}


def test_without_a_history_there_is_nothing_to_propose() -> None:
    assert suggestions.proposals([], RuleSet()) is None
    assert suggestions.proposals([result("r1", "volume_diferente", None)], RuleSet()) is None


def test_the_history_is_read_from_the_lake(
    spark: SparkSession, tmp_path: Path, capsys: Capture
) -> None:
    lake = Lake.open(spark, str(tmp_path / "lake"))
    lake.make_tables()
    with pytest.raises(LakeError, match="has no table quality_results yet"):
        suggestions.suggest(lake.uri, RuleSet())
    table = tables.QUALITY_RESULTS
    rows = [result("r1", "rejeitados_demais", 0.02), result("r1", "volume_diferente", 0.1)]
    for run in ("r1", "r2"):
        written = [row | {"run_id": run, "passed": run == "r1"} for row in rows]
        records.replace(lake, table, run, pl.DataFrame(written, schema=records.schema(table)))
    place = lake.uri.removeprefix("file:")
    assert ended("rules", "suggest", "--lake", place) == 0
    assert yaml.safe_load(capsys.readouterr().out)["limits"] == {
        "rejected_share": 0.024, "volume_change": 0.12,
    }  # fmt: skip
    records.replace(lake, table, "r1", records.schema(table).to_frame())
    assert ended("rules", "suggest", "--lake", place) == 2
    assert "has no published run with a share" in capsys.readouterr().err


def test_a_lake_s_bad_file_also_stops_the_proposals(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("rules: 1\n")
    with pytest.raises(SettingsError, match="rules must be a list"):
        rule_listing.held(str(tmp_path))
