"""A team's rules file: what it changes, and what it is refused for."""

from __future__ import annotations

import dataclasses
import json

import pytest
from tests.support.rule_files import EXAMPLE, one, read

from register_contract import contract, rule_expressions, rule_set, runs
from register_contract.contract import Criticality
from register_contract.rule_set import RulesError, RuleSet


def refused(text: str) -> list[str]:
    with pytest.raises(RulesError) as error:
        read(text)
    return list(error.value.problems)


def expression_problems(expression: str) -> list[str]:
    """Return the problems of a rule's expression, without file, line, and name."""
    start = "rules.yaml, line 4, rule nome_curto: "
    found = refused(one(expression=json.dumps(expression)))
    assert all(text.startswith(start) for text in found), found
    return [text.removeprefix(start) for text in found]


def test_a_file_changes_limits_criticalities_and_adds_rules() -> None:
    found = read(EXAMPLE)
    assert found.limits == dataclasses.replace(contract.LIMITS, rejected_share=0.6)
    assert found.moved == (("sexo_desconhecido", Criticality.ERROR),)
    assert [(own.rule.name, own.rule.criticality.value, own.share) for own in found.own] == [
        ("nome_curto", "warn", None),
        ("cadastro_antes_de_2000", "error", None),
        ("menor_de_idade", "gate", 0.25),
    ]
    adults = found.own[2]
    assert adults.expression == (
        "data_nascimento <= as_of - INTERVAL '18 years' OR convenio = 'Kids'"
    )
    assert EXAMPLE.splitlines()[adults.line - 1].strip() == "expression: >-"
    assert found.rejecting == (
        *(rule.name for rule in contract.rules(Criticality.ERROR)),
        "sexo_desconhecido",
        "cadastro_antes_de_2000",
    )
    assert found.counted[-2:] == ("nome_curto", "menor_de_idade")
    assert "sexo_desconhecido" not in found.counted
    assert len(found.rules()) == len(contract.RULES) + 3


def test_what_is_handed_over_is_what_was_read() -> None:
    found = read(EXAMPLE)
    again = RuleSet.load(found.dump())
    assert again == found
    assert (again.file, again.own[2].line) == ("rules.yaml", found.own[2].line)
    assert again.fingerprint() == found.fingerprint()


@pytest.mark.parametrize("text", ["", "torn {", "[]", '{"file": "x"}', '{"limits": {"x": 1}}'])
def test_what_was_not_handed_over_by_the_runner_is_refused(text: str) -> None:
    with pytest.raises(RulesError, match="can't be read"):
        RuleSet.load(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing but a comment\n",
        "limits:\ncriticality:\nrules:\n",
        "limits:\n  rejected_share: 0.05\n",
        "criticality:\n  nome_ausente: warn\n  cpf_formato: error\n  volume_diferente: gate\n",
        "rules: []\n",
    ],
)
def test_a_file_that_changes_nothing_leaves_fingerprint_and_runs_as_they_are(text: str) -> None:
    found = read(text)
    assert found == RuleSet()
    assert found.fingerprint() == contract.rules_fingerprint()
    assert runs.name_run("d1", "1", found.fingerprint()) == runs.name_run(
        "d1", "1", contract.rules_fingerprint()
    )
    assert found.rejecting == tuple(rule.name for rule in contract.rules(Criticality.ERROR))
    assert found.counted == tuple(rule.name for rule in contract.rules(Criticality.WARN))


def test_the_fingerprint_is_of_what_holds_not_of_how_it_is_written() -> None:
    first = read(EXAMPLE).fingerprint()
    assert first not in {contract.rules_fingerprint(), ""}
    head, _, rest = EXAMPLE.partition("rules:\n")
    reordered = "rules:\n" + rest + head
    assert read("# a comment\n" + reordered).fingerprint() == first
    assert read(EXAMPLE.replace("fewer than 4 letters", "short")).fingerprint() == first
    changes = {
        "0.6": "0.7",
        "sexo_desconhecido": "nome_ausente",
        ">= 4": ">= 3",
        "share: 0.25": "share: 0.2",
        "nome_curto": "nome_breve",
        "criticality: warn": "criticality: error",
        "column: nome_completo": "column: convenio",
    }
    changed = {read(EXAMPLE.replace(a, b)).fingerprint() for a, b in changes.items()}
    assert len({first, *changed}) == len(changes) + 1
    assert read(EXAMPLE).fingerprint("another contract") != first


