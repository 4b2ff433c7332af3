"""Deliveries of invented people with every kind of dirt; the same seed gives the same delivery."""

from __future__ import annotations

import bz2
import gzip
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from . import people

# A run stops if more than 5% of its rows are rejected.
_REJECTED = 0.04
_CSV = ("cpf", "nome", "convenio", "data_nascimento", "sexo", "logradouro", "numero", "bairro",
        "cidade", "estado", "data_cadastro", "pais_cadastro")  # fmt: skip
_PARQUET = {"cpf": "documento_cpf", "nome": "nome_completo", "estado": "uf"}
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September",
           "October", "November", "December")  # fmt: skip

Record = dict[str, Any]


@dataclass(frozen=True)
class Delivery:
    """The files of a generated delivery, and its day."""

    sources: dict[str, Path]
    as_of: date


def write(
    folder: Path,
    rows: int,
    seed: int,
    *,
    parts: bool = False,
    disputed: bool = False,
    ancient: bool = False,
) -> Delivery:
    """Write a dirty delivery.

    Parameters
    ----------
    folder : Path
        Gets a file or a folder for each source.
    rows : int
        Approximate number for each source; malformed lines count, blank lines don't.
    seed : int
        Determines everything.
    parts : bool
        Write each source in several files: compressed, with other orders of columns, with other
        Parquet types, beside marker files that contain no data.
    disputed : bool
        Also write what Spark's readers and casts interpret differently from the contract: house
        numbers of ten digits, fractions of seconds, JSON in single quotes, and the like.
    ancient : bool
        Also write dates before 1582 and times before 1900.
    """
    made = _Writer(random.Random(f"dirty {seed}"), rows, disputed=disputed, ancient=ancient)
    folder.mkdir(parents=True, exist_ok=True)
    if parts:
        return Delivery(_write_parts(folder, made), made.as_of)
    paths = {kind: folder / f"dados.{kind}" for kind in ("parquet", "csv", "json")}
    pq.write_table(made.table(made.records("parquet", rows)), paths["parquet"])
    ends = made.chance.choice(("\n", "\r\n"))
    paths["csv"].write_bytes(made.csv(rows, ends).encode())
    paths["json"].write_bytes(made.json(rows, ends).encode())
    return Delivery(paths, made.as_of)


