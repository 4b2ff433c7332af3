"""The rules of a team's own, tried before any data is read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import date, datetime

import polars as pl

from client_health.clean import register, rules
from client_health.errors import SettingsError
from client_health.read.sources import REGISTER_TYPES
from register_contract import rule_expressions
from register_contract.rule_set import OwnRule, RulesError, RuleSet

_ERRORS = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
_DAY = date(2026, 1, 31)
_ROW = {
    "cpf": "52998224725",
    "nome_completo": "Ana Lima",
    "convenio": "Gold",
    "data_nascimento": date(1980, 5, 17),
    "sexo": "F",
    "logradouro": "Rua A",
    "numero": 10,
    "bairro": "Centro",
    "cidade": "Recife",
    "estado": "PE",
    "data_cadastro": datetime(2020, 1, 1, 10),
}


def _trial() -> pl.DataFrame:
    """Return made-up rows with the columns that an expression may use."""
    # No regular expression, and no number.
    odd = {name: "(" for name, kind in REGISTER_TYPES.items() if kind == pl.String}
    low = odd | {
        "numero": -(1 << 31),
        "data_nascimento": date.min,
        "data_cadastro": datetime.min,
    }
    high = {
        "numero": (1 << 31) - 1,
        "data_nascimento": date.max,
        "data_cadastro": datetime.max,
    }
    return pl.DataFrame(
        [_ROW, {}, _ROW | {"numero": 0}, low, _ROW | high], schema=REGISTER_TYPES
    ).with_columns(pl.lit(_DAY).alias(rule_expressions.DAY))


def check(rule_set: RuleSet) -> None:
    """Refuse rules whose expressions can't be computed, or have no truth value for each row.

    Parameters
    ----------
    rule_set : RuleSet

    Raises
    ------
    RulesError
        With all problems.
    """
    found = [
        f"{rule_set.file}, line {one.line}, rule {one.rule.name}: {problem}"
        for one in rule_set.own
        for problem in _problems(one)
    ]
    if found:
        raise RulesError(found)


def _problems(one: OwnRule) -> list[str]:
    # What was handed over may have been changed since the runner checked it.
    found = rule_expressions.problems(one.expression)
    if found:
        return found
    trial = _trial()
    try:
        result = trial.select(pl.sql_expr(one.expression).alias(one.rule.name)).to_series()
    except _ERRORS as error:
        return [str(error).partition("\n")[0]]
    if result.dtype != pl.Boolean:
        return [f"its result is {result.dtype}; true or false was expected"]
    if result.len() != trial.height:
        return ["it needs other rows; a rule sees one row at a time"]
    return []


@contextlib.contextmanager
def named(rule_set: RuleSet, ingested: pl.DataFrame, as_of: date) -> Iterator[None]:
    """Name the own rule that fails for some rows; Polars' message would show their values.

    Parameters
    ----------
    rule_set : RuleSet
    ingested : DataFrame
        The rows that are judged.
    as_of : date
        Day of the delivery.

    Raises
    ------
    SettingsError
        If an own rule fails.
    """
    try:
        yield
    except _ERRORS:
        failing = _failing(rule_set, ingested, as_of)
        if not failing:
            raise
        raise SettingsError(
            f"{rule_set.file}: {', '.join(failing)} can't be computed for some rows. Change the "
            "expression, then run the same command."
        ) from None


def _failing(rule_set: RuleSet, ingested: pl.DataFrame, as_of: date) -> list[str]:
    rows = rules.with_day(register.normalise(ingested), as_of, rule_set)
    found = []
    for name, condition in rules.own_conditions(rule_set.own).items():
        try:
            rows.select(condition)
        except _ERRORS:
            found.append(name)
    return found
