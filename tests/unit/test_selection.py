"""One row per person, and its published form: the work after the shuffle."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from tests.support.frames import FIELD_IDS, GOOD_CPF, OTHER_CPF, ingested

from client_health import parcels, transformation
from client_health.clean import identity, register, rules
from client_health.gate.accounting import Selected
from client_health.worker import Selection, Transformation
from register_contract import contract

AS_OF = date(2026, 1, 31)
KEY = b"k" * 32
FIRST, SECOND = (identity.client_id(KEY, cpf) for cpf in (GOOD_CPF, OTHER_CPF))
BITS = {name: 1 << at for at, name in enumerate(rules.WARNINGS)}


def candidates(*rows: dict[str, Any]) -> pl.DataFrame:
    """Return candidates as workers pass them on; columns that a row doesn't set get good values."""
    plain = {
        "id": FIRST,
        "source": "parquet",
        "nome_completo": "Ana Lima",
        "convenio": "Gold",
        "data_nascimento": date(1980, 5, 17),
        "sexo": "F",
        "numero": 10,
        "estado": "PE",
        "data_cadastro": datetime(2020, 1, 1, 10),
        "warnings": 0,
        "rank": 0,
        "place": 0,
        "content_1": 0,
        "content_2": 0,
    }
    return pl.DataFrame([plain | row for row in rows], schema=register.CANDIDATE_SCHEMA)


def told(batches: Iterable[pa.RecordBatch]) -> list[dict[str, Any]]:
    """Return what a worker reports to the driver."""
    return [json.loads(line) for batch in batches for line in batch.column("line").to_pylist()]


def test_the_best_of_a_person_stays_whatever_the_order_of_the_rows() -> None:
    rows = [
        {"rank": 2, "place": 1, "content_1": 5, "content_2": 5, "nome_completo": "best"},
        {"rank": 2, "place": 1, "content_1": 5, "content_2": 6},
        {"rank": 2, "place": 1, "content_1": 6, "content_2": 0},
        {"rank": 2, "place": 2, "content_1": 0, "content_2": 0},
        {"rank": 1, "place": 0, "content_1": 0, "content_2": 0},
    ]
    for order in itertools.permutations(rows):
        kept = register.one_row_a_person(candidates(*order))
        assert kept["nome_completo"].to_list() == ["best"]


def test_people_do_not_replace_each_other() -> None:
    kept = register.one_row_a_person(candidates({"rank": 1}, {"id": SECOND, "rank": 9}))
    assert kept["id"].to_list() == sorted([FIRST, SECOND])


def test_what_is_published_has_the_contracts_columns_an_id_and_masks() -> None:
    accepted = register.normalise(ingested({}))
    found = register.candidates(accepted, date(2026, 1, 31), KEY)
    published = register.published(register.one_row_a_person(found))
    assert published.columns == [column.name for column in contract.COLUMNS]
    row = published.row(0, named=True)
    assert row["id"] == identity.client_id(KEY, GOOD_CPF)
    assert {row[column.name] for column in contract.COLUMNS if column.masked} == {contract.MASK}
    assert (row["nome_completo"], row["numero"], row["estado"]) == ("Ana Lima", 10, "PE")


def test_no_masked_value_comes_as_far_as_the_shuffle() -> None:
    masked = {column.name for column in contract.COLUMNS if column.masked}
    assert "cpf" in masked
    assert masked.isdisjoint(register.CANDIDATE_SCHEMA)


def test_rows_are_counted_where_they_are_written(tmp_path: Path) -> None:
    nameless = BITS["nome_ausente"]
    frame = candidates(
        {"rank": 5, "source": "csv", "warnings": nameless | BITS["sexo_desconhecido"]},
        {"rank": 4, "source": "json", "warnings": nameless},
        {"id": SECOND, "source": "json", "warnings": nameless},
        {"id": "another", "source": "parquet", "warnings": register.BADLY_FORMED},
    )
    selection = Selection(str(tmp_path), FIELD_IDS, AS_OF)
    (line,) = told(selection.run(parcels.pack(frame, "id", parcels.tasks(1))))
    found = Selected.total([Selected(**line["counts"])])
    assert found.arrived == {"parquet": 1, "csv": 1, "json": 2}
    assert found.kept == {"parquet": 1, "csv": 1, "json": 1}
    assert {name: n for name, n in found.warnings.items() if n} == {
        "nome_ausente": 2, "sexo_desconhecido": 1,
    }  # fmt: skip
    assert found.badly_formed_cpfs == 1
    assert [(plan, rows) for _, plan, rows in line["files"]] == [("Gold", 3)]


