"""The first version's way: one Spark job as a plain script, re-created as a yardstick.

It represents the Glue script that this pipeline replaced, so that "half of the first version's
time" means the same on every machine. It is our own code, based on the known facts of that script:

- Spark's readers for Parquet, CSV (`|`), and JSON lines, with the JSON's schema inferred;
- a Python UDF for accents on every string column, and another one for the JSON's states;
- two regular expressions for titles and white space, and Spark's own functions for the rest;
- the union of the three, nulls filled, the newest row of a CPF by `row_number`;
- a count for each validation, each of which reads the files again: blank names, blank plans, any
  rows, malformed CPFs, repeated CPFs. The script has further counts, which only run for the error
  message if a delivery fails;
- masks, `uuid()`, Parquet by `partitionBy("convenio")`.

**It is frozen**: it is neither tuned, because then it would represent nothing, nor slowed down.
Spark starts as for any script, with its launcher and the JVM's defaults; only its web page is off
and its ports are bound to loopback. It also keeps the script's defects if they cost the same (the
CSV's house numbers lose their zeros; only one spelling of each state is recognized). It differs in
one point: it removes white space around a CPF, in every source. Otherwise, no delivery with such
white space would be published, and there would be nothing to time.
"""

from __future__ import annotations

import sys
import unicodedata

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F  # noqa: N812 - the name in Spark's own documentation
from pyspark.sql.types import StringType

_TITLES = r"Sr\.|Sra\.|Dr\.|Srta\.|Dra\."
_COLUMNS = [
    "cpf", "nome_completo", "convenio", "data_nascimento", "sexo", "logradouro", "numero",
    "bairro", "cidade", "estado", "data_cadastro",
]  # fmt: skip
_MASKED = ("cpf", "logradouro", "bairro", "cidade")
_DEFAULTS = (
    ("nome_completo", "N/A", "string"),
    ("convenio", "N/A", "string"),
    ("numero", "0", "int"),
    ("data_nascimento", "1970-01-01", "date"),
    ("data_cadastro", "1970-01-01 00:00:00", "timestamp"),
)
_STATES = {
    "Acre": "AC", "Alagoas": "AL", "Amapá": "AP", "Amazonas": "AM", "Bahia": "BA", "Ceará": "CE",
    "Distrito Federal": "DF", "Espírito Santo": "ES", "Goiás": "GO", "Maranhão": "MA",
    "Mato Grosso": "MT", "Mato Grosso do Sul": "MS", "Minas Gerais": "MG", "Pará": "PA",
    "Paraíba": "PB", "Paraná": "PR", "Pernambuco": "PE", "Piauí": "PI", "Rio de Janeiro": "RJ",
    "Rio Grande do Norte": "RN", "Rio Grande do Sul": "RS", "Rondônia": "RO", "Roraima": "RR",
    "Santa Catarina": "SC", "São Paulo": "SP", "Sergipe": "SE", "Tocantins": "TO",
}  # fmt: skip


class InvalidRegisterError(Exception):
    """A validation found rows that must not be there."""


def _without_accents(text: str | None) -> str | None:
    if text is None:
        return None
    return unicodedata.normalize("NFD", text).encode("ascii", "ignore").decode()


def _state_code(name: str | None) -> str | None:
    return None if name is None else _STATES.get(name, name)


_without_accents_udf = F.udf(_without_accents, StringType())
_state_code_udf = F.udf(_state_code, StringType())


def _cpf(column: str) -> Column:
    return F.regexp_replace(F.col(column), r"[.\-\s]", "")


def _name(column: str) -> Column:
    return F.trim(F.regexp_replace(F.regexp_replace(F.col(column), _TITLES, ""), r"\s+", " "))


def _sex() -> Column:
    sex = F.col("sexo")
    return F.when(sex == "Fem", "F").when(sex == "Masc", "M").otherwise(sex)


def _unaccented(rows: DataFrame) -> DataFrame:
    for field in rows.schema:
        if isinstance(field.dataType, StringType):
            rows = rows.withColumn(field.name, _without_accents_udf(F.col(field.name)))
    return rows.select(_COLUMNS)


