"""Rules, duplicates and defaults on small tables."""

from __future__ import annotations

import random
from datetime import date, datetime
from typing import Any

import pytest
from frames import GOOD_CPF, OTHER_CPF, ingested, values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from client_health import contract, register, rules, sources
from client_health.accounting import RowCounter, count_transformed
from client_health.contract import Criticality

AS_OF = date(2026, 1, 31)


def survivors(frame: DataFrame) -> DataFrame:
    return (
        frame.transform(register.normalise)
        .transform(register.accepted_rows)
        .transform(register.remove_duplicates(AS_OF))
    )


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
    ],
)
def test_a_row_is_rejected_with_its_reasons(
    spark: SparkSession, row: dict[str, Any], reasons: list[str] | None
) -> None:
    frame = ingested(spark, row)
    rejected = register.rejected_rows(frame).collect()
    assert [r["reasons"] for r in rejected] == ([reasons] if reasons else [])
    assert [r["cpf"] for r in rejected] == ([row.get("cpf")] if reasons else [])
    assert survivors(frame).count() == (0 if reasons else 1)


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"cpf": "52998224726"}, "cpf_digito_verificador"),
        ({"cpf": "11111111111"}, "cpf_digito_verificador"),
        ({"data_nascimento": None, sources.UNREADABLE_BIRTH: True}, "data_nascimento_invalida"),
        ({"data_nascimento": "2026-02-01"}, "data_nascimento_futura"),
        ({"data_cadastro": None, sources.UNREADABLE_REGISTRATION: True}, "data_cadastro_invalida"),
        ({"data_cadastro": "2026-02-01 00:00:00"}, "data_cadastro_futura"),
        ({"sexo": "X"}, "sexo_desconhecido"),
        ({"estado": "Nárnia"}, "estado_desconhecido"),
        ({"numero": None, sources.UNREADABLE_NUMBER: True}, "numero_invalido"),
        ({"nome_completo": "Dr. "}, "nome_ausente"),
        ({"convenio": " "}, "convenio_ausente"),
    ],
)
def test_a_warning_is_counted_and_the_row_kept(
    spark: SparkSession, row: dict[str, Any], rule: str
) -> None:
    frame = survivors(ingested(spark, row, {"cpf": OTHER_CPF}))
    counter = RowCounter(rules.warn_conditions(AS_OF))
    assert frame.transform(counter).count() == 2
    assert {name: n for name, n in counter.by_condition().items() if n} == {rule: 1}


def test_the_last_second_of_the_day_is_not_the_future(spark: SparkSession) -> None:
    frame = ingested(
        spark, {"data_cadastro": "2026-01-31 23:59:59", "data_nascimento": "2026-01-31"}
    )
    counter = RowCounter(rules.warn_conditions(AS_OF))
    frame.transform(register.normalise).transform(counter).count()
    assert not any(counter.by_condition().values())


def test_every_row_rule_of_the_contract_has_its_condition() -> None:
    def named(criticality: Criticality) -> set[str]:
        return {rule.name for rule in contract.rules(criticality)}

    assert set(rules.error_conditions()) == named(Criticality.ERROR)
    assert set(rules.warn_conditions(AS_OF)) == named(Criticality.WARN)


def test_the_newest_registration_wins(spark: SparkSession) -> None:
    frame = ingested(
        spark,
        {"cidade": "old", "data_cadastro": "2019-01-01 00:00:00"},
        {"cidade": "new", "data_cadastro": "2021-01-01 00:00:00", "cpf": "529.982.247-25"},
        {"cidade": "mid", "data_cadastro": "2020-01-01 00:00:00"},
    )
    assert values(survivors(frame), "cidade") == ["New"]


@pytest.mark.parametrize("time", [None, "2026-02-01 00:00:00"])
def test_a_missing_or_future_time_ranks_after_every_valid_one(
    spark: SparkSession, time: str | None
) -> None:
    frame = ingested(
        spark,
        {"cidade": "doubtful", "data_cadastro": time},
        {"cidade": "valid", "data_cadastro": "2001-01-01 00:00:00"},
    )
    assert values(survivors(frame), "cidade") == ["Valid"]


