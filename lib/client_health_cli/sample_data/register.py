"""The rows of the register: who, where, since when, and what is wrong with the row."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from client_health_cli.sample_data import pools as words
from client_health_cli.sample_data.calendar import DAY_SECONDS, day_number
from client_health_cli.sample_data.cpf import CpfNumbers, Digits
from client_health_cli.sample_data.draws import Draws, Indices, Integers, Mask
from client_health_cli.sample_data.pools import make_pools
from client_health_cli.sample_data.settings import EXCLUSIVE_DEFECTS, SampleSettings
from client_health_cli.sample_data.texts import Pool, choose, join

_FIRST_BIRTH = day_number(dt.date(1930, 1, 1))
_LAST_BIRTH = day_number(dt.date(2020, 12, 31))
_FUTURE = day_number(dt.date(2090, 1, 1))
_FUTURE_DAYS = 3_600

_OPTIONAL_COLUMNS = {
    "data_nascimento": ("data_nascimento_invalida", "data_nascimento_futura"),
    "sexo": ("sexo_desconhecido",),
    "logradouro": (),
    "numero": ("numero_invalido",),
    "bairro": (),
    "cidade": (),
    "estado": ("estado_desconhecido",),
}
_BLANK_SHARE = 0.006
_UNUSUAL_STATE_SHARE = 0.06
_TIES = 0.10  # of the duplicates: the same data_cadastro as the row they repeat
_COPIES = 0.03  # of the duplicates: the same row altogether


@dataclass(frozen=True)
class Batch:
    """Some rows of one source, before they take the source's own formats.

    Attributes
    ----------
    rows
        Number of each row in the whole delivery.
    cpf
        Eleven digits for each row.
    texts
        The columns that every source writes alike, by the contract's name.
    birth
        Days since 1970.
    registered
        Seconds since 1970.
    number
        House numbers.
    defects
        Rows that break a rule, by the rule's name.
    blank
        Rows where an optional column stays empty, by the column's name.
    """

    rows: Indices
    cpf: Digits
    texts: dict[str, pa.StringArray]
    birth: Integers
    registered: Integers
    number: Integers
    defects: dict[str, Mask]
    blank: dict[str, Mask]


class Register:
    """All rows of a delivery.

    Parameters
    ----------
    rows
        Rows of each source.
    sources
        How many sources there are.
    seed
        Decides every value.
    settings
        Quirks and faults.
    """

    def __init__(self, rows: int, sources: int, seed: int, settings: SampleSettings) -> None:
        self._total = rows * sources
        self.draws = Draws(seed)
        self._settings = settings
        self._pools = make_pools(seed)
        self._cpfs = CpfNumbers(self.draws)

    def batch(self, first: int, count: int, *, full_state_names: bool, lines: bool) -> Batch:
        """Make `count` rows from number `first` on.

        Parameters
        ----------
        first, count
            Which rows of the delivery.
        full_state_names
            Whether the source usually writes states in full; a UF otherwise.
        lines
            Whether the source is made of lines, which can be malformed.
        """
        rows = np.arange(first, first + count, dtype=np.uint64)
        person = self._person(rows)
        repeats = person != rows
        copied = repeats & self.draws.chance("copied", rows, _COPIES)
        tied = copied | (repeats & self.draws.chance("tied", rows, _TIES))
        source_of_values = np.where(copied, person, rows)
        defects = self._defects(rows, lines=lines)
        return Batch(
            rows=rows,
            cpf=self._cpf(person, rows, defects["cpf_digito_verificador"]),
            texts={
                **self._personal(person),
                **self._address(source_of_values, full_state_names=full_state_names),
            },
            birth=self._birth(person, rows, defects["data_nascimento_futura"]),
            registered=self._registered(
                np.where(tied, person, rows), person, defects["data_cadastro_futura"]
            ),
            number=self._number(source_of_values),
            defects=defects,
            blank=self._blank(rows, defects),
        )

    def _person(self, rows: Indices) -> Indices:
        """Give each row its person: itself, or for a duplicate another row's."""
        repeats = self._repeats(rows)
        targets = self.draws.below("target", rows, self._total).astype(np.uint64)
        # A target must be a person of its own; the next one is taken where it isn't. Where chance
        # made nearly all rows duplicates, the search ends and the row stays its own person.
        for _ in range(64):
            taken = repeats & self._repeats(targets)
            if not taken.any():
                break
            targets[taken] = (targets[taken] + np.uint64(1)) % np.uint64(self._total)
        return np.where(repeats & ~self._repeats(targets), targets, rows)

    def _repeats(self, rows: Indices) -> Mask:
        return self.draws.chance("duplicate", rows, self._settings.duplicates)

    def _defects(self, rows: Indices, *, lines: bool) -> dict[str, Mask]:
        defects: dict[str, Mask] = {}
        whole: Mask = np.ones(len(rows), dtype=np.bool_)
        for group in EXCLUSIVE_DEFECTS:
            low = 0.0
            for rule in group:
                high = low + self._settings.defects.get(rule, 0.0)
                defects[rule] = whole & self.draws.between(f"defect {group[0]}", rows, low, high)
                low = high
            if group[0] == "linha_malformada":
                # Nothing else can be said about the values of a line that can't be read.
                defects[group[0]] &= lines
                whole = ~defects[group[0]]
        return defects

    def _blank(self, rows: Indices, defects: dict[str, Mask]) -> dict[str, Mask]:
        blank = {}
        for column, rules in _OPTIONAL_COLUMNS.items():
            blank[column] = self.draws.chance(f"blank {column}", rows, _BLANK_SHARE)
            for rule in rules:
                # What is wrong stays to be seen.
                blank[column] &= ~defects[rule]
        return blank

    def _cpf(self, person: Indices, rows: Indices, wrong: Mask) -> Digits:
        digits = self._cpfs.digits(person)
        off_by = 1 + self.draws.below("check digit", rows, 9)
        digits[wrong, 10] = (digits[wrong, 10] + off_by[wrong].astype(np.uint8)) % 10
        return digits

    def _personal(self, person: Indices) -> dict[str, pa.StringArray]:
        draws, pools = self.draws, self._pools
        female = draws.chance("female", person, 0.52)
        kinds = draws.weighted("name kind", person, words.NAME_WEIGHTS)

        def by_sex(
            pool: dict[str, Pool], positions: Integers, kinds: Integers | int
        ) -> pa.StringArray:
            women, men = (pool[sex].take(positions, kinds) for sex in "FM")
            return choose(female, women, men)

        def family(purpose: str) -> pa.StringArray:
            positions = draws.below(purpose, person, pools.family_names.size)
            return pools.family_names.take(positions, kinds)

        first = by_sex(
            pools.first_names, draws.below("first name", person, pools.first_names["F"].size), kinds
        )
        title = by_sex(pools.titles, draws.weighted("title", person, words.TITLE_WEIGHTS), 0)
        end = pools.name_ends.take(draws.weighted("name end", person, words.NAME_END_WEIGHTS))
        name = join(first, family("family name"), family("second family name"), separator=" ")
        return {
            "nome_completo": join(title, name, end),
            "sexo": by_sex(pools.sexes, draws.weighted("sex form", person, words.SEX_WEIGHTS), 0),
        }

    def _address(self, rows: Indices, *, full_state_names: bool) -> dict[str, pa.StringArray]:
        draws, pools = self.draws, self._pools
        unusual = draws.chance("unusual state", rows, _UNUSUAL_STATE_SHARE)
        form = np.where(
            unusual, draws.below("state form", rows, words.STATE_VARIANTS), int(full_state_names)
        )

        def place(column: str, pool: Pool, weights: tuple[int, ...]) -> pa.StringArray:
            kinds = draws.weighted(f"{column} kind", rows, weights)
            return pool.take(draws.below(column, rows, pool.size), kinds)

        plans = [weight for _, weight in words.CONVENIOS]
        states = [weight for _, _, weight in words.STATES]
        return {
            "convenio": pools.convenios.take(draws.weighted("convenio", rows, plans)),
            "logradouro": place("logradouro", pools.streets, words.TEXT_WEIGHTS),
            "bairro": place("bairro", pools.districts, words.TEXT_WEIGHTS),
            "cidade": place("cidade", pools.cities, words.CITY_WEIGHTS),
            "estado": pools.states.take(draws.weighted("estado", rows, states), form),
        }

    def _birth(self, person: Indices, rows: Indices, future: Mask) -> Integers:
        birth = self._birthday(person)
        return np.where(future, _FUTURE + self.draws.below("future", rows, _FUTURE_DAYS), birth)

    def _birthday(self, person: Indices) -> Integers:
        return _FIRST_BIRTH + self.draws.below("birth", person, _LAST_BIRTH - _FIRST_BIRTH + 1)

    def _registered(self, rows: Indices, person: Indices, future: Mask) -> Integers:
        """Draw a time after birth; later years have more of them, as a growing insurer has."""
        first = np.maximum(day_number(self._settings.first_day), self._birthday(person))
        first = np.minimum(first, day_number(self._settings.last_day))
        days = day_number(self._settings.last_day) - first + 1
        day = first + np.maximum(
            self.draws.below("registered", rows, days),
            self.draws.below("registered again", rows, days),
        )
        day = np.where(future, _FUTURE + self.draws.below("future day", rows, _FUTURE_DAYS), day)
        return day * DAY_SECONDS + self.draws.below("time of day", rows, DAY_SECONDS)

    def _number(self, rows: Indices) -> Integers:
        """Draw house numbers, small ones more often, and some that end in zeros."""
        limits = 10 ** (1 + self.draws.weighted("magnitude", rows, (10, 40, 40, 10)))
        number = 1 + self.draws.below("number", rows, limits)
        round_ones = self.draws.chance("round number", rows, 0.05)
        return np.where(round_ones, number * 100 % 100_000, number)
