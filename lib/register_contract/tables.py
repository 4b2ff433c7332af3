"""The tables next to the published one: what runs found, and what they set aside.

Session, command, template, and documents read this module. The published table itself is in
:mod:`register_contract.columns`, the log of publications in :mod:`register_contract.publications`.
"""

from __future__ import annotations

from dataclasses import dataclass

#: The lake's folder for what only stewards may read: data files of such tables, and requests.
RESTRICTED = "restricted"
#: The column that names the run of a row; a run's rows are replaced together.
RUN_ID = "run_id"
#: The same for what erasures and legal holds write.
ERASURE_ID, HOLD_ID = "erasure_id", "hold_id"
#: The column that holds a person's id, in every table that has one.
PERSON = "id"
#: The column that holds the version of the key that such an id was made with.
ID_KEY = "id_key"


@dataclass(frozen=True)
class Field:
    """One column.

    Parameters
    ----------
    name, type : str
        Its name and its Spark SQL type.
    meaning, significado : str
        What it contains, in English and in Portuguese.
    """

    name: str
    type: str
    meaning: str
    significado: str


@dataclass(frozen=True)
class Table:
    """One table of the lake's database.

    Parameters
    ----------
    name : str
        Without its database.
    meaning, significado : str
        What it contains, in English and in Portuguese.
    fields : tuple of Field
    restricted : bool
        Whether it holds what only stewards may read. Its data files are in the lake's folder
        ``restricted``, and none of its columns have bounds in Iceberg's metadata.
    key : str
        The column by which rows are replaced together.
    """

    name: str
    meaning: str
    significado: str
    fields: tuple[Field, ...]
    restricted: bool = False
    key: str = RUN_ID


_RUN = (
    Field(RUN_ID, "string", "the run", "a execução"),
    Field("delivery_id", "string", "its delivery", "sua remessa"),
    Field("day", "date", "day of the delivery", "dia da remessa"),
    Field("recorded_at", "timestamp_ntz", "time of the record, UTC", "hora do registro, em UTC"),
)

