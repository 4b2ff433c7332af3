"""Classes of clients: measured exactly, generalized step by step, and never small in the end."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_health.clean import classes
from client_health.publish import records
from register_contract import anonymity
from register_contract.anonymity import ANY, LADDER, K, Measured
from register_contract.tables import CLIENTOUTPUT_ANONIMA

SCHEMA = pl.Schema(
    {
        "convenio": pl.String(),
        "sexo": pl.String(),
        "estado": pl.String(),
        "data_nascimento": pl.Date(),
        "nome_completo": pl.String(),
    }
)
PLANS = ("Gold", "SUS", "Prata", "*", "Outros", "N/A")
Client = tuple[str, str, str, date, str]
CLIENTS = st.tuples(
    st.sampled_from(PLANS),
    st.sampled_from(("F", "M", "N/A", "*", "Rua A")),
    st.sampled_from(("SP", "RJ", "AC", "RR", "N/A", "*", "Norte", "Rua das Flores, 10")),
    st.one_of(
        st.just(date(1970, 1, 1)),
        st.sampled_from(
            (date(1980, 5, 1), date(1980, 5, 17), date(1981, 1, 1), date(1989, 12, 31))
        ),
        st.dates(),
    ),
    st.sampled_from(("Ana Lima", "Rui Souza")),
)
# A register: some clients, some of them often.
REGISTERS = st.lists(
    st.tuples(CLIENTS, st.sampled_from((1, 1, 2, 4, 5, 30, 800))), max_size=40
).map(lambda found: [client for client, times in found for _ in range(times)])
UNKNOWN = date(1970, 1, 1)


def client(
    plan: str = "Gold", sexo: str = "F", uf: str = "SP", born: date = date(1980, 5, 17)
) -> Client:
    return (plan, sexo, uf, born, "Ana Lima")


def frame(rows: Sequence[Client]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=SCHEMA, orient="row")


def by_plan(rows: Sequence[Client]) -> list[pl.DataFrame]:
    return frame(rows).partition_by("convenio")


def made(rows: Sequence[Client]) -> tuple[pl.DataFrame, anonymity.Report]:
    return classes.anonymous(classes.tally(by_plan(rows)))


def measured(sizes: Sequence[int], step: str) -> Measured:
    below = sum(size for size in sizes if size < K)
    return Measured(step, len(sizes), min(sizes, default=0), sum(sizes), below)


@given(REGISTERS)
def test_no_class_is_smaller_than_five_whatever_the_rows_are(rows: list[Client]) -> None:
    table, report = made(rows)
    assert table["clientes"].min() is None or table["clientes"].min() >= K
    # Nobody is left out, unless all are too few.
    assert table["clientes"].sum() == (len(rows) if len(rows) >= K else 0)
    assert not table.select(classes.DESCRIBED).is_duplicated().any()
    assert not table.null_count().transpose().to_series().sum()
    assert report.table == measured(table["clientes"].to_list(), "clientoutput_anonima")


@given(REGISTERS)
def test_only_values_of_the_declared_domains_are_published(rows: list[Client]) -> None:
    table, _ = made(rows)
    assert set(table["sexo"]) <= {"F", "M", "N/A", ANY}
    assert set(table["uf"]) <= {"SP", "RJ", "AC", "RR", "N/A", ANY}
    assert set(table["regiao"]) <= {"Sudeste", "Norte", "N/A", ANY}
    assert set(table["convenio"]) <= set(PLANS)
    band = r"\A(?:\d{4}|\d{4}-\d{2}|\d{4}-\d{4}|N/A|\*)\z"
    assert table["faixa_nascimento"].str.contains(band).all()
    # A state that is shown is in the region that is shown.
    places = {("Sudeste", "SP"), ("Sudeste", "RJ"), ("Norte", "AC"), ("Norte", "RR")}
    places |= {(region, ANY) for region in ("Sudeste", "Norte", "N/A", ANY)} | {("N/A", "N/A")}
    assert set(table.select("regiao", "uf").rows()) <= places


@given(REGISTERS)
def test_the_measure_of_each_step_is_that_of_plain_counting(rows: list[Client]) -> None:
    found = classes.tally(by_plan(rows))
    assert found.published == measured(
        list(Counter(row[:4] for row in rows).values()), anonymity.PUBLISHED
    )
    plans = Counter(row[0] for row in rows)
    regions = {"SP": "Sudeste", "RJ": "Sudeste", "AC": "Norte", "RR": "Norte"}
    for step, (one, _) in zip(LADDER, classes.climb(found), strict=True):

        def coarse(row: Client, step: anonymity.Step = step) -> tuple[object, ...]:
            plan, sexo, uf, born, _ = row
            rare = step.merges_rare_plans and plans[plan] < 0.01 * len(rows)
            month = born.year * 12 + born.month - 1
            band = None if born == UNKNOWN or not step.months else month // step.months
            place = {"uf": uf if uf in regions else "N/A", "regiao": regions.get(uf, "N/A")}
            known = sexo if sexo in {"F", "M"} else "N/A"
            return ("Outros" if rare else plan, known, place.get(step.place), band)

        assert one == measured(list(Counter(map(coarse, rows)).values()), step.name)


@given(REGISTERS)
def test_with_the_name_classes_are_those_of_plain_counting(rows: list[Client]) -> None:
    found = classes.tally([frame(rows)], names=True)
    assert found.published == measured(list(Counter(rows).values()), anonymity.PUBLISHED)
    *_, (last, _) = classes.climb(found)
    assert last.clients == len(rows)


def test_the_first_step_that_leaves_few_in_small_classes_is_the_tables() -> None:
    months = [client(born=date(1980, 5, day)) for day in range(1, 11)] * 10
    table, report = made(months)
    assert [one.step for one in report.measured] == ["publicado", "mes"]
    assert table.rows() == [("Gold", "F", "Sudeste", "SP", "1980-05", 100)]

    table, report = made([client(born=date(1980, month, 1)) for month in range(1, 13)])
    assert report.measured[-1].step == "ano"
    assert table.rows() == [("Gold", "F", "Sudeste", "SP", "1980", 12)]

    table, report = made([client(born=date(1980 + year, 1, 1)) for year in range(10)])
    assert report.measured[-1].step == "cinco_anos"
    assert table["faixa_nascimento"].to_list() == ["1980-1984", "1985-1989"]


@pytest.mark.parametrize(
    ("rare", "expected"),
    [
        # One in 201 is suppressed, and takes the smallest other class along.
        (1, [("Gold", 150), (ANY, 51)]),
        (4, [("Gold", 150), (ANY, 54)]),
        (5, [("Gold", 150), ("Prata", 50), ("SUS", 5)]),
    ],
)
def test_too_few_suppressed_clients_take_the_smallest_class_along(
    rare: int, expected: list[tuple[str, int]]
) -> None:
    rows = [client()] * 150 + [client("Prata")] * 50 + [client("SUS")] * rare
    found = classes._suppress(
        frame(rows)
        .group_by("convenio", "sexo")
        .agg(pl.len().cast(pl.Int64).alias("clientes"))
        .with_columns(regiao=pl.lit("Sudeste"), uf=pl.lit("SP"), faixa_nascimento=pl.lit("1980"))
        .select(*classes.DESCRIBED, "clientes")
        .sort("convenio")
    )[0]
    assert found.select("convenio", "clientes").rows() == expected


def test_fewer_clients_than_a_class_are_no_table() -> None:
    assert made([client()] * (K - 1))[0].is_empty()
    assert made([])[0].is_empty()
    assert made([client()] * K)[0].height == 1


def test_every_state_has_one_region() -> None:
    from register_contract import columns

    listed = [uf for states in anonymity.REGIONS.values() for uf in states]
    assert sorted(listed) == sorted(columns.STATES.values())


def test_each_step_generalizes_the_one_before_it() -> None:
    places = ("uf", "regiao", "")
    for one, after in itertools.pairwise(LADDER):
        assert after.months == 0 or (one.months and after.months % one.months == 0)
        assert places.index(after.place) >= places.index(one.place)
        assert after.merges_rare_plans >= one.merges_rare_plans
        assert one != after


def test_the_rows_are_the_declared_columns_and_a_report_survives_json() -> None:
    table, report = made([client()] * 9 + [client(uf="RJ")])
    declared = records.schema(CLIENTOUTPUT_ANONIMA)
    assert {name: declared[name] for name in table.columns} == table.schema
    assert list(declared)[2:] == table.columns
    assert anonymity.parse(report.dump()) == report
