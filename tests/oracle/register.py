"""The expected result of a delivery: published and rejected rows, warnings, accounting."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from . import values
from .reading import SOURCES, Came, read

ERRORS = ("linha_malformada", "cpf_ausente", "cpf_formato")
WARNINGS = (
    "cpf_digito_verificador", "data_nascimento_invalida", "data_nascimento_futura",
    "data_cadastro_invalida", "data_cadastro_futura", "sexo_desconhecido", "estado_desconhecido",
    "numero_invalido", "nome_ausente", "convenio_ausente",
)  # fmt: skip
BIRTH = {"parquet": values.iso_date, "csv": values.day_first, "json": values.english_month}
TIME: dict[str, Callable[[str], datetime | None]] = {
    "parquet": lambda text: values.iso_time(text, "T"),
    "csv": lambda text: values.iso_time(text, " "),
    "json": values.epoch_milliseconds,
}


# Eleven digits with dots, dashes, slashes, underscores, or white space between their groups.
ANY_CPF = re.compile(r"[0-9]{3}[.\s_/-]*[0-9]{3}[.\s_/-]*[0-9]{3}[.\s_/-]*[0-9]{2}")


@dataclass(frozen=True)
class Typed:
    """A row with parsed dates and number, and the columns that were given but unreadable."""

    came: Came
    birth: date | None
    time: datetime | None
    number: int | None
    unreadable: frozenset[str]
    corrected: bool = False


@dataclass(frozen=True)
class Client:
    """One row with which a person may be published, and its warnings."""

    published: dict[str, Any]
    warnings: frozenset[str]
    came: Came


@dataclass
class Expected:
    """The expected result of a run over a delivery."""

    rows: dict[str, Counter[str]]
    rejected: list[tuple[Typed, tuple[str, ...]]] = field(default_factory=list)
    rejections: Counter[str] = field(default_factory=Counter)
    # By id; any of several rows with the same CPF, time, and source may be kept.
    clients: dict[str, list[Client]] = field(default_factory=dict)


def expect(
    sources: dict[str, Path],
    key: bytes,
    as_of: date,
    corrected: dict[str, Path] | None = None,
    erased: frozenset[str] = frozenset(),
) -> Expected:
    """Compute the expected result of a delivery.

    Parameters
    ----------
    sources : dict of str to Path
        A file or folder for each source.
    key : bytes
        The key of the ids.
    as_of : date
        The delivery's day; later dates are in the future.
    corrected : dict of str to Path, optional
        Files with corrected rows of earlier rejections, by source.
    erased : frozenset of str
        CPFs of erased people, as 11 digits.
    """
    expected = Expected({name: Counter() for name in SOURCES})
    people: dict[str, list[Typed]] = defaultdict(list)
    delivered = [typed(came) for came in read(sources)]
    again = [replace(typed(came), corrected=True) for came in read(corrected or {})]
    for row in (*delivered, *again):
        came = row.came
        counted = expected.rows[came.source]
        counted["resubmitted" if row.corrected else "in"] += 1
        reasons = reasons_of(came)
        if shown_cpfs(came) & erased:
            counted["suppressed"] += 1
        elif reasons:
            counted["rejected"] += 1
            expected.rejected.append((row, reasons))
            expected.rejections.update(reasons)
        else:
            people[values.cpf(came.values["cpf"]) or ""].append(row)
    for digits, rows in people.items():
        best = max(_rank(row, as_of) for row in rows)
        tied = [row for row in rows if _rank(row, as_of) == best]
        expected.rows[tied[0].came.source]["out"] += 1
        for row in rows:
            expected.rows[row.came.source]["duplicates"] += 1
        expected.rows[tied[0].came.source]["duplicates"] -= 1
        made = values.client_id(key, digits)
        expected.clients[made] = [client(row, digits, made, as_of) for row in tied]
    return expected


def shown_cpfs(came: Came) -> set[str]:
    """Return the CPFs in a row: its own, or those that a rejected row shows in any writing."""
    if not reasons_of(came):
        return {values.cpf(came.values["cpf"]) or ""}
    texts = (came.values.get("cpf"), came.malformed)
    written = (found for text in texts if text for found in ANY_CPF.findall(text))
    return {re.sub("[^0-9]", "", found) for found in written}


def typed(came: Came) -> Typed:
    """Parse a row's dates and number."""
    wanted: dict[str, Callable[[str], Any]] = {
        "data_nascimento": BIRTH[came.source],
        "data_cadastro": TIME[came.source],
        "numero": values.house_number,
    }
    read_values: dict[str, Any] = {}
    unreadable = set()
    for name, reader in wanted.items():
        text = came.values.get(name)
        read_values[name] = None if text is None or values.blank(text) else reader(text.strip())
        if not values.blank(text) and read_values[name] is None:
            unreadable.add(name)
    birth, time, number = read_values.values()
    return Typed(came, birth, time, number, frozenset(unreadable))


def reasons_of(came: Came) -> tuple[str, ...]:
    """Return the reasons why a row is rejected, if any."""
    if came.malformed is not None:
        return ("linha_malformada",)
    digits = values.cpf(came.values["cpf"])
    if digits is None:
        return ("cpf_ausente",)
    return () if values.cpf_well_formed(digits) else ("cpf_formato",)


def client(row: Typed, digits: str, made: str, as_of: date) -> Client:
    """Make the published row: normalized, nulls filled, masked."""
    came = row.came.values
    texts = {
        "nome_completo": values.name(came["nome_completo"]),
        "convenio": values.plain(came["convenio"]),
        "sexo": values.sexo(came["sexo"]),
        "estado": values.estado(came["estado"]),
    }
    published = {
        "id": made,
        "cpf": values.MASK,
        "nome_completo": texts["nome_completo"] or "N/A",
        "convenio": texts["convenio"] or "N/A",
        "data_nascimento": row.birth or date(1970, 1, 1),
        "sexo": texts["sexo"] or "N/A",
        "logradouro": values.MASK,
        "numero": row.number or 0,
        "bairro": values.MASK,
        "cidade": values.MASK,
        "estado": texts["estado"] or "N/A",
        "data_cadastro": row.time or values.EPOCH,
    }
    found = {
        "cpf_digito_verificador": not values.cpf_checks(digits),
        "data_nascimento_invalida": "data_nascimento" in row.unreadable,
        "data_nascimento_futura": row.birth is not None and row.birth > as_of,
        "data_cadastro_invalida": "data_cadastro" in row.unreadable,
        "data_cadastro_futura": row.time is not None and row.time.date() > as_of,
        "sexo_desconhecido": not values.blank(came["sexo"]) and texts["sexo"] is None,
        "estado_desconhecido": texts["estado"] is not None
        and texts["estado"] not in values.STATES.values(),
        "numero_invalido": "numero" in row.unreadable,
        "nome_ausente": texts["nome_completo"] is None,
        "convenio_ausente": texts["convenio"] is None,
    }
    return Client(published, frozenset(n for n, is_so in found.items() if is_so), row.came)


def _rank(row: Typed, as_of: date) -> tuple[Any, ...]:
    """Order the rows of one person; the greatest is kept.

    A future time ranks below every valid one, and a missing time below both. A corrected row is
    newer than what it corrects, so it ranks above a delivered row with the same time.
    """
    time = row.time
    valid = time is not None and time.date() <= as_of
    order = -SOURCES.index(row.came.source)
    return (valid, time is not None, time or values.EPOCH, row.corrected, order)
