"""Normalization of texts as Polars expressions.

Each function takes and returns an expression, and nulls stay null. None calls Python for a value:
Polars runs them in native code on whole columns.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import lru_cache

import polars as pl

from register_contract import contract

# Every character with Unicode's property White_Space, as ranges, without the plain space. Listed
# instead of `\s`, so that every regex engine takes the same characters as white space.
_ODD_SPACES = "\t-\r\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
# Runs that are not already one plain space: most texts have none, and are not copied.
_RUNS = f"[{_ODD_SPACES}][{_ODD_SPACES} ]*| [{_ODD_SPACES} ]+"
_ASCII_SPACES = r"[\t-\r ]"
_COMBINING = range(0x0300, 0x0370)
# Latin letters with accents are in these blocks.
_LATIN = (*range(0x00C0, 0x0250), *range(0x1E00, 0x1F00))
# Letters beyond the first 65,536 characters stay unchanged at the start of a word.
_TITLE_CASED = 0x10000


@lru_cache(maxsize=1)
def _accents() -> dict[str, str]:
    """Return the replacement of each accented letter; combining marks are removed."""
    plain = {}
    for letter in map(chr, _LATIN):
        base, *marks = list(unicodedata.normalize("NFD", letter))
        if marks and base.isascii() and all(unicodedata.combining(mark) for mark in marks):
            plain[letter] = base
    return plain | dict.fromkeys(map(chr, _COMBINING), "")


@lru_cache(maxsize=1)
def _initials() -> dict[str, str]:
    """Return the title case of each letter that a word may start with, both after a space.

    Letters that become several in title case, such as ß, stay unchanged.
    """
    titled = {letter: letter.title() for letter in map(chr, range(_TITLE_CASED))}
    return {f" {a}": f" {b}" for a, b in titled.items() if a != b and len(b) == 1}


def _replace(text: pl.Expr, replaced: Mapping[str, str]) -> pl.Expr:
    return text.str.replace_many(list(replaced), list(replaced.values()))


def remove_accents(text: pl.Expr) -> pl.Expr:
    """Replace accented Latin letters, composed or decomposed, with plain ones.

    Parameters
    ----------
    text : Expr of String

    Returns
    -------
    Expr of String

    Notes
    -----
    Rule: specification, "Normalização de Texto".
    """
    return _replace(text, _accents())


def trim(text: pl.Expr) -> pl.Expr:
    """Remove white space of any kind at both ends."""
    # Without an argument, it removes characters with the property White_Space.
    return text.str.strip_chars()


def collapse(text: pl.Expr) -> pl.Expr:
    """Trim white space of any kind and turn runs of it into one space."""
    return trim(text).str.replace_all(_RUNS, " ")


def blank_to_null(text: pl.Expr) -> pl.Expr:
    """Return null for empty text."""
    return text.replace("", None)


def tidy(text: pl.Expr) -> pl.Expr:
    """Trim and collapse white space of any kind, and turn blank into null."""
    return blank_to_null(collapse(text))


def remove_titles(name: pl.Expr) -> pl.Expr:
    """Remove the titles Sr., Sra., Srta., Dr., and Dra. at the start; empty text becomes null."""
    titles = "|".join(title.replace(".", r"\.") for title in contract.TITLES)
    # Without `-u`, "ſr." would also be a title, in lower case.
    pattern = rf"\A(?i-u:(?:{titles}){_ASCII_SPACES}*)+"
    return blank_to_null(name.str.replace(pattern, ""))


def normalise_name(name: pl.Expr) -> pl.Expr:
    """Return the name without titles, accents, and superfluous white space."""
    return remove_titles(tidy(remove_accents(name)))


def normalise_cpf(cpf: pl.Expr) -> pl.Expr:
    """Return the CPF without surrounding white space, ``.``, and ``-``; blank becomes null."""
    return blank_to_null(trim(_replace(cpf, {".": "", "-": ""})))


def _look_up(key: pl.Expr, values: Mapping[str, str]) -> pl.Expr:
    return key.replace_strict(values, default=None, return_dtype=pl.String)


def normalise_sexo(sexo: pl.Expr) -> pl.Expr:
    """Return F or M from F, M, Fem, Masc, or the full words, in any case; otherwise null."""
    return _look_up(trim(sexo).str.to_uppercase(), contract.SEXES)


def is_unknown_sexo(sexo: pl.Expr) -> pl.Expr:
    """Return whether a sexo was given but is unknown; never null."""
    return (trim(sexo) != "").fill_null(value=False) & normalise_sexo(sexo).is_null()


def substituir_estado_por_sigla(estado: pl.Expr) -> pl.Expr:
    """Return the two-letter UF from a UF or a full name, whatever its case and accents.

    Parameters
    ----------
    estado : Expr of String

    Returns
    -------
    Expr of String
        The UF; text that isn't a Brazilian state is only tidied.
    """
    siglas = dict(contract.STATES) | {uf: uf for uf in contract.STATES.values()}
    key = remove_accents(collapse(estado)).str.to_uppercase()
    return pl.coalesce(_look_up(key, siglas), tidy(estado))


def is_state(estado: pl.Expr) -> pl.Expr:
    """Return whether the text is a UF."""
    return estado.is_in(list(contract.STATES.values()))


def title_case(text: pl.Expr) -> pl.Expr:
    """Return text with the first letter of each word in title case and all others in lower case.

    A word starts only at the start of the text and after a space: ``D'oeste``.
    """
    spaced = text.str.to_lowercase().str.replace(r"\A", " ")
    return _replace(spaced, _initials()).str.slice(1)


# `$` would accept a line end, and `\d` the digits of every script.
WELL_FORMED_CPF = rf"\A[0-9]{{{contract.CPF_DIGITS}}}\z"


def cpf_is_well_formed(cpf: pl.Expr) -> pl.Expr:
    """Return whether the CPF is exactly 11 ASCII digits."""
    return cpf.str.contains(WELL_FORMED_CPF)


def cpf_check_digits_agree(cpf: pl.Expr) -> pl.Expr:
    """Return whether both check digits of an 11-digit CPF agree and its digits are not all equal.

    Notes
    -----
    Rule: Receita Federal's modulus 11, weights 10 to 2 and 11 to 2.
    """
    number = cpf.cast(pl.Int64, strict=False)
    # Gets the digits by arithmetic: eleven substrings with casts take several times as long.
    digits = [number // 10**power % 10 for power in reversed(range(contract.CPF_DIGITS))]

    def check(count: int) -> pl.Expr:
        weighted = (digits[i] * (count + 1 - i) for i in range(count))
        # A remainder of 10 counts as 0.
        return pl.sum_horizontal(weighted) * 10 % 11 % 10

    unlike = number % 11_111_111_111 != 0
    return pl.all_horizontal(check(9) == digits[9], check(10) == digits[10], unlike)
