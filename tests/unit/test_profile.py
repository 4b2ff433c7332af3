"""What the columns contain, counted by task and added up."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl
import pytest
from tests.support.frames import ingested

from client_health.clean import profile, register

AS_OF = date(2026, 3, 10)
KEY = b"0" * 64


def kept(*changes: dict[str, object]) -> pl.DataFrame:
    """Return one row a person as ``02_transform`` has it after the shuffle."""
    rows = ingested(*changes)
    return register.one_row_a_person(
        register.candidates(register.accepted_rows(register.normalise(rows)), AS_OF, KEY)
    )


def cpf(number: int) -> str:
    """Return 11 digits, another person's for each number."""
    return f"{number:011}"


def test_missing_values_are_counted_before_their_defaults_are_filled_in():
    found = profile.taken(
        kept(
            {"cpf": cpf(1), "nome_completo": None, "bairro": " ", "numero": None},
            {"cpf": cpf(2), "data_nascimento": None, "estado": None},
            {"cpf": cpf(3), "nome_completo": "N/A", "numero": 0, "sexo": "?"},
        ),
        AS_OF,
    )
    # A text "N/A" and a number 0 were given; a sexo that is unknown has no value to publish.
    assert {name: count for name, count in found["nulls"].items() if count} == {
        "nome_completo": 1,
        "bairro": 1,
        "numero": 1,
        "data_nascimento": 1,
        "estado": 1,
        "sexo": 1,
    }


def test_only_known_categories_are_named():
    found = profile.taken(
        kept(
            {"cpf": cpf(1), "sexo": "M", "estado": "Rua das Flores, 12"},
            {"cpf": cpf(2), "sexo": "Fem", "estado": None},
            {"cpf": cpf(3), "sexo": None, "estado": "sao paulo"},
        ),
        AS_OF,
    )
    assert found["categories"] == {
        "sexo": {"F": 1, "M": 1, "N/A": 1},
        "estado": {"N/A": 1, "SP": 1, profile.OTHER: 1},
    }


def test_registrations_are_counted_by_day_for_a_month_before_the_delivery():
    days = [date(2026, 3, 11), AS_OF, date(2026, 3, 9), date(2026, 2, 8), date(2026, 2, 7)]
    rows = [{"cpf": cpf(at), "data_cadastro": datetime(d.year, d.month, d.day, 8)}
            for at, d in enumerate([*days, AS_OF])]  # fmt: skip
    assert profile.taken(kept(*rows), AS_OF)["registrations"] == {
        "2026-02-08": 1,
        "2026-03-09": 1,
        "2026-03-10": 2,
    }


def test_of_the_dates_of_birth_only_the_years_are_kept():
    found = profile.taken(
        kept(
            {"cpf": cpf(1), "data_nascimento": date(1931, 2, 3)},
            {"cpf": cpf(2), "data_nascimento": date(2020, 5, 6), "data_cadastro": None},
            {"cpf": cpf(3), "data_nascimento": None, "data_cadastro": datetime(2019, 9, 8, 7)},
        ),
        AS_OF,
    )
    assert found["extremes"] == {
        "data_nascimento": ["1931", "2020"],
        "data_cadastro": ["2019-09-08", "2020-01-01"],
    }


def test_without_rows_there_is_nothing_and_parts_add_up_to_the_whole():
    rows = [
        {"cpf": cpf(at), "sexo": "FM?"[at % 3], "estado": ["SP", None][at % 2],
         "data_nascimento": date(1950 + at, 1, 1), "data_cadastro": datetime(2026, 3, 1 + at % 9)}
        for at in range(30)
    ]  # fmt: skip
    everything = kept(*rows)
    parts = [everything[:7], everything[7:7], everything[7:]]
    together = profile.total(profile.taken(part, AS_OF) for part in parts)
    assert together == profile.total([profile.taken(everything, AS_OF)])
    assert together["distinct"] == {"nome_completo": 1, "data_nascimento": 30, "numero": 1}
    nothing = profile.taken(everything[:0], AS_OF)
    assert nothing["extremes"] == nothing["registrations"] == {}


@pytest.mark.parametrize("name", register.MISSING)
def test_marks_of_missing_values_are_bits_of_their_own(name: str):
    others = sum(bit for other, bit in register.MISSING.items() if other != name)
    taken = (register.BADLY_FORMED << 1) - 1 | others
    assert register.MISSING[name] & taken == 0
    assert register.MISSING[name] < 1 << 31


def test_many_different_values_are_estimated_within_five_percent():
    everything = (
        kept({})
        .select(pl.all().repeat_by(60_000).explode())
        .with_columns(pl.int_range(60_000, dtype=pl.Int32).mod(40_000).alias("numero"))
    )
    parts = [everything[:20_000], everything[20_000:]]
    found = profile.total(profile.taken(part, AS_OF) for part in parts)["distinct"]
    assert found["numero"] == pytest.approx(40_000, rel=0.05)
    assert found["nome_completo"] == 1
