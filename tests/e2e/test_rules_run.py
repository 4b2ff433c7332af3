"""``client-health run`` with a rules file: another run of a delivery, judged by its rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support import Command
from tests.support.rule_files import one, read

from client_health_cli import sample_data
from register_contract import contract, runs
from register_run import receipt

RULES = one(expression="LENGTH(nome_completo) >= 20") + (
    "  - name: cadastro_antigo\n"
    "    column: data_cadastro\n"
    "    expression: data_cadastro >= TIMESTAMP '2000-01-01 00:00:00' AND numero >= 10\n"
    "    criticality: error\n"
    "    meaning: registered long ago\n"
    "    significado: cadastro antigo\n"
    "limits:\n"
    "  rejected_share: 0.9\n"
    "criticality:\n"
    "  numero_invalido: error\n"
)


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    raw = tmp_path_factory.mktemp("delivery")
    defects = dict(sample_data.DEFAULT_DEFECTS) | {"numero_invalido": 0.05}
    sample_data.write(raw, 400, 5, sample_data.SampleSettings(defects=defects))
    return raw


def runs_of(lake: Path) -> list[Path]:
    return [path for path in (lake / "runs").iterdir() if path.is_dir()]


def transformed(lake: Path, run_id: str) -> dict[str, Any]:
    found = receipt.load(str(lake), run_id, runs.TRANSFORM)
    assert found is not None
    return dict(found)


def test_a_rules_file_names_and_judges_another_run_of_the_delivery(
    delivery: Path, warm_command: Command, command: Command, tmp_path: Path
) -> None:
    lake, file = tmp_path / "lake", tmp_path / "rules.yaml"
    file.write_text(RULES)
    done = warm_command("run", "--raw", delivery, "--lake", lake, "--rules", file)
    assert done.returncode == 0, done.stdout + done.stderr
    (first,), held = runs_of(lake), read(RULES)
    found = transformed(lake, first.name)
    assert found["rules"] == held.fingerprint() != contract.rules_fingerprint()
    assert json.loads((first / "rules.json").read_text())["file"] == "rules.yaml"
    assert tuple(found["rejections"]) == held.rejecting
    assert tuple(found["warnings"]) == held.counted
    assert found["rejections"]["cadastro_antigo"] > 0
    assert found["rejections"]["numero_invalido"] > 0
    assert found["warnings"]["nome_curto"] > 0
    # The summary, the notebook, and the page name the team's rules like the contract's.
    assert {"nome_curto", "cadastro_antigo"} <= set(done.stdout.split())
    assert "registered long ago" in (first / "02_transform.ipynb").read_text()
    page = tmp_path / "painel.html"
    drawn = command("dashboard", "--lake", lake, "--out", page)
    assert drawn.returncode == 0, drawn.stderr
    assert "cadastro_antigo" in page.read_text("utf-8")
    # The same file in the lake, as another person writes it, is the same run.
    (lake / "rules.yaml").write_text("# the team's\n" + RULES)
    again = warm_command("run", "--raw", delivery, "--lake", lake)
    assert again.returncode == 0, again.stderr
    assert f"Run {first.name} is already published" in again.stdout
    # A mistake in it is named before a session is created, and changes nothing.
    (lake / "rules.yaml").write_text(RULES.replace("numero >= 10", "read_csv('x')"))
    refused = warm_command("run", "--raw", delivery, "--lake", lake)
    assert refused.returncode == 2
    assert "rules.yaml, line 10, rule cadastro_antigo: READ_CSV reads files" in refused.stderr
    assert runs_of(lake) == [first]
