"""Small frames with the register's columns, for tables that are easy to read."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import polars as pl

from client_health.read import sources
from register_contract import contract

GOOD_CPF = "52998224725"
OTHER_CPF = "11144477735"
# The numbers that Iceberg gives to the columns of a new table.
FIELD_IDS = {column.name: number for number, column in enumerate(contract.COLUMNS, 1)}
PLAIN: dict[str, Any] = {
    "source": "parquet",
    "cpf": GOOD_CPF,
    "nome_completo": "Ana Lima",
    "convenio": "Gold",
    "data_nascimento": date(1980, 5, 17),
    "sexo": "F",
    "logradouro": "Rua A",
    "numero": 10,
    "bairro": "Centro",
    "cidade": "Recife",
    "estado": "PE",
    "data_cadastro": datetime(2020, 1, 1, 10),
    sources.UNREADABLE_BIRTH: False,
    sources.UNREADABLE_REGISTRATION: False,
    sources.UNREADABLE_NUMBER: False,
    "given_data_nascimento": None,
    "given_data_cadastro": None,
    "given_numero": None,
    sources.MALFORMED_LINE: None,
}


def ingested(*rows: dict[str, Any]) -> pl.DataFrame:
    """Return rows as ``01_ingest`` writes them; columns that a row doesn't set get good values."""
    return pl.DataFrame([PLAIN | row for row in rows], schema=sources.SCHEMA)


def clients(*convenios: str) -> pl.DataFrame:
    """Return one client per health plan, with the columns of the published table."""
    plain = {"date": date(1980, 5, 17), "timestamp_ntz": datetime(2020, 1, 1, 10), "int": 10}
    columns: dict[str, Any] = {
        column.name: [contract.MASK if column.masked else plain.get(column.type, "Ana Lima")]
        * len(convenios)
        for column in contract.COLUMNS
    }
    columns |= {"id": [f"{at:064}" for at in range(len(convenios))], "convenio": list(convenios)}
    types = {column.name: sources.TYPES[column.type] for column in contract.COLUMNS}
    return pl.DataFrame(columns, schema=types)
