"""Rules of a team's own, on small Polars frames: what they reject, count, and stop."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from tests.support.frames import FIELD_IDS, GOOD_CPF, OTHER_CPF, PLAIN, ingested
from tests.support.rule_files import EXAMPLE, one, read

from client_health import parcels
from client_health.clean import own_rules, register, rules
from client_health.display import counts
from client_health.errors import SettingsError
from client_health.gate.accounting import Selected, SourceRows, StageRows
from client_health.gate.quality import Expectations, QualityReport, _own_failures, _own_results
from client_health.gate.rule_results import of_rows
from client_health.read import sources
from client_health.read.sources import REGISTER_TYPES
from client_health.worker import Selection, Transformation
from register_contract import rule_expressions, rule_set
from register_contract.contract import Criticality, Gate, Rule
from register_contract.rule_set import OwnRule, RulesError, RuleSet

AS_OF = date(2026, 1, 31)
KEY = b"k" * 32
THIRD_CPF = "98765432100"
RULES = read(EXAMPLE)


def own(expression: str, criticality: Criticality = Criticality.WARN) -> RuleSet:
    rule = Rule("regra", criticality, "meaning", "significado", "numero")
    return RuleSet(own=(OwnRule(rule, expression, line=7),), file="rules.yaml")


def warned(frame: pl.DataFrame, held: RuleSet) -> list[list[str]]:
    """Return the names of each accepted row's warnings."""
    _, accepted = register.judged(frame, AS_OF, held)
    found = register.candidates(accepted, AS_OF, KEY, held)[register.WARNINGS]
    return [[name for name, bit in rules.bits(held).items() if bits & bit] for bits in found]


def test_an_own_rule_is_counted_like_the_contracts() -> None:
    frame = ingested(
        {"nome_completo": "Jô"},
        {"nome_completo": "Dr. Jô ", "numero": None, sources.UNREADABLE_NUMBER: True},
        {"data_nascimento": date(2010, 1, 1)},
        {"data_nascimento": date(2010, 1, 1), "convenio": "Kids"},
        {"nome_completo": None},
    )
    assert warned(frame, RULES) == [
        ["nome_curto"],
        ["numero_invalido", "nome_curto"],
        ["menor_de_idade"],
        [],
        ["nome_ausente"],  # null breaks no rule of one's own
    ]


def test_an_own_rule_and_one_that_was_moved_reject_with_their_names() -> None:
    frame = ingested(
        {"data_cadastro": datetime(1999, 12, 31)},
        {"sexo": "x", "nome_completo": "Dr.  Zé"},
        {"sexo": "x", "data_cadastro": datetime(1999, 12, 31)},
        {"cpf": "1", "sexo": "x"},
        {sources.MALFORMED_LINE: "a|b", **dict.fromkeys(REGISTER_TYPES)},
        {},
    )
    rejected, accepted = register.judged(frame, AS_OF, RULES)
    assert rejected[rules.REASONS].to_list() == [
        ["cadastro_antes_de_2000"],
        ["sexo_desconhecido"],
        ["sexo_desconhecido", "cadastro_antes_de_2000"],
        ["cpf_formato", "sexo_desconhecido"],
        ["linha_malformada"],
    ]
    # As they came: nothing of a rejected row is normalized.
    assert rejected.drop(rules.REASONS).equals(frame.head(5))
    assert accepted.height == 1
    assert accepted.columns == register.normalise(frame).columns


def test_without_a_file_rows_are_judged_as_ever() -> None:
    frame = ingested({}, {"cpf": "1"}, {"sexo": "x"}, {sources.MALFORMED_LINE: "a"})
    rejected, accepted = register.judged(frame, AS_OF)
    assert rejected.equals(register.rejected_rows(frame))
    assert accepted.equals(register.accepted_rows(register.normalise(frame)))
    only_warns = read(one())
    again, _ = register.judged(frame, AS_OF, only_warns)
    assert again.equals(rejected)


def test_a_criticality_never_moves_a_bit_of_another_rule() -> None:
    bits = rules.bits(RULES)
    usual = rules.bits(RuleSet())
    assert {name: bit for name, bit in bits.items() if name in usual} == {
        name: bit for name, bit in usual.items() if name != "sexo_desconhecido"
    }
    assert bits["nome_curto"] == 1 << rules.OWN_BIT
    most = RULES.own[0]
    full = RuleSet(
        own=tuple(
            OwnRule(Rule(f"r{at}", Criticality.WARN, "m", "s", "cpf"), most.expression)
            for at in range(rule_set.MOST)
        )
    )
    found = warned(ingested({"nome_completo": "Jo"}), full)
    assert found == [[f"r{at}" for at in range(rule_set.MOST)]]
    assert register.BADLY_FORMED < 1 << rules.OWN_BIT


