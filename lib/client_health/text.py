"""Normalisation of texts as native column expressions.

Each function takes and returns a :class:`~pyspark.sql.Column` and leaves nulls null. None is a
Python UDF: Spark compiles them into the pass that reads the data.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812 (the name everybody knows)

from client_health import contract

# Every character that has Unicode's property White_Space, the ASCII ones first.
_ASCII_SPACES = "\t\n\x0b\x0c\r "
_OTHER_SPACES = (
    "\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
# The same with ranges: Java searches a few ranges much faster than a list.
_OTHER_SPACES_PATTERN = "\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_SPACES = _ASCII_SPACES + _OTHER_SPACES
UF_LETTERS = 2
_COMBINING = "".join(map(chr, range(0x0300, 0x0370)))
# Latin letters with accents live in these blocks.
_LATIN = (*range(0x00C0, 0x0250), *range(0x1E00, 0x1F00))


@lru_cache(maxsize=1)
def _accent_table() -> tuple[str, str]:
    """Return what ``translate`` replaces, and by what; combining marks come last: deleted."""
    accented, plain = [], []
    for code in _LATIN:
        letter = chr(code)
        decomposed = unicodedata.normalize("NFD", letter)
        base, marks = decomposed[0], decomposed[1:]
        if marks and base.isascii() and all(unicodedata.combining(mark) for mark in marks):
            accented.append(letter)
            plain.append(base)
    return "".join(accented) + _COMBINING, "".join(plain)


def _beyond_ascii(text: Column) -> Column:
    return F.octet_length(text) != F.char_length(text)


def remove_accents(text: Column) -> Column:
    """Replace accented Latin letters by plain ones, composed or decomposed alike.

    Parameters
    ----------
    text : Column of string

    Returns
    -------
    Column of string

    Notes
    -----
    Rule: specification, "Normalização de Texto". Only text with more bytes than characters, that
    is with something beyond ASCII, pays for ``translate``, which looks at every character.
    """
    accented, plain = _accent_table()
    return F.when(_beyond_ascii(text), F.translate(text, accented, plain)).otherwise(text)


def trim(text: Column) -> Column:
    """Remove white space of any kind at both ends."""
    # Trimming plain spaces is several times faster, and nearly always enough.
    odd = _beyond_ascii(text)
    for found in _ASCII_SPACES.strip(" "):
        odd |= text.contains(found)
    return F.when(odd, F.btrim(text, F.lit(_SPACES))).otherwise(F.trim(text))


def has_odd_spaces(text: Column) -> Column:
    """Say whether white space may need more than trimming: runs, tabs, line ends, rarer spaces."""
    # Searching for a few bytes costs a fraction of a regular expression, and one range of letters
    # that Portuguese does not use a fraction of a list of spaces.
    odd = _beyond_ascii(text) & text.rlike("[\u1680-\uffff]")
    for found in ("  ", *_ASCII_SPACES.strip(" "), "\x85", "\xa0"):
        odd |= text.contains(found)
    return odd


def collapse(text: Column, odd: Column | None = None) -> Column:
    """Trim white space of any kind and turn runs of it into one space.

    Parameters
    ----------
    text : Column of string
    odd : Column of boolean, optional
        Whether there can be more to do than trimming, where the caller knows it.
    """
    spaces = rf"[\s{_OTHER_SPACES_PATTERN}]+"
    replaced = F.regexp_replace(text, spaces, " ")
    needed = has_odd_spaces(text) if odd is None else odd
    return F.trim(F.when(needed, replaced).otherwise(text))


def blank_to_null(text: Column) -> Column:
    """Return null for empty text."""
    return F.when(text != "", text)


def tidy(text: Column) -> Column:
    """Trim and collapse white space of any kind, and turn blank into null."""
    return blank_to_null(collapse(text))


def remove_titles(name: Column) -> Column:
    """Remove the titles Sr., Sra., Srta., Dr. and Dra. at the start; nothing left becomes null."""
    titles = "|".join(title.replace(".", r"\.") for title in contract.TITLES)
    stripped = F.regexp_replace(name, rf"\A(?i:(?:{titles})\s*)+", "")
    return F.when(name.contains("."), blank_to_null(stripped)).otherwise(blank_to_null(name))


def normalise_name(name: Column) -> Column:
    """Return the name without titles, accents and superfluous white space."""
    return remove_titles(tidy(remove_accents(name)))


def normalise_cpf(cpf: Column) -> Column:
    """Return the CPF without surrounding white space, ``.`` and ``-``; blank becomes null."""
    return blank_to_null(trim(without_punctuation(cpf)))


def without_punctuation(cpf: Column) -> Column:
    """Remove ``.`` and ``-``."""
    return F.replace(F.replace(cpf, F.lit("."), F.lit("")), F.lit("-"), F.lit(""))


def _look_up(key: Column, values: Mapping[str, str]) -> Column:
    entries = [F.lit(item) for pair in values.items() for item in pair]
    return F.create_map(*entries)[key]


def normalise_sexo(sexo: Column) -> Column:
    """Return F or M from F, M, Fem, Masc and the whole words in any case; else null."""
    return _look_up(F.upper(trim(sexo)), contract.SEXES)


def is_unknown_sexo(sexo: Column) -> Column:
    """Say whether a sexo was given and is none that we know; never null."""
    given = F.upper(trim(sexo))
    return F.coalesce((given != "") & ~given.isin(*contract.SEXES), F.lit(False))


def substituir_estado_por_sigla(estado: Column) -> Column:
    """Return the two-letter UF from a UF or a full name, whatever its case and accents.

    Parameters
    ----------
    estado : Column of string

    Returns
    -------
    Column of string
        The UF; text that is no Brazilian state stays as it is, tidied.
    """
    return sigla(collapse(estado))


def sigla(collapsed: Column) -> Column:
    """Return the UF of text whose white space is collapsed, or else the text; blank is null."""
    given = blank_to_null(collapsed)
    key = F.upper(remove_accents(collapsed))
    full_name = F.char_length(key) > UF_LETTERS
    return (
        F.when(is_state(key), key)
        .when(full_name, F.coalesce(_look_up(key, contract.STATES), given))
        .otherwise(given)
    )


def is_state(estado: Column) -> Column:
    """Say whether the text is a UF."""
    return estado.isin(*contract.STATES.values())


def cpf_is_well_formed(cpf: Column) -> Column:
    r"""Say whether the CPF is exactly 11 ASCII digits.

    ``\z`` and not ``$``: Java's ``$`` also matches before a final newline.
    """
    return cpf.rlike(rf"\A[0-9]{{{contract.CPF_DIGITS}}}\z")


def cpf_check_digits_agree(cpf: Column) -> Column:
    """Say whether both check digits of an 11-digit CPF agree and its digits are not all alike.

    Notes
    -----
    Rule: Receita Federal's modulus 11, weights 10 to 2 and 11 to 2.
    """
    number = cpf.cast("bigint")
    # Digits by arithmetic: eleven substrings with a cast each cost several times as much.
    digits = [
        F.floor(number / F.lit(10**power)).cast("bigint") % 10
        for power in reversed(range(contract.CPF_DIGITS))
    ]

    def check(count: int) -> Column:
        total = sum((digits[i] * (count + 1 - i) for i in range(1, count)), digits[0] * (count + 1))
        rest = total * 10 % 11
        return F.when(rest == 10, 0).otherwise(rest)

    alike = number % 11_111_111_111 == 0
    return (check(9) == digits[9]) & (check(10) == digits[10]) & ~alike
