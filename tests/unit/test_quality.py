"""The gates: each one alone, several together, and the audit of what was written."""

from __future__ import annotations

from typing import Any

import pytest
from frames import GOOD_CPF, OTHER_CPF, ingested
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from client_health import contract, quality, register
from client_health.accounting import SourceRows, StageRows
from client_health.contract import Limits
from client_health.errors import QualityGateError
from client_health.quality import Expectations, validar_esquema, validar_qualidade_dados

THIRD_CPF = "98765432100"
SOURCES = dict(zip(contract.SOURCE_NAMES, (GOOD_CPF, OTHER_CPF, THIRD_CPF), strict=True))


def accepted(spark: SparkSession, *changes: dict[str, Any]) -> DataFrame:
    """Three clients, one of each source, as ``02_transform`` hands them on; changed in turn."""
    people: list[dict[str, Any]] = [{"source": name, "cpf": cpf} for name, cpf in SOURCES.items()]
    for person, change in zip(people, changes, strict=False):
        person.update(change)
    return ingested(spark, *people).transform(register.fill_nulls)


def counted(rows_in: int = 1, **changes: SourceRows) -> StageRows:
    return StageRows({name: SourceRows(rows_in, rows_in) for name in SOURCES} | changes)


def stopped_by(frame: DataFrame, expectations: Expectations | None = None) -> dict[str, str]:
    with pytest.raises(QualityGateError) as stopped:
        validar_qualidade_dados(frame, expectations or Expectations())
    assert all(rule in str(stopped.value) for rule, _ in stopped.value.failures)
    return dict(stopped.value.failures)


def test_the_contracts_columns_pass(spark: SparkSession) -> None:
    frame = accepted(spark).drop("source")
    validar_esquema(frame, contract.REGISTER_COLUMNS)
    validar_esquema(frame.select(F.lit("x").alias("id"), "*"))


def test_all_differences_of_the_columns_are_named_at_once(spark: SparkSession) -> None:
    frame = accepted(spark).drop("sexo", "estado").withColumn("numero", F.lit("10"))
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
        "extra column source",
        "column cpf more than once",
        "column numero is string, not int",
        "order is data_cadastro, cpf, ",
    ):
        assert difference in found


def test_columns_in_another_order_are_a_difference(spark: SparkSession) -> None:
    frame = accepted(spark).drop("source")
    with pytest.raises(QualityGateError, match="order is data_cadastro, estado, "):
        validar_esquema(frame.select(*reversed(frame.columns)), contract.REGISTER_COLUMNS)


def test_good_rows_pass_every_gate_and_are_measured(spark: SparkSession) -> None:
    frame = accepted(spark, {"convenio": "SUS"})
    report = validar_qualidade_dados(
        frame, Expectations(stages=[counted(), counted()], published_rows=3)
    )
    assert (report.rows, report.distinct_cpfs, report.badly_formed_cpfs) == (3, 3, 0)
    assert report.by_source == dict.fromkeys(SOURCES, 1)
    assert list(report.shares.items()) == [("Gold", 2), ("SUS", 1)]
    assert not any(report.nulls.values())
    assert {result for _, result in report.checks()} == {"ok"}


def test_nothing_to_publish_stops_the_run(spark: SparkSession) -> None:
    assert stopped_by(accepted(spark).limit(0)) == {"saida_vazia": "no row to publish"}


def test_a_null_in_a_required_column_stops_the_run(spark: SparkSession) -> None:
    frame = accepted(spark).withColumn("sexo", F.lit(None).cast("string"))
    frame = frame.withColumn("numero", F.when(F.col("source") == "csv", F.col("numero")))
    assert stopped_by(frame) == {"nulo_obrigatorio": "nulls: 3 in sexo, 2 in numero"}


@pytest.mark.parametrize("cpf", ["529982247-25", "５２９９８２２４７２５", GOOD_CPF + "\n", "1"])
def test_a_malformed_cpf_stops_the_run(spark: SparkSession, cpf: str) -> None:
    found = stopped_by(accepted(spark, {"cpf": cpf}))
    assert found["cpf_fora_do_formato"] == "1 CPFs are not 11 digits"


def test_a_cpf_twice_stops_the_run(spark: SparkSession) -> None:
    found = stopped_by(accepted(spark, {}, {"cpf": GOOD_CPF}))
    assert found == {"cpf_duplicado": "3 rows hold 2 different CPFs"}


@pytest.mark.parametrize(
    ("stages", "found"),
    [
        ([counted(csv=SourceRows(4, 1, duplicates=2))], "csv: +1 rows unaccounted for"),
        ([counted(csv=SourceRows(1, 1, duplicates=2))], "csv: -2 rows unaccounted for"),
        (
            [counted(csv=SourceRows(2, 2)), counted()],
            "csv: 2 handed over, 1 read",
        ),
        ([counted(csv=SourceRows(2, 2))], "csv: 2 accepted, 1 to publish"),
    ],
)
def test_rows_that_do_not_add_up_stop_the_run(
    spark: SparkSession, stages: list[StageRows], found: str
) -> None:
    assert stopped_by(accepted(spark), Expectations(stages)) == {"contagem_divergente": found}


def test_suppressed_rows_are_accounted_for(spark: SparkSession) -> None:
    transformed = counted(json=SourceRows(40, 1, rejected=1, duplicates=30, suppressed=8))
    ingest = counted(json=SourceRows(40, 40))
    report = validar_qualidade_dados(accepted(spark), Expectations([ingest, transformed]))
    assert report.rows == 3


