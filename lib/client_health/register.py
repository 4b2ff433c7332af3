"""From three sources in one shape to one row a person: the work of ``02_transform``.

Functions take and return DataFrames; they are meant for ``DataFrame.transform``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from client_health import contract, rules, text
from client_health.sources import (
    MALFORMED_LINE,
    SOURCE,
    UNREADABLE_BIRTH,
    UNREADABLE_NUMBER,
    UNREADABLE_REGISTRATION,
)

_PLACE = "place"
_WELL_WRITTEN = r"\A(?:[0-9]{11}|[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2})\z"
_MARKS = (UNREADABLE_BIRTH, UNREADABLE_REGISTRATION, UNREADABLE_NUMBER, rules.UNKNOWN_SEXO)


_TEXTS = ("nome_completo", "convenio", "logradouro", "bairro", "cidade", "estado")
_ODD = "has_odd_spaces"


def normalise(ingested: DataFrame) -> DataFrame:
    """Normalise the texts of the register; blank becomes null.

    Rule: specification, "Normalização de Texto"; what each column gets is in the data contract.

    Notes
    -----
    Three projections, each on columns of the one before: Spark then computes each step once, where
    one nested expression would be repeated in every branch of a condition. White space is looked
    for once a row, in all texts together, since few rows have any to mend.
    """
    plain = ingested.withColumns(
        {
            "cpf": text.without_punctuation(F.col("cpf")),
            "nome_completo": text.remove_accents(F.col("nome_completo")),
            "convenio": text.remove_accents(F.col("convenio")),
            _ODD: F.concat_ws("|", *_TEXTS),
        }
    ).withColumn(_ODD, text.has_odd_spaces(F.col(_ODD)))
    collapsed = plain.withColumns(
        {
            "cpf": text.trim(F.col("cpf")),
            "sexo": text.normalise_sexo(F.col("sexo")),
            rules.UNKNOWN_SEXO: text.is_unknown_sexo(F.col("sexo")),
            **{name: text.collapse(F.col(name), F.col(_ODD)) for name in _TEXTS},
        }
    ).drop(_ODD)
    return collapsed.withColumns(
        {
            "cpf": text.blank_to_null(F.col("cpf")),
            "nome_completo": text.remove_titles(F.col("nome_completo")),
            "convenio": text.blank_to_null(F.col("convenio")),
            "logradouro": text.blank_to_null(F.col("logradouro")),
            "bairro": text.blank_to_null(F.col("bairro")),
            "cidade": F.when(F.col("cidade") != "", F.initcap("cidade")),
            "estado": text.sigla(F.col("estado")),
        }
    )


def rejected_rows(ingested: DataFrame) -> DataFrame:
    """Return the rows that break an error rule, as they came, with the rules' names.

    Only the CPF is normalised to find them: no other error rule looks at normalised text. Nearly
    every CPF is well written, and one look sorts those rows out.
    """
    came = "cpf_as_it_came"
    doubtful = ~F.coalesce(F.col("cpf").rlike(_WELL_WRITTEN), F.lit(False))
    judged = (
        ingested.filter(doubtful | F.col(MALFORMED_LINE).isNotNull())
        .withColumn(came, F.col("cpf"))
        .withColumn("cpf", text.normalise_cpf(F.col("cpf")))
    )
    return (
        judged.filter(~rules.is_accepted())
        .withColumn(rules.REASONS, rules.reasons())
        .withColumn("cpf", F.col(came))
        .drop(came)
    )


def accepted_rows(normalised: DataFrame) -> DataFrame:
    """Return the rows that break no error rule."""
    return normalised.filter(rules.is_accepted())


def _source_order() -> Column:
    places = [F.when(F.col(SOURCE) == n, i) for i, n in enumerate(contract.SOURCE_NAMES)]
    return F.coalesce(*places)


def remove_duplicates(as_of: date) -> Callable[[DataFrame], DataFrame]:
    """Keep one row a CPF: the newest registration.

    A missing, unreadable or future time of registration ranks after every valid one. Ties fall by
    source (Parquet, CSV, JSON) and then by the whole content of the row, so that the order of rows
    and files never decides.

    Parameters
    ----------
    as_of : date
        Day of the delivery.

    Returns
    -------
    callable
        A transformation of accepted rows.
    """

    def transformation(accepted: DataFrame) -> DataFrame:
        no_time = F.col("data_cadastro").isNull() | rules.registered_in_the_future(as_of)
        content = [F.col(column.name) for column in contract.REGISTER_COLUMNS]
        best_first = Window.partitionBy("cpf").orderBy(
            no_time.asc(),
            F.col("data_cadastro").desc_nulls_last(),
            _source_order().asc(),
            *(column.asc_nulls_last() for column in content),
            # Rows alike in all columns may still differ in what could not be read.
            *(F.col(mark).asc() for mark in _MARKS),
        )
        return (
            accepted.withColumn(_PLACE, F.row_number().over(best_first))
            .filter(F.col(_PLACE) == 1)
            .drop(_PLACE)
        )

    return transformation


def fill_nulls(register: DataFrame) -> DataFrame:
    """Replace nulls by the contract's defaults and keep the source and the register's columns.

    Rule: specification, "Valores Nulos".
    """

    def filled(column: contract.Column) -> Column:
        value = F.col(column.name).cast(column.type)
        if column.default is not None:
            value = F.coalesce(value, F.lit(column.default).cast(column.type))
        return value.alias(column.name)

    return register.select(F.col(SOURCE), *(filled(c) for c in contract.REGISTER_COLUMNS))


def mask(published: DataFrame) -> DataFrame:
    """Replace what identifies a person by the mask.

    Rule: specification, "Proteção de Dados Sensíveis (LGPD)".
    """
    masked = {column.name for column in contract.COLUMNS if column.masked}
    return published.select(
        *(
            F.lit(contract.MASK).alias(name) if name in masked else F.col(name)
            for name in published.columns
        )
    )
