"""Faults that show only while a file is read: the error names the right file and line."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pyarrow as pa
import pytest
from test_readers import COLUMNS, csv_line, csv_text, json_line, rows, save, save_parquet

from client_health.errors import ClientHealthError, InputError, QualityGateError
from client_health.read import pieces, readers
from client_health.read.inspection import blame
from client_health.read.readers import read_source
from client_health.read.sources import MALFORMED_LINE
from client_health.worker import Ingestion
from register_contract import contract


def blamed(name: str, path: Path) -> Exception | None:
    """Read a source as the workers do; return the error about its files, if any."""
    found = read_source(name, str(path))
    work = Ingestion(tuple((piece,) for piece in found.pieces), str(path.parent / "staging"))
    numbers = pa.RecordBatch.from_pydict({"id": list(range(len(found.pieces)))})
    (answers,) = work.run([numbers])
    told = [json.loads(line) for line in answers.column(0).to_pylist()]
    if not any("failed" in one or one["undecodable"] for one in told):
        return None
    try:
        blame([found])
    except ClientHealthError as error:
        return error
    return None


def lines_of(name: str, count: int, **special: str) -> list[str]:
    make = {"csv": csv_line, "json": json_line}[name]
    lines = [make(nome=f"Ana {number}") for number in range(count)]
    lines[count // 2] = make(**special)
    return [csv_text().strip(), *lines] if name == "csv" else lines


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["csv", "json"])
@pytest.mark.parametrize("text", ["São Paulo", "nº 5", "Itaú"])
def test_the_file_and_line_of_latin_1_are_named(
    tmp_path: Path, name: str, packed: bool, text: str
) -> None:
    lines = lines_of(name, 3000, bairro=text)
    place = next(at for at, line in enumerate(lines, start=1) if text in line)
    content = "\n".join(lines).encode("latin-1")
    save(tmp_path / "d" / "1", "\n".join(lines))
    save(
        tmp_path / "d" / ("2.gz" if packed else "2"), gzip.compress(content) if packed else content
    )
    error = blamed(name, tmp_path / "d")
    assert isinstance(error, QualityGateError)
    ending = ".gz" if packed else ""
    told = f"codificacao_de_entrada: 2{ending} is not UTF-8 from line {place:,} on"
    assert str(error).startswith(told)


@pytest.mark.parametrize("packed", [False, True])
def test_the_line_is_right_where_a_file_is_read_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    for module in (readers, pieces):
        monkeypatch.setattr(module, "PIECE_BYTES", 10_000)
    lines = lines_of("csv", 3000, bairro="São Paulo")
    content = "\r\n".join(lines).encode("latin-1")
    path = save(
        tmp_path / ("a.csv.gz" if packed else "a.csv"),
        gzip.compress(content) if packed else content,
    )
    assert packed or len(read_source("csv", str(path)).pieces) > 5
    place = next(at for at, line in enumerate(lines, start=1) if "São" in line)
    assert f"from line {place:,} on" in str(blamed("csv", path))


def test_the_first_of_several_torn_lines_is_named(tmp_path: Path) -> None:
    lines = [csv_text().strip(), *(csv_line(bairro="São") for _ in range(5))]
    path = save(tmp_path / "a.csv", "\n".join(lines).encode("latin-1"))
    assert "from line 2 on" in str(blamed("csv", path))


def test_nothing_is_said_of_files_without_a_fault(tmp_path: Path) -> None:
    save(tmp_path / "a.csv", csv_text(csv_line(), "torn|line"))
    blame([read_source("csv", str(tmp_path / "a.csv"))])


@pytest.mark.parametrize("name", ["csv", "json"])
def test_a_letter_that_was_lost_before_delivery_is_no_fault_of_the_file(
    tmp_path: Path, name: str
) -> None:
    path = save(tmp_path / "a", "\n".join(lines_of(name, 3, bairro="S\ufffdo Paulo")))
    assert blamed(name, path) is None


@pytest.mark.parametrize("name", ["csv", "json"])
def test_a_file_cut_off_within_a_letter_costs_its_last_line(tmp_path: Path, name: str) -> None:
    content = "\n".join([*lines_of(name, 3, bairro="Sul"), "São"]).encode()
    path = save(tmp_path / "a", content[:-2])
    assert blamed(name, path) is None
    assert [row[MALFORMED_LINE] for row in rows(read_source(name, str(path)))][-1] == "S\ufffd"


def test_text_that_parquet_holds_as_bytes_is_decoded_or_refused(tmp_path: Path) -> None:
    cities = ["Recife", "São Paulo"]
    good = save_parquet(
        tmp_path / "a.parquet",
        **{n: pa.array(["x"] * 2) for n in COLUMNS["parquet"] if n != "cidade"},
        cidade=pa.array([city.encode() for city in cities]),
    )
    assert [row["cidade"] for row in rows(read_source("parquet", str(good)))] == cities
    assert blamed("parquet", good) is None
    bad = save_parquet(
        tmp_path / "b.parquet",
        **{n: pa.array(["x"] * 2) for n in COLUMNS["parquet"] if n != "cidade"},
        cidade=pa.array([city.encode("latin-1") for city in cities]),
    )
    assert "b.parquet is not UTF-8 from row 2 on" in str(blamed("parquet", bad))


@pytest.mark.parametrize("name", contract.SOURCE_NAMES)
def test_a_row_longer_than_any_of_a_register_is_named(tmp_path: Path, name: str) -> None:
    huge = "x" * 17_000_000
    if name == "parquet":
        columns = {n: pa.array(["x"] * 3) for n in COLUMNS["parquet"]}
        path = save_parquet(tmp_path / "a", **{**columns, "bairro": pa.array(["x", huge, "x"])})
        place = "row 2"
    else:
        path = save(tmp_path / "a", "\n".join(lines_of(name, 3, bairro=huge)))
        place = "line 3" if name == "csv" else "line 2"
    error = blamed(name, path)
    assert isinstance(error, InputError)
    assert str(error).startswith(f"a: {place} is longer than 16,777,216 bytes; expected a record")


@pytest.mark.parametrize("name", ["csv", "json"])
def test_a_first_line_without_an_end_is_refused_before_it_is_read(
    tmp_path: Path, name: str
) -> None:
    path = save(tmp_path / "a", {"csv": "cpf|", "json": "{"}[name] * 17_000_000)
    with pytest.raises(InputError, match="no line end in its first 16,777,216 bytes"):
        read_source(name, str(path))


def test_a_file_that_ends_or_changes_behind_its_start_is_named(tmp_path: Path) -> None:
    # Noise doesn't compress, so the damage comes after the first part that is read.
    noise = [csv_line(bairro=random.Random(at).randbytes(200).hex()) for at in range(5000)]
    packed = gzip.compress(csv_text(*noise).encode())
    cut = save(tmp_path / "cut.csv.gz", packed[:-1000])
    error = blamed("csv", cut)
    assert isinstance(error, InputError)
    assert str(error).startswith("cut.csv.gz: it cannot be read: it ends too early, cut off")

    content = bytearray(packed)
    content[len(content) // 2 : -1000] = bytes(len(content) - len(content) // 2 - 1000)
    error = blamed("csv", save(tmp_path / "damaged.csv.gz", bytes(content)))
    assert isinstance(error, InputError)
    assert str(error).startswith("damaged.csv.gz: it cannot be read: ")

    whole = save_parquet(
        tmp_path / "a.parquet",
        **{
            n: pa.array([random.Random(at).randbytes(99).hex() for at in range(2000)])
            for n in COLUMNS["parquet"]
        },
    )
    content = bytearray(whole.read_bytes())
    content[5000:9000] = b"\xff" * 4000
    error = blamed("parquet", save(tmp_path / "b.parquet", bytes(content)))
    assert isinstance(error, InputError)
    assert str(error).startswith("b.parquet: it cannot be read: its content is damaged")
