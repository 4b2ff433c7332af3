"""The register's columns and their possible values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

MASK = "*" * 10
DEFAULT_TEXT = "N/A"
DEFAULT_DATE = "1970-01-01"
DEFAULT_TIMESTAMP = "1970-01-01 00:00:00"
CPF_DIGITS = 11


@dataclass(frozen=True)
class Column:
    """One column of the published table.

    Parameters
    ----------
    name : str
        Name of the column, as the specification gives it.
    type : str
        Spark SQL type.
    meaning, significado : str
        What it contains, in English and in Portuguese.
    default : str or int or None
        What a null becomes; None if a null cannot occur.
    personal : bool
        Whether the value is personal data (LGPD art. 5, I): never shown in a sample, and left out
        of the table's column statistics.
    masked : bool
        Whether the published value is the mask.
    required : bool
        Whether a null after the transformation stops the run.
    """

    name: str
    type: str
    meaning: str
    significado: str
    default: str | int | None = DEFAULT_TEXT
    personal: bool = False
    masked: bool = False
    required: bool = True


COLUMNS: tuple[Column, ...] = (
    Column(
        "id",
        "string",
        "UUID version 8, the same for a person in every run",
        "UUID versão 8, o mesmo para a pessoa em todas as execuções",
        None,
    ),
    Column("cpf", "string", "taxpayer number", "número do CPF", None, personal=True, masked=True),
    Column(
        "nome_completo",
        "string",
        "full name without title and accents",
        "nome completo, sem título nem acentos",
        personal=True,
    ),
    Column(
        "convenio",
        "string",
        "health plan; the partition column",
        "convênio de saúde; coluna de partição",
    ),
    Column(
        "data_nascimento",
        "date",
        "date of birth",
        "data de nascimento",
        DEFAULT_DATE,
        personal=True,
    ),
    Column("sexo", "string", "F, M or N/A", "F, M ou N/A"),
    Column("logradouro", "string", "street", "rua", personal=True, masked=True),
    Column("numero", "int", "house number", "número da casa", 0, personal=True),
    Column("bairro", "string", "district", "bairro", personal=True, masked=True),
    Column(
        "cidade",
        "string",
        "city in title case",
        "cidade, com iniciais maiúsculas",
        personal=True,
        masked=True,
    ),
    Column("estado", "string", "two-letter UF", "sigla da UF"),
    Column(
        "data_cadastro",
        "timestamp_ntz",
        "time of registration, UTC",
        "data e hora do cadastro, em UTC",
        DEFAULT_TIMESTAMP,
    ),
)
# What the stages hand over: everything except the id, which is created last.
REGISTER_COLUMNS: tuple[Column, ...] = COLUMNS[1:]

TITLES: tuple[str, ...] = ("Sr.", "Sra.", "Srta.", "Dr.", "Dra.")
SEXES: Mapping[str, str] = MappingProxyType(
    {"F": "F", "FEM": "F", "FEMININO": "F", "M": "M", "MASC": "M", "MASCULINO": "M"}
)
# Names without accents and in capitals, as they are compared.
STATES: Mapping[str, str] = MappingProxyType(
    {
        "ACRE": "AC", "ALAGOAS": "AL", "AMAPA": "AP", "AMAZONAS": "AM", "BAHIA": "BA",
        "CEARA": "CE", "DISTRITO FEDERAL": "DF", "ESPIRITO SANTO": "ES", "GOIAS": "GO",
        "MARANHAO": "MA", "MATO GROSSO": "MT", "MATO GROSSO DO SUL": "MS", "MINAS GERAIS": "MG",
        "PARA": "PA", "PARAIBA": "PB", "PARANA": "PR", "PERNAMBUCO": "PE", "PIAUI": "PI",
        "RIO DE JANEIRO": "RJ", "RIO GRANDE DO NORTE": "RN", "RIO GRANDE DO SUL": "RS",
        "RONDONIA": "RO", "RORAIMA": "RR", "SANTA CATARINA": "SC", "SAO PAULO": "SP",
        "SERGIPE": "SE", "TOCANTINS": "TO",
    }
)  # fmt: skip
