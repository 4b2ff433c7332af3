"""The register's rows in the columns and formats of each source, with faults."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from client_health_cli.sample_data import cpf, words
from client_health_cli.sample_data.arrays import filled, join, numerals, replace, rewrite
from client_health_cli.sample_data.defects import DEFAULT_DEFECTS, EXCLUSIVE_DEFECTS, broken_rows
from client_health_cli.sample_data.draws import Digits, Indices, Integers, Mask
from client_health_cli.sample_data.people import DAY_SECONDS, People, day_number
from register_contract.columns import REGISTER_COLUMNS
from register_contract.sources import DateFormat, Source

_CPF_SPACES = ("{} ", " {}", "  {}  ")
_CPF_SPACE_SHARE = 0.004
_BLANK_SHARE = 0.006
_FUTURE, _FUTURE_DAYS = day_number(dt.date(2090, 1, 1)), 3_600


@dataclass(frozen=True)
class Habits:
    """Habits of a source, where the contract allows a choice."""

    made_of_lines: bool = True
    cpf_form: str = cpf.PUNCTUATED
    cpf_spaces: Sequence[str] = (*_CPF_SPACES, "{}\n")
    number_end: str = ""
    state_form: int = words.UF


_HABITS = {
    "parquet": Habits(made_of_lines=False),
    # A line break in a value would end the row.
    "csv": Habits(cpf_form=cpf.PLAIN, cpf_spaces=_CPF_SPACES, number_end=".0"),
    "json": Habits(state_form=words.FULL_NAME),
}

# What a source writes instead of a value: nothing, an unknown value, or an unreadable one.
_ABSENT = (None, "", "   ")
_WRONG: Mapping[str, Sequence[str | None]] = {
    "sexo_desconhecido": ("X", "Outro", "Indef.", "3"),
    "estado_desconhecido": ("XX", "Exterior", "Lisboa", "ZZ"),
    "numero_invalido": ("s/n", "S/N", "sem numero", "12A", "km 14"),
    **{rule: _ABSENT for rule in DEFAULT_DEFECTS if rule.endswith("_ausente")},
}
_NO_DATES = {
    DateFormat.ISO_DATE: ("1990-02-31", "1985-13-01", "0000-00-00", "desconhecida"),
    DateFormat.DAY_FIRST: ("31/02/1990", "45/10/1985", "00/00/0000", "desconhecida"),
    DateFormat.ENGLISH_MONTH: (
        "February 31, 1990", "Brumaire 10, 1985", "00 00, 0000", "desconhecida"
    ),
    DateFormat.ISO_T: ("2021-02-30T10:00:00", "2021-10-05T25:61:00", "sem data"),
    DateFormat.ISO_SPACE: ("2021-02-30 10:00:00", "2021-10-05 25:61:00", "sem data"),
    DateFormat.EPOCH_MILLISECONDS: ("2021-02-30", "ontem", "sem data"),
}  # fmt: skip

_STRFTIME = {
    "yyyy": "%Y", "MMMM": "%B", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S",
    "'T'": "T",
}  # fmt: skip
_FIRST_DAY, _END = day_number(dt.date(1930, 1, 1)), day_number(dt.date(2100, 1, 1))


def writer(form: DateFormat) -> Callable[[Integers], pa.StringArray]:
    """Return a function that formats times, in seconds since 1970, as the contract says.

    It looks up days and times of day, because formatting each row takes many times as long.
    """
    if form is DateFormat.EPOCH_MILLISECONDS:
        return lambda seconds: numerals(seconds * 1000)
    # English, whatever the process's locale.
    pattern = re.sub("|".join(_STRFTIME), lambda found: _STRFTIME[found[0]], form.value)
    day_pattern, hour, rest = pattern.partition("%H")
    days = pc.strftime(pa.array(range(_FIRST_DAY, _END), pa.date32()), day_pattern, locale="C")
    times = pc.strftime(pa.array(range(DAY_SECONDS), pa.time32("s")), hour + rest, locale="C")

    def write(seconds: Integers) -> pa.StringArray:
        day = days.take(seconds // DAY_SECONDS - _FIRST_DAY)
        return join(day, times.take(seconds % DAY_SECONDS)) if hour else day

    return write


@dataclass(frozen=True)
class Batch:
    """Some rows of one source.

    Parameters
    ----------
    rows : array of int
        Their numbers in the complete delivery.
    columns : dict of str to StringArray
        Texts by the source's column names, in its order.
    broken : dict of str to array of bool
        Which rows break each rule.
    """

    rows: Indices
    columns: dict[str, pa.StringArray]
    broken: dict[str, Mask]


class Spelling:
    """Spelling of rows in one source."""

    def __init__(self, source: Source, people: People) -> None:
        self._source, self._people, self._draws = source, people, people.draws
        self._habits = _HABITS[source.name]
        self._birth, self._registered = writer(source.date), writer(source.timestamp)
        self._wrong = {
            **_WRONG,
            "data_nascimento_invalida": _NO_DATES[source.date],
            "data_cadastro_invalida": _NO_DATES[source.timestamp],
        }

    def batch(self, rows: Indices) -> Batch:
        """Return the rows with these numbers."""
        people, habits, shares = self._people, self._habits, self._people.settings.defects
        broken = broken_rows(self._draws, rows, shares, lines=habits.made_of_lines)
        person, resident, registrant = people.origins(rows)
        birth = people.birth(person)
        registered = people.registered(registrant, birth)
        texts = {
            **people.names(person),
            **people.address(resident, habits.state_form),
            "cpf": self._cpf(rows, people.cpfs.digits(person), broken),
            "data_nascimento": self._birth(
                self._moved("future", rows, broken["data_nascimento_futura"], birth)
            ),
            "data_cadastro": self._registered(
                self._moved("future day", registrant, broken["data_cadastro_futura"], registered)
            ),
            "numero": join(numerals(people.house_number(resident)), habits.number_end),
        }
        names = [column.name for column in REGISTER_COLUMNS]
        spoiled = [self._spoiled(name, texts[name], rows, broken) for name in names]
        return Batch(rows, dict(zip(self._source.columns, spoiled, strict=True)), broken)

    def _moved(self, purpose: str, rows: Indices, future: Mask, seconds: Integers) -> Integers:
        """Return times, some moved to a day after any delivery."""
        day = _FUTURE + self._draws.below(purpose, rows, _FUTURE_DAYS)
        return np.where(future, day * DAY_SECONDS + seconds % DAY_SECONDS, seconds)

    def _cpf(self, rows: Indices, digits: Digits, broken: dict[str, Mask]) -> pa.StringArray:
        draws, spaces = self._draws, self._habits.cpf_spaces
        wrong = broken["cpf_digito_verificador"]
        off_by = 1 + draws.below("check digit", rows[wrong], 9)
        digits[wrong, -1] = (digits[wrong, -1] + off_by) % 10
        texts = filled(self._habits.cpf_form, digits)
        spaced = draws.chance("cpf space", rows, _CPF_SPACE_SHARE)
        forms = draws.below("cpf spaces", rows[spaced], len(spaces))
        texts = rewrite(texts, spaced, lambda text, form: spaces[form].format(text), forms)
        misshapen = broken["cpf_formato"]
        kinds = draws.below("cpf kind", rows[misshapen], cpf.MISSHAPEN_KINDS)
        return rewrite(texts, misshapen, cpf.misshapen, kinds)

    def _spoiled(
        self, column: str, texts: pa.StringArray, rows: Indices, broken: dict[str, Mask]
    ) -> pa.StringArray:
        """Return a column, blank in some rows, and with wrong values in those that break a rule."""
        rules = EXCLUSIVE_DEFECTS.get(column, ())
        changes = [(rule, broken[rule], self._wrong[rule]) for rule in rules if rule in self._wrong]
        # Any column may be blank, except those that a rule requires, and the registration time.
        if column != "data_cadastro" and not any(rule.endswith("_ausente") for rule in rules):
            blank = self._draws.chance(f"blank {column}", rows, _BLANK_SHARE)
            for rule in rules:
                # Wrong values must stay visible.
                blank &= ~broken[rule]
            changes.append((f"blank {column}", blank, _ABSENT))
        for purpose, mask, values in changes:
            choice = self._draws.below(f"value {purpose}", rows[mask], len(values))
            texts = replace(texts, mask, [values[position] for position in choice])
        return texts
