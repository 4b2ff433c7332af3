"""A small delivery in which all personal values are marked, so that leaks can be found."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

NAMES = {
    "parquet": "dados_cadastro_1.parquet",
    "csv": "dados_cadastro_2.csv",
    "json": "dados_cadastro_3.json",
}
ROWS = 60
# The mark is in every name, street, district, and city, and survives normalization; and at the
# start of every CPF, plain or punctuated. Nothing else in a run looks like either.
_TEXT, _CPF = "Zyxcanario", "9135724"
_PUNCTUATED = re.escape(f"{_CPF[:3]}.{_CPF[3:6]}.{_CPF[6]}")
_MARKS = re.compile(rf"{_TEXT}|{_CPF}|{_PUNCTUATED}", re.IGNORECASE)
_LETTERS = "abcdefghij"


def found_in(text: str) -> list[str]:
    """Return each mark in a text, with the text around it."""
    return [text[max(0, hit.start() - 60) : hit.end() + 20] for hit in _MARKS.finditer(text)]


def leaks(places: Iterable[Path]) -> dict[str, list[str]]:
    """Return the marks in contents and names of the files below some folders."""
    found = {}
    for path in (path for place in places for path in _files(place)):
        marks = found_in(path.name) + found_in(path.read_bytes().decode("utf-8", "ignore"))
        if marks:
            found[str(path)] = marks
    return found


def _files(place: Path) -> Iterator[Path]:
    yield from (path for path in sorted(place.rglob("*")) if path.is_file())


def cpf(number: int) -> str:
    """Return a marked CPF with its two check digits; there are 100."""
    digits = f"{_CPF}{number:02d}"
    for _ in range(2):
        total = sum(
            int(digit) * weight
            for digit, weight in zip(reversed(digits), range(2, 12), strict=False)
        )
        digits += str(total * 10 % 11 % 10)
    return digits


def _punctuated(digits: str) -> str:
    return f"{digits[:3]}.{digits[3:6]}.{digits[6:9]}-{digits[9:]}"


def _marked(kind: str, number: int) -> str:
    return f"{_TEXT} {kind} {''.join(_LETTERS[int(digit)] for digit in str(number))}"


def _person(number: int) -> dict[str, str]:
    return {
        "cpf": cpf(number % 100),
        "nome": _marked("Nome", number),
        "convenio": ("Gold", "Bradesco", "Itaú")[number % 3],
        "logradouro": _marked("Rua", number),
        "bairro": _marked("Bairro", number),
        "cidade": _marked("cidade", number),
    }


def parquet_rows() -> dict[str, list[str]]:
    """Return the columns of the Parquet source."""
    people = [_person(number) for number in range(ROWS)]
    return {
        "documento_cpf": [_punctuated(person["cpf"]) for person in people],
        "nome_completo": [f"Dr. {person['nome']}" for person in people],
        "convenio": [person["convenio"] for person in people],
        "data_nascimento": ["1980-02-01"] * ROWS,
        "sexo": ["Fem"] * ROWS,
        "logradouro": [person["logradouro"] for person in people],
        "numero": ["120"] * ROWS,
        "bairro": [person["bairro"] for person in people],
        "cidade": [person["cidade"] for person in people],
        "uf": ["SP"] * ROWS,
        "data_cadastro": ["2023-05-01T10:00:00"] * ROWS,
        "pais": ["Brasil"] * ROWS,
    }


def csv_lines() -> list[str]:
    """Return the lines of the CSV source: header, rows, and two that must be rejected."""
    header = (
        "cpf|nome|convenio|data_nascimento|sexo|logradouro|numero|bairro|cidade|estado"
        "|data_cadastro|pais_cadastro"
    )
    lines = [header]
    for number in range(30, 30 + ROWS):
        person = _person(number)
        lines.append(
            f"{person['cpf']}|{person['nome']}|{person['convenio']}|01/02/1980|F"
            f"|{person['logradouro']}|120.0|{person['bairro']}|{person['cidade']}|SP"
            "|2023-05-02 10:00:00|Brasil"
        )
    too_many = lines[-1] + "|mais|um"
    no_cpf = lines[-2].replace(cpf(30 + ROWS - 2), _marked("cpf", 1), 1)
    return [*lines, too_many, no_cpf]


def json_lines() -> list[str]:
    """Return the lines of the JSON source; one is cut off, one has texts instead of dates."""
    lines = []
    for number in range(40, 40 + ROWS):
        person = _person(number)
        row = {
            **person,
            "cpf": _punctuated(person["cpf"]),
            "data_nascimento": "February 01, 1980",
            "sexo": "Masc",
            "numero": 120,
            "estado": "São Paulo",
            "data_cadastro": 1_683_000_000_000,
        }
        if number == 40:
            row |= {"data_nascimento": _marked("nasceu", 1), "numero": _marked("casa", 1)}
            row |= {"estado": _marked("estado", 1), "data_cadastro": _marked("quando", 1)}
        lines.append(json.dumps(row, ensure_ascii=False))
    return [*lines, lines[-1][:-40]]


def write_delivery(folder: Path) -> Path:
    """Write the three files into a folder; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(parquet_rows()), folder / NAMES["parquet"])
    for name, lines in (("csv", csv_lines()), ("json", json_lines())):
        (folder / NAMES[name]).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
