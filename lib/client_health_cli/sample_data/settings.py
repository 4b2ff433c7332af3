"""What a sample delivery is asked to look like."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from client_health_cli.errors import SettingsError

DEFAULT_DEFECTS: Mapping[str, float] = MappingProxyType(
    {
        "cpf_ausente": 0.0010,
        "cpf_formato": 0.0015,
        "linha_malformada": 0.0010,
        "cpf_digito_verificador": 0.0030,
        "data_nascimento_invalida": 0.0020,
        "data_nascimento_futura": 0.0010,
        "data_cadastro_invalida": 0.0010,
        "data_cadastro_futura": 0.0010,
        "sexo_desconhecido": 0.0020,
        "estado_desconhecido": 0.0020,
        "numero_invalido": 0.0050,
        "nome_ausente": 0.0010,
        "convenio_ausente": 0.0020,
    }
)
"""Share of the rows that break each rule, unless asked otherwise. A rule's share counts rows of
its source; a Parquet file has no malformed lines. The rules that reject a row make 0.35 %."""

EXCLUSIVE_DEFECTS: tuple[tuple[str, ...], ...] = (
    ("linha_malformada",),
    ("cpf_ausente", "cpf_formato", "cpf_digito_verificador"),
    ("data_nascimento_invalida", "data_nascimento_futura"),
    ("data_cadastro_invalida", "data_cadastro_futura"),
    ("sexo_desconhecido",),
    ("estado_desconhecido",),
    ("numero_invalido",),
    ("nome_ausente",),
    ("convenio_ausente",),
)
"""Defects of one value exclude each other: a row has at most one of each group."""


@dataclass(frozen=True)
class SampleSettings:
    """Quirks and faults of a sample delivery.

    Parameters
    ----------
    duplicates
        Share of rows that repeat the CPF of another row, of the same file or of another.
    defects
        Share of rows by the name of the rule that they break. A rule left out has no such rows.
    first_day, last_day
        Valid `data_cadastro` values lie between these days, both included.
    batch_rows
        Rows made at a time. It bounds memory and, in the Parquet file, is the row group's size.

    Raises
    ------
    SettingsError
        If a share is no share, a rule is unknown, or shares that exclude each other exceed 1.
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
                    f"{rule!r} names no defect: choose among {', '.join(DEFAULT_DEFECTS)}"
                )
            if not 0 <= share <= 1:
                raise SettingsError(f"the share of {rule} is {share}: give one between 0 and 1")
        for group in EXCLUSIVE_DEFECTS:
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
    """Read `RULE=SHARE` pairs as changes to the default shares.

    Parameters
    ----------
    changes
        Texts of one pair or of several, parted by commas or spaces. The rule `all` sets every
        rule's share, so that `all=0` begins from a clean delivery.

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
    for pair in (pair for text in changes for pair in text.replace(",", " ").split()):
        rule, equals, number = pair.partition("=")
        if rule not in shares and rule != "all":
            raise SettingsError(
                f"{pair!r} names no defect: write RULE=SHARE with RULE one of "
                f"{', '.join(shares)}, or all"
            )
        try:
            share = float(number)
        except ValueError:
            equals = ""
        if not equals:
            raise SettingsError(f"{pair!r} has no share: write it as {rule}=0.01")
        shares.update(dict.fromkeys(shares, share) if rule == "all" else {rule: share})
    return shares
