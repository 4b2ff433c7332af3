"""The contract's row rules as conditions on the normalized register.

A condition is true where the rule is broken, and never null. Conditions need rows whose nulls are
not filled yet: afterwards, a missing value looks like a default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
from register_contract.rule_expressions import DAY
from register_contract.rule_set import OwnRule, RuleSet

REASONS = "reasons"
# The rule of lines that could not be split into columns.
MALFORMED = "linha_malformada"
# A column that normalizing adds: text was given, but it isn't a known sexo.
UNKNOWN_SEXO = "unknown_sexo"
# The bits of `warning_bits`, the lowest first.
WARNINGS: tuple[str, ...] = tuple(rule.name for rule in contract.rules(Criticality.WARN))
# The bit of a rules file's first rule; below are the contract's warnings and marks of the row.
OWN_BIT = 32


def _never_null(broken: dict[str, pl.Expr]) -> dict[str, pl.Expr]:
    return {name: condition.fill_null(value=False) for name, condition in broken.items()}


def error_conditions() -> dict[str, pl.Expr]:
    """Return the conditions that reject a row, by rule; they read only the line and the CPF."""
    malformed = pl.col(MALFORMED_LINE).is_not_null()
    cpf = pl.col("cpf")
    return _never_null(
        {
            MALFORMED: malformed,
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


def own_conditions(own: Iterable[OwnRule]) -> dict[str, pl.Expr]:
    """Return the conditions of a team's own rules; see :func:`with_day` for what they need.

    Their expressions are true for a good row; null breaks no rule, as with SQL's ``CHECK``.
    """
    is_row = pl.col(MALFORMED_LINE).is_null()
    return _never_null({one.rule.name: is_row & ~pl.sql_expr(one.expression) for one in own})


def with_day(normalised: pl.DataFrame, as_of: date, rule_set: RuleSet) -> pl.DataFrame:
    """Return normalized rows with the delivery's day as a column, if there are own rules."""
    return normalised.with_columns(pl.lit(as_of).alias(DAY)) if rule_set.own else normalised


def rejecting_conditions(as_of: date, rule_set: RuleSet) -> dict[str, pl.Expr]:
    """Return all conditions that reject a row, by rule, in the order of ``rule_set.rejecting``.

    Unlike those of :func:`error_conditions`, they may need every normalized column.

    Parameters
    ----------
    as_of : date
        Day of the delivery.
    rule_set : RuleSet
    """
    is_row = pl.col(MALFORMED_LINE).is_null()
    found = error_conditions()
    found |= {name: is_row & broken for name, broken in warn_conditions(as_of).items()}
    found |= own_conditions(rule_set.own)
    return {name: found[name] for name in rule_set.rejecting}


def bits(rule_set: RuleSet) -> dict[str, int]:
    """Return the bit of each rule that is counted in published rows."""
    numbers = {name: number for number, name in enumerate(WARNINGS)}
    numbers |= {one.rule.name: OWN_BIT + number for number, one in enumerate(rule_set.own)}
    return {name: 1 << numbers[name] for name in rule_set.counted}


def warning_bits(as_of: date, rule_set: RuleSet) -> pl.Expr:
    """Return the warnings of a row as one Int64: bit ``i`` is the rule ``WARNINGS[i]``.

    A team's own rules have the bits from :data:`OWN_BIT` on.

    Parameters
    ----------
    as_of : date
        Day of the delivery.
    rule_set : RuleSet
    """
    conditions = warn_conditions(as_of) | own_conditions(rule_set.own)
    return pl.sum_horizontal(
        conditions[name].cast(pl.Int64) * bit for name, bit in bits(rule_set).items()
    ).cast(pl.Int64)


def reasons(conditions: Mapping[str, pl.Expr] | None = None) -> pl.Expr:
    """Return the names of the rules that a row breaks, as a list; empty for a good row.

    Parameters
    ----------
    conditions : mapping of str to Expr, optional
        By rule; those of the contract's error rules by default.
    """
    found = error_conditions() if conditions is None else conditions
    return pl.concat_list(
        pl.when(broken).then(pl.lit(name)) for name, broken in found.items()
    ).list.drop_nulls()


def is_accepted() -> pl.Expr:
    """Return whether a row breaks no error rule."""
    return ~pl.any_horizontal(error_conditions().values())
