"""The three files of a delivery: their names, columns, and formats."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from register_contract.columns import REGISTER_COLUMNS


class DateFormat(enum.Enum):
    """Format of a source's dates and times."""

    ISO_DATE = "yyyy-MM-dd"
    DAY_FIRST = "dd/MM/yyyy"
    ENGLISH_MONTH = "MMMM dd, yyyy"
    ISO_T = "yyyy-MM-dd'T'HH:mm:ss"
    ISO_SPACE = "yyyy-MM-dd HH:mm:ss"
    EPOCH_MILLISECONDS = "epoch milliseconds"


@dataclass(frozen=True)
class Source:
    """One of the three files of a delivery.

    Parameters
    ----------
    name : str
        ``parquet``, ``csv``, or ``json``; the order of :data:`SOURCES` breaks ties between
        duplicates.
    file : str
        Its usual file name.
    renamed : Mapping[str, str]
        The source's name of a column by the register's name, where they differ.
    date : DateFormat
        How ``data_nascimento`` is written.
    timestamp : DateFormat
        How ``data_cadastro`` is written.
    ignored : tuple of str
        Columns that the source has and the register does not.
    """

    name: str
    file: str
    renamed: Mapping[str, str]
    date: DateFormat
    timestamp: DateFormat
    ignored: tuple[str, ...] = ()

    def column(self, name: str) -> str:
        """Return the source's name of a column of the register."""
        return self.renamed.get(name, name)

    @property
    def columns(self) -> tuple[str, ...]:
        """The source's names of all columns that it must have."""
        return tuple(self.column(column.name) for column in REGISTER_COLUMNS)


SOURCES: tuple[Source, ...] = (
    Source(
        "parquet",
        "dados_cadastro_1.parquet",
        MappingProxyType({"cpf": "documento_cpf", "estado": "uf"}),
        DateFormat.ISO_DATE,
        DateFormat.ISO_T,
        ("pais", "__index_level_0__"),
    ),
    Source(
        "csv",
        "dados_cadastro_2.csv",
        MappingProxyType({"nome_completo": "nome"}),
        DateFormat.DAY_FIRST,
        DateFormat.ISO_SPACE,
        ("pais_cadastro",),
    ),
    Source(
        "json",
        "dados_cadastro_3.json",
        MappingProxyType({"nome_completo": "nome"}),
        DateFormat.ENGLISH_MONTH,
        DateFormat.EPOCH_MILLISECONDS,
    ),
)
SOURCE_NAMES: tuple[str, ...] = tuple(source.name for source in SOURCES)
CSV_DELIMITER = "|"

MONTHS: tuple[str, ...] = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
