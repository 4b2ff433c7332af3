"""Rejected rows are named by their content and origin, and kept as they came."""

from __future__ import annotations

import json
from datetime import date, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.support.frames import ingested

from client_health.clean import register, rejected_rows
from client_health.read import sources
from register_contract import contract

BAD = "123"
LINE = 'x|"broken'
BY_NAME = {source.name: source for source in contract.SOURCES}


def refused(*rows: dict[str, object]) -> pl.DataFrame:
    return register.rejected_rows(ingested(*rows))


def described(*frames: pl.DataFrame, delivery: str = "d1") -> pl.DataFrame:
    return pl.concat(rejected_rows.described(frames, delivery))


def names(*frames: pl.DataFrame, delivery: str = "d1") -> list[str]:
    return described(*frames, delivery=delivery)["rejection_id"].to_list()


def test_a_row_of_a_delivery_has_one_name_in_whatever_file_it_is_read() -> None:
    one, other = {"cpf": BAD}, {"cpf": BAD, "numero": 11}
    assert names(refused(one, other)) == names(refused(one), refused(other))
    assert sorted(names(refused(other, one))) == sorted(names(refused(one, other)))


def test_equal_rows_are_told_apart_by_their_number() -> None:
    row = {"cpf": BAD}
    first, second, third = names(refused(row, row), refused(row))
    content = first.removesuffix("-1")
    assert (second, third) == (f"{content}-2", f"{content}-3")
    assert len(content) == 32


@pytest.mark.parametrize(
    "other",
    [
        {"source": "csv"},
        {"cpf": None},
        {sources.UNREADABLE_BIRTH: True},
        {"malformed_line": LINE},
        {"cidade": None},
    ],
    ids=str,
)
def test_another_row_has_another_name(other: dict[str, object]) -> None:
    assert names(refused({"cpf": BAD})) != names(refused({"cpf": BAD} | other))


def test_another_delivery_has_other_names() -> None:
    rows = refused({"cpf": BAD})
    assert names(rows) != names(rows, delivery="d2")


def test_a_corrected_row_that_is_rejected_again_is_another_rejection() -> None:
    rows = refused({"cpf": BAD})
    (first,) = names(rows)
    again = rows.with_columns(pl.lit(first).alias(sources.REJECTION_ID))
    (second,) = names(again)
    assert second != first
    assert names(again, delivery="d2") == [second]


@pytest.mark.parametrize(
    ("source", "written"),
    [
        (
            "parquet",
            {
                "documento_cpf": BAD,
                "data_nascimento": "1980-05-07",
                "numero": "10",
                "uf": "PE",
                "data_cadastro": "2020-01-01T10:00:00",
            },
        ),
        (
            "csv",
            {
                "cpf": BAD,
                "data_nascimento": "07/05/1980",
                "numero": "10.0",
                "estado": "PE",
                "data_cadastro": "2020-01-01 10:00:00",
            },
        ),
        (
            "json",
            {
                "cpf": BAD,
                "data_nascimento": "May 07, 1980",
                "numero": 10,
                "estado": "PE",
                "data_cadastro": 1577872800000,
            },
        ),
    ],
)
def test_a_record_has_the_names_and_formats_of_its_source(
    source: str, written: dict[str, object]
) -> None:
    row = {"source": source, "cpf": BAD, "data_nascimento": date(1980, 5, 7)}
    (found,) = described(refused(row)).iter_rows(named=True)
    record = json.loads(found["record"])
    assert tuple(record) == BY_NAME[source].columns
    assert record | written == record
    assert (found["source"], found["reasons"]) == (source, "cpf_formato")


@pytest.mark.parametrize("source", contract.SOURCES, ids=lambda source: source.name)
def test_what_is_given_back_is_read_as_the_same_row(source: contract.Source) -> None:
    rows = refused(
        {"source": source.name, "cpf": BAD, "nome_completo": 'A "b" | ç\\', "numero": None},
        {"source": source.name, "cpf": None, "data_cadastro": datetime(2020, 1, 1, 10, 0, 0, 5000)},
    )
    given = rejected_rows.delivered(described(rows), source)
    shape = getattr(sources, f"transform_{source.name}")
    again = shape(given.drop("rejection_id"))
    assert_frame_equal(again, rows.select(again.columns))


@pytest.mark.parametrize("source", contract.SOURCES, ids=lambda source: source.name)
def test_what_could_not_be_read_is_given_back_as_it_came(source: contract.Source) -> None:
    shape = getattr(sources, f"transform_{source.name}")
    texts = {"data_nascimento": "31/02/1990", "numero": "s/n", "data_cadastro": "ontem"}
    came = pl.DataFrame(
        [
            {source.column(name): "x" for name in sources.REGISTER_TYPES}
            | {source.column(name): value for name, value in texts.items()}
        ]
    )
    ingested_rows = shape(came)
    given = rejected_rows.delivered(described(register.rejected_rows(ingested_rows)), source)
    assert_frame_equal(given.select(came.columns), came)
    assert_frame_equal(shape(given.drop("rejection_id")), ingested_rows)


def test_one_unreadable_value_leaves_the_rest_of_a_json_row_as_it_came() -> None:
    source = BY_NAME["json"]
    row = {
        **{"source": "json", "cpf": BAD, "numero": None},
        **{sources.UNREADABLE_NUMBER: True, "given_numero": "s/n"},
    }
    (found,) = described(refused(row)).iter_rows(named=True)
    record = json.loads(found["record"])
    assert (record["numero"], record["data_cadastro"]) == ("s/n", "1577872800000")
    assert tuple(record) == source.columns


def test_a_sample_masks_a_time_that_could_not_be_read() -> None:
    source = BY_NAME["csv"]
    rows = refused(
        {"source": "csv", "cpf": BAD},
        {
            **{"source": "csv", "cpf": BAD, "data_cadastro": None},
            **{sources.UNREADABLE_REGISTRATION: True, "given_data_cadastro": "Ana Lima"},
        },
    )
    shown = rejected_rows.sample(rejected_rows.delivered(described(rows), source), source)
    assert shown["data_cadastro"].to_list() == ["2020-01-01 10:00:00", contract.MASK]


def test_a_malformed_line_is_kept_and_given_back_whole() -> None:
    rows = refused({"source": "csv", "malformed_line": LINE}, {"source": "csv", "cpf": BAD})
    found = described(rows)
    assert found["record"][0] == LINE
    given = rejected_rows.delivered(found, BY_NAME["csv"])
    assert given["malformed_line"].to_list() == [LINE, None]
    assert given["cpf"].to_list() == [None, BAD]
    assert rejected_rows.delivered(found, BY_NAME["json"]).is_empty()
