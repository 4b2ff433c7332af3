"""Clients by year of registration: right sums, and no row of fewer than five."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_health.clean import registrations
from client_health.publish import records
from register_contract import anonymity, columns
from register_contract.tables import CADASTROS_ANONIMOS

UNTIL = date(2026, 2, 7)
UNKNOWN = datetime.fromisoformat(columns.DEFAULT_TIMESTAMP)


def by_year(*times: datetime) -> dict[int | None, int]:
    rows = pl.DataFrame({"data_cadastro": times}, schema={"data_cadastro": pl.Datetime("us")})
    return dict(registrations.by_year(rows, UNTIL).iter_rows())


def anonymous(*parts: dict[int | None, int]) -> dict[int | None, int]:
    frames = [
        pl.DataFrame(
            {"ano": list(part), "clientes": list(part.values())},
            schema={"ano": pl.Int32, "clientes": pl.Int64},
        )
        for part in parts
    ]
    return dict(registrations.anonymous(frames).iter_rows())


def test_a_year_is_that_of_the_time_and_missing_and_future_times_have_none() -> None:
    last = datetime(2026, 2, 7, 23, 59, 59)
    assert by_year(last, datetime(2026, 1, 1), datetime(2025, 12, 31, 23, 59)) == {2026: 2, 2025: 1}
    assert by_year(UNKNOWN, datetime(2026, 2, 8), datetime(2095, 1, 1)) == {None: 3}
    assert by_year() == {}


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        ({2020: 5, 2021: 9}, {2020: 5, 2021: 9}),
        ({2020: 3, 2021: 2, 2022: 9}, {2022: 9, None: 5}),
        # Four clients alone would be the difference of the total and the others.
        ({2020: 4, 2021: 6, 2022: 9}, {2022: 9, None: 10}),
        ({2020: 9, None: 2}, {None: 11}),
        ({2020: 9, None: 5}, {2020: 9, None: 5}),
        ({2020: 2, None: 2}, {}),
        ({}, {}),
    ],
)
def test_small_years_share_a_row(
    counted: dict[int | None, int], expected: dict[int | None, int]
) -> None:
    assert anonymous(counted) == expected


def test_parts_are_summed_before_they_are_too_small() -> None:
    assert anonymous({2020: 3}, {2020: 2, 2021: 7}) == {2020: 5, 2021: 7}


@given(st.dictionaries(st.one_of(st.none(), st.integers(1971, 2026)), st.integers(1, 12)))
def test_no_row_is_small_and_nobody_is_lost(counted: dict[int | None, int]) -> None:
    found, clients = anonymous(counted), sum(counted.values())
    assert all(count >= anonymity.K for count in found.values())
    assert sum(found.values()) == (clients if clients >= anonymity.K else 0)
    assert all(counted[year] == count for year, count in found.items() if year is not None)


def test_the_columns_are_the_contracts() -> None:
    declared = records.schema(CADASTROS_ANONIMOS)
    found = registrations.anonymous([])
    assert found.schema == {name: declared[name] for name in found.columns}
