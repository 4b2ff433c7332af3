"""Read a delivery's files as rows of texts: each source's columns, under the register's names."""

from __future__ import annotations

import bz2
import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

SOURCES = ("parquet", "csv", "json")
# The register's name of each column, and the source's name if it differs.
REGISTER = (
    "cpf", "nome_completo", "convenio", "data_nascimento", "sexo", "logradouro", "numero",
    "bairro", "cidade", "estado", "data_cadastro",
)  # fmt: skip
CALLED = {
    "parquet": {"cpf": "documento_cpf", "estado": "uf"},
    "csv": {"nome_completo": "nome"},
    "json": {"nome_completo": "nome"},
}


@dataclass(frozen=True)
class Came:
    """A row as delivered: its texts, or the whole line if it is malformed."""

    source: str
    values: dict[str, str | None]
    malformed: str | None = None


class NotOneObjectError(Exception):
    """Raised if a line isn't exactly one JSON object."""


def read(sources: dict[str, Path]) -> list[Came]:
    """Read a delivery.

    Parameters
    ----------
    sources : dict of str to Path
        A file, or a folder of files, for each of ``parquet``, ``csv`` and ``json``, or some.
    """
    readers: dict[str, Callable[[Path], Iterator[Came]]]
    readers = {"parquet": _parquet, "csv": _csv, "json": _json}
    return [
        row
        for name in SOURCES
        if name in sources
        for path in _files(sources[name])
        for row in readers[name](path)
    ]


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    inside = (path for path in sorted(place.rglob("*")) if path.is_file())
    return [
        path
        for path in inside
        if not any(part[0] in "_." for part in path.relative_to(place).parts)
    ]


def _lines(path: Path) -> Iterator[str]:
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    if path.suffix == ".bz2":
        content = bz2.decompress(content)
    for line in content.decode("utf-8").removeprefix("\ufeff").split("\n"):
        if line.strip():
            yield line.removesuffix("\r")


def _named(source: str, values: dict[str, str | None]) -> dict[str, str | None]:
    return {name: values.get(CALLED[source].get(name, name)) for name in REGISTER}


def _parquet(path: Path) -> Iterator[Came]:
    for values in pq.ParquetFile(path).read().to_pylist():
        yield Came("parquet", _named("parquet", {k: _text(v) for k, v in values.items()}))


def _text(value: Any) -> str | None:
    """Format a typed value as text, as the source would have."""
    if isinstance(value, datetime):
        if value.tzinfo:
            value = value.astimezone(UTC).replace(tzinfo=None)
        return str(value.isoformat())
    if isinstance(value, date):
        return value.isoformat()
    return None if value is None else str(value)


def _csv(path: Path) -> Iterator[Came]:
    lines = _lines(path)
    first = next(lines)
    header = csv_fields(first) or []
    for line in lines:
        if line == first:
            continue
        fields = csv_fields(line)
        if fields is None or len(fields) != len(header):
            yield Came("csv", {}, line)
        else:
            yield Came("csv", _named("csv", dict(zip(header, fields, strict=True))))


def csv_fields(line: str) -> list[str] | None:
    """Split a line at ``|``; null if a field starts with a quote but doesn't end with one.

    Inside quotes, two quotes mean one. A quote inside a field that started without one is an
    ordinary character.
    """
    fields, at = [], 0
    while True:
        if line[at : at + 1] == '"':
            value, at = _quoted(line, at + 1)
            if at < 0 or line[at : at + 1] not in {"", "|"}:
                return None
        else:
            end = line.find("|", at)
            end = len(line) if end < 0 else end
            value, at = line[at:end], end
        fields.append(value)
        if at == len(line):
            return fields
        at += 1


def _quoted(line: str, at: int) -> tuple[str, int]:
    value = ""
    while True:
        end = line.find('"', at)
        if end < 0:
            return value, -1
        value += line[at:end]
        if line[end + 1 : end + 2] != '"':
            return value, end + 1
        value, at = value + '"', end + 2


def _json(path: Path) -> Iterator[Came]:
    for line in _lines(path):
        try:
            values = json_object(line)
        except NotOneObjectError:
            yield Came("json", {}, line)
        else:
            yield Came("json", _named("json", values))


def json_object(line: str) -> dict[str, str | None]:
    """Return the members of the one object on a line, each as its text."""
    try:
        found = json.loads(line.strip(), parse_int=_Number, parse_float=_Number, parse_constant=_no)
    except (ValueError, RecursionError) as error:
        raise NotOneObjectError from error
    if not isinstance(found, dict):
        raise NotOneObjectError
    return {key: _json_text(value) for key, value in found.items()}


class _Number(str):
    """A number, as it is written."""

    __slots__ = ()


def _no(constant: str) -> None:
    raise ValueError(constant)


def _json_text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return str(value)
    return _written(value)


def _written(value: Any) -> str:
    """Format a nested value without white space, with numbers unchanged."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        members = (f"{_written(key)}:{_written(member)}" for key, member in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
