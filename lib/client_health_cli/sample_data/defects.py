"""Which of the contract's rules a sample delivery breaks, and how often."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from types import MappingProxyType

from client_health_cli.errors import SettingsError
from client_health_cli.sample_data.draws import Draws, Indices, Mask
from register_contract.rules import Criticality, rules

MALFORMED_LINE = "linha_malformada"
_OF_ROWS = rules(Criticality.ERROR) + rules(Criticality.WARN)

DEFAULT_DEFECTS: Mapping[str, float] = MappingProxyType(
    dict.fromkeys((rule.name for rule in _OF_ROWS), 0.001)
    | {
        "cpf_formato": 0.0015,
        "cpf_digito_verificador": 0.003,
        "data_nascimento_invalida": 0.002,
        "sexo_desconhecido": 0.002,
        "estado_desconhecido": 0.002,
        "numero_invalido": 0.005,
        "convenio_ausente": 0.002,
    }
)
"""Default share of the rows that break each rule of the contract. It counts rows of its source; a
Parquet file has no malformed lines. The rules that reject a row add up to 0.35 %."""


def _by_column() -> dict[str, tuple[str, ...]]:
    """Return the rules by the column that they check; `""` is the whole line."""
    groups: dict[str, tuple[str, ...]] = {}
    for rule in _OF_ROWS:
        groups[rule.column] = (*groups.get(rule.column, ()), rule.name)
    return groups


EXCLUSIVE_DEFECTS: Mapping[str, tuple[str, ...]] = MappingProxyType(_by_column())
"""Defects of one value exclude each other: a row has at most one of each column's."""


@dataclass(frozen=True)
class SampleSettings:
    """Quirks and faults of a sample delivery.

    Parameters
    ----------
    duplicates : float
        Share of rows that repeat the CPF of another row, in the same file or another.
    defects : Mapping[str, float]
        Share of rows by the name of the rule that they break. A rule left out has no such rows.
    first_day, last_day : date
        Valid `data_cadastro` values are between these days, inclusive.
    batch_rows : int
        Rows per batch. It limits memory and, in the Parquet file, is the size of a row group.

    Raises
    ------
    SettingsError
        If a share is invalid, a rule is unknown, or shares that exclude each other exceed 1.
    """

    duplicates: float = 0.05
    defects: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_DEFECTS))
    first_day: dt.date = dt.date(2015, 1, 1)
    last_day: dt.date = dt.date(2025, 12, 31)
    batch_rows: int = 50_000

    def __post_init__(self) -> None:
        if not 0 <= self.duplicates <= 0.9:
            raise SettingsError(
                f"the share of duplicates is {self.duplicates}: give one between 0 and 0.9"
            )
        for rule, share in self.defects.items():
            if rule not in DEFAULT_DEFECTS:
                raise SettingsError(
                    f"{rule!r} isn't a defect: choose among {', '.join(DEFAULT_DEFECTS)}"
                )
            if not 0 <= share <= 1:
                raise SettingsError(f"the share of {rule} is {share}: give one between 0 and 1")
        for group in EXCLUSIVE_DEFECTS.values():
            total = sum(self.defects.get(rule, 0.0) for rule in group)
            if total > 1:
                raise SettingsError(
                    f"the shares of {', '.join(group)} add up to {total:g}: a row has at most one "
                    "of them, so keep their sum at 1 or less"
                )
        if self.batch_rows < 1:
            raise SettingsError(f"a batch of {self.batch_rows} rows: give 1 or more")
        if not dt.date(1931, 1, 1) <= self.first_day <= self.last_day < dt.date(2090, 1, 1):
            raise SettingsError(
                f"valid rows from {self.first_day} to {self.last_day}: "
                "give two days in order, between 1931 and 2089"
            )


def defects_from_text(changes: Iterable[str]) -> dict[str, float]:
    """Return the default shares, changed by `RULE=SHARE` pairs.

    Parameters
    ----------
    changes : iterable of str
        Texts of one or more pairs, separated by commas or spaces. The rule `all` sets every rule's
        share, so that `all=0` starts from a clean delivery.

    Returns
    -------
    dict of str to float
        A share for each rule.

    Raises
    ------
    SettingsError
        If a pair can't be read or names an unknown rule.
    """
    shares = dict(DEFAULT_DEFECTS)
    for pair in " ".join(changes).replace(",", " ").split():
        rule, _, number = pair.partition("=")
        if rule not in shares and rule != "all":
            raise SettingsError(
                f"{pair!r} isn't a defect: write RULE=SHARE with RULE one of "
                f"{', '.join(shares)}, or all"
            )
        try:
            share = float(number)
        except ValueError:
            raise SettingsError(f"{pair!r} has no share: write it as {rule}=0.01") from None
        shares.update(dict.fromkeys(shares if rule == "all" else [rule], share))
    return shares


def broken_rows(
    draws: Draws, rows: Indices, shares: Mapping[str, float], *, lines: bool
) -> dict[str, Mask]:
    """Return which rows break each rule; only a source made of lines has malformed ones."""
    broken = {}
    for group in EXCLUSIVE_DEFECTS.values():
        ends = accumulate((shares.get(rule, 0.0) for rule in group), initial=0.0)
        for rule, (low, high) in zip(group, pairwise(ends), strict=True):
            broken[rule] = draws.between(f"defect {group[0]}", rows, low, high)
    # A line that can't be read breaks no other rule.
    malformed = broken[MALFORMED_LINE] & lines
    return {rule: mask & ~malformed for rule, mask in broken.items()} | {MALFORMED_LINE: malformed}
