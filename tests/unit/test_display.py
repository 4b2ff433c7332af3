"""What notebooks show: readable, the same everywhere, and never a personal value."""

from __future__ import annotations

import io
from datetime import date, datetime

from frames import GOOD_CPF, OTHER_CPF, ingested
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from client_health import contract, display, register
from client_health.sources import MALFORMED_LINE

PERSONAL = (GOOD_CPF, OTHER_CPF, "Ana Lima", "1980-05-17", "Rua A", "77", "Centro", "Recife")


def picture(values: dict[str, int]) -> bytes:
    drawn = io.BytesIO()
    display.bars(values, "Rows by rule").savefig(drawn, format="png")
    return drawn.getvalue()


def test_texts_stand_left_and_numbers_right() -> None:
    rows = [["Gold", 1234567, 0.5, None], ["SUS", 8, 12.25, "x"]]
    wanted = "\n".join(
        [
            "plan       rows  share  note",
            "----  ---------  -----  ----",
            "Gold  1,234,567    0.5  null",
            "SUS           8   12.2  x",
        ]
    )
    headers = ["plan", "rows", "share", "note"]
    assert display.table(rows, headers) == wanted
    assert display.table((tuple(row) for row in rows), headers) == wanted


def test_an_empty_table_shows_its_headers() -> None:
    assert display.table([], ["rule", "rows"]) == "rule  rows\n----  ----"


def test_values_are_shown_plainly() -> None:
    row = [True, date(2026, 1, 31), datetime(2026, 1, 31, 10, 5), "á" * 80]
    shown = display.table([row], ["a", "b", "c", "d"]).splitlines()[-1]
    assert shown.split("  ") == ["yes", "2026-01-31", "2026-01-31 10:05:00", "á" * 59 + "…"]


def test_a_sample_shows_no_personal_value_and_keeps_nulls_visible(spark: SparkSession) -> None:
    frame = ingested(
        spark,
        {"source": "csv", "numero": 77, "bairro": None, "sexo": None},
        {"source": "parquet", "cpf": OTHER_CPF, "numero": 77},
        {"source": "json", "cpf": None, MALFORMED_LINE: f"{GOOD_CPF}|Ana Lima"},
    )
    for shown in (display.sample(frame), display.newest(frame)):
        assert not any(value in shown for value in PERSONAL)
        header, _, *lines = (line.split() for line in shown.splitlines())
        rows = [dict(zip(header, line[: len(header)], strict=True)) for line in lines]
        by_source = {row["source"]: row for row in rows}
        assert set(by_source) == set(contract.SOURCE_NAMES)
        assert (by_source["csv"]["bairro"], by_source["csv"]["sexo"]) == ("null", "null")
        assert by_source["json"]["cpf"] == "null"
        assert by_source["parquet"]["cpf"] == by_source["parquet"]["numero"] == contract.MASK
        assert by_source["parquet"]["convenio"] == "Gold"


def test_a_sample_shows_as_many_rows_of_each_source_as_asked(spark: SparkSession) -> None:
    people = [{"source": name, "cpf": f"{i:011}"} for name in ("csv", "json") for i in range(3)]
    lines = display.sample(ingested(spark, *people), rows=2).splitlines()[2:]
    assert [line.split()[0] for line in lines] == ["csv", "csv", "json", "json"]


def test_the_mask_covers_a_sources_own_column_names_as_well(spark: SparkSession) -> None:
    raw = ingested(spark, {}).select(
        F.col("cpf").alias("documento_cpf"),
        F.col("nome_completo").alias("nome"),
        F.lit(f"{GOOD_CPF}|Ana Lima").alias(MALFORMED_LINE),
        F.lit("PE").alias("uf"),
    )
    [row] = display.masked(raw).collect()
    assert list(row) == [contract.MASK, contract.MASK, contract.MASK, "PE"]


def test_a_state_or_sex_that_is_none_may_be_a_shifted_street_and_is_masked(
    spark: SparkSession,
) -> None:
    given = [("SP", "F"), ("São Paulo", "Masc"), ("N/A", "N/A"), ("Rua Azul", "Ana Lima")]
    frame = spark.createDataFrame([*given, (None, None)], "estado string, sexo string")
    shown = [tuple(row) for row in display.masked(frame).collect()]
    assert shown == [*given[:3], (contract.MASK, contract.MASK), (None, None)]


def test_published_rows_show_no_personal_value(spark: SparkSession) -> None:
    published = ingested(spark, {"numero": 77}).transform(register.mask)
    [row] = display.masked(published).collect()
    assert not any(value in map(str, row) for value in PERSONAL)


def test_rules_are_shown_with_their_meaning_most_frequent_first() -> None:
    found = {"cpf_formato": 2, "cpf_ausente": 2, "linha_malformada": 1300}
    lines = display.counts(found).splitlines()[2:]
    assert [line.split()[:2] for line in lines] == [
        ["linha_malformada", "1,300"],
        ["cpf_ausente", "2"],
        ["cpf_formato", "2"],
    ]
    meanings = {rule.name: rule.meaning for rule in contract.RULES}
    assert all(line.endswith(meanings[line.split()[0]]) for line in lines)


def test_a_receipt_ends_with_its_total() -> None:
    rows = {
        "csv": {"in": 1000, "rejected": 1, "duplicates": 9, "suppressed": 0, "out": 990},
        "json": {"in": 10, "rejected": 0, "duplicates": 0, "suppressed": 2, "out": 8},
    }
    shown = display.receipt({"rows": rows}).splitlines()
    assert shown[0].split() == ["source", "in", "rejected", "duplicates", "suppressed", "out"]
    assert shown[-1].split() == ["total", "1,010", "1", "9", "2", "998"]


def test_a_picture_of_the_same_values_is_the_same_picture() -> None:
    values = {"cpf_formato": 1200, "sexo_desconhecido": 31}
    first = picture(values)
    assert first.startswith(b"\x89PNG")
    assert picture(values) == first
    assert picture(values | {"cpf_formato": 1100}) != first


def test_a_picture_of_nothing_can_be_drawn() -> None:
    assert picture({}).startswith(b"\x89PNG")
