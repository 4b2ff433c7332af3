"""What notebooks show: readable, the same everywhere, and without personal values."""

from __future__ import annotations

import io
import re
from datetime import date, datetime

import polars as pl
from tests.support.frames import GOOD_CPF, OTHER_CPF, ingested

from client_health import display
from client_health.read.sources import MALFORMED_LINE
from register_contract import contract

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


def test_a_sample_shows_no_personal_value_and_keeps_nulls_visible() -> None:
    frame = ingested(
        {"source": "csv", "numero": 77, "bairro": None, "sexo": None},
        {"source": "parquet", "cpf": OTHER_CPF, "numero": 77},
        {"source": "json", "cpf": None, MALFORMED_LINE: f"{GOOD_CPF}|Ana Lima"},
    )
    shown = display.sample(frame)
    assert not any(value in shown for value in PERSONAL)
    lines = [re.split(r"  +", line.strip()) for line in shown.splitlines()]
    header = lines[0]
    assert header == ["column", "csv", "parquet", "json"]
    assert [line[0] for line in lines[2:]] == [column.name for column in contract.REGISTER_COLUMNS]
    found = {line[0]: dict(zip(header, line, strict=True)) for line in lines[2:]}
    assert (found["bairro"]["csv"], found["sexo"]["csv"]) == ("null", "null")
    assert found["cpf"]["json"] == "null"
    assert found["cpf"]["parquet"] == found["numero"]["parquet"] == contract.MASK
    assert found["convenio"]["parquet"] == "Gold"


def test_a_sample_fits_a_line_of_a_notebook() -> None:
    rows = [{"source": name, "convenio": "c" * 30} for name in contract.SOURCE_NAMES]
    assert max(map(len, display.sample(ingested(*rows)).splitlines())) <= 120


def test_a_sample_without_a_source_numbers_its_rows() -> None:
    header = display.sample(ingested({}, {"cpf": OTHER_CPF}).drop("source")).splitlines()[0]
    assert header.split() == ["column", "row", "1", "row", "2"]


def test_the_mask_covers_a_sources_own_column_names_as_well() -> None:
    raw = ingested({}).select(
        pl.col("cpf").alias("documento_cpf"),
        pl.col("nome_completo").alias("nome"),
        pl.lit(f"{GOOD_CPF}|Ana Lima").alias(MALFORMED_LINE),
        pl.lit("PE").alias("uf"),
    )
    [row] = display.masked(raw).rows()
    assert list(row) == [contract.MASK, contract.MASK, contract.MASK, "PE"]


def test_a_state_or_sex_that_is_none_may_be_a_shifted_street_and_is_masked() -> None:
    given = [("SP", "F"), ("São Paulo", "Masc"), ("N/A", "N/A"), ("Rua Azul", "Ana Lima")]
    frame = pl.DataFrame([*given, (None, None)], schema=["estado", "sexo"], orient="row")
    shown = display.masked(frame).rows()
    assert shown == [*given[:3], (contract.MASK, contract.MASK), (None, None)]


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
        "csv": {
            "in": 1000,
            "resubmitted": 5,
            "rejected": 1,
            "duplicates": 9,
            "suppressed": 0,
            "out": 995,
        },
        "json": {
            "in": 10,
            "resubmitted": 0,
            "rejected": 0,
            "duplicates": 0,
            "suppressed": 2,
            "out": 8,
        },
    }
    shown = display.receipt({"rows": rows}).splitlines()
    assert shown[0].split() == [
        "source",
        "in",
        "resubmitted",
        "rejected",
        "duplicates",
        "suppressed",
        "out",
    ]
    assert shown[-1].split() == ["total", "1,010", "5", "1", "9", "2", "1,003"]


def test_a_picture_of_the_same_values_is_the_same_picture() -> None:
    values = {"cpf_formato": 1200, "sexo_desconhecido": 31}
    first = picture(values)
    assert first.startswith(b"\x89PNG")
    assert picture(values) == first
    assert picture(values | {"cpf_formato": 1100}) != first


def test_a_picture_of_nothing_can_be_drawn() -> None:
    assert picture({}).startswith(b"\x89PNG")
