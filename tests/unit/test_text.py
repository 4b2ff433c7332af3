"""Normalisation of texts: a table of cases, then properties over any text."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from client_health import contract, text

many_texts = st.lists(st.text(max_size=30), min_size=20, max_size=60)
slow = settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def apply(
    spark: SparkSession, function: Callable[[Column], Column], values: list[str | None]
) -> list[str | None]:
    frame = spark.createDataFrame([(value,) for value in values], "value string")
    return [row[0] for row in frame.select(function(F.col("value"))).collect()]


@pytest.mark.parametrize(
    ("function", "came", "became"),
    [
        (text.remove_accents, "São João ÇÃÉÜñ", "Sao Joao CAEUn"),
        (text.remove_accents, "Sa\u0303o Joa\u0303o", "Sao Joao"),
        (text.remove_accents, "plain", "plain"),
        (text.tidy, "  Rua \t das\u00a0 Flores\n", "Rua das Flores"),
        (text.tidy, " \u2003\n", None),
        (text.tidy, "", None),
        (text.normalise_name, "Dr. João  da Silva", "Joao da Silva"),
        (text.normalise_name, "SRTA. Ana", "Ana"),
        (text.normalise_name, "Sr. Dr. Caio", "Caio"),
        (text.normalise_name, "Drauzio V. Sra. Lima", "Drauzio V. Sra. Lima"),
        (text.normalise_name, "Dra.", None),
        (text.normalise_cpf, " 529.982.247-25\n", "52998224725"),
        (text.normalise_cpf, "529.982.247-25\u00a0", "52998224725"),
        (text.normalise_cpf, " .-", None),
        (text.normalise_sexo, " fem ", "F"),
        (text.normalise_sexo, "MASC", "M"),
        (text.normalise_sexo, "x", None),
        (text.substituir_estado_por_sigla, "SÃO PAULO", "SP"),
        (text.substituir_estado_por_sigla, "sao paulo", "SP"),
        (text.substituir_estado_por_sigla, "São Paulo", "SP"),
        (text.substituir_estado_por_sigla, " Sa\u0303o  Paulo ", "SP"),
        (text.substituir_estado_por_sigla, "sp", "SP"),
        (text.substituir_estado_por_sigla, "Nárnia ", "Nárnia"),
        (text.substituir_estado_por_sigla, "ZZ", "ZZ"),
        (text.substituir_estado_por_sigla, "mato grosso do sul", "MS"),
    ],
)
def test_a_text_becomes(
    spark: SparkSession, function: Callable[[Column], Column], came: str, became: str | None
) -> None:
    assert apply(spark, function, [came, None]) == [became, None]


def test_every_state_is_known_by_its_name_and_its_sigla(spark: SparkSession) -> None:
    names = [*contract.STATES, *contract.STATES.values()]
    assert len(contract.STATES) == 27
    found = apply(spark, text.substituir_estado_por_sigla, [name.lower() for name in names])
    assert found == [*contract.STATES.values()] * 2


@slow
@given(many_texts)
def test_accents_are_removed_as_unicode_decomposes_them(
    spark: SparkSession, values: list[str]
) -> None:
    latin = "".join(map(chr, [*range(0x20, 0x250), *range(0x1E00, 0x1F00)]))
    kept = ["".join(c for c in value if c in latin) for value in values]

    def plain(value: str) -> str:
        letters = []
        for letter in value:
            base = unicodedata.normalize("NFD", letter)
            letters.append(base[0] if base[0].isascii() else letter)
        return "".join(letters)

    assert apply(spark, text.remove_accents, list(kept)) == [plain(value) for value in kept]
    decomposed = [unicodedata.normalize("NFD", value) for value in kept]
    again = apply(spark, text.remove_accents, list(decomposed))
    assert all(not any(map(unicodedata.combining, value or "")) for value in again)


@slow
@given(st.lists(st.text("ab \t\n\r\x0b\x0c\x85\u00a0\u2003\u3000é", max_size=12), min_size=40))
def test_tidying_is_python_split_and_join(spark: SparkSession, values: list[str]) -> None:
    expected = [" ".join(value.split()) or None for value in values]
    assert apply(spark, text.tidy, list(values)) == expected


@slow
@given(many_texts)
def test_normalising_twice_changes_nothing_more(spark: SparkSession, values: list[str]) -> None:
    for function in (text.tidy, text.normalise_cpf, text.substituir_estado_por_sigla):
        once = apply(spark, function, list(values))
        assert apply(spark, function, once) == once


def check_digits(digits: str) -> bool:
    """Receita Federal's rule, written again in another way."""
    numbers = [int(d) for d in digits]
    for place in (9, 10):
        rest = sum(n * w for n, w in zip(numbers, range(place + 1, 1, -1), strict=False)) % 11
        if numbers[place] != (0 if rest < 2 else 11 - rest):
            return False
    return len(set(digits)) > 1


@slow
@given(st.lists(st.text("0123456789", min_size=9, max_size=9), min_size=30, max_size=60))
def test_check_digits_agree_with_the_rule(spark: SparkSession, stems: list[str]) -> None:
    def complete(stem: str) -> str:
        return next(
            f"{stem}{end:02d}" for end in range(100) if check_digits_loose(f"{stem}{end:02d}")
        )

    def check_digits_loose(digits: str) -> bool:
        return check_digits(digits) or (len(set(digits[:9])) == 1 and digits[9] == digits[8])

    cpfs = [complete(stem) for stem in stems] + [stem + "00" for stem in stems] + ["0" * 11]
    frame = spark.createDataFrame([(cpf,) for cpf in cpfs], "cpf string")
    found = [row[0] for row in frame.select(text.cpf_check_digits_agree(F.col("cpf"))).collect()]
    assert found == [check_digits(cpf) for cpf in cpfs]


@pytest.mark.parametrize(
    "cpf", ["5299822472", "529982247250", "ABCDEFGHIJK", "５２９９８２２４７２５", "52998224725\n"]
)
def test_a_cpf_is_exactly_eleven_ascii_digits(spark: SparkSession, cpf: str) -> None:
    frame = spark.createDataFrame([(cpf,), ("52998224725",)], "cpf string")
    found = [row[0] for row in frame.select(text.cpf_is_well_formed(F.col("cpf"))).collect()]
    assert found == [False, True]
