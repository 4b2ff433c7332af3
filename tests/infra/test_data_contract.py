"""`client-health contract`: a file of the Open Data Contract Standard, made from the contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from infra.template import load_template
from tests.support.scanners import scan

from client_health_cli import data_contract
from client_health_cli.errors import SettingsError
from client_health_cli.main import app
from register_contract import contract


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    return dict(yaml.safe_load(data_contract.write("data team")))


@pytest.mark.slow
def test_datacontract_cli_accepts_it(tmp_path: Path) -> None:
    file = tmp_path / "clientoutput.odcs.yaml"
    app(["contract", "--out", str(file)], standalone_mode=False)
    linted = scan("datacontract", "lint", str(file), environment="contract")
    assert linted.returncode == 0, linted.stdout
    assert f"valid against ODCS {data_contract.API_VERSION}" in linted.stdout
    broken = file.read_text().replace("logicalType: date", "logicalType: day")
    file.write_text(broken)
    assert scan("datacontract", "lint", str(file), environment="contract").returncode != 0


def test_columns_have_the_contracts_types_meanings_and_classes(written: dict[str, Any]) -> None:
    (table,) = written["schema"]
    properties = {one["name"]: one for one in table["properties"]}
    assert list(properties) == [column.name for column in contract.COLUMNS]
    for column in contract.COLUMNS:
        found = properties[column.name]
        assert (found["physicalType"], found["description"]) == (column.type, column.meaning)
        assert found["classification"].startswith("personal") == column.personal
        assert ("masked" in found["classification"]) == column.masked
    assert [name for name, one in properties.items() if one.get("unique")] == ["id"]
    assert [name for name, one in properties.items() if one.get("partitioned")] == ["convenio"]


def test_every_rule_is_in_it_once(written: dict[str, Any]) -> None:
    (table,) = written["schema"]
    places = [table, *table["properties"]]
    found = [rule for place in places for rule in place.get("quality", ())]
    assert sorted((one["name"], one["severity"]) for one in found) == sorted(
        (str(rule.name), rule.criticality.value) for rule in contract.RULES
    )


def test_each_role_has_its_policy_in_the_template(written: dict[str, Any], root: Path) -> None:
    resources = load_template((root / "infra" / "template.yaml").read_text())["Resources"]
    for role in written["roles"]:
        assert f"{role['role']}Policy" in resources


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="absent"):
        app(["contract", "--out", str(tmp_path / "absent" / "x.yaml")], standalone_mode=False)