def _write_parts(folder: Path, made: _Writer) -> dict[str, Path]:
    third = max(made.rows // 3, 2)
    paths = {kind: folder / kind for kind in ("parquet", "csv", "json")}
    for path in paths.values():
        (path / "_temporary").mkdir(parents=True)
        (path / "deeper").mkdir()
        (path / "_SUCCESS").write_bytes(b"")
        (path / ".hidden.crc").write_bytes(b"\x00no data")
        (path / "_temporary" / "half").write_bytes(b"\x00no data")
    for at, typed in enumerate((None, "numbers", "floats", "zoned", "dictionary")):
        table = made.table(made.records("parquet", third), typed)
        pq.write_table(table, paths["parquet"] / f"{at}.parquet", row_group_size=third // 2 + 1)
    written: list[tuple[str, Callable[[bytes], bytes]]]
    written = [("1.{}", bytes), ("2.{}.gz", gzip.compress), ("deeper/3.{}.bz2", bz2.compress)]
    for at, (name, packed) in enumerate(written):
        ends, mark = ("\n", "\r\n", "\n")[at], ("", "\ufeff", "\ufeff")[at]
        text = mark + made.csv(third, ends, shuffled=at > 0)
        (paths["csv"] / name.format("csv")).write_bytes(packed(text.encode()))
        text = mark + made.json(third, ends)
        (paths["json"] / name.format("json")).write_bytes(packed(text.encode()))
    return paths


class _Writer:
    """Draws records, and writes them in the good and bad forms of each format."""

    def __init__(self, chance: random.Random, rows: int, *, disputed: bool, ancient: bool) -> None:
        self.chance, self.rows = chance, rows
        self.disputed, self.ancient = disputed, ancient
        self.as_of = date(2026, 1, 31) - timedelta(days=chance.randrange(200))
        # Fewer people than rows: the other rows are duplicates within and across sources.
        self.cpfs = [people.digits(chance) for _ in range(max(int(rows * 2.2), 3))]
        self.cpfs += ["00000000191", "11111111111", "00000000000"]
        self.before: list[Record] = []

    def records(self, kind: str, rows: int) -> list[Record]:
        """Draw records as a source's typed values: texts, a date, a time, a number's text."""
        return [self._record(kind) for _ in range(rows)]

    def _record(self, kind: str) -> Record:
        chance = self.chance
        if self.before and chance.random() < 0.06:
            # Repeat a row, identical or changed only where no warning depends on it. Any of
            # several rows with the same CPF, time, and source may be kept, so other changes would
            # make counts ambiguous.
            again = dict(chance.choice(self.before[-400:]))
            if again["kind"] == kind:
                if chance.random() < 0.5:
                    again |= {"logradouro": "Rua Outra", "nome": "Outro Nome", "sexo": "F"}
                return again
        record: Record = {"kind": kind, **people.person(chance)}
        record["cpf"] = self._cpf()
        record["data_nascimento"] = people.birth(chance, self.as_of, ancient=self.ancient)
        record["data_cadastro"] = people.time(chance, self.as_of, ancient=self.ancient)
        record["numero"] = chance.choice(people.GOOD_NUMBERS)
        for name, bad in (
            ("data_nascimento", people.BAD_DATES),
            ("data_cadastro", people.BAD_TIMES),
            ("numero", people.BAD_NUMBERS),
        ):
            draw = chance.random()
            if draw < 0.06:
                record[name] = chance.choice(bad)
            elif draw < 0.09:
                record[name] = chance.choice((*people.BLANKS, None))
        if self.disputed and chance.random() < 0.05:
            record["numero"] = chance.choice(people.DISPUTED_NUMBERS)
        if self.disputed and chance.random() < 0.05:
            record["data_cadastro"] = chance.choice(people.DISPUTED_TIMES[kind])
        for name in ("nome", "convenio", "sexo", "cidade", "estado", "bairro"):
            if chance.random() < 0.01:
                record[name] = None
        self.before.append(record)
        return record

    def _cpf(self) -> str | None:
        chance, draw = self.chance, self.chance.random()
        if draw < _REJECTED / 2:
            return chance.choice((*people.BAD_CPF, None))
        cpf = chance.choice(self.cpfs)
        if draw < 0.05:
            cpf = cpf[:9] + f"{(int(cpf[9:]) + 7) % 100:02d}"
        if draw > 0.97:
            space = chance.choice(people.SPACES)
            return f"{space}{people.punctuated(cpf)}{space}"
        return cpf if chance.random() < 0.5 else people.punctuated(cpf)

    def _written(self, value: Any, kind: str) -> Any:
        """Format a date or time as a source does; leave texts unchanged."""
        if isinstance(value, datetime):
            if kind == "json":
                return int((value - datetime(1970, 1, 1)) / timedelta(milliseconds=1))
            day = f"{value.year:04d}-{value.month:02d}-{value.day:02d}"
            return f"{day}{'T' if kind == 'parquet' else ' '}{value:%H:%M:%S}"
        if isinstance(value, date):
            year = f"{value.year:04d}"
            if kind == "csv":
                return f"{value.day:02d}/{value.month:02d}/{year}"
            if kind == "parquet":
                return f"{year}-{value.month:02d}-{value.day:02d}"
            month = _MONTHS[value.month - 1]
            if self.chance.random() < 0.05:
                month = self.chance.choice((month.lower(), month.upper()))
            padded = f"{value.day:02d}" if self.chance.random() < 0.9 else str(value.day)
            return f"{month} {padded}, {year}"
        return value

    def table(self, records: list[Record], typed: str | None = None) -> pa.Table:
        """Make a Parquet source's table, with texts only or with other types."""
        columns: dict[str, pa.Array[Any]] = {}
        for name in (*_CSV[:-1], "pais", "__index_level_0__", "apelido"):
            values = [self._written(record.get(name), "parquet") for record in records]
            if name == "__index_level_0__":
                values = list(range(len(records)))
            columns[_PARQUET.get(name, name)] = pa.array(
                values, pa.int64() if name == "__index_level_0__" else pa.string()
            )
        if typed:
            columns |= self._typed(records, typed)
        names = list(columns)
        self.chance.shuffle(names)
        return pa.table({name: columns[name] for name in names})

    def _typed(self, records: list[Record], typed: str) -> dict[str, pa.Array[Any]]:
        births = [r["data_nascimento"] for r in records]
        births = [value if isinstance(value, date) else None for value in births]
        times = [r["data_cadastro"] for r in records]
        times = [value if isinstance(value, datetime) else None for value in times]
        near = [value if value and 1700 < value.year < 2200 else None for value in times]
        numbers = [self.chance.choice((None, 0, 7, 120, 999_999_999, -3)) for _ in records]
        if typed == "numbers":
            # A number has no leading zeros. Such a CPF would be rejected, and too many stop a run.
            drawn = (people.digits(self.chance) for _ in records)
            cpfs = [int(cpf) if cpf[0] != "0" else 52998224725 for cpf in drawn]
            return {
                "documento_cpf": pa.array(cpfs, pa.int64()),
                "numero": pa.array(numbers, pa.int64()),
                "data_nascimento": pa.array(births, pa.date32()),
                "data_cadastro": pa.array(times, pa.timestamp("us")),
            }
        if typed == "floats":
            large = (12345678.0,) if self.disputed else ()
            floats = [
                self.chance.choice((None, 0.0, 100.0, 1.5, -2.0, 999999.0, *large)) for _ in records
            ]
            return {
                "numero": pa.array(floats, pa.float64()),
                "data_nascimento": pa.array(births, pa.date32()),
                # The type that pandas writes by default.
                "data_cadastro": pa.array(near, pa.timestamp("ns" if self.disputed else "ms")),
            }
        if typed == "zoned":
            return {
                "numero": pa.array(numbers, pa.int32()),
                "data_cadastro": pa.array(near, pa.timestamp("ms", "America/Sao_Paulo")),
                "nome_completo": pa.array([r["nome"] for r in records], pa.large_string()),
            }
        states = pa.array([r["estado"] for r in records]).dictionary_encode()
        return {
            "uf": states,
            "convenio": pa.array([r["convenio"] for r in records]).dictionary_encode(),
        }

    def csv(self, rows: int, ends: str, *, shuffled: bool = False) -> str:
        """Write a CSV file: header, good lines, and malformed lines."""
        names = [*_CSV, "apelido"] if shuffled else list(_CSV)
        if shuffled:
            self.chance.shuffle(names)
        header = "|".join(names)
        lines = [header]
        while rows > 0:
            draw = self.chance.random()
            line = self._csv_line(self._record("csv"), names)
            if draw < _REJECTED / 2:
                broken = self._bad_csv(line, ends)
                rows -= broken.count(ends)
                lines.append(broken)
            elif draw < 0.03:
                lines.append(self.chance.choice(("", " ", "\t ", header)))
                rows += 1
            else:
                lines.append(line)
            rows -= 1
        return ends.join(lines) + self.chance.choice(("", ends, ends + ends))

    def _csv_line(self, record: Record, names: list[str]) -> str:
        record = {"pais_cadastro": "Brasil", "apelido": 'Zé "Z"', **record}
        line = "|".join(self._csv_field(self._written(record[name], "csv")) for name in names)
        # An old-style line end inside a line.
        return line + "\r|" if self.disputed and self.chance.random() < 0.004 else line

    def _csv_field(self, value: str | None) -> str:
        text = value or ""
        if "|" in text or text.startswith('"') or self.chance.random() < 0.03:
            return '"' + text.replace('"', '""') + '"'
        return text

    def _bad_csv(self, line: str, ends: str) -> str:
        fields = line.split("|")
        at = self.chance.randrange(len(fields))
        return self.chance.choice(
            [
                line + "|",
                line + "|sobra|campo",
                "|".join(fields[:at] or ["x"]),
                "|".join([*fields[:1], '"' + fields[1], *fields[2:]]),
                line + '|"',
                *(["|".join(fields[:-1]) + '|"Brasil'] if self.disputed else []),
                "|".join([fields[0], f'"{fields[1]}{ends}{fields[1]}"', *fields[2:]]),
                "|" * (len(fields) + 3),
                '"',
                "x",
                "ção " * 5,
                line.replace("|", ";"),
                '"' + line.replace('"', '""') + '"',
                '"|"',
            ]
        )

    def json(self, rows: int, ends: str) -> str:
        """Write a JSON lines file: good lines, and malformed lines."""
        # The first line is a complete record, so that no column is missing.
        lines = [json.dumps(self._json_record(full=True), ensure_ascii=False)]
        for _ in range(rows - 1):
            if self.chance.random() < _REJECTED / 2:
                lines.append(self._bad_json())
                continue
            if self.chance.random() < 0.01:
                lines.append(self.chance.choice(("", " ", "\t")))
            lines.append(self._json_line(self._json_record()))
        return ends.join(lines) + self.chance.choice(("", ends, ends + ends))

    def _json_record(self, *, full: bool = False) -> Record:
        chance, record = self.chance, self._record("json")
        values = {name: self._written(record[name], "json") for name in _CSV[:-1]}
        if isinstance(values["numero"], str) and values["numero"].isascii():
            text = values["numero"]
            if text.isdigit() and (text == "0" or text[0] != "0") and chance.random() < 0.8:
                values["numero"] = int(text)
        if isinstance(values["data_cadastro"], int) and chance.random() < 0.1:
            values["data_cadastro"] = str(values["data_cadastro"])
        if full:
            return values
        cpf = values["cpf"]
        if cpf and cpf.isascii() and cpf.isdigit() and cpf[0] != "0" and chance.random() < 0.1:
            values["cpf"] = int(cpf)
        for name in _CSV[:-1]:
            draw = chance.random()
            if draw < (0.001 if name == "cpf" else 0.01):
                del values[name]
            elif draw < 0.02 and name != "cpf":
                values[name] = chance.choice(
                    (True, 12, 1.5, ["a", 1, None], {"a": {"b": "ç"}}, [], {})
                )
        if chance.random() < 0.03:
            values["apelido"] = chance.choice(
                ("Zé", None, {"cpf": "1"}, [[{"nome": 1}], "}{"], 'a"b')
            )
        names = list(values)
        if chance.random() < 0.2:
            chance.shuffle(names)
        return {name: values[name] for name in names}

    def _json_line(self, record: Record) -> str:
        chance = self.chance
        separators = chance.choice(((", ", ": "), (",", ":"), (" , ", "\t:  ")))
        text = json.dumps(record, ensure_ascii=chance.random() < 0.3, separators=separators)
        if chance.random() < 0.02:
            text = text.replace('"cpf"', '"\\u0063pf"', 1)
        if chance.random() < 0.02:
            text = text.replace("/", "\\/")
        if chance.random() < 0.02:
            # Extra keys. (A repeated key stops the run, whatever its name is.)
            extra = ('"b": "\\ud83d"', '"c": "\\u0000"', '"d": 1e999', '"": ""')
            text = f"{text[:-1]}, {chance.choice(extra)}}}"
        if self.disputed and chance.random() < 0.02 and '"nome": "' in text:
            inside = chance.choice(("\\u0000", "\\ud83d", "\\udc00"))
            text = text.replace('"nome": "', f'"nome": "Z{inside}', 1)
        return text if chance.random() < 0.9 else f" \t{text}  "

    def _bad_json(self) -> str:
        chance = self.chance
        text = json.dumps(self._json_record(full=True), ensure_ascii=False)
        other = json.dumps(self._json_record(full=True), ensure_ascii=False)
        return chance.choice(
            [
                text[: chance.randrange(1, len(text))],
                text[1:],
                text + other,
                f"{text}, {other}",
                f"{text} {other}",
                f"[{text}]",
                f"[{text}, {other}]",
                text + "}",
                text + ",",
                text + " x",
                text[:-1] + ",}",
                text.replace('": ', '" ', 1),
                text.replace(", ", " ", 1),
                *([text.replace('"', "'")] if self.disputed else []),
                text.replace('"cpf"', "cpf"),
                *([text[:-1] + ', "extra": NaN}'] if self.disputed else []),
                text[:-1] + ', "extra": 012}',
                text[:-1] + ', "extra": "a\tb"}',
                text[:-1] + ', "extra": "\\x"}',
                text[:-1] + ', "extra": tru}',
                text[:-1] + ', "extra": [1, 2}',
                text[:-1] + ', "extra": "\\u12"}',
                text[:-1] + " /* note */}",
                "// " + text,
                "null",
                "5",
                '"text"',
                "[]",
                "no json",
                "{",
                "}",
                "ç",
            ]
        )