def test_the_columns_are_the_registers_normalised_and_unfilled() -> None:
    frame = ingested({"estado": " pernambuco ", "numero": None, "nome_completo": "Dr. Ána"})
    for good in (
        "estado = 'PE'",
        "nome_completo = 'Ana'",
        "numero IS NULL",
        f"cpf = '{GOOD_CPF[:4]}' || SUBSTR(cpf, 5)",
        "as_of = DATE '2026-01-31'",
    ):
        assert warned(frame, own(good)) == [[]], good
        assert warned(frame, own(f"NOT ({good})")) == [["regra"]], good


@pytest.mark.parametrize(
    "name", [n for names in rule_expressions.FUNCTIONS.values() for n in names]
)
def test_every_function_that_a_rule_may_use_exists(name: str) -> None:
    arguments = {
        "CONCAT": "cidade, bairro", "CONCAT_WS": "'-', cidade, bairro", "ENDS_WITH": "cidade, 'e'",
        "STARTS_WITH": "cidade, 'R'", "STRPOS": "cidade, 'e'", "REPLACE": "cidade, 'e', ''",
        "REGEXP_LIKE": "cidade, '^R'", "LEFT": "cidade, 2", "RIGHT": "cidade, 2",
        "SUBSTR": "cidade, 1, 2", "SUBSTRING": "cidade, 1, 2", "DATE_PART": "'year', data_cadastro",
        "STRFTIME": "data_nascimento, '%Y'", "COALESCE": "numero, 0", "GREATEST": "numero, 0",
        "IF": "numero > 1, numero, 0", "IFNULL": "numero, 0", "LEAST": "numero, 0",
        "NULLIF": "numero, 0", "TRY_CAST": "cpf AS BIGINT",
    }  # fmt: skip
    numeric = name in rule_expressions.FUNCTIONS["number"]
    given = arguments.get(name, "numero" if numeric else "cidade")
    own_rules.check(own(f"{name}({given}) IS NOT NULL"))


@pytest.mark.parametrize("kind", sorted(rule_expressions.TYPES))
def test_every_type_exists(kind: str) -> None:
    own_rules.check(own(f"TRY_CAST(cpf AS {kind}) IS NULL OR numero IN (1, 2)"))


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("numero", "its result is Int32; true or false was expected"),
        ("UPPER(cidade)", "its result is String; true or false was expected"),
        ("NULL OR NULLIF(numero, numero)", "true or false was expected"),
        ("SUBSTR(cidade, 1, numero) = 'Rec'", "conversion from"),
        ("STRPOS(cidade, bairro) > 0", "regex"),
        ("data_cadastro + INTERVAL '262000 years' > as_of", "cannot advance"),
        ("numero > 'a'", "cannot compare string with numeric type"),
        ("data_nascimento > '1900-01-01'", "cannot compare"),
        ("LENGTH(nome_completo) >=", "unable to parse"),
        ("(numero > 1", "unable to parse"),
        ("numero > 1, numero > 2", "invalid expression"),
        ("REGEXP_LIKE(cidade, '(')", "regex"),
        ("data_nascimento > DATE '1900-13-01'", "invalid DATE literal"),
        ("SUM(numero) > 1", "SUM needs other rows"),
    ],
)
def test_what_polars_cannot_compute_is_refused_with_its_line(expression: str, problem: str) -> None:
    with pytest.raises(RulesError) as refused:
        own_rules.check(own(expression))
    (found,) = refused.value.problems
    assert found.startswith("rules.yaml, line 7, rule regra: ")
    assert problem in found
    assert "\n" not in found


def test_the_example_can_be_computed() -> None:
    own_rules.check(RULES)


def test_a_rule_that_fails_for_a_value_is_named_and_the_value_is_not() -> None:
    held = own("SUBSTR(cidade, 1, numero) = 'Rec'")  # as if the trial had not refused it
    frame = ingested({}, {"numero": -9999})
    with (
        pytest.raises(SettingsError, match=r"rules.yaml: regra can't be computed") as error,
        own_rules.named(held, frame, AS_OF),
    ):
        register.candidates(register.normalise(frame), AS_OF, KEY, held)
    assert "9999" not in str(error.value)
    assert error.value.__suppress_context__


