"""Compares the columns that a file names with the contract.

A file without a header has a person's row where names are expected. So no message quotes a name
that is not in the contract, in this or another spelling.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from client_health.errors import QualityGateError
from register_contract import contract
from register_contract.contract import Gate, Source

# Only lower case: "Maria" might be a person, "data_carga" is not.
_IDENTIFIER = re.compile(r"\A_*[a-z][a-z0-9_]{0,39}\Z")
_OTHER_DELIMITERS = {";": "';'", ",": "','", "\t": "a tab", ":": "':'", "^": "'^'"}
_MOST = 0.5
_SHOWN = 10


def split(line: str, delimiter: str = contract.CSV_DELIMITER) -> tuple[str, ...]:
    """Return the names in the header line of a CSV file."""
    names = next(csv.reader([line], delimiter=delimiter), [])
    return tuple(name.strip() for name in names)


def check(source: Source, file: str, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the unknown columns; stop if a column is missing or present twice.

    Names are compared exactly, in all three formats: `CPF` is not `cpf`.

    Parameters
    ----------
    source : Source
    file : str
        The file's name, for messages.
    columns : sequence of str
        The columns that it names.

    Raises
    ------
    QualityGateError
        Names all differences.
    """
    twice = sorted(name for name, times in Counter(columns).items() if times > 1)
    missing = [name for name in source.columns if name not in columns]
    if twice or missing:
        raise QualityGateError(
            [(Gate.COLUNAS_DE_ENTRADA, _deviations(source, file, columns, missing, twice))]
        )
    known = {*source.columns, *source.ignored}
    return tuple(name for name in columns if name not in known)


def repeated(file: str, name: str) -> QualityGateError:
    """Return the error for a column that is present twice."""
    detail = f"{file} has {_twice(name)}; expected each of its columns once"
    return QualityGateError([(Gate.COLUNAS_DE_ENTRADA, detail)])


def shown(names: Iterable[str]) -> tuple[str, ...]:
    """Return unknown columns for messages: some names that can't be data, and how many others."""
    given = list(names)
    plain = [name for name in given if _IDENTIFIER.match(name)][:_SHOWN]
    others = len(given) - len(plain)
    return (*plain, *([f"{others:,} not shown"] if others else []))


def check_delimiter(source: Source, file: str, header: str) -> None:
    """Stop if a header separates the columns with another delimiter.

    Raises
    ------
    QualityGateError
    """
    known = {name.lower() for name in source.columns}
    if len(known & _lower(split(header))) > 1:
        return
    for delimiter, called in _OTHER_DELIMITERS.items():
        if len(known & _lower(split(header, delimiter))) > _MOST * len(known):
            detail = (
                f"{file} separates its columns with {called}; expected '{contract.CSV_DELIMITER}'"
            )
            raise QualityGateError([(Gate.COLUNAS_DE_ENTRADA, detail)])


def _lower(names: Iterable[str]) -> set[str]:
    return {name.strip('"').lower() for name in names}


def _twice(name: str) -> str:
    known = {name for source in contract.SOURCES for name in (*source.columns, *source.ignored)}
    return f"column {name!r} more than once" if name in known else "an unknown column twice"


def _deviations(
    source: Source, file: str, columns: Sequence[str], missing: Sequence[str], twice: Sequence[str]
) -> str:
    if len(missing) == len(source.columns) and not _lower(columns) & _lower(source.columns):
        return (
            f"{file} has none of its columns, as if without a header or of another table;"
            f" expected {', '.join(source.columns)}"
        )
    spelled = {name.lower(): name for name in columns}
    found = []
    for name in missing:
        other = spelled.get(name.lower())
        found.append(f"no column {name!r}" + (f" (found {other!r})" if other else ""))
    found += [_twice(name) for name in twice]
    there = len(source.columns) - len(missing)
    return (
        f"{file} has {', '.join(found)}; expected each of the {len(source.columns)} columns once,"
        f" spelled exactly like this ({there} found)"
    )
