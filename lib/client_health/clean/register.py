"""The steps from ingested rows to one published row per person.

Functions take and return Polars frames. Spark's shuffle runs between :func:`candidates` and
:func:`one_row_a_person`, which needs all rows of a person at once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime

import polars as pl
import polars_hash

from client_health.clean import identity, rekeying, rules, text
from client_health.read.sources import (
    MALFORMED_LINE,
    REGISTER_TYPES,
    REJECTION_ID,
    SOURCE,
    UNREADABLE_BIRTH,
    UNREADABLE_NUMBER,
    UNREADABLE_REGISTRATION,
)
from register_contract import contract
from register_contract.rule_set import RuleSet

ID = "id"
WARNINGS = "warnings"
RANK = "rank"
PLACE = "place"
CONTENT = ("content_1", "content_2")

_WELL_WRITTEN = r"\A(?:[0-9]{11}|[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2})\z"
# Eleven digits with any separators, as a person may have written them.
_ANY_CPF = r"[0-9]{3}[.\s_/-]*[0-9]{3}[.\s_/-]*[0-9]{3}[.\s_/-]*[0-9]{2}"
_MARKS = (UNREADABLE_BIRTH, UNREADABLE_REGISTRATION, UNREADABLE_NUMBER, rules.UNKNOWN_SEXO)
# Columns that are masked when published are dropped here: the id brings a person's rows together.
_KEPT = {
    column.name: REGISTER_TYPES[column.name]
    for column in contract.REGISTER_COLUMNS
    if not column.masked
}
# Bit after the warnings' bits: the CPF was accepted but is not 11 digits.
BADLY_FORMED = 1 << len(rules.WARNINGS)
# Bits after that one: the column has no value, so its default is published.
MISSING = {
    column.name: BADLY_FORMED << at
    for at, column in enumerate((c for c in contract.REGISTER_COLUMNS if c.default is not None), 1)
}
# Types whose defaults the contract writes as text.
_TIMES = {"date": date, "timestamp_ntz": datetime}
# The columns of `candidates`. A person's row is the one with the highest rank, then the lowest
# place, then the lowest content.
CANDIDATE_SCHEMA = pl.Schema(
    {ID: pl.String(), SOURCE: pl.String()}
    | _KEPT
    | {WARNINGS: pl.Int64(), RANK: pl.Int64(), PLACE: pl.Int32()}
    | dict.fromkeys(CONTENT, pl.Int64())
)

# Microseconds that put future times below all valid ones: the years 0 to 9999 are within a tenth
# of this on either side of 1970.
_AFTER_VALID = 1 << 62
_AFTER_ALL = -(1 << 63)
_HALF = pl.lit(1 << 64, dtype=pl.UInt128)
_CONTRACTS = RuleSet()


def normalise(ingested: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with normalized texts; blank becomes null.

    Rule: specification, "Normalização de Texto"; the data contract says what each column gets.
    """
    sexo = pl.col("sexo")
    return (
        ingested.lazy()
        .with_columns(
            text.normalise_cpf(pl.col("cpf")),
            text.normalise_name(pl.col("nome_completo")),
            text.tidy(text.remove_accents(pl.col("convenio"))),
            text.normalise_sexo(sexo),
            text.tidy(pl.col("logradouro")),
            text.tidy(pl.col("bairro")),
            text.title_case(text.tidy(pl.col("cidade"))),
            text.substituir_estado_por_sigla(pl.col("estado")),
            text.is_unknown_sexo(sexo).alias(rules.UNKNOWN_SEXO),
        )
        .collect()
    )


