"""The different formats of the sources become the same row."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl
import pytest

from client_health.read import sources
from register_contract import contract

PARQUET = {
    "documento_cpf": "529.982.247-25", "nome_completo": "Ana", "convenio": "Gold",
    "data_nascimento": "1949-01-07", "sexo": "Fem", "logradouro": "Rua A", "numero": "100",
    "bairro": "Sul", "cidade": "recife", "uf": "PE", "data_cadastro": "2019-11-27T11:12:02",
}  # fmt: skip
CSV = {
    "cpf": "52998224725", "nome": "Ana", "convenio": "Gold", "data_nascimento": "07/01/1949",
    "sexo": "F", "logradouro": "Rua A", "numero": "100.0", "bairro": "Sul", "cidade": "recife",
    "estado": "PE", "data_cadastro": "2019-11-27 11:12:02",
}  # fmt: skip
JSON = CSV | {
    "data_nascimento": "January 07, 1949", "numero": "100", "estado": "Pernambuco",
    "data_cadastro": "1574853122000",
}  # fmt: skip
MARKS = (sources.UNREADABLE_BIRTH, sources.UNREADABLE_REGISTRATION, sources.UNREADABLE_NUMBER)


def raw(*rows: dict[str, str | None]) -> pl.DataFrame:
    columns = (*rows[0], sources.MALFORMED_LINE)
    return pl.DataFrame(list(rows), schema=dict.fromkeys(columns, pl.String))


def test_the_three_sources_give_the_same_row() -> None:
    shaped = {
        "parquet": sources.transform_parquet(raw(PARQUET)),
        "csv": sources.transform_csv(raw(CSV)),
        "json": sources.transform_json(raw(JSON)),
    }
    for name, frame in shaped.items():
        row = frame.row(0, named=True)
        assert row["source"] == name
        assert row["data_nascimento"] == date(1949, 1, 7)
        assert row["data_cadastro"] == datetime(2019, 11, 27, 11, 12, 2)
        assert row["numero"] == 100
        assert [row[mark] for mark in MARKS] == [False, False, False]
        assert frame.schema == sources.SCHEMA
    assert list(sources.SCHEMA) == [
        "source", *(column.name for column in contract.REGISTER_COLUMNS), *MARKS,
        "given_data_nascimento", "given_data_cadastro", "given_numero", "malformed_line",
    ]  # fmt: skip


def test_texts_stay_as_they_came() -> None:
    came = CSV | {"cpf": " 529.982.247-25\n", "nome": "Dr.  João ", "cidade": "", "sexo": None}
    row = sources.transform_csv(raw(came)).row(0, named=True)
    assert row["cpf"] == came["cpf"]
    assert row["nome_completo"] == came["nome"]
    assert (row["cidade"], row["sexo"]) == ("", None)


def test_what_is_given_and_unreadable_is_marked_and_what_is_missing_is_not() -> None:
    wrong = JSON | {"data_nascimento": "31/02/1949", "numero": "s/n", "data_cadastro": "yesterday"}
    blank = JSON | {"data_nascimento": " ", "numero": None, "data_cadastro": ""}
    spaced = JSON | {"data_nascimento": "\u2003January 07, 1949\n", "numero": " 100\t"}
    frame = sources.transform_json(raw(wrong, blank, spaced, JSON))
    assert frame.select(MARKS).rows() == [(True,) * 3, *[(False,) * 3] * 3]
    born = date(1949, 1, 7)
    assert frame.get_column("data_nascimento").to_list() == [None, None, born, born]
    given = frame.select("given_data_nascimento", "given_data_cadastro", "given_numero").rows()
    assert given == [("31/02/1949", "yesterday", "s/n"), *[(None,) * 3] * 3]


def test_a_malformed_line_is_handed_on_with_nothing_else() -> None:
    line: dict[str, str | None] = dict.fromkeys(CSV) | {sources.MALFORMED_LINE: "a|b"}
    row = sources.transform_csv(raw(line)).row(0, named=True)
    assert row.pop("source") == "csv"
    assert row.pop(sources.MALFORMED_LINE) == "a|b"
    assert [row.pop(mark) for mark in MARKS] == [False, False, False]
    assert not any(value is not None for value in row.values())


@pytest.mark.parametrize("source", contract.SOURCES)
def test_no_rows_have_the_same_columns_and_types(source: contract.Source) -> None:
    empty = pl.DataFrame(schema=dict.fromkeys((*source.columns, "malformed_line"), pl.String))
    transform = getattr(sources, f"transform_{source.name}")
    assert transform(empty).schema == sources.SCHEMA
