"""Rejected and corrected rows of people are found by what tells of them, and nobody else's."""

from __future__ import annotations

import stat
from pathlib import Path

import polars as pl
import pytest
from tests.support.frames import GOOD_CPF, OTHER_CPF, ingested

from client_health import corrections
from client_health.clean import register, rejected_rows
from client_health_cli.erasing import raw_records, zones
from client_health_cli.erasing.search import Values
from register_contract import erasures, resubmissions

BATCH = "b" + "0" * 16
PERSON = "Fulana Canário da Silva"
OTHERS = "Beltrana de Souza"
GONE = Values((GOOD_CPF,), ("00000000-0000-8000-8000-000000000001",))


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Return a lake with rejected and corrected rows of a person and of others."""
    spaced = f"{GOOD_CPF[:3]} {GOOD_CPF[3:6]} {GOOD_CPF[6:9]} {GOOD_CPF[9:]}"
    refused = register.rejected_rows(
        ingested(
            {"source": "csv", "cpf": spaced, "nome_completo": PERSON},
            {"source": "csv", "cpf": "1", "nome_completo": PERSON},
            {"source": "csv", "malformed_line": f"x|{GOOD_CPF}"},
            {"source": "csv", "cpf": "2", "nome_completo": OTHERS},
        )
    )
    lake = tmp_path / "lake"
    rows = pl.concat(rejected_rows.described([refused], "d1"))
    table = lake / "restricted" / "rejected" / "0.parquet"
    table.parent.mkdir(parents=True)
    rows.write_parquet(table)
    given = rows.filter(pl.col("reasons") == "cpf_formato")
    batch = given.select("source", "rejection_id", "record").with_columns(
        pl.col("record").str.replace(spaced, GOOD_CPF).str.replace('"2"', f'"{OTHER_CPF}"')
    )
    corrections.write(str(lake), BATCH, batch)
    return lake


def test_rows_without_an_id_are_found_by_cpf_and_by_a_name_that_nobody_else_has(lake: Path) -> None:
    found = zones.find(lake, GONE)
    assert PERSON in found.values.names
    assert len(found.rejections) == 3
    batch = lake / resubmissions.path_of(BATCH)
    assert found.batches == (batch,)
    assert set(found.zones) == {
        erasures.Zone("rejected", 3, 1),
        erasures.Zone("resubmissions", 2, 1),
    }


def test_a_batch_loses_a_person_s_rows_and_keeps_the_others(lake: Path) -> None:
    found = zones.find(lake, GONE)
    (batch,) = found.batches
    raw_records.remove_from(batch, found.values)
    (record,) = pl.read_parquet(batch)["record"]
    assert OTHERS in record
    assert stat.S_IMODE(batch.stat().st_mode) == 0o600
    assert [path.name for path in batch.parent.iterdir()] == [batch.name]
    raw_records.remove_from(batch, Values((OTHER_CPF,), ()))
    assert not batch.exists()


def test_a_request_names_the_rejected_rows() -> None:
    asked = erasures.Request("e1", ("i1",), "g", "b", "2026-01-31T00:00:00", rejections=("a-1",))
    assert erasures.parse(asked.dump()) == asked