def test_an_error_that_no_own_rule_causes_stays_as_it_is() -> None:
    with (
        pytest.raises(pl.exceptions.ColumnNotFoundError),
        own_rules.named(RULES, ingested({}), AS_OF),
    ):
        pl.DataFrame().select("x")


def task(number: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {"number": pa.array([number], pa.int32()), "id_key": pa.array([KEY], pa.binary())}
    )


def test_workers_judge_by_the_rules_that_they_were_given(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"cpf": GOOD_CPF, "nome_completo": "Jo"},
        {"cpf": OTHER_CPF, "data_cadastro": datetime(1990, 1, 1)},
        {"cpf": THIRD_CPF, "data_nascimento": date(2015, 1, 1)},
    ]
    for name in ("in", "out", "data"):
        (tmp_path / name).mkdir()
    ingested(*rows).write_parquet(tmp_path / "in" / "a.parquet")
    tasks = parcels.tasks(1)
    work = Transformation(
        ("a.parquet",), str(tmp_path / "in"), str(tmp_path / "out"), AS_OF, tasks, rule_set=RULES
    )
    packed = list(work.run([task(0)]))
    rejected = pl.read_parquet(tmp_path / "out" / "a.parquet")
    assert rejected["cpf"].to_list() == [OTHER_CPF]
    assert rejected[rules.REASONS].to_list() == [["cadastro_antes_de_2000"]]
    selection = Selection(str(tmp_path / "data"), FIELD_IDS, AS_OF, tasks, RULES)
    (line,) = [
        json.loads(text) for b in selection.run(packed) for text in b.column("line").to_pylist()
    ]
    found = Selected.total([Selected(**line["counts"])] * 2, RULES)
    assert tuple(found.warnings) == RULES.counted
    assert {name: count for name, count in found.warnings.items() if count} == {
        "nome_curto": 2, "menor_de_idade": 2,
    }  # fmt: skip
    assert found.badly_formed_cpfs == 0


@pytest.mark.parametrize(("rows", "stops"), [(25, False), (26, True)])
def test_an_own_gate_compares_its_share_with_the_published_rows(rows: int, stops: bool) -> None:
    counted = StageRows(
        {"csv": SourceRows(100, 100)}, {}, {"menor_de_idade": rows, "nome_curto": 90}
    )
    report = QualityReport(rows=100, distinct_ids=100, shares={}, nulls={})
    expected = Expectations([counted], rules=RULES)
    finding = "menor_de_idade: 26 of 100 rows (26%, the limit is 25%)"
    assert _own_failures(report, expected) == ([(Gate.REGRA_PROPRIA, finding)] if stops else [])
    (result,) = _own_results(report, expected)
    assert (result.rule, result.criticality) == ("menor_de_idade", Criticality.GATE)
    assert (result.passed, result.finding) == (not stops, finding if stops else "")
    assert (result.checked, result.failed, result.share, result.limit) == (
        100, rows, rows / 100, 0.25,
    )  # fmt: skip


def test_the_history_has_the_results_of_what_was_judged_by_source() -> None:
    findings = {"csv": {"nome_curto": 9, "sexo_desconhecido": 5, "menor_de_idade": 3}}
    counted = StageRows({"csv": SourceRows(100, 90, 10)}, findings=findings)
    found = {one.rule: one for one in of_rows(counted, RULES)}
    assert set(found) == {*RULES.rejecting, *RULES.counted} - {"menor_de_idade"}
    warned, rejected = found["nome_curto"], found["sexo_desconhecido"]
    assert (warned.criticality, warned.checked, warned.failed) == (Criticality.WARN, 90, 9)
    assert (warned.share, warned.source) == (0.1, "csv")
    assert (rejected.criticality, rejected.checked) == (Criticality.ERROR, 100)
    assert all(one.passed for one in found.values())


def test_notebooks_show_own_rules_with_their_meaning() -> None:
    shown = counts({"nome_curto": 3, "nome_ausente": 1}, rules=RULES)
    assert "nome_curto       3  the name has fewer than 4 letters" in shown
    assert "nome_ausente     1  no name" in shown
    assert PLAIN["nome_completo"] not in shown