def test_each_limit_can_be_changed_and_has_its_gate() -> None:
    for field in dataclasses.fields(contract.LIMITS):
        usual = getattr(contract.LIMITS, field.name)
        found = getattr(read(f"limits:\n  {field.name}: 1\n").limits, field.name)
        assert found == 1
        assert type(found) is type(usual)
    names = {str(rule.name) for rule in contract.RULES}
    assert set(rule_set.LIMITED.values()) <= names
    assert set(rule_set.LIMITED) | rule_set.SHARES <= {
        field.name for field in dataclasses.fields(contract.LIMITS)
    }


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("limits: [", 1, "not YAML"),
        ("a: \x00", None, "not YAML"),
        ("just a text", 1, "the file must be a mapping"),
        ("limits:\n  rejected: 0.1", 2, "limits has no rejected; it has rejected_share"),
        ("limits:\n  rejected_share: 1.5", 2, "rejected_share is 1.5; a share between 0 and 1"),
        ("limits:\n  volume_change: -1", 2, "volume_change is -1; a number that is not negative"),
        ("limits:\n  volume_change: .inf", 2, "volume_change must be a number"),
        ("limits:\n  volume_change: 1e999", 2, "volume_change is inf"),
        ("limits:\n  rejected_share: 5%", 2, "rejected_share must be a number, such as 0.05"),
        ("limits:\n  rejected_share: '0.1'", 2, "rejected_share must be a number"),
        ("limits:\n  rejected_share: [1]", 2, "rejected_share must be a number"),
        ("limits:\n  rejected_share: 0.1\n  rejected_share: 0.2", 3, "rejected_share is given twi"),
        ("limits:\n  null_rise: 2", 2, "null_rise is 2; a share between 0 and 1"),
        ("limits:\n  drift_runs: 2.5", 2, "drift_runs is 2.5; a whole number of at least 1"),
        ("limits:\n  drift_least_runs: 0", 2, "drift_least_runs is 0; a whole number"),
        ("limit:\n  rejected_share: 0.1", 1, "the file has no limit; it has limits, criticality"),
        ("criticality:\n\n  nome_ausent: error", 3, "there is no rule nome_ausent"),
        ("criticality:\n  nome_ausente: fatal", 2, "'fatal' is no criticality"),
        ("criticality:\n  nome_ausente: [error]", 2, "nome_ausente must be a text"),
        ("criticality:\n  nome_ausente: gate", 2, "can't be a gate: only a rule of your own can"),
        ("criticality:\n  cpf_formato: warn", 2, "cpf_formato must reject: without a CPF of 11"),
        ("criticality:\n  cpf_ausente: warn", 2, "cpf_ausente must reject"),
        ("criticality:\n  linha_malformada: warn", 2, "linha_malformada must reject"),
        ("criticality:\n  rejeitados_demais: warn", 2, "change its limit rejected_share instead"),
        ("criticality:\n  cpf_duplicado: warn", 2, "cpf_duplicado is a gate and stays one"),
        ("criticality:\n  cadastros_incomuns: error", 2, "is about a whole run"),
        ("criticality: error", 1, "criticality must be a mapping"),
        ("rules:\n  name: x", 2, "rules must be a list"),
        ("rules:\n  - x", 2, "a rule must be a mapping"),
        (one(name="nome_ausente"), 2, "the name nome_ausente is taken"),
        (one(name="Nome"), 2, "'Nome' is no name"),
        (one() + one(name="nome_curto").partition("\n")[2], 8, "the name nome_curto is taken"),
        (one(column="nome"), 3, "there is no column nome"),
        (one(column="as_of"), 3, "there is no column as_of"),
        (one(criticality="fatal"), 5, "'fatal' is no criticality; expected error, warn, or gate"),
        (one(meaning=""), 2, "a rule needs meaning"),
        (one(significado=""), 2, "a rule needs significado"),
        (one(meaning='"two\\nlines"'), 6, "meaning must be one line"),
        (one(criticality="gate"), 2, "a gate needs share"),
        (one(share="0.1"), 8, "only a gate has a share"),
        (one(criticality="gate", share="2"), 8, "share is 2; expected 0 to 1"),
        (one(level="high"), 8, "a rule has no level; it has name, column, expression"),
    ],
)
def test_a_problem_names_its_line(text: str, line: int | None, problem: str) -> None:
    (found,) = refused(text)
    where = "rules.yaml" if line is None else f"rules.yaml, line {line}"
    assert found.startswith((f"{where}:", f"{where}, rule "))
    assert problem in found


def test_all_problems_are_named_at_once_in_the_order_of_their_lines() -> None:
    text = "limits:\n  x: 1\n" + one(column="nome", expression="SUM(numero) > 1 AND x = 1")
    found = refused(text)
    assert [text.partition(": ")[0] for text in found] == [
        "rules.yaml, line 2",
        "rules.yaml, line 5, rule nome_curto",
        "rules.yaml, line 6, rule nome_curto",
        "rules.yaml, line 6, rule nome_curto",
    ]


