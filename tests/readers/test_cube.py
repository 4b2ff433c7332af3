"""The page's counts: exact if they are shown, and never of fewer than five clients."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import lakes

from client_health_cli import queries
from client_health_cli.dashboard import cube
from client_health_cli.dashboard.cube import HIDDEN, OTHERS, SMALLEST, Axis, Cube
from client_health_cli.published import published_table


def cube_of(lake: Path) -> Cube:
    with queries.connected(published_table(str(lake), may_be_empty=True)) as connection:
        return cube.build(connection)


def small_lake(folder: Path, rows: Sequence[dict[str, object]]) -> Path:
    lakes.make(folder / "lake")
    lakes.publish(folder / "lake", "run", rows)
    return folder / "lake"


@pytest.fixture(scope="module")
def counts(lake: Path) -> Cube:
    return cube_of(lake)


def test_no_count_is_of_fewer_than_five(counts: Cube) -> None:
    told = counts.counts[counts.counts != HIDDEN]
    assert not ((told > 0) & (told < SMALLEST)).any()
    assert (counts.counts == HIDDEN).any()


def test_every_count_that_is_told_is_the_querys(counts: Cube, lake: Path) -> None:
    rows = lakes.register()
    plan, uf, year, sex = counts.axes
    told = 0
    for p, u, y, s in itertools.product(
        range(plan.others), range(uf.others), range(year.others), range(sex.others)
    ):
        expected = sum(
            (not p or row["convenio"] == plan.labels[p])
            and (not u or row["estado"] == uf.labels[u])
            and (not y or str(row["data_cadastro"].year) == year.labels[y])
            and (not s or row["sexo"] == sex.labels[s])
            for row in rows
        )
        assert counts.count(p, u, y, s) in {expected, HIDDEN}
        told += counts.count(p, u, y, s) == expected > 0
    assert told > 300


def test_the_span_is_the_sum_of_its_years(counts: Cube) -> None:
    year = counts.axes[2]
    assert year.labels[-1] == "Após 2020"
    assert counts.count(0, 0, year.others + 1, 0) == sum(
        counts.count(0, 0, n, 0) for n, label in enumerate(year.members, 1) if int(label) > 2020
    )


def test_what_is_no_state_and_no_past_year_is_with_the_others(counts: Cube) -> None:
    rows = lakes.register()
    _, uf, year, _ = counts.axes
    assert set(uf.members) == {"SP", "MG", "RJ", "BA", "PR", "SC", "RR"}
    assert counts.count(0, uf.others, 0, 0) == sum(row["estado"] in {"ZZ", "N/A"} for row in rows)
    assert counts.count(0, 0, year.others, 0) == sum(
        row["data_cadastro"].year in {1970, 2095} for row in rows
    )


def test_a_small_convenio_loses_its_name(tmp_path: Path) -> None:
    lake = small_lake(
        tmp_path,
        [*lakes.clients(40), *lakes.clients(4, 40, convenio="Raro"),
         *lakes.clients(3, 50, convenio="Outro raro")],
    )  # fmt: skip
    found = cube_of(lake)
    assert found.axes[0].members == ("Gold",)
    assert found.count(found.axes[0].others, 0, 0, 0) == 7


def test_one_small_class_takes_the_next_one_with_it(tmp_path: Path) -> None:
    lake = small_lake(
        tmp_path,
        [*lakes.clients(30), *lakes.clients(20, 30, sexo="M"), *lakes.clients(2, 60, sexo="N/A")],
    )
    sexes = [cube_of(lake).count(0, 0, 0, n) for n in range(4)]
    assert sexes == [52, 30, HIDDEN, HIDDEN]


def test_all_without_the_span_tells_no_year_before_it(tmp_path: Path) -> None:
    clients = {2018: 3, 2019: 50, 2021: 4, 2022: 60}
    rows = [
        lakes.client(1_000 * number + n, convenio=plan, data_cadastro=dt.datetime(year, 5, 5))
        for number, (plan, year, count) in enumerate(
            (plan, year, count if plan == "F" else 100)
            for plan in ("F", "G")
            for year, count in clients.items()
        )
        for n in range(count)
    ]
    found = cube_of(small_lake(tmp_path, rows))
    plan, year = found.axes[0].labels.index("F"), found.axes[2]
    assert year.labels == ("Todos", *map(str, clients), OTHERS, "Após 2020")
    # 2018 would be all without the span and without 2019.
    years = [found.count(plan, 0, n, 0) for n in range(len(year.labels))]
    assert years == [117, HIDDEN, HIDDEN, HIDDEN, HIDDEN, 0, 64]


def test_fewer_than_five_clients_are_not_even_counted(tmp_path: Path) -> None:
    lake = small_lake(tmp_path, lakes.clients(4))
    assert not (cube_of(lake).counts > 0).any()


def test_an_empty_table_has_nothing_to_count(tmp_path: Path) -> None:
    lakes.make(tmp_path / "lake")
    assert not cube_of(tmp_path / "lake").counts.any()


def test_only_so_many_convenios_are_named(tmp_path: Path) -> None:
    rows = [
        lakes.client(10 * plan + n, convenio=f"Plano {plan:02}")
        for plan in range(60)
        for n in range(6)
    ]
    plans = cube_of(small_lake(tmp_path, rows)).axes[0]
    assert len(plans.members) == 40
    assert plans.labels[plans.others] == OTHERS


def test_years_come_in_their_order_and_old_ones_go_first(tmp_path: Path) -> None:
    rows = [
        lakes.client(10 * year + n, data_cadastro=dt.datetime(1980 + year, 5, 5))
        for year in range(40)
        for n in range(5)
    ]
    years = cube_of(small_lake(tmp_path, rows)).axes[2].members
    assert years == tuple(str(year) for year in range(1990, 2020))


@settings(max_examples=200)
@given(
    st.lists(st.integers(0, 9), min_size=24, max_size=24),
    st.lists(st.integers(0, 400), min_size=24, max_size=24),
    st.booleans(),
)
def test_no_hidden_count_follows_from_its_line(
    small: list[int], large: list[int], mixed: bool
) -> None:
    axes = (
        Axis(("a", "b")),
        Axis(("1", "2", "3"), (("Após", (2, 3)),)),
        Axis(("x",)),
    )
    pairs = zip(small, large, strict=True)
    cells = np.array([b if mixed and n % 3 else a for n, (a, b) in enumerate(pairs)])
    counts = np.zeros([len(axis.labels) for axis in axes], np.int64)
    counts[1:4, 1:5, 1:3] = cells.reshape(3, 4, 2)
    for number, axis in enumerate(axes):
        lines = np.moveaxis(counts, number, 0)
        for total, members in axis.sums:
            lines[total] = lines[list(members)].sum(axis=0)
    hide = cube.hidden(axes, counts)
    assert not ((counts > 0) & (counts < SMALLEST) & ~hide).any()
    # All is also the span, which is at position 5, with 1 and the others.
    differences = {1: [(0, (5, 1, 4))]}
    for number, axis in enumerate(axes):
        for total, members in (*axis.sums, *differences.get(number, [])):
            lines = np.moveaxis(counts, number, -1)
            shadow = np.moveaxis(hide, number, -1)
            unknown = shadow[..., list(members)].sum(axis=-1) + shadow[..., total]
            assert not (unknown == 1).any()
            rest = (lines * shadow)[..., list(members)].sum(axis=-1)
            assert not ((rest > 0) & (rest < SMALLEST) & ~shadow[..., total]).any()
