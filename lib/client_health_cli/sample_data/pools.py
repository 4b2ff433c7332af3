"""The names, places and words that sample rows are put together from."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from client_health_cli.sample_data.texts import (
    Pool,
    decomposed,
    spaced,
    unaccented,
    unchanged,
)

STATES: tuple[tuple[str, str, int], ...] = (
    ("SP", "São Paulo", 220),
    ("MG", "Minas Gerais", 100),
    ("RJ", "Rio de Janeiro", 80),
    ("BA", "Bahia", 70),
    ("PR", "Paraná", 56),
    ("RS", "Rio Grande do Sul", 54),
    ("PE", "Pernambuco", 45),
    ("CE", "Ceará", 43),
    ("PA", "Pará", 40),
    ("SC", "Santa Catarina", 37),
    ("GO", "Goiás", 35),
    ("MA", "Maranhão", 33),
    ("AM", "Amazonas", 19),
    ("ES", "Espírito Santo", 19),
    ("PB", "Paraíba", 19),
    ("MT", "Mato Grosso", 18),
    ("RN", "Rio Grande do Norte", 16),
    ("PI", "Piauí", 16),
    ("AL", "Alagoas", 15),
    ("DF", "Distrito Federal", 14),
    ("MS", "Mato Grosso do Sul", 13),
    ("SE", "Sergipe", 11),
    ("RO", "Rondônia", 8),
    ("TO", "Tocantins", 7),
    ("AC", "Acre", 4),
    ("AP", "Amapá", 4),
    ("RR", "Roraima", 3),
)
"""UF, name and weight of each state; the weights follow the population."""

CONVENIOS: tuple[tuple[str, int], ...] = (
    ("GoodHealth", 150),
    ("Porto Seguro", 130),
    ("Bradesco", 160),
    ("Gold", 70),
    ("Sulamerica", 110),
    ("SaudeMais", 84),
    ("AMIL", 120),
    ("Prata", 50),
    ("SUS", 60),
    ("Bronze", 40),
    ("Itau", 16),
    ("SaúdeMais", 6),
    ("Itaú", 4),
    ("  Gold ", 1),
    ("AMIL ", 1),
)
"""Health plans and their weights, some of them also accented or with white space around."""

SEXES = {"F": ("Fem", "F", " F ", "Fem "), "M": ("Masc", "M", " M ", "Masc ")}
SEX_WEIGHTS = (60, 37, 1, 2)

TITLES = {
    "F": ("", "Sra. ", "Dra. ", "Srta. ", "  ", "Sra.  "),
    "M": ("", "Sr. ", "Dr. ", "Sr. ", " ", "Dr.  "),
}
TITLE_WEIGHTS = (900, 45, 25, 20, 5, 5)
NAME_ENDS = ("", " ", "  ")
NAME_END_WEIGHTS = (980, 15, 5)

VARIANTS = (unchanged, str.upper, str.lower, decomposed, unaccented, spaced)
CITY_WEIGHTS = (720, 110, 90, 40, 30, 10)
TEXT_WEIGHTS = (900, 20, 20, 30, 20, 10)
NAME_WEIGHTS = (930, 0, 0, 40, 30, 0)

# The first form is a UF and the second a full name: what a source usually writes.
STATE_VARIANTS = 7


@dataclass(frozen=True)
class Pools:
    """All that rows choose from; made once for a delivery.

    Attributes
    ----------
    first_names
        By sex.
    family_names, streets, districts, cities
        As their names say.
    states
        Each state in `STATE_VARIANTS` forms.
    convenios, sexes, titles, name_ends
        Fixed lists, the last two parts of a name; `sexes` and `titles` by sex.
    """

    first_names: dict[str, Pool]
    family_names: Pool
    streets: Pool
    districts: Pool
    cities: Pool
    states: Pool
    convenios: Pool
    sexes: dict[str, Pool]
    titles: dict[str, Pool]
    name_ends: Pool


def make_pools(seed: int) -> Pools:
    """Draw the pools with Faker (Brazilian Portuguese).

    Parameters
    ----------
    seed
        The same seed gives the same pools.

    Returns
    -------
    Pools
        Some thousands of values each, none of which needs quoting in a CSV file.
    """
    from faker import Faker  # noqa: PLC0415 - takes a while to load

    faker = Faker("pt_BR")
    faker.seed_instance(seed)

    def drawn(draw: Callable[[], str], count: int) -> list[str]:
        return [_tidy(draw()) for _ in range(count)]

    return Pools(
        first_names={
            "F": Pool(drawn(faker.first_name_female, 2000), VARIANTS),
            "M": Pool(drawn(faker.first_name_male, 2000), VARIANTS),
        },
        family_names=Pool(drawn(faker.last_name, 4000), VARIANTS),
        streets=Pool(drawn(faker.street_name, 6000), VARIANTS),
        districts=Pool(drawn(faker.bairro, 3000), VARIANTS),
        cities=Pool(drawn(faker.city, 3000), VARIANTS),
        states=_state_pool(),
        convenios=Pool([name for name, _ in CONVENIOS]),
        sexes={sex: Pool(forms) for sex, forms in SEXES.items()},
        titles={sex: Pool(forms) for sex, forms in TITLES.items()},
        name_ends=Pool(NAME_ENDS),
    )


def _tidy(text: str) -> str:
    """Drop what a CSV field would have to quote, and turn `de da Costa` into `da Costa`."""
    return re.sub(r"\bde (d[aeo]s? )", r"\1", re.sub(r'[|"\\\n]', "", text))


def _state_pool() -> Pool:
    names = {uf: name for uf, name, _ in STATES}
    return Pool(
        list(names),
        (
            unchanged,
            lambda uf: names[uf],
            lambda uf: names[uf].upper(),
            lambda uf: unaccented(names[uf]).lower(),
            lambda uf: decomposed(names[uf]),
            str.lower,
            spaced,
        ),
    )