def test_a_file_holds_as_many_rules_as_there_are_bits() -> None:
    def many(count: int) -> str:
        entries = [one(name=f"regra_{at:02}").partition("\n")[2] for at in range(count)]
        return "rules:\n" + "".join(entries)

    assert len(read(many(rule_set.MOST)).own) == rule_set.MOST
    (found,) = refused(many(rule_set.MOST + 1))
    assert found == "rules.yaml, line 146: 25 rules of your own; at most 24 are possible"
    (found,) = refused("#" * 100_001)
    assert found == "rules.yaml has more than 100,000 bytes"


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("nome = 'x'", "there is no column nome"),
        ('"Cpf" = cpf', "there is no column Cpf"),
        ("length > 1", "there is no column length"),
        ("1 = 1", "it uses no column of the row"),
        ("numero / 0 > 1", "a division by zero"),
        ("numero % 0 = 1", "a division by zero"),
        ("numero // 0.0 = 1", "a division by zero"),
        ("numero / -0 = 1", "a division by zero"),
        ("numero / 1e-999 = 1", "a division by zero"),
        ("1 / numero > 1", "a division by something that may be zero"),
        ("1 / (0) > numero", "a division by something that may be zero"),
        ("1 / NULLIF(numero, 1) > 1", "a division by something that may be zero"),
        ("1 / NULLIF(numero) > 1", "a division by something that may be zero"),
        ("1 / ABS(numero) > 1", "a division by something that may be zero"),
        ("numero /", "a division by something that may be zero"),
        ("read_csv('/etc/passwd') = cpf", "READ_CSV reads files or tables"),
        ("read_parquet('x') = cpf", "READ_PARQUET reads files or tables"),
        ("scan_iceberg('x') = cpf", "SCAN_ICEBERG reads files or tables"),
        ("parquet_scan('x') = cpf", "PARQUET_SCAN reads files or tables"),
        ("cpf IN (SELECT cpf)", "SELECT reads files or tables"),
        ("numero > 1 FROM clientoutput", "FROM reads files or tables"),
        ("numero > 1; numero > 2", "several statements were given"),
        ("numero > 1 -- always", "comments can't be part"),
        ("numero > 1 /* always */", "comments can't be part"),
        ("COUNT(cpf) > 1", "COUNT needs other rows"),
        ("numero > AVG (numero)", "AVG needs other rows"),
        ("CAST(cpf AS BIGINT) > 1", "CAST fails for values that can't be converted: use TRY_CAST"),
        ("cpf::bigint > 1", "the character ':' can't be used here"),
        ("numero > 1 AS x", "AS can only be used in TRY_CAST"),
        ("TRY_CAST(cpf AS DATE) = as_of", "AS can only be used in TRY_CAST"),
        ("data_nascimento > DATE(cpf)", "DATE needs a text, such as DATE '1900-01-01'"),
        ("NOW() > data_cadastro", "there is no function NOW"),
        ("pg_sleep(numero) = 1", "there is no function PG_SLEEP"),
        ("cpf <> '52998224725'", "a value with 11 digits may be a CPF"),
        ("cpf <> '529.982.247-25'", "a value with 11 digits may be a CPF"),
        ("TRY_CAST(cpf AS BIGINT) <> 52998224725", "a value with 11 digits may be a CPF"),
        ("REGEXP_LIKE(cidade, bairro)", "the pattern of REGEXP_LIKE must be a text"),
        ("clientoutput.cpf = cpf", "the character '.' can't be used here"),
        ("`numero` > 1", "the character '`' can't be used here"),
        ("'x' = cpf OR 'unclosed", "the character \"'\" can't be used here"),
        ("numero > " + "1" * 3_000, "the expression has more than 2,000 characters"),
    ],
)
def test_an_expression_reads_its_row_and_can_be_computed(expression: str, problem: str) -> None:
    found = expression_problems(expression)
    assert any(text.startswith(problem) for text in found), found


def test_window_functions_need_other_rows() -> None:
    found = expression_problems("ROW_NUMBER() OVER (ORDER BY cpf) = 1")
    assert "ROW_NUMBER needs other rows; a rule sees one row at a time" in found
    assert "OVER needs other rows; a rule sees one row at a time" in found


@pytest.mark.parametrize(
    "expression",
    [
        "numero / 2 > 1",
        "numero % -2 = 1",
        "100 / NULLIF(ABS(numero), 0) > 1",
        "100 / nullif(numero - COALESCE(numero, 1), 0.0) > 1",
        "cidade = 'FROM; SELECT -- it''s / 0'",
        "\"cpf\" LIKE '1%'",
        "REGEXP_LIKE(cpf, '^[0-9]{11}$', 'i')",
        "case when sexo in ('F', 'M') then true else false end",
        "TRY_CAST(cpf AS BIGINT) % 97 BETWEEN .5 AND 1e3",
        "data_cadastro >= TIMESTAMP '2000-01-01 00:00:00' OR data_nascimento IS NULL",
    ],
)
def test_usual_expressions_pass(expression: str) -> None:
    assert rule_expressions.problems(expression) == []
