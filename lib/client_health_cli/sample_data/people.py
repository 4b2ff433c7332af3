"""The register's people, addresses, and times, before a source writes them."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa

from client_health_cli.sample_data import words
from client_health_cli.sample_data.arrays import join
from client_health_cli.sample_data.cpf import CpfNumbers
from client_health_cli.sample_data.defects import SampleSettings
from client_health_cli.sample_data.draws import Draws, Indices, Integers, Mask

DAY_SECONDS = 86_400
_UNUSUAL_STATE_SHARE = 0.06
_TIES = 0.10  # of the duplicates: the same data_cadastro as the row that they repeat
_COPIES = 0.03  # of the duplicates: exactly the same row


def day_number(day: dt.date) -> int:
    """Return the days since 1970-01-01."""
    return (day - dt.date(1970, 1, 1)).days


_FIRST_BIRTH = day_number(dt.date(1930, 1, 1))
_BIRTH_DAYS = day_number(dt.date(2021, 1, 1)) - _FIRST_BIRTH


class People:
    """All rows of a delivery, each with a number; columns are arrays over such numbers.

    Parameters
    ----------
    total : int
        Rows of all sources.
    seed : int
        Determines every value.
    settings : SampleSettings
        The share of duplicates, and the days of registration of the others.
    """

    def __init__(self, total: int, seed: int, settings: SampleSettings) -> None:
        self.draws, self.settings = Draws(seed), settings
        self.cpfs = CpfNumbers(self.draws)
        self._total, self._pools = total, words.pools(seed)

    def origins(self, rows: Indices) -> tuple[Indices, Indices, Indices]:
        """Return the rows that each row has its person, address, and registration time from."""
        person = self._person(rows)
        repeats = person != rows
        copied = repeats & self.draws.chance("copied", rows, _COPIES)
        tied = copied | (repeats & self.draws.chance("tied", rows, _TIES))
        return person, np.where(copied, person, rows), np.where(tied, person, rows)

    def _person(self, rows: Indices) -> Indices:
        """Return each row's person: its own, or for a duplicate another row's."""
        repeats = self._repeats(rows)
        targets = self.draws.below("target", rows, self._total).astype(np.uint64)
        # A target must have its own person; otherwise, the next one is taken. If nearly all rows
        # are duplicates by chance, the search ends and the row keeps its own person.
        for _ in range(64):
            taken = repeats & self._repeats(targets)
            if not taken.any():
                break
            targets[taken] = (targets[taken] + np.uint64(1)) % np.uint64(self._total)
        return np.where(repeats & ~self._repeats(targets), targets, rows)

    def _repeats(self, rows: Indices) -> Mask:
        return self.draws.chance("duplicate", rows, self.settings.duplicates)

    def names(self, person: Indices) -> dict[str, pa.StringArray]:
        """Return `nome_completo` and `sexo`."""
        man = ~self.draws.chance("female", person, 0.52)
        spelling = self.draws.weighted("name kind", person, words.NAME_SPELLINGS)
        name = (
            self._text("first name", person, 2 * spelling + man),
            self._text("family name", person, spelling),
            self._text("second family name", person, spelling),
        )
        title, end = self._text("title", person, man), self._text("name end", person)
        return {
            "nome_completo": join(title, join(*name, separator=" "), end),
            "sexo": self._text("sex form", person, man),
        }

    def address(self, rows: Indices, usual_state_form: int) -> dict[str, pa.StringArray]:
        """Return the health plan and the address, without the house number."""
        unusual = self.draws.chance("unusual state", rows, _UNUSUAL_STATE_SHARE)
        form = self.draws.below("state form", rows, words.STATE_FORMS)
        places = {
            column: self._text(column, rows, self.draws.weighted(f"{column} kind", rows, weights))
            for column, weights in words.PLACE_SPELLINGS.items()
        }
        return places | {
            "convenio": self._text("convenio", rows),
            "estado": self._text("estado", rows, np.where(unusual, form, usual_state_form)),
        }

    def house_number(self, rows: Indices) -> Integers:
        """Return house numbers: small ones are more frequent, and some end in zeros."""
        limits = 10 ** (1 + self.draws.weighted("magnitude", rows, (10, 40, 40, 10)))
        number = 1 + self.draws.below("number", rows, limits)
        round_ones = self.draws.chance("round number", rows, 0.05)
        return np.where(round_ones, number * 100 % 100_000, number)

    def birth(self, person: Indices) -> Integers:
        """Return the start of each person's day of birth, in seconds since 1970."""
        return DAY_SECONDS * (_FIRST_BIRTH + self.draws.below("birth", person, _BIRTH_DAYS))

    def registered(self, rows: Indices, birth: Integers) -> Integers:
        """Return times after birth, in seconds since 1970; a growing insurer has more each year."""
        last = day_number(self.settings.last_day)
        first = np.maximum(birth // DAY_SECONDS, day_number(self.settings.first_day))
        first = np.minimum(first, last)
        days = last - first + 1
        day: Integers = first + np.maximum(
            self.draws.below("registered", rows, days),
            self.draws.below("registered again", rows, days),
        )
        return day * DAY_SECONDS + self.draws.below("time of day", rows, DAY_SECONDS)

    def _text(
        self, purpose: str, rows: Indices, variant: Integers | Mask | int = 0
    ) -> pa.StringArray:
        return self._pools[purpose].draw(self.draws, purpose, rows, variant)
