"""The limit: the same register from one DuckDB query, on all cores and without a JVM.

It checks nothing, counts nothing, and is not repeatable. It shows the cost of only reading,
normalizing, removing duplicates, and writing.
"""

from __future__ import annotations

import sys

import duckdb

from register_contract import contract

_COLUMNS = tuple(column.name for column in contract.REGISTER_COLUMNS)
_TEXTS = {name: name for name in ("convenio", "sexo", "logradouro", "numero", "bairro", "cidade")}
_CSV = (
    "read_csv($csv, delim = '|', header = true, all_varchar = true, quote = '', escape = '', "
    "comment = '')"
)
_JSON_TYPES = {"data_cadastro": "BIGINT"}


def _select(source: contract.Source, table: str, date: str, time: str) -> str:
    named = {name: source.column(name) for name in _COLUMNS}
    values = [
        f"{date} AS data_nascimento" if name == "data_nascimento"
        else f"{time} AS data_cadastro" if name == "data_cadastro"
        else f"{theirs} AS {name}"
        for name, theirs in named.items()
    ]  # fmt: skip
    return f"SELECT {', '.join(values)} FROM {table}"  # noqa: S608 - names of the contract


def query() -> str:
    """Return the query; its parameters are `parquet`, `csv`, `json`, and `out`."""
    parquet, csv, json = contract.SOURCES
    types = ", ".join(f"{name}: '{_JSON_TYPES.get(name, 'VARCHAR')}'" for name in json.columns)
    states = ", ".join(
        f"'{name}': '{code}'"
        for name, code in {
            **contract.STATES,
            **{code: code for code in contract.STATES.values()},
        }.items()
    )
    sexes = ", ".join(f"'{name}': '{code}'" for name, code in contract.SEXES.items())
    titles = "|".join(title.removesuffix(".") for title in contract.TITLES)
    sources = " UNION ALL ".join(
        (
            _select(
                parquet,
                "read_parquet($parquet)",
                "try_strptime(data_nascimento, '%Y-%m-%d')::DATE",
                "try_strptime(data_cadastro, '%Y-%m-%dT%H:%M:%S')",
            ),
            _select(
                csv,
                _CSV,
                "try_strptime(data_nascimento, '%d/%m/%Y')::DATE",
                "try_strptime(data_cadastro, '%Y-%m-%d %H:%M:%S')",
            ),
            _select(
                json,
                f"read_json($json, format = 'newline_delimited', columns = {{{types}}})",
                "try_strptime(data_nascimento, '%B %d, %Y')::DATE",
                "epoch_ms(data_cadastro)",
            ),
        )
    )
    mask, text = f"'{contract.MASK}'", f"'{contract.DEFAULT_TEXT}'"
    return f"""
COPY (
    WITH register AS ({sources}),
    newest AS (
        SELECT *, regexp_replace(cpf, '[.\\-\\s]', '', 'g') AS digits
        FROM register
        QUALIFY row_number() OVER (PARTITION BY digits ORDER BY data_cadastro DESC NULLS LAST) = 1
    ),
    plain AS (
        SELECT
            * REPLACE (
                strip_accents(trim(regexp_replace(regexp_replace(nome_completo,
                    '^\\s*((?i:{titles})\\.\\s*)+', ''), '\\s+', ' ', 'g'))) AS nome_completo,
                strip_accents(trim(convenio)) AS convenio,
                MAP {{{sexes}}}[upper(trim(sexo))] AS sexo,
                TRY_CAST(regexp_replace(numero, '\\.0$', '') AS INTEGER) AS numero,
                coalesce(MAP {{{states}}}[upper(strip_accents(trim(estado)))], estado) AS estado
            )
        FROM newest
    )
    SELECT
        uuid() AS id,
        {mask} AS cpf,
        coalesce(nullif(nome_completo, ''), {text}) AS nome_completo,
        coalesce(nullif(convenio, ''), {text}) AS convenio,
        coalesce(data_nascimento, DATE '{contract.DEFAULT_DATE}') AS data_nascimento,
        coalesce(sexo, {text}) AS sexo,
        {mask} AS logradouro,
        coalesce(numero, 0) AS numero,
        {mask} AS bairro,
        {mask} AS cidade,
        coalesce(nullif(trim(estado), ''), {text}) AS estado,
        coalesce(data_cadastro, TIMESTAMP '{contract.DEFAULT_TIMESTAMP}') AS data_cadastro
    FROM plain
) TO '{{out}}' (FORMAT parquet, PARTITION_BY (convenio))
"""  # noqa: S608 - the contract's own words


def main(parquet: str, csv: str, json: str, out: str) -> None:
    """Publish a delivery as Parquet files.

    Parameters
    ----------
    parquet, csv, json : str
        The three sources.
    out : str
        The folder to write to.
    """
    duckdb.execute(
        query().replace("{out}", out.replace("'", "''")),
        {"parquet": parquet, "csv": csv, "json": json},
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
