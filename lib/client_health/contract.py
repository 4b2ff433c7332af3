"""The data contract: columns, sources, masks, rules and limits, as data.

Everything else reads this module: the transformations, the quality gates, the published table,
the documentation and the runner. It imports the standard library and what every side agrees on,
and is valid from Python 3.9, so that the host that runs papermill can import it without Spark.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from register_contract import publications

CATALOG = "glue_catalog"
DATABASE = "db_client_insurance"
TABLE = f"{DATABASE}.{publications.TABLE}"
# Keeps the record of each publication for good: the snapshots of the table itself expire.
LOG_TABLE = f"{DATABASE}.{publications.LOG}"
PARTITION_COLUMN = "convenio"

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
    meaning : str
        What it holds, for the data dictionary.
    default : str or int or None
        What a null becomes; None where a null cannot occur.
    personal : bool
        Whether the value says something about a person (LGPD art. 5, I): never shown in a
        sample, and kept out of the table's column statistics.
    masked : bool
        Whether the published value is the mask.
    required : bool
        Whether a null after the transformation stops the run.
    """

    name: str
    type: str
    meaning: str
    default: str | int | None = DEFAULT_TEXT
    personal: bool = False
    masked: bool = False
    required: bool = True


COLUMNS: tuple[Column, ...] = (
    Column("id", "string", "UUID version 8, the same for a person in every run", None),
    Column("cpf", "string", "taxpayer number", None, personal=True, masked=True),
    Column("nome_completo", "string", "full name without title and accents", personal=True),
    Column("convenio", "string", "health plan; the partition column"),
    Column("data_nascimento", "date", "date of birth", DEFAULT_DATE, personal=True),
    Column("sexo", "string", "F, M or N/A"),
    Column("logradouro", "string", "street", personal=True, masked=True),
    Column("numero", "int", "house number", 0, personal=True),
    Column("bairro", "string", "district", personal=True, masked=True),
    Column("cidade", "string", "city in title case", personal=True, masked=True),
    Column("estado", "string", "two-letter UF"),
    Column("data_cadastro", "timestamp_ntz", "time of registration, UTC", DEFAULT_TIMESTAMP),
)
# What the stages hand over: everything but the id, which is made last.
REGISTER_COLUMNS: tuple[Column, ...] = COLUMNS[1:]


class DateFormat(enum.Enum):
    """How a source writes its dates and times."""

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
        ``parquet``, ``csv`` or ``json``; the order of :data:`SOURCES` breaks ties between
        duplicates.
    file : str
        Its usual file name.
    renamed : Mapping[str, str]
        Column of the register to the source's own name, where they differ.
    date : DateFormat
        How ``data_nascimento`` is written.
    timestamp : DateFormat
        How ``data_cadastro`` is written.
    ignored : tuple of str
        Columns that the source carries and the register does not.
    """

    name: str
    file: str
    renamed: Mapping[str, str]
    date: DateFormat
    timestamp: DateFormat
    ignored: tuple[str, ...] = ()

    def column(self, name: str) -> str:
        """Return the source's own name of a column of the register."""
        return self.renamed.get(name, name)

    @property
    def columns(self) -> tuple[str, ...]:
        """The source's own names of all columns that it must have."""
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

TITLES: tuple[str, ...] = ("Sr.", "Sra.", "Srta.", "Dr.", "Dra.")
SEXES: Mapping[str, str] = MappingProxyType(
    {"F": "F", "FEM": "F", "FEMININO": "F", "M": "M", "MASC": "M", "MASCULINO": "M"}
)
# Names without accents and in capitals, the way they are compared.
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
MONTHS: tuple[str, ...] = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip


class Criticality(enum.Enum):
    """What a rule does: reject the row, count it, or stop the run."""

    ERROR = "error"
    WARN = "warn"
    GATE = "gate"


class Gate(str, enum.Enum):
    """The gates by name: what an error can name, and nothing else."""

    COLUNAS_DE_ENTRADA = "colunas_de_entrada"
    CODIFICACAO_DE_ENTRADA = "codificacao_de_entrada"
    ESQUEMA_DIFERENTE = "esquema_diferente"
    SAIDA_VAZIA = "saida_vazia"
    FONTE_VAZIA = "fonte_vazia"
    NULO_OBRIGATORIO = "nulo_obrigatorio"
    CPF_FORA_DO_FORMATO = "cpf_fora_do_formato"
    CPF_DUPLICADO = "cpf_duplicado"
    CONTAGEM_DIVERGENTE = "contagem_divergente"
    REJEITADOS_DEMAIS = "rejeitados_demais"
    VOLUME_DIFERENTE = "volume_diferente"
    REMESSA_ANTIGA = "remessa_antiga"
    AUDITORIA_DIVERGENTE = "auditoria_divergente"

    __str__ = str.__str__