def _read_parquet(spark: SparkSession, path: str) -> DataFrame:
    rows = (
        spark.read.parquet(path)
        .withColumnRenamed("documento_cpf", "cpf")
        .withColumnRenamed("uf", "estado")
        .withColumn("cpf", _cpf("cpf"))
        .withColumn("nome_completo", _name("nome_completo"))
        .withColumn("data_nascimento", F.to_date("data_nascimento", "yyyy-MM-dd"))
        .withColumn("data_cadastro", F.to_timestamp("data_cadastro", "yyyy-MM-dd'T'HH:mm:ss"))
        .withColumn("cidade", F.initcap("cidade"))
        .withColumn("sexo", _sex())
        .withColumn("numero", F.col("numero").cast("int"))
        .drop("pais", "__index_level_0__")
    )
    return _unaccented(rows)


def _read_csv(spark: SparkSession, path: str) -> DataFrame:
    rows = (
        spark.read.option("header", "true")
        .option("delimiter", "|")
        .csv(path)
        .withColumnRenamed("nome", "nome_completo")
        .withColumn("cpf", _cpf("cpf"))
        .withColumn("nome_completo", _name("nome_completo"))
        .withColumn("data_nascimento", F.to_date("data_nascimento", "dd/MM/yyyy"))
        .withColumn("data_cadastro", F.to_timestamp("data_cadastro", "yyyy-MM-dd HH:mm:ss"))
        .withColumn("cidade", F.initcap("cidade"))
        .withColumn("sexo", _sex())
        .withColumn("numero", F.regexp_replace("numero", r"[.0]", "").cast("int"))
        .drop("pais_cadastro")
    )
    return _unaccented(rows)


def _read_json(spark: SparkSession, path: str) -> DataFrame:
    rows = (
        spark.read.json(path)
        .withColumnRenamed("nome", "nome_completo")
        .withColumn("cpf", _cpf("cpf"))
        .withColumn("nome_completo", _name("nome_completo"))
        .withColumn("data_nascimento", F.to_date("data_nascimento", "MMMM dd, yyyy"))
        .withColumn(
            "data_cadastro", F.from_unixtime(F.col("data_cadastro") / 1000).cast("timestamp")
        )
        .withColumn("cidade", F.initcap("cidade"))
        .withColumn("numero", F.col("numero").cast("int"))
        .withColumn("estado", _state_code_udf("estado"))
    )
    return _unaccented(rows)


def _filled(rows: DataFrame) -> DataFrame:
    for name, default, kind in _DEFAULTS:
        value = F.col(name)
        filled = F.when(value.isNull(), F.lit(default).cast(kind)).otherwise(value)
        rows = rows.withColumn(name, filled)
    return rows


def _newest(rows: DataFrame) -> DataFrame:
    newest_first = Window.partitionBy("cpf").orderBy(F.col("data_cadastro").desc())
    numbered = rows.withColumn("row_number", F.row_number().over(newest_first))
    return numbered.filter(F.col("row_number") == 1).drop("row_number")


def _validate(rows: DataFrame) -> None:
    for name in ("nome_completo", "convenio"):
        value = F.col(name)
        if rows.filter(value.isNull() | (F.trim(value) == "")).count() > 0:
            raise InvalidRegisterError(f"{name} has nulls or blanks")
    if rows.count() == 0:
        raise InvalidRegisterError("no rows")
    cpf = F.col("cpf")
    malformed = cpf.isNull() | (F.length(cpf) != 11) | ~cpf.rlike(r"^\d{11}$")
    if rows.filter(malformed).count() > 0:
        raise InvalidRegisterError("a CPF is not 11 digits")
    if rows.groupBy("cpf").count().filter(F.col("count") > 1).count() > 0:
        raise InvalidRegisterError("a CPF occurs twice")


def _masked(rows: DataFrame) -> DataFrame:
    for name in _MASKED:
        rows = rows.withColumn(name, F.repeat(F.lit("*"), 10))
    return rows.withColumn("id", F.expr("uuid()")).select("id", *_COLUMNS)


def main(parquet: str, csv: str, json: str, out: str) -> None:
    """Publish a delivery as Parquet files.

    Parameters
    ----------
    parquet, csv, json : str
        The three sources.
    out : str
        The folder to write to; replaced.

    Raises
    ------
    InvalidRegisterError
        If a validation fails; then nothing is written.
    """
    spark = (
        SparkSession.builder.master("local[*]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .getOrCreate()
    )
    sources = _read_parquet(spark, parquet), _read_csv(spark, csv), _read_json(spark, json)
    register = _newest(_filled(sources[0].union(sources[1]).union(sources[2])))
    _validate(register)
    _masked(register).write.mode("overwrite").partitionBy("convenio").parquet(out)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
