"""One row a person, and what is published of it: the part that Spark shuffles."""

from __future__ import annotations

import itertools
from datetime import date, datetime
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from client_health import contract, identity, rules, survivors

KEY = b"k" * 32
FIRST, SECOND = "52998224725", "11144477735"


def candidates(spark: SparkSession, *rows: dict[str, Any]) -> DataFrame:
    """Candidates as the workers hand them on; what a row does not say is a plain good value."""
    plain = {
        "source": "parquet",
        "cpf": FIRST,
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
    values = [tuple((plain | row).values()) for row in rows]
    return spark.createDataFrame(values, survivors.CANDIDATES)


def kept(frame: DataFrame) -> DataFrame:
    return frame.transform(survivors.best_first).transform(survivors.one_row_a_person)


def test_the_best_of_a_person_stays_whatever_the_order_of_the_rows(spark: SparkSession) -> None:
    rows = [
        {"rank": 2, "place": 1, "content_1": 5, "content_2": 5, "nome_completo": "best"},
        {"rank": 2, "place": 1, "content_1": 5, "content_2": 6},
        {"rank": 2, "place": 1, "content_1": 6, "content_2": 0},
        {"rank": 2, "place": 2, "content_1": 0, "content_2": 0},
        {"rank": 1, "place": 0, "content_1": 0, "content_2": 0},
    ]
    for order in itertools.islice(itertools.permutations(rows), 0, 120, 17):
        found = kept(candidates(spark, *order)).collect()
        assert [row.nome_completo for row in found] == ["best"]


def test_people_do_not_replace_each_other(spark: SparkSession) -> None:
    found = kept(candidates(spark, {"rank": 1}, {"cpf": SECOND, "rank": 9}))
    assert sorted(row.cpf for row in found.collect()) == [SECOND, FIRST]


def test_what_is_published_has_the_contracts_columns_an_id_and_masks(spark: SparkSession) -> None:
    published = survivors.published(kept(candidates(spark, {})), KEY)
    assert [(f.name, f.dataType.simpleString()) for f in published.schema] == [
        (column.name, column.type) for column in contract.COLUMNS
    ]
    row = published.collect()[0].asDict()
    assert row["id"] == identity.client_id(KEY, FIRST)
    assert {row[column.name] for column in contract.COLUMNS if column.masked} == {contract.MASK}
    assert (row["nome_completo"], row["numero"], row["estado"]) == ("Ana Lima", 10, "PE")


def test_rows_are_counted_in_the_pass_that_writes_them(spark: SparkSession) -> None:
    bits = {name: 1 << at for at, name in enumerate(rules.WARNINGS)}
    nameless = bits["nome_ausente"]
    counter = survivors.Counter()
    frame = candidates(
        spark,
        {"rank": 5, "source": "csv", "warnings": nameless | bits["sexo_desconhecido"]},
        {"rank": 4, "source": "json", "warnings": nameless},
        {"cpf": SECOND, "source": "json", "warnings": nameless},
        {"cpf": "not 11 digits", "source": "parquet"},
    )
    counted_rows = frame.transform(survivors.best_first).transform(counter)
    survivors.one_row_a_person(counted_rows).write.format("noop").mode("overwrite").save()
    found = counter.counted(accepted=4)
    assert found.arrived == {"parquet": 1, "csv": 1, "json": 2}
    assert found.kept == {"parquet": 1, "csv": 1, "json": 1}
    assert {name: n for name, n in found.warnings.items() if n} == {
        "nome_ausente": 2, "sexo_desconhecido": 1,
    }  # fmt: skip
    assert found.badly_formed_cpfs == 1


def test_nothing_is_waited_for_where_every_row_was_rejected() -> None:
    found = survivors.Counter().counted(accepted=0)
    assert set(found.kept.values()) == set(found.warnings.values()) == {0}


@pytest.mark.parametrize("explained", ["explain", "toString"])
def test_the_id_key_is_in_no_plan(spark: SparkSession, explained: str) -> None:
    key = b"a very secret key of many letters"
    published = survivors.published(kept(candidates(spark, {})), key)
    published.collect()
    plan = published._jdf.queryExecution()
    text = (
        plan.toString()
        if explained == "toString"
        else plan.explainString(
            spark._jvm.org.apache.spark.sql.execution.ExplainMode.fromString("extended")
        )
    )
    pads = [bytes(byte ^ pad for byte in key.ljust(64, b"\0")) for pad in (0x36, 0x5C)]
    for secret in (key, *pads):
        assert secret.hex().upper() not in text.upper()
        assert secret.decode("latin-1") not in text
