"""Rules, and the choice among a person's rows, on small tables."""

from __future__ import annotations

import random
from datetime import date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.frames import GOOD_CPF, OTHER_CPF, ingested

from client_health.clean import identity, register, rules, text
from client_health.read import sources
from register_contract import contract
from register_contract.contract import Criticality

AS_OF = date(2026, 1, 31)
KEY = b"k" * 32


def candidates(frame: pl.DataFrame) -> pl.DataFrame:
    normalised = register.normalise(frame)
    return register.candidates(register.accepted_rows(normalised), AS_OF, KEY)


def best_first(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the candidates in the order in which a person's row is chosen."""
    order = [register.RANK, register.PLACE, *register.CONTENT]
    return candidates(frame).sort(order, descending=[True, False, False, False])


def warned(frame: pl.DataFrame) -> list[list[str]]:
    """Return the names of each row's warnings."""
    return [
        [name for bit, name in enumerate(rules.WARNINGS) if bits >> bit & 1]
        for bits in candidates(frame).get_column(register.WARNINGS)
    ]


def test_each_column_is_normalised_by_the_function_that_the_specification_names() -> None:
    came = {
        "cpf": " 529.982.247-25\n", "nome_completo": "Dr.  João\u00a0 da \u0301 Silva ",
        "convenio": " Saúde\t Já ", "sexo": " fem ", "logradouro": " Rua  Água ",
        "bairro": "\u2003Açude\n\nNovo", "cidade": " olho d'ÁGUA  do norte ",
        "estado": " sa\u0303o  paulo ",
    }  # fmt: skip
    frame = ingested(came, dict.fromkeys(came, " \n"), dict.fromkeys(came))
    normalised = register.normalise(frame)
    assert normalised.columns == [*frame.columns, rules.UNKNOWN_SEXO]
    rows = normalised.select(*came, rules.UNKNOWN_SEXO).rows(named=True)
    assert rows[0] == {
        "cpf": GOOD_CPF, "nome_completo": "Joao da Silva", "convenio": "Saude Ja", "sexo": "F",
        "logradouro": "Rua Água", "bairro": "Açude Novo", "cidade": "Olho D'água Do Norte",
        "estado": "SP", rules.UNKNOWN_SEXO: False,
    }  # fmt: skip
    assert rows[1] == rows[2] == dict.fromkeys(came) | {rules.UNKNOWN_SEXO: False}
    functions = {
        "cpf": text.normalise_cpf,
        "nome_completo": text.normalise_name,
        "sexo": text.normalise_sexo,
        "estado": text.substituir_estado_por_sigla,
    }
    for name, function in functions.items():
        assert frame.select(function(pl.col(name))).equals(normalised.select(name))


@pytest.mark.parametrize(
    ("row", "reasons"),
    [
        ({}, None),
        ({"cpf": None}, ["cpf_ausente"]),
        ({"cpf": " \u00a0"}, ["cpf_ausente"]),
        ({"cpf": "529.982.247-2"}, ["cpf_formato"]),
        ({"cpf": "ABCDEFGHIJK"}, ["cpf_formato"]),
        ({"cpf": "５２９９８２２４７２５"}, ["cpf_formato"]),
        ({"cpf": "529.982.247-25\n"}, None),
        ({"cpf": None, sources.MALFORMED_LINE: "a|b"}, ["linha_malformada"]),
        ({sources.MALFORMED_LINE: "a|b"}, ["linha_malformada"]),
    ],
)
def test_a_row_is_rejected_with_its_reasons(row: dict[str, Any], reasons: list[str] | None) -> None:
    frame = ingested({"cpf": OTHER_CPF}, row)
    rejected = register.rejected_rows(frame)
    assert rejected.get_column(rules.REASONS).to_list() == ([reasons] if reasons else [])
    kept = [OTHER_CPF] if reasons else [OTHER_CPF, GOOD_CPF]
    ids = [identity.client_id(KEY, cpf) for cpf in kept]
    assert candidates(frame).get_column("id").to_list() == ids


def test_a_rejected_row_is_shown_as_it_came() -> None:
    frame = ingested({"cpf": " 529.982 ", "nome_completo": "Dr.  João", "cidade": ""}, {})
    rejected = register.rejected_rows(frame)
    assert rejected.schema == sources.SCHEMA | {rules.REASONS: pl.List(pl.String())}
    assert rejected.drop(rules.REASONS).equals(frame.head(1))


def test_no_rows_have_the_same_columns_and_types() -> None:
    assert candidates(ingested()).schema == register.CANDIDATE_SCHEMA
    rejected = register.rejected_rows(ingested({}))
    assert rejected.schema == sources.SCHEMA | {rules.REASONS: pl.List(pl.String())}


WARNED = [
    ({"cpf": "52998224726"}, "cpf_digito_verificador"),
    ({"cpf": "11111111111"}, "cpf_digito_verificador"),
    ({"data_nascimento": None, sources.UNREADABLE_BIRTH: True}, "data_nascimento_invalida"),
    ({"data_nascimento": date(2026, 2, 1)}, "data_nascimento_futura"),
    ({"data_cadastro": None, sources.UNREADABLE_REGISTRATION: True}, "data_cadastro_invalida"),
    ({"data_cadastro": datetime(2026, 2, 1)}, "data_cadastro_futura"),
    ({"sexo": "X"}, "sexo_desconhecido"),
    ({"estado": "Nárnia"}, "estado_desconhecido"),
    ({"numero": None, sources.UNREADABLE_NUMBER: True}, "numero_invalido"),
    ({"nome_completo": "Dr. "}, "nome_ausente"),
    ({"convenio": " "}, "convenio_ausente"),
]


@pytest.mark.parametrize(("row", "rule"), WARNED)
def test_a_row_with_a_warning_is_kept_and_says_which(row: dict[str, Any], rule: str) -> None:
    assert warned(ingested(row, {"cpf": OTHER_CPF})) == [[rule], []]


def test_a_row_keeps_all_its_warnings_and_no_other() -> None:
    every = {key: value for row, _ in WARNED[1:] for key, value in row.items()}
    # A date can break only one rule at a time.
    names = set(rules.WARNINGS) - {"data_nascimento_futura", "data_cadastro_futura"}
    unreadable = every | {"data_nascimento": None, "data_cadastro": None}
    (found,) = warned(ingested(unreadable))
    assert set(found) == names


def test_nothing_given_is_no_warning_but_for_name_and_health_plan() -> None:
    bare = dict.fromkeys(
        column.name for column in contract.REGISTER_COLUMNS if column.name != "cpf"
    )
    assert warned(ingested(bare)) == [["nome_ausente", "convenio_ausente"]]


def test_the_last_second_of_the_day_is_not_the_future() -> None:
    last = {"data_cadastro": datetime(2026, 1, 31, 23, 59, 59), "data_nascimento": AS_OF}
    assert warned(ingested(last)) == [[]]


def test_every_row_rule_of_the_contract_has_its_condition() -> None:
    def named(criticality: Criticality) -> list[str]:
        return [rule.name for rule in contract.rules(criticality)]

    assert list(rules.error_conditions()) == named(Criticality.ERROR)
    assert list(rules.warn_conditions(AS_OF)) == list(rules.WARNINGS) == named(Criticality.WARN)


def test_the_newest_registration_comes_first_and_future_and_missing_ones_last() -> None:
    times = [
        datetime(2026, 1, 31, 23, 59, 59, 999_999),
        datetime(2021, 1, 1, 0, 0, 0, 1),
        datetime(2021, 1, 1),
        datetime(1, 1, 1),
        datetime(9999, 12, 31, 23, 59, 59, 999_999),
        datetime(2026, 2, 1),
        None,
    ]
    shuffled = [{"data_cadastro": time, "numero": place} for place, time in enumerate(times)]
    random.Random(3).shuffle(shuffled)
    assert best_first(ingested(*shuffled)).get_column("numero").to_list() == list(range(7))


@pytest.mark.parametrize(
    "broken", [{"cpf": f"{GOOD_CPF[:-1]}x"}, {sources.MALFORMED_LINE: f"{GOOD_CPF}|torn"}]
)
def test_a_broken_newer_row_never_erases_a_good_older_one(broken: dict[str, Any]) -> None:
    older = {"numero": 1, "data_cadastro": datetime(2020, 1, 1)}
    newer = {"numero": 2, "data_cadastro": datetime(2025, 1, 1)} | broken
    assert best_first(ingested(newer, older)).get_column("numero").to_list() == [1]


def test_a_time_in_the_year_0000_ranks_above_the_future() -> None:
    year_0 = pl.Series([-62_167_219_200_000_000]).cast(pl.Datetime("us"))
    oldest = ingested({"numero": 1}).with_columns(year_0.alias("data_cadastro"))
    frame = pl.concat([ingested({"numero": 2, "data_cadastro": datetime(2026, 2, 1)}), oldest])
    assert best_first(frame).get_column("numero").to_list() == [1, 2]


def test_a_tie_falls_by_source_and_then_by_content() -> None:
    tie = [{"source": source, "cidade": city} for source in ("json", "csv") for city in "ab"]
    found = best_first(ingested(*tie, {"source": "parquet"}))
    assert found.get_column("source").to_list() == ["parquet", "csv", "csv", "json", "json"]
    again = best_first(ingested({"source": "parquet"}, *reversed(tie)))
    assert found.equals(again)


def contents(*rows: dict[str, Any]) -> set[tuple[int, ...]]:
    return set(candidates(ingested(*rows)).select(register.CONTENT).rows())


def test_rows_that_differ_in_any_column_or_mark_differ_in_content() -> None:
    other: dict[str, Any] = {
        "cpf": OTHER_CPF, "nome_completo": "Ana", "convenio": None, "data_nascimento": None,
        "sexo": "M", "logradouro": None, "numero": 11, "bairro": "Sul", "cidade": "Olinda",
        "estado": "SP", "data_cadastro": datetime(2020, 1, 1, 10, 0, 0, 1),
        sources.UNREADABLE_BIRTH: True, sources.UNREADABLE_REGISTRATION: True,
        sources.UNREADABLE_NUMBER: True,
    }  # fmt: skip
    rows = [{}, {"sexo": None}, {"sexo": "X"}, *({name: value} for name, value in other.items())]
    assert len(contents(*rows)) == len(rows)


def test_where_one_text_ends_and_the_next_begins_counts_in_the_content() -> None:
    names = ("logradouro", "bairro")
    pairs = [("ab", "c"), ("a", "bc"), ("abc", None), (None, "abc"), ("N/A", "abc")]
    rows = [dict(zip(names, pair, strict=True)) for pair in pairs]
    assert len(contents(*rows)) == len(rows)


def test_rows_alike_once_normalised_are_alike_in_content() -> None:
    assert len(contents({}, {"nome_completo": "Dr. Ána  Lima ", "cidade": "RECIFE"})) == 1


def test_the_content_is_the_same_in_every_version() -> None:
    """Runs with different Polars versions must keep the same rows of a delivery."""
    assert contents({}) == {(7210006748415854446, -4389965988436818640)}


def test_nulls_become_the_contracts_defaults() -> None:
    empty: dict[str, Any] = dict.fromkeys(
        ("nome_completo", "convenio", "sexo", "logradouro", "bairro", "cidade"), ""
    )
    empty |= dict.fromkeys(("data_nascimento", "data_cadastro", "numero", "estado"))
    frame = candidates(ingested(empty))
    assert frame.schema == register.CANDIDATE_SCHEMA
    assert frame.select(frame.columns[:9]).row(0, named=True) == {
        "id": identity.client_id(KEY, GOOD_CPF), "source": "parquet",
        "nome_completo": "N/A", "convenio": "N/A",
        "data_nascimento": date(1970, 1, 1), "sexo": "N/A", "numero": 0, "estado": "N/A",
        "data_cadastro": datetime(1970, 1, 1),
    }  # fmt: skip


people = st.fixed_dictionaries(
    {
        "source": st.sampled_from(contract.SOURCE_NAMES),
        "cpf": st.sampled_from([GOOD_CPF, OTHER_CPF, "529.982.247-25", None, "12"]),
        "cidade": st.sampled_from(["a", "b", "Á", None]),
        "data_cadastro": st.sampled_from(
            [datetime(2019, 1, 1), datetime(2020, 1, 1), datetime(2090, 1, 1), None]
        ),
        "numero": st.sampled_from([1, 2, None]),
        sources.UNREADABLE_NUMBER: st.booleans(),
    }
)


@settings(max_examples=25)
@given(st.lists(people, min_size=1, max_size=25), st.randoms(use_true_random=False))
def test_the_order_of_rows_decides_nothing_and_every_row_is_accounted_for(
    rows: list[dict[str, Any]], shuffler: random.Random
) -> None:
    def chosen(frame: pl.DataFrame) -> pl.DataFrame:
        return register.one_row_a_person(candidates(frame))

    frame = ingested(*rows)
    assert len(register.rejected_rows(frame)) + len(candidates(frame)) == len(frame)
    shuffled = list(rows)
    shuffler.shuffle(shuffled)
    assert chosen(frame).equals(chosen(ingested(*shuffled)))


@settings(max_examples=25)
@given(st.lists(people, min_size=2, max_size=12))
def test_rank_and_place_order_rows_as_the_rule_says(rows: list[dict[str, Any]]) -> None:
    def key(row: dict[str, Any]) -> tuple[Any, ...]:
        time = row["data_cadastro"]
        doubtful = time is None or time.date() > AS_OF
        age = datetime.max - time if time else datetime.max - datetime.min
        return doubtful, age, contract.SOURCE_NAMES.index(row["source"])

    good = [row | {"cpf": GOOD_CPF} for row in rows]
    found = best_first(ingested(*good)).get_column("source").to_list()
    assert found == [row["source"] for row in sorted(good, key=key)]
