"""Normalization of texts: a table of cases, then properties of any text."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_health.clean import text
from register_contract import contract

# The 25 characters with Unicode's property White_Space.
WHITE_SPACE = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
    "\u200a\u2028\u2029\u202f\u205f\u3000"
)
# Characters that look like white space, or are white space in Python or another engine only.
NO_WHITE_SPACE = "\x00\x1c\x1d\x1e\x1f\u180e\u200b\u2060\ufeff"
few = settings(max_examples=25)
many_texts = st.lists(st.text(max_size=30), min_size=20, max_size=60)


def apply(function: Callable[[pl.Expr], pl.Expr], values: Sequence[str | None]) -> list[Any]:
    frame = pl.DataFrame({"value": values}, schema={"value": pl.String})
    return frame.select(function(pl.col("value"))).get_column("value").to_list()


@pytest.mark.parametrize(
    ("function", "came", "became"),
    [
        (text.remove_accents, "São João ÇÃÉÜñ", "Sao Joao CAEUn"),
        (text.remove_accents, "Sa\u0303o Joa\u0303o", "Sao Joao"),
        (text.remove_accents, "plain", "plain"),
        (text.remove_accents, "ǽ ß ά 한 \u212b", "ǽ ß ά 한 \u212b"),
        (text.tidy, "  Rua \t das\u00a0 Flores\n", "Rua das Flores"),
        (text.tidy, "a\u2003b", "a b"),
        (text.tidy, " \u2003\n", None),
        (text.tidy, "", None),
        (text.normalise_name, "Dr. João  da Silva", "Joao da Silva"),
        (text.normalise_name, "SRTA. Ana", "Ana"),
        (text.normalise_name, "Sr. Dr. Caio", "Caio"),
        (text.normalise_name, "Dr.Sra.Caio", "Caio"),
        (text.normalise_name, "Drauzio V. Sra. Lima", "Drauzio V. Sra. Lima"),
        (text.normalise_name, "\u017fr. Caio", "\u017fr. Caio"),
        (text.normalise_name, "Ana \u0301 Lima", "Ana Lima"),
        (text.normalise_name, "Dra.", None),
        (text.normalise_cpf, " 529.982.247-25\n", "52998224725"),
        (text.normalise_cpf, "529.982.247-25\u00a0", "52998224725"),
        (text.normalise_cpf, " .-", None),
        (text.normalise_sexo, " fem ", "F"),
        (text.normalise_sexo, "\u2003masc\n", "M"),
        (text.normalise_sexo, "MASC", "M"),
        (text.normalise_sexo, "ma\u017fculıno", "M"),
        (text.normalise_sexo, "x", None),
        (text.normalise_sexo, "", None),
        (text.substituir_estado_por_sigla, "SÃO PAULO", "SP"),
        (text.substituir_estado_por_sigla, "sao paulo", "SP"),
        (text.substituir_estado_por_sigla, "São Paulo", "SP"),
        (text.substituir_estado_por_sigla, " Sa\u0303o  Paulo ", "SP"),
        (text.substituir_estado_por_sigla, "sp", "SP"),
        (text.substituir_estado_por_sigla, "Nárnia ", "Nárnia"),
        (text.substituir_estado_por_sigla, "ZZ", "ZZ"),
        (text.substituir_estado_por_sigla, "ßP", "ßP"),
        (text.substituir_estado_por_sigla, "mato grosso do sul", "MS"),
        (text.substituir_estado_por_sigla, " \n", None),
        (text.title_case, "santa bárbara D'OESTE", "Santa Bárbara D'oeste"),
        (text.title_case, "ÁGUAS de-lindóia (sp)", "Águas De-lindóia (sp)"),
        (text.title_case, "ǆ ßa 1a é", "ǅ ßa 1a É"),
        (text.title_case, "", ""),
    ],
)
def test_a_text_becomes(
    function: Callable[[pl.Expr], pl.Expr], came: str, became: str | None
) -> None:
    assert apply(function, [came, None]) == [became, None]


def test_every_function_works_on_no_rows_and_on_nulls_alone() -> None:
    functions = (
        text.remove_accents, text.trim, text.collapse, text.tidy, text.blank_to_null,
        text.remove_titles, text.normalise_name, text.normalise_cpf, text.normalise_sexo,
        text.substituir_estado_por_sigla, text.title_case, text.is_state,
        text.cpf_is_well_formed, text.cpf_check_digits_agree,
    )  # fmt: skip
    for function in functions:
        assert apply(function, []) == []
        assert apply(function, [None, None]) == [None, None]
    assert apply(text.is_unknown_sexo, [None]) == [False]


def test_every_state_is_known_by_its_name_and_its_sigla() -> None:
    names = [*contract.STATES, *contract.STATES.values()]
    assert len(contract.STATES) == 27
    found = apply(text.substituir_estado_por_sigla, [name.lower() for name in names])
    assert found == [*contract.STATES.values()] * 2


def test_a_sexo_is_unknown_when_it_was_given_and_is_none() -> None:
    found = apply(text.is_unknown_sexo, ["X", "F", " masc ", " \u3000", "", None, "FEM\x00"])
    assert found == [True, False, False, False, False, False, True]


@pytest.mark.parametrize("space", WHITE_SPACE)
def test_white_space_of_any_kind_is_trimmed_and_collapsed(space: str) -> None:
    assert apply(text.trim, [f"{space}a{space}b{space}", space]) == [f"a{space}b", ""]
    came = [f"{space}a{space}b{space}", f"a {space}b", f"a{space} b", f"a{space * 2}b", space]
    assert apply(text.tidy, came) == ["a b"] * 4 + [None]


@pytest.mark.parametrize("other", NO_WHITE_SPACE)
def test_no_other_character_counts_as_white_space(other: str) -> None:
    came = [other, f"{other}a {other} b{other}"]
    assert apply(text.trim, came) == came
    assert apply(text.tidy, came) == came


@few
@given(many_texts)
def test_accents_are_removed_as_unicode_decomposes_them(values: list[str]) -> None:
    latin = "".join(map(chr, [*range(0x20, 0x250), *range(0x1E00, 0x1F00)]))
    kept = ["".join(c for c in value if c in latin) for value in values]

    def plain(value: str) -> str:
        letters = []
        for letter in value:
            base = unicodedata.normalize("NFD", letter)
            letters.append(base[0] if base[0].isascii() else letter)
        return "".join(letters)

    assert apply(text.remove_accents, kept) == [plain(value) for value in kept]
    decomposed = [unicodedata.normalize("NFD", value) for value in kept]
    again = apply(text.remove_accents, decomposed)
    assert all(not any(map(unicodedata.combining, value)) for value in again)


@few
@given(st.lists(st.text("ab \t\n\r\x0b\x0c\x85\u00a0\u2003\u3000é", max_size=12), min_size=40))
def test_tidying_is_python_split_and_join(values: list[str]) -> None:
    assert apply(text.tidy, values) == [" ".join(value.split()) or None for value in values]


@few
@given(many_texts)
def test_normalising_twice_changes_nothing_more(values: list[str]) -> None:
    for function in (text.tidy, text.normalise_cpf, text.substituir_estado_por_sigla):
        once = apply(function, values)
        assert apply(function, once) == once


@few
@given(st.lists(st.text("abC zÉç'-.1", max_size=20), min_size=20))
def test_a_word_starts_after_a_space_only(values: list[str]) -> None:
    expected = [" ".join(word.capitalize() for word in value.split(" ")) for value in values]
    assert apply(text.title_case, values) == expected


def check_digits(digits: str) -> bool:
    """Receita Federal's rule, as an independent implementation."""
    numbers = [int(d) for d in digits]
    for place in (9, 10):
        rest = sum(n * w for n, w in zip(numbers, range(place + 1, 1, -1), strict=False)) % 11
        if numbers[place] != (0 if rest < 2 else 11 - rest):
            return False
    return len(set(digits)) > 1


@few
@given(st.lists(st.text("0123456789", min_size=9, max_size=9), min_size=30, max_size=60))
def test_check_digits_agree_with_the_rule(stems: list[str]) -> None:
    def completed(stem: str) -> str:
        agreeing = (f"{stem}{end:02d}" for end in range(100))
        # If nine digits are the same, the only matching end may repeat that digit, which isn't
        # valid.
        return next(filter(check_digits, agreeing), f"{stem}{stem[:2]}")

    cpfs = [completed(stem) for stem in stems] + [stem + "00" for stem in stems] + ["0" * 11]
    assert apply(text.cpf_check_digits_agree, cpfs) == [check_digits(cpf) for cpf in cpfs]


@pytest.mark.parametrize(
    "cpf", ["5299822472", "529982247250", "ABCDEFGHIJK", "５２９９８２２４７２５", "52998224725\n"]
)
def test_a_cpf_is_exactly_eleven_ascii_digits(cpf: str) -> None:
    assert apply(text.cpf_is_well_formed, [cpf, "52998224725"]) == [False, True]
