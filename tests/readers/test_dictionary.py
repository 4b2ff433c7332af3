"""The data dictionary agrees with the contract."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from client_health_cli.dashboard import dictionary
from client_health_cli.main import main
from register_contract import contract


def test_every_column_and_rule_has_a_meaning_in_portuguese() -> None:
    assert all(column.significado for column in contract.COLUMNS)
    assert all(rule.significado for rule in contract.RULES)
    assert set(dictionary.EFFECTS) == set(contract.Criticality)


def test_every_column_shows_its_type_sources_and_mask() -> None:
    entries = {entry.name: entry for entry in dictionary.entries()}
    assert list(entries) == [column.name for column in contract.COLUMNS]
    for column in contract.COLUMNS:
        assert entries[column.name].type == column.type
        assert entries[column.name].mask == (contract.MASK if column.masked else "")
    assert entries["id"].sources == ()
    assert ("parquet", "documento_cpf", "") in entries["cpf"].sources
    assert ("json", "data_cadastro", "epoch milliseconds") in entries["data_cadastro"].sources
    assert entries["nome_completo"].rules == ("nome_ausente",)
    assert "cpf_digito_verificador" in entries["cpf"].rules


def test_every_link_leads_to_a_rule_of_the_page() -> None:
    text = dictionary.write()
    links = set(re.findall(r'href="#([^"]+)"', text))
    assert links
    assert links <= set(re.findall(r'id="([^"]+)"', text))
    for rule in contract.RULES:
        assert f'id="{rule.name}"' in text


def test_the_command_writes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "dicionario.html"
    with pytest.raises(SystemExit) as ended:
        main(["docs", "--out", str(out)])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert out.read_text(encoding="utf-8") == dictionary.write()
