"""Small frames in the register's shape, for tables that can be read at a glance."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from client_health import contract, sources

_MARKS = (
    sources.UNREADABLE_BIRTH,
    sources.UNREADABLE_REGISTRATION,
    sources.UNREADABLE_NUMBER,
)
GOOD_CPF = "52998224725"
OTHER_CPF = "11144477735"


def ingested(spark: SparkSession, *rows: dict[str, Any]) -> DataFrame:
    """Rows as ``01_ingest`` hands them on; what a row does not say is a plain good value."""
    plain = {
        "source": "parquet",
        "cpf": GOOD_CPF,
        "nome_completo": "Ana Lima",
        "convenio": "Gold",
        "data_nascimento": "1980-05-17",
        "sexo": "F",
        "logradouro": "Rua A",
        "numero": 10,
        "bairro": "Centro",
        "cidade": "Recife",
        "estado": "PE",
        "data_cadastro": "2020-01-01 10:00:00",
        sources.MALFORMED_LINE: None,
    } | dict.fromkeys(_MARKS, False)
    types = {column.name: column.type for column in contract.REGISTER_COLUMNS}
    types |= {"source": "string", sources.MALFORMED_LINE: "string"} | dict.fromkeys(
        _MARKS, "boolean"
    )
    text = ", ".join(
        f"{n} {'int' if n == 'numero' else 'boolean' if n in _MARKS else 'string'}" for n in plain
    )
    frame = spark.createDataFrame([tuple((plain | row).values()) for row in rows], text)
    return frame.select(*(F.col(name).cast(types[name]).alias(name) for name in plain))


def values(frame: DataFrame, column: str) -> list[Any]:
    """The values of one column, in the frame's order."""
    return [row[0] for row in frame.select(column).collect()]
