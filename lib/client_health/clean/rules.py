"""The contract's row rules as conditions on the normalized register.

A condition is true where the rule is broken, and never null. Conditions need rows whose nulls are
not filled yet: afterwards, a missing value looks like a default.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from client_health.clean import text
from client_health.read.sources import (
    MALFORMED_LINE,
    UNREADABLE_BIRTH,
    UNREADABLE_NUMBER,
    UNREADABLE_REGISTRATION,
)
from register_contract import contract
from register_contract.contract import Criticality

REASONS = "reasons"
# A column that normalizing adds: text was given, but it isn't a known sexo.
UNKNOWN_SEXO = "unknown_sexo"
# The bits of `warning_bits`, the lowest first.
WARNINGS: tuple[str, ...] = tuple(rule.name for rule in contract.rules(Criticality.WARN))


def _never_null(broken: dict[str, pl.Expr]) -> dict[str, pl.Expr]:
    return {name: condition.fill_null(value=False) for name, condition in broken.items()}


def error_conditions() -> dict[str, pl.Expr]:
    """Return the conditions that reject a row, by rule; they read only the line and the CPF."""
    malformed = pl.col(MALFORMED_LINE).is_not_null()
    cpf = pl.col("cpf")
    return _never_null(
        {
            "linha_malformada": malformed,
            "cpf_ausente": ~malformed & cpf.is_null(),
            "cpf_formato": ~malformed & ~text.cpf_is_well_formed(cpf),
        }
    )


def registered_in_the_future(as_of: date) -> pl.Expr:
    """Return whether the time of registration is after the delivery's day (UTC)."""
    return pl.col("data_cadastro").dt.date() > pl.lit(as_of)


def warn_conditions(as_of: date) -> dict[str, pl.Expr]:
    """Return the conditions that are counted, by rule, in the order of :data:`WARNINGS`.

    Parameters
    ----------
    as_of : date
        Day of the delivery: later dates are in the future. It is part of the run's record, because
        "now" would give another result tomorrow.
    """
    broken = {
        "cpf_digito_verificador": ~text.cpf_check_digits_agree(pl.col("cpf")),
        "data_nascimento_invalida": pl.col(UNREADABLE_BIRTH),
        "data_nascimento_futura": pl.col("data_nascimento") > pl.lit(as_of),
        "data_cadastro_invalida": pl.col(UNREADABLE_REGISTRATION),
        "data_cadastro_futura": registered_in_the_future(as_of),
        "sexo_desconhecido": pl.col(UNKNOWN_SEXO),
        "estado_desconhecido": ~text.is_state(pl.col("estado")),
        "numero_invalido": pl.col(UNREADABLE_NUMBER),
        "nome_ausente": pl.col("nome_completo").is_null(),
        "convenio_ausente": pl.col("convenio").is_null(),
    }
    return _never_null({name: broken[name] for name in WARNINGS})


def warning_bits(as_of: date) -> pl.Expr:
    """Return the warnings of a row as one Int32: bit ``i`` is the rule ``WARNINGS[i]``.

    Parameters
    ----------
    as_of : date
        Day of the delivery.
    """
    return pl.sum_horizontal(
        condition.cast(pl.Int32) * (1 << bit)
        for bit, condition in enumerate(warn_conditions(as_of).values())
    ).cast(pl.Int32)


def reasons() -> pl.Expr:
    """Return the names of the error rules that a row breaks, as a list; empty for a good row."""
    return pl.concat_list(
        pl.when(broken).then(pl.lit(name)) for name, broken in error_conditions().items()
    ).list.drop_nulls()


def is_accepted() -> pl.Expr:
    """Return whether a row breaks no error rule."""
    return ~pl.any_horizontal(error_conditions().values())
