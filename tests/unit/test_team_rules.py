"""The rules file of a run: read before anything starts, and handed over to the session."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.rule_files import EXAMPLE, one, read

from register_contract import runs
from register_contract.rule_set import RuleSet
from register_run import team_rules
from register_run.errors import RulesFileError


def test_the_lakes_file_holds_unless_another_is_named(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    lake.mkdir()
    assert team_rules.read(str(lake)) == RuleSet()
    (lake / "rules.yaml").write_text(EXAMPLE)
    assert team_rules.read(str(lake)) == read(EXAMPLE)
    other = tmp_path / "other.yaml"
    other.write_text(one())
    found = team_rules.read(str(lake), str(other))
    assert (found, found.file) == (read(one()), "other.yaml")


def test_a_named_file_must_exist_and_be_readable(tmp_path: Path) -> None:
    with pytest.raises(
        RulesFileError, match=r"nowhere.yaml can't be used\n  there is no such file"
    ):
        team_rules.read(str(tmp_path), "nowhere.yaml")
    with pytest.raises(RulesFileError, match="it can't be read: Is a directory"):
        team_rules.read(str(tmp_path), str(tmp_path))
    (tmp_path / "rules.yaml").write_bytes(b"# S\xe3o Paulo")
    with pytest.raises(RulesFileError, match=r"rules.yaml isn't UTF-8"):
        team_rules.read(str(tmp_path))


def test_every_problem_is_named_on_its_line_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("limits:\n  x: 1\n" + one(column="nome"))
    with pytest.raises(RulesFileError) as refused:
        team_rules.read(str(tmp_path))
    assert refused.value.exit_code == 2
    first, second = refused.value.problems
    assert first.startswith("rules.yaml, line 2: limits has no x")
    assert second == "rules.yaml, line 5, rule nome_curto: there is no column nome"
    assert all(f"\n  {problem}\n" in str(refused.value) for problem in (first, second))
    assert "docs/reference.md" in str(refused.value)


def test_what_is_handed_over_replaces_what_an_earlier_start_left(tmp_path: Path) -> None:
    lake = str(tmp_path)
    file = tmp_path / runs.rules_path("r1")
    team_rules.hand_over(lake, "r1", RuleSet())
    assert not file.exists()
    team_rules.hand_over(lake, "r1", read(EXAMPLE))
    assert RuleSet.load(file.read_text()) == read(EXAMPLE)
    team_rules.hand_over(lake, "r1", RuleSet())
    assert not file.exists()