@dataclass(frozen=True)
class Rule:
    """One rule, with its meaning in a line."""

    name: str
    criticality: Criticality
    meaning: str


RULES: tuple[Rule, ...] = (
    Rule("linha_malformada", Criticality.ERROR, "the line could not be split into its columns"),
    Rule("cpf_ausente", Criticality.ERROR, "no CPF"),
    Rule("cpf_formato", Criticality.ERROR, "not exactly 11 ASCII digits without . and -"),
    Rule("cpf_digito_verificador", Criticality.WARN, "the CPF's check digits do not agree"),
    Rule("data_nascimento_invalida", Criticality.WARN, "date of birth given but unreadable"),
    Rule("data_nascimento_futura", Criticality.WARN, "date of birth after the delivery's day"),
    Rule("data_cadastro_invalida", Criticality.WARN, "time of registration given but unreadable"),
    Rule("data_cadastro_futura", Criticality.WARN, "time of registration after the delivery's day"),
    Rule("sexo_desconhecido", Criticality.WARN, "sexo given but neither F nor M"),
    Rule("estado_desconhecido", Criticality.WARN, "estado given but no Brazilian state"),
    Rule("numero_invalido", Criticality.WARN, "house number given but no whole number"),
    Rule("nome_ausente", Criticality.WARN, "no name"),
    Rule("convenio_ausente", Criticality.WARN, "no health plan"),
    Rule(Gate.COLUNAS_DE_ENTRADA, Criticality.GATE, "a source's column is missing or there twice"),
    Rule(Gate.CODIFICACAO_DE_ENTRADA, Criticality.GATE, "a source is not written in UTF-8"),
    Rule(Gate.ESQUEMA_DIFERENTE, Criticality.GATE, "the output's columns differ from the contract"),
    Rule(Gate.SAIDA_VAZIA, Criticality.GATE, "not one row to publish"),
    Rule(Gate.FONTE_VAZIA, Criticality.GATE, "a source without a row"),
    Rule(Gate.NULO_OBRIGATORIO, Criticality.GATE, "a null in a required column"),
    Rule(Gate.CPF_FORA_DO_FORMATO, Criticality.GATE, "a CPF to publish that is not 11 digits"),
    Rule(Gate.CPF_DUPLICADO, Criticality.GATE, "a CPF twice after duplicates were removed"),
    Rule(Gate.CONTAGEM_DIVERGENTE, Criticality.GATE, "the rows of a source do not add up"),
    Rule(Gate.REJEITADOS_DEMAIS, Criticality.GATE, "more rows rejected than the limit allows"),
    Rule(Gate.VOLUME_DIFERENTE, Criticality.GATE, "far from the number of rows last published"),
    Rule(Gate.REMESSA_ANTIGA, Criticality.GATE, "a later day's delivery is published already"),
    Rule(Gate.AUDITORIA_DIVERGENTE, Criticality.GATE, "the audit branch is not what was written"),
)


def rules(criticality: Criticality) -> tuple[Rule, ...]:
    """Return the rules of one criticality, in their order."""
    return tuple(rule for rule in RULES if rule.criticality is criticality)


@dataclass(frozen=True)
class Limits:
    """Limits of the gates; shares are between 0 and 1.

    Parameters
    ----------
    rejected_share : float
        The largest share of ingested rows that may be rejected.
    volume_change : float
        How far the number of rows may be from the last published one.
    """

    rejected_share: float = 0.05
    volume_change: float = 0.5


LIMITS = Limits()


def rules_fingerprint() -> str:
    """Return 16 hex digits that change when the contract does.

    Part of a run's identity: the same delivery under other rules is another run.
    """
    described = {
        "columns": [dataclasses.astuple(column) for column in COLUMNS],
        "sources": [
            (source.name, source.columns, source.date.value, source.timestamp.value)
            for source in SOURCES
        ],
        "rules": [(str(rule.name), rule.criticality.value) for rule in RULES],
        "values": [sorted(SEXES.items()), sorted(STATES.items()), TITLES, MASK],
        "limits": dataclasses.astuple(LIMITS),
    }
    text = json.dumps(described, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
