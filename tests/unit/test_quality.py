"""The gates: each one alone, several together, and the audit of the written rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from client_health.errors import QualityGateError
from client_health.gate.accounting import SourceRows, StageRows
from client_health.gate.quality import (
    Expectations,
    QualityReport,
    older_failures,
    validar_esquema,
    validar_qualidade_dados,
)
from register_contract import contract
from register_contract.contract import Limits

SOURCES = contract.SOURCE_NAMES
PLAIN = {
    "id": "",
    **{column.name: "Ana Lima" for column in contract.REGISTER_COLUMNS},
    **{column.name: contract.MASK for column in contract.COLUMNS if column.masked},
    "convenio": "Gold",
    "numero": 10,
    "data_nascimento": date(1980, 5, 17),
    "data_cadastro": datetime(2020, 1, 1, 10),
}


def branch(spark: SparkSession, *changes: dict[str, Any], rows: int = 3) -> DataFrame:
    """Return clients (three by default) as ``02_transform`` writes them, with changes to each."""
    people = [PLAIN | {"id": f"id {at}"} for at in range(rows)]
    for person, change in zip(people, changes, strict=False):
        person.update(change)
    kinds = ", ".join(f"{column.name} {column.type}" for column in contract.COLUMNS)
    # From a list of rows, Spark would make a frame by Python workers.
    values = {column.name: [row[column.name] for row in people] for column in contract.COLUMNS}
    return spark.createDataFrame(pd.DataFrame(values, dtype=object), kinds)


@pytest.fixture(scope="module")
def good(spark: SparkSession) -> DataFrame:
    """Return three clients in whom no gate finds anything."""
    return branch(spark)


def judge(
    frame: DataFrame,
    expectations: Expectations | None = None,
    shares: dict[str, int] | None = None,
    *,
    rows: int = 3,
) -> QualityReport:
    """Check a frame with so many rows, which are of one health plan unless shares are given."""
    listed = {"Gold": rows} if shares is None else shares
    return validar_qualidade_dados(frame, listed, expectations or Expectations())


def counted(rows_in: int = 1, **changes: SourceRows) -> StageRows:
    return StageRows({name: SourceRows(rows_in, rows_in) for name in SOURCES} | changes)


def stopped_by(
    frame: DataFrame, expectations: Expectations | None = None, *, rows: int = 3
) -> dict[str, str]:
    with pytest.raises(QualityGateError) as stopped:
        judge(frame, expectations, rows=rows)
    assert all(rule in str(stopped.value) for rule, _ in stopped.value.failures)
    return dict(stopped.value.failures)


def test_the_contracts_columns_pass(good: DataFrame) -> None:
    validar_esquema(good)
    validar_esquema(good.drop("id"), contract.REGISTER_COLUMNS)


def test_all_differences_of_the_columns_are_named_at_once(good: DataFrame) -> None:
    frame = good.drop("sexo", "estado").withColumn("numero", F.lit("10"))
    frame = frame.select(
        "data_cadastro", *frame.drop("data_cadastro").columns, F.lit(1).alias("cpf")
    )
    with pytest.raises(QualityGateError) as stopped:
        validar_esquema(frame, contract.REGISTER_COLUMNS)
    [(rule, found)] = stopped.value.failures
    assert rule == "esquema_diferente"
    for difference in (
        "missing column sexo",
        "missing column estado",
        "extra column id",
        "column cpf more than once",
        "column numero is string, not int",
        "order is data_cadastro, cpf, ",
    ):
        assert difference in found


def test_columns_in_another_order_are_a_difference(good: DataFrame) -> None:
    frame = good.drop("source")
    with pytest.raises(QualityGateError, match="order is data_cadastro, estado, "):
        validar_esquema(frame.select(*reversed(frame.columns)), contract.REGISTER_COLUMNS)


def test_good_rows_pass_every_gate_and_are_measured(spark: SparkSession) -> None:
    report = judge(
        branch(spark, {"convenio": "SUS"}),
        Expectations(stages=[counted(), counted()], published_rows=3),
        {"Gold": 2, "SUS": 1},
    )
    assert (report.rows, report.distinct_ids, report.badly_formed_cpfs) == (3, 3, 0)
    assert report.shares == {"Gold": 2, "SUS": 1}
    assert not any((*report.nulls.values(), *report.unmasked.values()))
    assert set(report.nulls) == {column.name for column in contract.COLUMNS if column.required}
    assert {result for _, result in report.checks()} == {"ok"}


def test_nothing_to_publish_stops_the_run(good: DataFrame) -> None:
    assert stopped_by(good.limit(0), rows=0) == {"saida_vazia": "no row to publish"}


def test_a_null_in_a_required_column_stops_the_run(spark: SparkSession) -> None:
    frame = branch(spark, {"sexo": None, "numero": None}, {"sexo": None}, {"sexo": None})
    assert stopped_by(frame) == {"nulo_obrigatorio": "nulls: 3 in sexo, 1 in numero"}


def test_a_malformed_cpf_stops_the_run(good: DataFrame) -> None:
    # The stage that masks the CPFs counts this first.
    transformed = replace(counted(), badly_formed_cpfs=1)
    found = stopped_by(good, Expectations([counted(), transformed]))
    assert found == {"cpf_fora_do_formato": "1 CPFs are not 11 digits"}


def test_a_person_twice_stops_the_run(spark: SparkSession) -> None:
    found = stopped_by(branch(spark, {}, {"id": "id 0"}))
    assert found == {"cpf_duplicado": "3 rows hold 2 different CPFs"}


def test_ids_whose_hashes_are_alike_are_told_apart(
    good: DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("client_health.gate.quality.F.xxhash64", lambda _: F.lit(1))
    assert judge(good).distinct_ids == 3


def test_a_value_that_is_not_masked_stops_the_run(spark: SparkSession) -> None:
    masked = [column.name for column in contract.COLUMNS if column.masked]
    # The first column in one row, the second in two, and so on.
    count = len(masked)
    changes = [dict.fromkeys(masked[at:], "52998224725") for at in range(count)]
    found = stopped_by(branch(spark, *changes, rows=count), rows=count)
    each = [f"{at} values of {name} are not masked" for at, name in enumerate(masked, 1)]
    assert found == {"auditoria_divergente": ", ".join(each)}


def test_rows_that_the_branch_does_not_list_stop_the_run(good: DataFrame) -> None:
    with pytest.raises(QualityGateError, match="the branch lists 4 rows and shows 3"):
        judge(good, shares={"Gold": 2, "SUS": 2})


def test_missing_ids_stop_the_run(spark: SparkSession) -> None:
    frame = branch(spark, *[{"id": None}] * 3)
    found = stopped_by(frame)
    assert found["cpf_duplicado"] == "3 rows hold 0 different CPFs"


@pytest.mark.parametrize(
    ("stages", "found"),
    [
        ([counted(csv=SourceRows(4, 1, duplicates=2))], "csv: +1 rows unaccounted for"),
        ([counted(csv=SourceRows(1, 1, duplicates=2))], "csv: -2 rows unaccounted for"),
        (
            [counted(csv=SourceRows(2, 2)), counted()],
            "csv: 2 handed over, 1 read",
        ),
        ([counted(csv=SourceRows(2, 2))], "4 accepted, 3 to publish"),
    ],
)
def test_rows_that_do_not_add_up_stop_the_run(
    good: DataFrame, stages: list[StageRows], found: str
) -> None:
    assert stopped_by(good, Expectations(stages)) == {"contagem_divergente": found}


def test_suppressed_rows_are_accounted_for(good: DataFrame) -> None:
    transformed = counted(json=SourceRows(40, 1, rejected=1, duplicates=30, suppressed=8))
    ingest = counted(json=SourceRows(40, 40))
    report = judge(good, Expectations([ingest, transformed]))
    assert report.rows == 3


def test_too_many_rejected_rows_stop_the_run_and_the_limit_itself_does_not(
    good: DataFrame,
) -> None:
    def stages(rejected: int) -> list[StageRows]:
        refused = SourceRows(1 + rejected, 1, rejected=rejected)
        return [counted(csv=SourceRows(1 + rejected, 1 + rejected)), counted(csv=refused)]

    half = Limits(rejected_share=0.5)
    assert judge(good, Expectations(stages(3), limits=half)).rows == 3
    assert stopped_by(good, Expectations(stages(4), limits=half)) == {
        "rejeitados_demais": "4 of 7 rows rejected (57.1%, the limit is 50%)"
    }
    assert "rejeitados_demais" in stopped_by(good, Expectations(stages(1)))


def test_a_source_without_a_row_stops_the_run(spark: SparkSession) -> None:
    frame = branch(spark, rows=2)
    found = stopped_by(frame, Expectations([counted(json=SourceRows(0, 0))]), rows=2)
    assert found == {"fonte_vazia": "no row in: json"}


@pytest.mark.parametrize("before", [1, 7])
def test_a_volume_far_from_the_last_one_stops_the_run_unless_it_is_accepted(
    good: DataFrame, before: int
) -> None:
    found = stopped_by(good, Expectations(published_rows=before))
    assert list(found) == ["volume_diferente"]
    assert f"3 rows against {before} last published" in found["volume_diferente"]
    assert "accept the volume change" in found["volume_diferente"]
    allowed = Expectations(published_rows=before, accept_volume_change=True)
    assert judge(good, allowed).rows == 3


@pytest.mark.parametrize("before", [None, 0, 2, 6])
def test_a_first_publication_and_a_change_within_the_limit_pass(
    good: DataFrame, before: int | None
) -> None:
    assert judge(good, Expectations(published_rows=before)).rows == 3


def test_a_delivery_that_is_older_than_the_published_one_needs_a_persons_word(
    good: DataFrame,
) -> None:
    for published in ("2026-02-01", "2026-01-31", ""):
        assert older_failures("2026-02-01", published, accept=False) == []
    older = Expectations(day="2026-02-01", published_day="2026-02-02")
    days = "the delivery is of 2026-02-01, the published one of 2026-02-02"
    assert stopped_by(good, older) == {"remessa_antiga": days}
    assert judge(good, replace(older, accept_older=True)).rows == 3


def test_every_gate_that_fails_is_named_together(spark: SparkSession) -> None:
    frame = branch(spark, {"estado": None, "cpf": "12"}, {"id": "id 0"})
    empty = counted(csv=SourceRows(0, 0), json=SourceRows(9, 1, rejected=7))
    stages = [replace(empty, badly_formed_cpfs=1)]
    days = {"day": "2026-02-01", "published_day": "2026-02-02"}
    found = stopped_by(frame, Expectations(stages, published_rows=100, **days))
    assert set(found) == {
        "nulo_obrigatorio", "cpf_fora_do_formato", "cpf_duplicado", "contagem_divergente",
        "fonte_vazia", "rejeitados_demais", "volume_diferente", "auditoria_divergente",
        "remessa_antiga",
    }  # fmt: skip


def test_no_message_of_a_gate_shows_a_personal_value(spark: SparkSession) -> None:
    frame = branch(spark, {"cpf": "5299822472X", "cidade": "Recife", "id": "same"}, {"id": "same"})
    found = " ".join(stopped_by(frame).values())
    assert not any(value in found for value in ("5299822472X", "Recife", "Ana", "same"))