def test_one_cpf_a_million_times_is_one_row_and_every_row_is_counted(tmp_path: Path) -> None:
    million = 1_000_000
    frame = candidates({}).sample(million, with_replacement=True)
    numbers = pl.int_range(million)
    frame = frame.with_columns(
        numero=numbers.cast(pl.Int32), rank=(numbers * 7_919) % million, content_1=numbers
    )
    best = frame.filter(pl.col("rank") == million - 1)["numero"].to_list()
    selection = Selection(str(tmp_path), FIELD_IDS, AS_OF)
    (line,) = told(selection.run(parcels.pack(frame, "id", parcels.tasks(4))))
    found = Selected.total([Selected(**line["counts"])])
    assert found.arrived["parquet"] == million
    assert found.kept["parquet"] == 1
    ((uri, _, rows),) = line["files"]
    assert rows == 1
    assert pl.read_parquet(uri.removeprefix("file:"))["numero"].to_list() == best


def test_a_cpf_that_is_not_11_digits_is_counted_though_it_was_accepted() -> None:
    frame = register.normalise(ingested({}, {"cpf": "12"}, {"cpf": f"{GOOD_CPF}\n"}))
    found = register.candidates(frame, date(2026, 1, 31), KEY)
    marks = (found["warnings"] & register.BADLY_FORMED != 0).to_list()
    assert marks == [False, True, False]


@pytest.mark.parametrize("count", [1, 3])
def test_health_plans_that_are_many_have_a_file_each_and_the_same_rows_and_counts(
    tmp_path: Path, count: int
) -> None:
    rows = [
        {"id": f"{at % 400:04}", "convenio": f"plan {at % 130}", "rank": at, "source": "json"}
        for at in range(900)
    ]
    numbers = parcels.tasks(count)
    halves = [
        list(parcels.pack(candidates(*part), "id", numbers)) for part in (rows[::2], rows[1::2])
    ]
    by_task = [
        [b for half in halves for b in half if b.column(parcels.TASK)[0].as_py() == number]
        for number in numbers
    ]
    at_once = Selection(str(tmp_path / "once"), FIELD_IDS, AS_OF)
    packed = Selection(str(tmp_path / "packed"), FIELD_IDS, AS_OF, numbers)
    lines = [line for task in by_task for line in told(at_once.run(task))]
    moved = [batch for task in by_task for batch in packed.pack(task)]
    again = [
        line
        for number in numbers
        for line in told(
            packed.write(b for b in moved if b.column(parcels.TASK)[0].as_py() == number)
        )
    ]

    def total(lines: list[dict[str, Any]]) -> Selected:
        return Selected.total([Selected(**line["counts"]) for line in lines if "counts" in line])

    def files(lines: list[dict[str, Any]]) -> list[list[Any]]:
        return [file for line in lines for file in line.get("files", ())]

    assert replace(total(lines), parts=()) == replace(total(again), parts=())
    assert total(lines).profile == total(again).profile
    assert sum(total(again).kept.values()) == 400
    plans = [plan for _, plan, _ in files(again)]
    assert len(plans) == len(set(plans)) == 130
    tables = [
        pl.concat([pl.read_parquet(uri, hive_partitioning=False) for uri, *_ in files(made)])
        for made in (lines, again)
    ]
    assert tables[0].sort("id").equals(tables[1].sort("id"))


def test_nothing_is_told_where_nothing_came() -> None:
    assert told(Selection("nowhere", FIELD_IDS, AS_OF).run([])) == []
    none = Selected.total([])
    assert set(none.kept.values()) == set(none.warnings.values()) == {0}


@pytest.mark.parametrize("key", [b"a very secret key of many letters", bytes(range(128, 168))])
def test_the_id_key_is_in_no_plan(spark: SparkSession, key: bytes) -> None:
    numbers = transformation.numbered(spark, 2, key)
    work = Transformation((), "in", "out", date(2026, 1, 31), (1,))
    frame = numbers.mapInArrow(work.run, parcels.SCHEMA).repartition(1, parcels.TASK)
    modes = spark._jvm.org.apache.spark.sql.execution.ExplainMode  # type: ignore[union-attr]
    plan = frame._jdf.queryExecution()
    texts = [plan.toString(), frame._jdf.toJSON().queryExecution().toString()]
    texts += [plan.explainString(modes.fromString(mode)) for mode in ("extended", "formatted")]
    for text in texts:
        assert "id_key" in text
        for written in (key.decode("latin-1"), key.hex(), base64.b64encode(key).decode()):
            assert written[:12].lower() not in text.lower()
        assert ", ".join(map(str, key[:6])) not in text