QUALITY_RESULTS = Table(
    "quality_results",
    "the result of every rule in every run, also of runs that a gate stopped",
    "o resultado de cada regra em cada execução, também das barradas",
    (
        *_RUN,
        Field("stage", "string", "the stage that checked", "a etapa que verificou"),
        Field(
            "source",
            "string",
            "parquet, csv, or json; null for the whole delivery",
            "parquet, csv ou json; nulo para a remessa inteira",
        ),
        Field("rule", "string", "the rule", "a regra"),
        Field("criticality", "string", "error, warn, or gate", "error, warn ou gate"),
        Field("rows_checked", "bigint", "rows checked", "linhas verificadas"),
        Field("rows_failed", "bigint", "rows that break the rule", "linhas que violam a regra"),
        Field("share", "double", "failed of checked, 0 to 1", "violações por linha, de 0 a 1"),
        Field("limit", "double", "the largest allowed value", "o maior valor permitido"),
        Field("passed", "boolean", "whether the run could go on", "se a execução pôde seguir"),
        Field("finding", "string", "what a gate found", "o que a regra encontrou"),
        Field("rules", "string", "fingerprint of the rules", "impressão digital das regras"),
    ),
)
COLUMN_PROFILES = Table(
    "column_profiles",
    "what the columns of each published run contain",
    "o que as colunas de cada execução publicada contêm",
    (
        *_RUN,
        Field("column_name", "string", "the column", "a coluna"),
        Field(
            "category",
            "string",
            "a value of the column, or a day of registration; null for the whole column",
            "um valor da coluna, ou um dia de cadastro; nulo para a coluna inteira",
        ),
        Field("rows", "bigint", "published rows", "linhas publicadas"),
        Field("share", "double", "of all published rows, 0 to 1", "do total publicado, de 0 a 1"),
        Field("nulls", "bigint", "rows without a value", "linhas sem valor"),
        Field("null_share", "double", "rows without a value, 0 to 1", "linhas sem valor, de 0 a 1"),
        Field(
            "distinct_count",
            "bigint",
            "different values; approximate, within 5 %, for names, dates, and numbers",
            "valores diferentes; aproximado, até 5 %, para nomes, datas e números",
        ),
        Field(
            "minimum",
            "string",
            "earliest date; of a date of birth, its year",
            "data mais antiga; da data de nascimento, o ano",
        ),
        Field(
            "maximum",
            "string",
            "latest date; of a date of birth, its year",
            "data mais recente; da data de nascimento, o ano",
        ),
    ),
)
REJECTED = Table(
    "rejected",
    "the rows that each run rejected, as they came; for stewards only",
    "as linhas que cada execução rejeitou, como chegaram; só para responsáveis pelos dados",
    (
        *_RUN,
        Field("source", "string", "parquet, csv, or json", "parquet, csv ou json"),
        Field(
            "rejection_id",
            "string",
            "names the rejection: the same in every run of the same delivery",
            "nomeia a rejeição: o mesmo em toda execução da mesma remessa",
        ),
        Field(
            "reasons",
            "string",
            "the rules that the row breaks, between commas",
            "as regras que a linha viola, separadas por vírgulas",
        ),
        Field(
            "record",
            "string",
            "the row as JSON, with the columns of its source; a malformed line unchanged",
            "a linha em JSON, com as colunas de sua fonte; uma linha malformada, sem alteração",
        ),
    ),
    restricted=True,
)
CLIENTOUTPUT_ANONIMA = Table(
    "clientoutput_anonima",
    "the published clients without persons: counts by class, never of fewer than five",
    "os clientes publicados sem pessoas: contagens por classe, nunca de menos de cinco",
    (
        Field(RUN_ID, "string", "the run of the rows", "a execução das linhas"),
        Field("day", "date", "day of its delivery", "dia da sua remessa"),
        Field(
            "convenio",
            "string",
            "health plan; Outros for rare ones, * if suppressed",
            "convênio; Outros para os raros, * se suprimido",
        ),
        Field("sexo", "string", "F, M or N/A; * if suppressed", "F, M ou N/A; * se suprimido"),
        Field(
            "regiao",
            "string",
            "region of Brazil, or N/A; * if generalized or suppressed",
            "região do Brasil, ou N/A; * se generalizada ou suprimida",
        ),
        Field(
            "uf",
            "string",
            "two-letter UF, or N/A; * if generalized or suppressed",
            "sigla da UF, ou N/A; * se generalizada ou suprimida",
        ),
        Field(
            "faixa_nascimento",
            "string",
            "month, year, or years of birth, or N/A; * if generalized or suppressed",
            "mês, ano ou anos de nascimento, ou N/A; * se generalizada ou suprimida",
        ),
        Field("clientes", "bigint", "clients of the class", "clientes da classe"),
    ),
)
CADASTROS_ANONIMOS = Table(
    "cadastros_anonimos",
    "the published clients by year of registration, never of fewer than five",
    "os clientes publicados por ano de cadastro, nunca de menos de cinco",
    (
        Field(RUN_ID, "string", "the run of the rows", "a execução das linhas"),
        Field("day", "date", "day of its delivery", "dia da sua remessa"),
        Field(
            "ano",
            "int",
            "year of registration; null if missing, in the future, or suppressed",
            "ano de cadastro; nulo se ausente, no futuro ou suprimido",
        ),
        Field("clientes", "bigint", "clients of the year", "clientes do ano"),
    ),
)
#: The tables for readers who need no persons; none has a row of fewer than five clients.
WITHOUT_PERSONS: tuple[Table, ...] = (CLIENTOUTPUT_ANONIMA, CADASTROS_ANONIMOS)
_ERASURE = Field(ERASURE_ID, "string", "the erasure", "a eliminação")
_ID_KEY = Field(
    ID_KEY,
    "string",
    "version of the key that the id was made with",
    "versão da chave com que o id foi gerado",
)
_ORDERED_BY = Field("ordered_by", "string", "who ordered it", "quem a ordenou")
SUPPRESSIONS = Table(
    "suppressions",
    "the ids that no run publishes again",
    "os ids que nenhuma execução publica de novo",
    (
        _ERASURE,
        Field(PERSON, "string", "id of an erased person", "id de uma pessoa eliminada"),
        Field("since", "timestamp_ntz", "time of the order, UTC", "hora da ordem, em UTC"),
        Field("ground", "string", "ground of the erasure", "fundamento da eliminação"),
        _ORDERED_BY,
        _ID_KEY,
    ),
    restricted=True,
    key=ERASURE_ID,
)
ERASURES = Table(
    "erasures",
    "what each erasure removed, by zone of the lake, without personal data",
    "o que cada eliminação removeu, por zona do lake, sem dados pessoais",
    (
        _ERASURE,
        Field("ordered_at", "timestamp_ntz", "time of the order, UTC", "hora da ordem, em UTC"),
        _ORDERED_BY,
        Field("ground", "string", "ground of the erasure", "fundamento da eliminação"),
        Field("people", "bigint", "erased people", "pessoas eliminadas"),
        Field(
            "held",
            "bigint",
            "people left because of a legal hold",
            "pessoas mantidas por retenção legal",
        ),
        Field("zone", "string", "table or folder of the lake", "tabela ou pasta do lake"),
        Field("rows", "bigint", "rows removed; null if unknown", "linhas removidas, se contadas"),
        Field("files", "bigint", "files removed", "arquivos removidos"),
    ),
    key=ERASURE_ID,
)
LEGAL_HOLDS = Table(
    "legal_holds",
    "people whose rows must be kept; the newest row of a person counts",
    "pessoas cujas linhas devem ser mantidas; vale a linha mais nova da pessoa",
    (
        Field(HOLD_ID, "string", "the hold, or its end", "a retenção, ou seu fim"),
        Field(PERSON, "string", "id of the person", "id da pessoa"),
        Field("reason", "string", "reason of the hold", "motivo da retenção"),
        Field("until", "date", "last day of the hold", "último dia da retenção"),
        Field("recorded_at", "timestamp_ntz", "time of the record, UTC", "hora do registro, UTC"),
        _ORDERED_BY,
        _ID_KEY,
    ),
    restricted=True,
    key=HOLD_ID,
)
#: All of them, in the order of the documents.
TABLES: tuple[Table, ...] = (
    QUALITY_RESULTS,
    COLUMN_PROFILES,
    REJECTED,
    SUPPRESSIONS,
    ERASURES,
    LEGAL_HOLDS,
    *WITHOUT_PERSONS,
)


def restricted_path(table: Table) -> str:
    """Return the path of a restricted table's data files in the lake."""
    return f"{RESTRICTED}/{table.name}"


def field_names(table: Table) -> tuple[str, ...]:
    """Return the names of a table's columns, in order."""
    return tuple(field.name for field in table.fields)
