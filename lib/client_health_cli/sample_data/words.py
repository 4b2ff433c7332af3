"""The names, places, and words in sample rows."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from itertools import chain

import pyarrow as pa

from client_health_cli.sample_data.draws import Draws, Indices, Integers, Mask
from register_contract.columns import STATES
from register_contract.sources import CSV_DELIMITER

# Names as written, with weights by population.
STATE_WEIGHTS = {
    "São Paulo": 220, "Minas Gerais": 100, "Rio de Janeiro": 80, "Bahia": 70, "Paraná": 56,
    "Rio Grande do Sul": 54, "Pernambuco": 45, "Ceará": 43, "Pará": 40, "Santa Catarina": 37,
    "Goiás": 35, "Maranhão": 33, "Amazonas": 19, "Espírito Santo": 19, "Paraíba": 19,
    "Mato Grosso": 18, "Rio Grande do Norte": 16, "Piauí": 16, "Alagoas": 15,
    "Distrito Federal": 14, "Mato Grosso do Sul": 13, "Sergipe": 11, "Rondônia": 8,
    "Tocantins": 7, "Acre": 4, "Amapá": 4, "Roraima": 3,
}  # fmt: skip
# Forms of a state; a source usually uses one of the first two.
UF, FULL_NAME, STATE_FORMS = 0, 1, 7
# Health plans with their weights; some have accents or white space around them.
_CONVENIOS = {
    "GoodHealth": 150, "Porto Seguro": 130, "Bradesco": 160, "Gold": 70, "Sulamerica": 110,
    "SaudeMais": 84, "AMIL": 120, "Prata": 50, "SUS": 60, "Bronze": 40, "Itau": 16,
    "SaúdeMais": 6, "Itaú": 4, "  Gold ": 1, "AMIL ": 1,
}  # fmt: skip
_SEX_FORMS = (("Fem", "F", " F ", "Fem "), ("Masc", "M", " M ", "Masc "))
_TITLES = (
    ("", "Sra. ", "Dra. ", "Srta. ", "  ", "Sra.  "),
    ("", "Sr. ", "Dr. ", "Sr. ", " ", "Dr.  "),
)


def decomposed(text: str) -> str:
    """Return the text with each accent as a combining mark."""
    return unicodedata.normalize("NFD", text)


def unaccented(text: str) -> str:
    """Return the text without accents."""
    return "".join(c for c in decomposed(text) if not unicodedata.combining(c))


def _spaced(text: str) -> str:
    return f"  {text} "


# The ways to write a value, with their frequencies for names and for places.
_SPELLINGS = (str, str.upper, str.lower, decomposed, unaccented, _spaced)
NAME_SPELLINGS = (930, 0, 0, 40, 30, 0)
PLACE_SPELLINGS = {
    "logradouro": (900, 20, 20, 30, 20, 10),
    "bairro": (900, 20, 20, 30, 20, 10),
    "cidade": (720, 110, 90, 40, 30, 10),
}


class Pool:
    """Values to draw from, each in the same number of variants.

    Parameters
    ----------
    *variants : sequence of str
        All values, once in each variant.
    weights : sequence of int, optional
        Frequency of each value; all equal if left out.
    """

    def __init__(self, *variants: Sequence[str], weights: Sequence[int] = ()) -> None:
        self._size, self._weights = len(variants[0]), weights
        self._texts = pa.array(list(chain(*variants)), pa.string())

    def draw(
        self, draws: Draws, purpose: str, rows: Indices, variant: Integers | Mask | int = 0
    ) -> pa.StringArray:
        """Draw a value for each row, in the variant with that number."""
        if self._weights:
            position = draws.weighted(purpose, rows, self._weights)
        else:
            position = draws.below(purpose, rows, self._size)
        return self._texts.take(position + variant * self._size)


def pools(seed: int) -> dict[str, Pool]:
    """Return the pools of the columns' texts, by the purpose of the draw.

    Names and places are from Faker: a few thousand in every spelling, none of which needs quotes in
    a CSV file. Titles, sexes, and, within a spelling, first names have a woman's and a man's
    variant; states have `STATE_FORMS`.
    """
    from faker import Faker  # noqa: PLC0415 - takes a while to load

    faker = Faker("pt_BR")
    faker.seed_instance(seed)

    def spelled(draw: Callable[[], str], count: int) -> list[list[str]]:
        values = [_tidy(draw()) for _ in range(count)]
        return [[spelling(value) for value in values] for spelling in _SPELLINGS]

    women, men = spelled(faker.first_name_female, 2000), spelled(faker.first_name_male, 2000)
    family = Pool(*spelled(faker.last_name, 4000))
    return {
        "first name": Pool(*chain(*zip(women, men, strict=True))),
        "family name": family,
        "second family name": family,
        "logradouro": Pool(*spelled(faker.street_name, 6000)),
        "bairro": Pool(*spelled(faker.bairro, 3000)),
        "cidade": Pool(*spelled(faker.city, 3000)),
        "estado": Pool(
            *zip(*map(_state_forms, STATE_WEIGHTS), strict=True), weights=[*STATE_WEIGHTS.values()]
        ),
        "convenio": Pool([*_CONVENIOS], weights=[*_CONVENIOS.values()]),
        "title": Pool(*_TITLES, weights=(900, 45, 25, 20, 5, 5)),
        "name end": Pool(("", " ", "  "), weights=(980, 15, 5)),
        "sex form": Pool(*_SEX_FORMS, weights=(60, 37, 1, 2)),
    }


def _tidy(text: str) -> str:
    """Return a name without characters that CSV must quote, and `da Costa` for `de da Costa`."""
    unquoted = re.sub(r'["\\\n]', "", text.replace(CSV_DELIMITER, ""))
    return re.sub(r"\bde (d[aeo]s? )", r"\1", unquoted)


def _state_forms(name: str) -> tuple[str, ...]:
    plain = unaccented(name)
    uf = STATES[plain.upper()]
    return uf, name, name.upper(), plain.lower(), decomposed(name), uf.lower(), _spaced(uf)