def rejected_rows(ingested: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that break an error rule, unchanged, with the rules' names.

    Only the CPF is normalized to find them: no other error rule needs normalized text. Nearly every
    CPF is well written, and one check excludes those rows.
    """
    well_written = pl.col("cpf").str.contains(_WELL_WRITTEN).fill_null(value=False)
    doubtful = ingested.filter(~well_written | pl.col(MALFORMED_LINE).is_not_null())
    judged = doubtful.with_columns(text.normalise_cpf(pl.col("cpf")))
    rejected = judged.select(~rules.is_accepted()).to_series()
    return doubtful.with_columns(judged.select(rules.reasons().alias(rules.REASONS))).filter(
        rejected
    )


def accepted_rows(normalised: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that break no error rule."""
    return normalised.filter(rules.is_accepted())


def judged(
    ingested: pl.DataFrame, as_of: date, rule_set: RuleSet = _CONTRACTS
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rejected rows, unchanged, with their reasons, and the accepted ones, normalized.

    Parameters
    ----------
    ingested : DataFrame
    as_of : date
        Day of the delivery.
    rule_set : RuleSet
        If no rule rejects but the contract's, only doubtful rows are looked at.
    """
    if rule_set.rejecting == _CONTRACTS.rejecting:
        return rejected_rows(ingested), accepted_rows(normalise(ingested))
    normalised = normalise(ingested)
    conditions = rules.rejecting_conditions(as_of, rule_set)
    marks = rules.with_day(normalised, as_of, rule_set).select(
        broken.alias(name) for name, broken in conditions.items()
    )
    broken = marks.select(pl.any_horizontal(pl.all())).to_series()
    by_name = {name: pl.col(name) for name in conditions}
    found = marks.filter(broken).select(rules.reasons(by_name).alias(rules.REASONS))
    return ingested.filter(broken).with_columns(found), normalised.filter(~broken)


def _rank(as_of: date) -> pl.Expr:
    """Return a number that is higher for a row that is chosen first.

    The newest valid registration is chosen first, future ones after all valid ones, a missing one
    last.
    """
    time = pl.col("data_cadastro").cast(pl.Int64)
    future = rules.registered_in_the_future(as_of)
    return pl.when(future).then(time - _AFTER_VALID).otherwise(time).fill_null(_AFTER_ALL)


def _place(*, corrected: bool) -> pl.Expr:
    """Return a number that is lower for a row that is chosen first among equally new ones.

    A corrected row is newer than what it corrects, and chosen before every row of the delivery.
    """
    first = -len(contract.SOURCE_NAMES) if corrected else 0
    places = {name: place for place, name in enumerate(contract.SOURCE_NAMES, first)}
    return pl.col(SOURCE).replace_strict(places, return_dtype=pl.Int32)


def _content() -> list[pl.Expr]:
    """Return a 128-bit hash of the whole row, so that the order of rows and files never decides.

    Rows that are equal in all columns may still differ in what could not be read.
    """
    # Hashes each value with its length, and nulls unlike empty texts; the same in every version.
    row = polars_hash.hash_rows([*REGISTER_TYPES, *_MARKS], version=1)
    bits = row.nchash.xxh3_128()
    halves = (bits // _HALF, bits % _HALF)
    return [
        half.cast(pl.UInt64).reinterpret(signed=True).alias(name)
        for name, half in zip(CONTENT, halves, strict=True)
    ]


def _missing() -> pl.Expr:
    """Return the bits of :data:`MISSING` of a row."""
    return pl.sum_horizontal(
        pl.col(name).is_null().cast(pl.Int64) * bit for name, bit in MISSING.items()
    ).cast(pl.Int64)


def _filled(column: contract.Column) -> pl.Expr:
    default: str | int | date | None = column.default
    if default is None:
        return pl.col(column.name)
    if column.type in _TIMES:
        default = _TIMES[column.type].fromisoformat(str(default))
    return pl.col(column.name).fill_null(pl.lit(default, dtype=REGISTER_TYPES[column.name]))


def candidates(
    accepted: pl.DataFrame,
    as_of: date,
    key: bytes,
    rule_set: RuleSet = _CONTRACTS,
    previous_key: bytes = b"",
) -> pl.DataFrame:
    """Return what decides between a person's rows, and what of them is published.

    This fills nulls with the contract's defaults and sets the ids. It drops the columns that are
    masked when published: they only count in the rows' content.

    Rule: specification, "Valores Nulos" and "Geração de IDs Únicos".

    Parameters
    ----------
    accepted : DataFrame
        Normalized rows that break no error rule.
    as_of : date
        Day of the delivery.
    key : bytes
        The id key.
    rule_set : RuleSet
        What is counted.
    previous_key : bytes
        The key that people's ids are made with until now, if it changes.

    Returns
    -------
    DataFrame
        The columns of :data:`CANDIDATE_SCHEMA`; with a previous key, also
        :data:`client_health.clean.rekeying.PREVIOUS`, which :func:`without` drops.
    """
    well_formed = text.cpf_is_well_formed(pl.col("cpf")).fill_null(value=False)
    badly_formed = pl.when(well_formed).then(0).otherwise(BADLY_FORMED).cast(pl.Int64)
    return (
        rules.with_day(accepted, as_of, rule_set)
        .lazy()
        .select(
            identity.ids(pl.col("cpf"), key).alias(ID),
            pl.col(SOURCE),
            *(_filled(c) for c in contract.REGISTER_COLUMNS if c.name in _KEPT),
            (rules.warning_bits(as_of, rule_set) | badly_formed | _missing()).alias(WARNINGS),
            _rank(as_of).alias(RANK),
            _place(corrected=REJECTION_ID in accepted.columns).alias(PLACE),
            *_content(),
            *_previous(previous_key),
        )
        .collect()
    )


def _previous(key: bytes) -> list[pl.Expr]:
    return [identity.ids(pl.col("cpf"), key).alias(rekeying.PREVIOUS)] if key else []


def without(candidates: pl.DataFrame, suppressed: Collection[str]) -> pl.DataFrame:
    """Return the candidates that belong to nobody on the list of suppressed ids.

    Either id of a person may be on it; the result has only the one to publish.
    """
    listed = list(suppressed)
    ids = [name for name in (ID, rekeying.PREVIOUS) if name in candidates.columns]
    on_it = pl.any_horizontal(pl.col(name).is_in(listed) for name in ids)
    return candidates.filter(~on_it).drop(rekeying.PREVIOUS, strict=False)


def shown_people(rejected: pl.DataFrame, key: bytes, previous_key: bytes = b"") -> pl.DataFrame:
    """Return the ids of the CPFs that rejected rows show.

    A rejected row has no id. But its text may have a whole CPF in it, written in a way that the
    rules refuse, or in a line that could not be split.

    Returns
    -------
    DataFrame
        ``row``, its number; ``id``; with a previous key, also the id that this gives.
    """
    digits = (
        pl.concat_str(pl.col("cpf", MALFORMED_LINE), separator="|", ignore_nulls=True)
        .str.extract_all(_ANY_CPF)
        .list.eval(pl.element().str.replace_all(r"[^0-9]", ""))
    )
    shown = rejected.select(digits.alias("cpf")).with_row_index("row").explode("cpf").drop_nulls()
    made = identity.ids(pl.col("cpf"), key).alias(ID)
    return shown.select("row", made, *_previous(previous_key))


def without_rejected(
    rejected: pl.DataFrame, suppressed: Collection[str], shown: pl.DataFrame
) -> pl.DataFrame:
    """Return the rejected rows that show no CPF of anybody on the list of suppressed ids.

    Parameters
    ----------
    rejected : DataFrame
    suppressed : collection of str
    shown : DataFrame
        From :func:`shown_people`.
    """
    ids = pl.exclude("row").is_in(list(suppressed))
    hit = shown.filter(pl.any_horizontal(ids))["row"]
    return rejected.with_row_index("row").filter(~pl.col("row").is_in(hit.to_list())).drop("row")


def moved(listed: Sequence[str], *people: pl.DataFrame) -> pl.DataFrame:
    """Return where listed people are in their list, and the new id of each.

    Parameters
    ----------
    listed : sequence of str
        Ids that the previous key has given, each once.
    people : DataFrame
        With both ids: candidates, or what :func:`shown_people` returns.

    Returns
    -------
    DataFrame
        ``position`` in the list, and ``id``; each person once. The earlier id is not in it.
    """
    places = pl.DataFrame({rekeying.PREVIOUS: listed}, schema={rekeying.PREVIOUS: pl.String})
    both = pl.concat(one.select(rekeying.PREVIOUS, ID) for one in people).unique()
    found = places.with_row_index("position").join(both, on=rekeying.PREVIOUS)
    return found.select("position", ID).sort("position")


def one_row_a_person(candidates: pl.DataFrame) -> pl.DataFrame:
    """Return the best row of each person, in the order of their ids.

    A missing, unreadable, or future time of registration ranks after every valid one. Ties are
    broken by source (corrected rows, Parquet, CSV, JSON) and then by the content of the row, so
    that the order of rows and files never decides.

    Rule: specification, "Remoção de Duplicatas".

    Parameters
    ----------
    candidates : DataFrame
        All candidates of some people, in any order; the columns of :data:`CANDIDATE_SCHEMA`.

    Returns
    -------
    DataFrame
        One row per person.
    """
    order = {ID: False, RANK: True, PLACE: False, **dict.fromkeys(CONTENT, False)}
    ranked = candidates.sort(list(order), descending=list(order.values()))
    return ranked.unique(ID, keep="first", maintain_order=True)


def published(survivors: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of the contract, with masks for what identifies a person.

    Rule: specification, "Proteção de Dados Sensíveis (LGPD)".
    """
    return survivors.select(
        (pl.lit(contract.MASK) if column.masked else pl.col(column.name)).alias(column.name)
        for column in contract.COLUMNS
    )
