"""Each source's own way of writing becomes the same row."""

from __future__ import annotations

from datetime import date, datetime

from pyspark.sql import DataFrame, SparkSession

from client_health import contract, sources

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


def raw(spark: SparkSession, *rows: dict[str, str | None]) -> DataFrame:
    names = ", ".join(f"{name} string" for name in rows[0])
    return spark.createDataFrame([tuple(row.values()) for row in rows], names)


def test_the_three_sources_give_the_same_row(spark: SparkSession) -> None:
    shaped = {
        "parquet": sources.transform_parquet(raw(spark, PARQUET)),
        "csv": sources.transform_csv(raw(spark, CSV)),
        "json": sources.transform_json(raw(spark, JSON)),
    }
    for name, frame in shaped.items():
        row = frame.collect()[0].asDict()
        assert row["source"] == name
        assert row["data_nascimento"] == date(1949, 1, 7)
        assert row["data_cadastro"] == datetime(2019, 11, 27, 11, 12, 2)
        assert row["numero"] == 100
        assert [row[mark] for mark in MARKS] == [False, False, False]
    assert len({tuple(frame.columns) for frame in shaped.values()}) == 1
    types = dict(shaped["json"].dtypes)
    assert {c.name: types[c.name] for c in contract.REGISTER_COLUMNS} == {
        c.name: c.type for c in contract.REGISTER_COLUMNS
    }


def test_what_is_given_and_unreadable_is_marked_and_what_is_missing_is_not(
    spark: SparkSession,
) -> None:
    wrong = JSON | {"data_nascimento": "31/02/1949", "numero": "s/n", "data_cadastro": "yesterday"}
    blank = JSON | {"data_nascimento": " ", "numero": None, "data_cadastro": ""}
    rows = sources.transform_json(raw(spark, wrong, blank, JSON)).collect()
    assert [[row[mark] for mark in MARKS] for row in rows] == [[True] * 3, [False] * 3, [False] * 3]
    assert [row["data_nascimento"] for row in rows] == [None, None, date(1949, 1, 7)]