def test_too_many_rejected_rows_stop_the_run_and_the_limit_itself_does_not(
    spark: SparkSession,
) -> None:
    def stages(rejected: int) -> list[StageRows]:
        refused = SourceRows(1 + rejected, 1, rejected=rejected)
        return [counted(csv=SourceRows(1 + rejected, 1 + rejected)), counted(csv=refused)]

    frame = accepted(spark)
    half = Limits(rejected_share=0.5)
    assert validar_qualidade_dados(frame, Expectations(stages(3), limits=half)).rows == 3
    assert stopped_by(frame, Expectations(stages(4), limits=half)) == {
        "rejeitados_demais": "4 of 7 rows rejected (57.1%, the limit is 50%)"
    }
    assert "rejeitados_demais" in stopped_by(frame, Expectations(stages(1)))


def test_a_source_without_a_row_stops_the_run(spark: SparkSession) -> None:
    frame = accepted(spark).filter("source <> 'json'")
    found = stopped_by(frame, Expectations([counted(json=SourceRows(0, 0))]))
    assert found == {"fonte_vazia": "no row in: json"}


@pytest.mark.parametrize("before", [1, 7])
def test_a_volume_far_from_the_last_one_stops_the_run_unless_it_is_accepted(
    spark: SparkSession, before: int
) -> None:
    frame = accepted(spark)
    found = stopped_by(frame, Expectations(published_rows=before))
    assert list(found) == ["volume_diferente"]
    assert f"3 rows against {before} last published" in found["volume_diferente"]
    assert "accept the volume change" in found["volume_diferente"]
    allowed = Expectations(published_rows=before, accept_volume_change=True)
    assert validar_qualidade_dados(frame, allowed).rows == 3


@pytest.mark.parametrize("before", [None, 0, 2, 6])
def test_a_first_publication_and_a_change_within_the_limit_pass(
    spark: SparkSession, before: int | None
) -> None:
    assert validar_qualidade_dados(accepted(spark), Expectations(published_rows=before)).rows == 3


@pytest.mark.parametrize(
    ("published", "accept", "stopped"),
    [
        ("2026-02-02", False, True),
        ("2026-02-02", True, False),
        ("2026-02-01", False, False),
        ("2026-01-31", False, False),
        ("", False, False),
    ],
)
def test_a_delivery_that_is_older_than_the_published_one_needs_a_persons_word(
    spark: SparkSession, published: str, accept: bool, stopped: bool
) -> None:
    expectations = Expectations(day="2026-02-01", published_day=published, accept_older=accept)
    if stopped:
        found = stopped_by(accepted(spark), expectations)
        days = "the delivery is of 2026-02-01, the published one of 2026-02-02"
        assert found == {"remessa_antiga": days}
    else:
        validar_qualidade_dados(accepted(spark), expectations)


def test_every_gate_that_fails_is_named_together(spark: SparkSession) -> None:
    frame = accepted(spark, {"cpf": "12"}, {"cpf": THIRD_CPF}).withColumn(
        "estado", F.lit(None).cast("string")
    )
    empty = counted(csv=SourceRows(0, 0), json=SourceRows(9, 1, rejected=7))
    found = stopped_by(frame, Expectations([empty], published_rows=100))
    assert set(found) == {
        "nulo_obrigatorio", "cpf_fora_do_formato", "cpf_duplicado", "contagem_divergente",
        "fonte_vazia", "rejeitados_demais", "volume_diferente",
    }  # fmt: skip


def test_no_message_of_a_gate_shows_a_personal_value(spark: SparkSession) -> None:
    frame = accepted(spark, {"cpf": "5299822472X", "nome_completo": "Ana"}, {"cpf": THIRD_CPF})
    found = " ".join(stopped_by(frame).values())
    assert not any(value in found for value in ("5299822472X", THIRD_CPF, "Ana", "Rua A"))


def branch(spark: SparkSession) -> DataFrame:
    masked = accepted(spark).withColumn("id", F.sha2("cpf", 256)).transform(register.mask)
    return masked.select(*(column.name for column in contract.COLUMNS))


def test_the_audit_passes_what_was_written(spark: SparkSession) -> None:
    assert quality.audit_failures(branch(spark), 3) == []


def test_the_audit_names_every_difference(spark: SparkSession) -> None:
    same_id = F.when(F.col("convenio") == "Gold", "same").alias("id")
    wrong = branch(spark).withColumns(
        {"id": same_id, "cpf": F.lit(GOOD_CPF), "cidade": F.lit(None).cast("string")}
    )
    assert quality.audit_failures(wrong, 4) == [
        "4 rows were written, the branch shows 3",
        "3 rows have 1 different ids",
        "3 values of cpf are not masked",
        "3 values of cidade are not masked",
    ]


def test_the_audit_finds_missing_ids(spark: SparkSession) -> None:
    missing = branch(spark).withColumn("id", F.lit(None).cast("string"))
    assert quality.audit_failures(missing, 3) == ["3 rows have 0 different ids"]


def test_the_audit_stops_at_other_columns(spark: SparkSession) -> None:
    other = branch(spark).drop("sexo").withColumn("numero", F.lit("1"))
    assert quality.audit_failures(other, 3) == [
        "missing column sexo",
        "column numero is string, not int",
    ]
