"""The row rules of the contract as conditions on the normalised register.

A condition is true where the rule is broken, and never null. Conditions look at rows whose nulls
have not been filled yet: afterwards nobody can tell a missing value from a default.
"""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812

from client_health import text
from client_health.sources import (
    MALFORMED_LINE,
    UNREADABLE_BIRTH,
    UNREADABLE_NUMBER,
    UNREADABLE_REGISTRATION,
)

REASONS = "reasons"
# What normalising keeps beside the value: text was given, but it is no sexo that we know.
UNKNOWN_SEXO = "unknown_sexo"


def _never_null(broken: dict[str, Column]) -> dict[str, Column]:
    return {name: F.coalesce(condition, F.lit(False)) for name, condition in broken.items()}


def error_conditions() -> dict[str, Column]:
    """Return the conditions that reject a row, by rule; they read the line and the CPF alone."""
    malformed = F.col(MALFORMED_LINE).isNotNull()
    cpf = F.col("cpf")
    return _never_null(
        {
            "linha_malformada": malformed,
            "cpf_ausente": ~malformed & cpf.isNull(),
            "cpf_formato": ~malformed & ~text.cpf_is_well_formed(cpf),
        }
    )


def registered_in_the_future(as_of: date) -> Column:
    """Say whether the time of registration is after the delivery's day (UTC)."""
    return F.to_date("data_cadastro") > F.lit(as_of)


def warn_conditions(as_of: date) -> dict[str, Column]:
    """Return the conditions that are counted, by rule.

    Parameters
    ----------
    as_of : date
        Day of the delivery: later dates are in the future. Part of the run's record, since "now"
        would give another answer tomorrow.
    """
    return _never_null(
        {
            "cpf_digito_verificador": ~text.cpf_check_digits_agree(F.col("cpf")),
            "data_nascimento_invalida": F.col(UNREADABLE_BIRTH),
            "data_nascimento_futura": F.col("data_nascimento") > F.lit(as_of),
            "data_cadastro_invalida": F.col(UNREADABLE_REGISTRATION),
            "data_cadastro_futura": registered_in_the_future(as_of),
            "sexo_desconhecido": F.col(UNKNOWN_SEXO),
            "estado_desconhecido": ~text.is_state(F.col("estado")),
            "numero_invalido": F.col(UNREADABLE_NUMBER),
            "nome_ausente": F.col("nome_completo").isNull(),
            "convenio_ausente": F.col("convenio").isNull(),
        }
    )


def reasons() -> Column:
    """Return the names of the error rules that a row breaks, as an array; empty for a good row."""
    return F.array_compact(
        F.array(*(F.when(broken, name) for name, broken in error_conditions().items()))
    )


def is_accepted() -> Column:
    """Say whether a row breaks no error rule."""
    accepted = F.lit(True)
    for broken in error_conditions().values():
        accepted &= ~broken
    return accepted


def reason_conditions() -> dict[str, Column]:
    """Return the conditions to count rejected rows by, from the reasons written beside them."""
    return {name: F.array_contains(REASONS, name) for name in error_conditions()}