def test_a_tie_falls_by_source_and_then_by_content(spark: SparkSession) -> None:
    tie = ingested(
        spark,
        {"source": "json", "cidade": "a"},
        {"source": "csv", "cidade": "c"},
        {"source": "csv", "cidade": "b"},
    )
    assert values(survivors(tie), "cidade") == ["B"]


def test_a_broken_newer_row_never_erases_a_good_older_one(spark: SparkSession) -> None:
    frame = ingested(
        spark,
        {"cidade": "good", "data_cadastro": "2019-01-01 00:00:00"},
        {"cidade": "broken", "cpf": GOOD_CPF + "9", "data_cadastro": "2021-01-01 00:00:00"},
    )
    assert values(survivors(frame), "cidade") == ["Good"]


def test_nulls_become_the_contracts_defaults(spark: SparkSession) -> None:
    empty = dict.fromkeys(
        ("nome_completo", "convenio", "sexo", "logradouro", "bairro", "cidade"), ""
    )
    empty |= dict.fromkeys(("data_nascimento", "data_cadastro", "numero", "estado"), None)
    row = survivors(ingested(spark, empty)).transform(register.fill_nulls).collect()[0].asDict()
    assert row == {
        "source": "parquet", "cpf": GOOD_CPF, "nome_completo": "N/A", "convenio": "N/A",
        "data_nascimento": date(1970, 1, 1), "sexo": "N/A", "logradouro": "N/A", "numero": 0,
        "bairro": "N/A", "cidade": "N/A", "estado": "N/A", "data_cadastro": datetime(1970, 1, 1),
    }  # fmt: skip


def test_masks_cover_what_the_contract_masks_and_nothing_else(spark: SparkSession) -> None:
    row = ingested(spark, {}).transform(register.mask).collect()[0].asDict()
    masked = {name for name, value in row.items() if value == contract.MASK}
    assert masked == {"cpf", "logradouro", "bairro", "cidade"}


people = st.fixed_dictionaries(
    {
        "source": st.sampled_from(contract.SOURCE_NAMES),
        "cpf": st.sampled_from([GOOD_CPF, OTHER_CPF, "529.982.247-25", None, "12"]),
        "cidade": st.sampled_from(["a", "b", "Á", None]),
        "data_cadastro": st.sampled_from(
            ["2019-01-01 00:00:00", "2020-01-01 00:00:00", "2090-01-01 00:00:00", None]
        ),
        "numero": st.sampled_from([1, 2, None]),
    }
)


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(people, min_size=1, max_size=25), st.randoms(use_true_random=False))
def test_the_order_of_rows_decides_nothing_and_every_row_is_accounted_for(
    spark: SparkSession, rows: list[dict[str, Any]], shuffler: random.Random
) -> None:
    def run(frame: DataFrame) -> tuple[list[tuple[Any, ...]], dict[str, dict[str, int]]]:
        refused = RowCounter(rules.reason_conditions())
        accepted, kept = RowCounter(), RowCounter(rules.warn_conditions(AS_OF))
        frame.transform(register.rejected_rows).transform(refused).count()
        clients = (
            frame.transform(register.normalise)
            .transform(register.accepted_rows)
            .transform(accepted)
            .transform(register.remove_duplicates(AS_OF))
            .transform(kept)
            .transform(register.fill_nulls)
        )
        published = sorted(tuple(row) for row in clients.collect())
        counted = count_transformed(refused, accepted, kept)
        assert counted.rows_in == frame.count()
        assert not any(source.missing for source in counted.sources.values())
        assert counted.rows_out == len(published) == len({row[1] for row in published})
        return published, {n: s.as_receipt() for n, s in counted.sources.items()}

    shuffled = list(rows)
    shuffler.shuffle(shuffled)
    assert run(ingested(spark, *rows)) == run(ingested(spark, *shuffled).repartition(3))
