"""Reading a delivery: columns by name, no lost lines, and errors that say what to do."""

from __future__ import annotations

import bz2
import gzip
import json
import logging
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from client_health.errors import InputError, QualityGateError
from client_health.read import pieces, readers, sources
from client_health.read.readers import Input, read_source
from client_health.read.sources import MALFORMED_LINE
from register_contract import contract

COLUMNS = {source.name: source.columns for source in contract.SOURCES}
CPF = "52998224725"
PLAIN = ("11144477735", "Ana", "Gold", "07/01/1949", "F", "Rua A", "10.0", "Sul", "Recife", "PE")
VALUES = (*PLAIN, "2019-11-27 11:12:02")


def csv_text(*lines: str, columns: tuple[str, ...] = COLUMNS["csv"]) -> str:
    return "\n".join(["|".join(columns), *lines, ""])


def csv_line(**given: str) -> str:
    return "|".join((dict(zip(COLUMNS["csv"], VALUES, strict=True)) | given).values())


def json_line(**given: Any) -> str:
    return json.dumps(dict(zip(COLUMNS["json"], VALUES, strict=True)) | given, ensure_ascii=False)


def save(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def save_parquet(path: Path, **given: pa.Array) -> Path:
    columns = {name: pa.array(["x"]) for name in COLUMNS["parquet"]} | given
    pq.write_table(pa.table(columns), path)
    return path


def frame(found: Input) -> pl.DataFrame:
    """Return everything that the workers read of a source, all pieces together."""
    return pl.concat(read.frame for piece in found.pieces for read in pieces.read(piece))


def rows(found: Input) -> list[dict[str, Any]]:
    return frame(found).rows(named=True)


def test_columns_are_found_by_name_in_files_with_different_headers(tmp_path: Path) -> None:
    backwards = tuple(reversed(COLUMNS["csv"]))
    given = dict(zip(COLUMNS["csv"], VALUES, strict=True)) | {"cpf": CPF}
    save(tmp_path / "csv" / "1.csv", csv_text(csv_line()))
    save(tmp_path / "csv" / "2.csv", csv_text(csv_line(cpf="2"), csv_line(cpf="3")))
    reordered = "|".join(given[name] for name in backwards)
    save(tmp_path / "csv" / "deeper" / "3.csv", csv_text(reordered, columns=backwards))
    found = read_source("csv", str(tmp_path / "csv"))
    read = {row["cpf"]: row for row in rows(found)}
    assert set(read) == {PLAIN[0], "2", "3", CPF}
    assert read[CPF] == given | {MALFORMED_LINE: None}
    assert [file.relative for file in found.files] == ["1.csv", "2.csv", "deeper/3.csv"]


def test_unknown_columns_are_reported_and_known_useless_ones_are_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    columns = (*COLUMNS["csv"], "pais_cadastro", "apelido")
    save(tmp_path / "a.csv", csv_text(csv_line() + "|Brasil|Aninha", columns=columns))
    save(tmp_path / "a.json", json_line(apelido="Aninha"))
    save_parquet(tmp_path / "a.parquet", pais=pa.array(["BR"]), apelido=pa.array(["Aninha"]))
    with caplog.at_level(logging.WARNING):
        for name in contract.SOURCE_NAMES:
            found = read_source(name, str(tmp_path / f"a.{name}"))
            assert found.ignored == ("apelido",)
            assert frame(found).columns == [*COLUMNS[name], MALFORMED_LINE]
    assert [record.getMessage() for record in caplog.records] == [
        f"{name}: unknown columns ignored: apelido" for name in contract.SOURCE_NAMES
    ]


def test_a_missing_column_stops_the_run_and_is_named(tmp_path: Path) -> None:
    without = tuple(name for name in COLUMNS["csv"] if name != "sexo")
    save(tmp_path / "a.csv", csv_text("x", columns=without))
    save(tmp_path / "a.json", "{}\n")
    table = pa.table({name: ["x"] for name in COLUMNS["parquet"] if name not in {"uf", "sexo"}})
    pq.write_table(table, tmp_path / "a.parquet")
    missing = {"csv": ["sexo"], "json": list(COLUMNS["json"]), "parquet": ["sexo", "uf"]}
    for name, columns in missing.items():
        with pytest.raises(QualityGateError) as stopped:
            read_source(name, str(tmp_path / f"a.{name}"))
        [(rule, detail)] = stopped.value.failures
        assert rule == "colunas_de_entrada"
        named = ", ".join(f"no column {column!r}" for column in columns)
        found = "none of its columns" if name == "json" else f"{named}; expected each of the"
        assert detail.startswith(f"a.{name} has {found}")


def test_a_column_that_is_there_twice_stops_the_run(tmp_path: Path) -> None:
    save(tmp_path / "a.csv", csv_text("x", columns=(*COLUMNS["csv"], "cpf")))
    names = [*COLUMNS["parquet"], "cidade"]
    pq.write_table(pa.table([pa.array(["x"])] * len(names), names=names), tmp_path / "a.parquet")
    for file, column in {"a.csv": "cpf", "a.parquet": "cidade"}.items():
        with pytest.raises(QualityGateError, match=f"{file} has column '{column}' more than once"):
            read_source(file[2:], str(tmp_path / file))


def test_a_json_key_may_be_null_or_left_out_for_a_thousand_lines(tmp_path: Path) -> None:
    record = json.loads(json_line(bairro=None))
    del record["cidade"]
    lines = [json.dumps(record)] * 1001 + [json_line(cidade="Olinda")]
    path = save(tmp_path / "a.json", "\n".join(lines))
    found = read_source("json", str(path))
    places = frame(found).select("cidade", "bairro").rows()
    assert places == [(None, None)] * 1001 + [("Olinda", "Sul")]


def test_a_json_key_that_only_stands_in_a_value_is_missing(tmp_path: Path) -> None:
    record = json.loads(json_line(nome="cidade"))
    del record["cidade"]
    path = save(tmp_path / "a.json", json.dumps(record))
    with pytest.raises(QualityGateError, match=r"a\.json has no column 'cidade';"):
        read_source("json", str(path))


@pytest.mark.parametrize("name", contract.SOURCE_NAMES)
def test_a_missing_or_empty_file_is_named_without_its_folders(tmp_path: Path, name: str) -> None:
    save(tmp_path / "empty", b"")
    for file, found in {"empty": "an empty file", "absent": "no such file"}.items():
        with pytest.raises(InputError) as refused:
            read_source(name, str(tmp_path / file))
        assert (refused.value.name, refused.value.found) == (file, found)
        assert "run the same command" in refused.value.next_step
        assert str(tmp_path) not in str(refused.value)


def test_one_empty_file_among_others_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "part-1.csv", csv_text(csv_line()))
    save(tmp_path / "part-2.csv", b"")
    with pytest.raises(InputError, match=r"^part-2\.csv: an empty file; expected the csv source"):
        read_source("csv", str(tmp_path))


def test_what_is_not_parquet_or_was_cut_off_is_refused(tmp_path: Path) -> None:
    whole = save_parquet(tmp_path / "whole.parquet").read_bytes()
    cases = {
        "text under another format's name": f"Ana Lima;{CPF}".encode(),
        "gzip data under another format's name": gzip.compress(whole),
        "a Parquet file without its end, cut off": whole[: len(whole) // 2],
        "a footer that cannot be read": whole[:60] + b"Ana Lima" * 9 + whole[-8:],
        "a footer of 16,777,217 bytes, as for very many columns": whole[:-8] + b"\1\0\0\1PAR1",
    }
    for found, content in cases.items():
        path = save(tmp_path / "cut.parquet", content)
        with pytest.raises(InputError) as refused:
            read_source("parquet", str(path))
        message = str(refused.value)
        assert message.startswith(f"cut.parquet: {found}; expected a whole Parquet file")
        assert "Deliver the complete file again" in message
        assert not any(told in message for told in (str(tmp_path), CPF, "Ana"))


def test_a_malformed_csv_line_costs_that_line_and_is_kept_whole(tmp_path: Path) -> None:
    long, short, opened = csv_line() + "|extra", "1|Ana", csv_line(nome='"Ana')
    path = save(tmp_path / "a.csv", csv_text(csv_line(), long, short, opened, csv_line(cpf=CPF)))
    read = rows(read_source("csv", str(path)))
    assert [row[MALFORMED_LINE] for row in read] == [None, long, short, opened, None]
    assert [read[0]["cpf"], read[4]["cpf"]] == [PLAIN[0], CPF]


def test_a_malformed_json_line_costs_that_line_and_is_kept_whole(tmp_path: Path) -> None:
    bad = [json_line()[:-20], "no json", "5", '"text"', "null"]
    path = save(tmp_path / "a.json", "\n".join([json_line(), *bad, json_line(cpf=CPF)]))
    read = rows(read_source("json", str(path)))
    assert [row[MALFORMED_LINE] for row in read] == [None, *bad, None]
    assert [row["cpf"] for row in read] == [PLAIN[0], *[None] * len(bad), CPF]


def test_a_byte_order_mark_windows_line_ends_and_blank_lines_are_no_matter(tmp_path: Path) -> None:
    table = csv_text(csv_line(), "", "  ", csv_line(cpf=CPF), "")
    records = "\n".join([json_line(), "", " ", json_line(cpf=CPF), ""])
    for name, text in {"csv": table, "json": records}.items():
        path = save(tmp_path / f"a.{name}", ("\ufeff" + text).replace("\n", "\r\n"))
        read = rows(read_source(name, str(path)))
        assert [row["cpf"] for row in read] == [PLAIN[0], CPF]
        assert [row["data_cadastro"] for row in read] == [VALUES[-1]] * 2
        assert not any(row[MALFORMED_LINE] for row in read)


def test_the_header_may_stand_below_blank_lines(tmp_path: Path) -> None:
    path = save(tmp_path / "a.csv", "\n \n" + csv_text(csv_line()))
    assert [row["cpf"] for row in rows(read_source("csv", str(path)))] == [PLAIN[0]]


def test_quotes_and_delimiters_inside_quotes_belong_to_the_value(tmp_path: Path) -> None:
    header = csv_text().replace("nome", '"nome"')
    lines = [csv_line(nome='"Ana | ""Aninha"""'), csv_line(nome='Ana "Aninha"')]
    path = save(tmp_path / "a.csv", header + "\n".join(lines))
    read = rows(read_source("csv", str(path)))
    assert [row["nome"] for row in read] == ['Ana | "Aninha"', 'Ana "Aninha"']
    assert [row["data_cadastro"] for row in read] == [VALUES[-1]] * 2


def test_json_values_of_any_type_become_their_text(tmp_path: Path) -> None:
    line = json_line(numero=120, data_cadastro=1574853122000, cidade="São Luís")
    [row] = rows(read_source("json", str(save(tmp_path / "a.json", line))))
    assert (row["numero"], row["data_cadastro"]) == ("120", "1574853122000")
    assert row["cidade"] == "São Luís"


def test_parquet_columns_may_have_their_own_types(tmp_path: Path) -> None:
    moment = datetime(2019, 11, 27, 11, 12, 2)
    types = (pa.timestamp("us"), pa.timestamp("us", tz="UTC"), pa.timestamp("ms", tz="UTC"))
    for number, kind in enumerate(types):
        save_parquet(
            tmp_path / f"{number}.parquet",
            data_nascimento=pa.array([date(1949, 1, 7)]),
            numero=pa.array([100.0 if number else 100]),
            data_cadastro=pa.array([moment], kind),
        )
    found = read_source("parquet", str(tmp_path))
    shaped = sources.transform_parquet(frame(found))
    assert shaped.select("data_nascimento", "numero", "data_cadastro").rows() == [
        (date(1949, 1, 7), 100, moment)
    ] * len(types)


def test_markers_and_hidden_files_are_no_data(tmp_path: Path) -> None:
    save(tmp_path / "a.json", json_line())
    for name in ("_SUCCESS", ".a.json.crc", "_temporary/0/b.json"):
        save(tmp_path / name, b"\x00not json")
    found = read_source("json", str(tmp_path))
    assert [file.relative for file in found.files] == ["a.json"]
    assert [row["cpf"] for row in rows(found)] == [PLAIN[0]]


def test_a_file_name_is_never_taken_for_a_pattern(tmp_path: Path) -> None:
    name = "cópia {1} [2] * ?#%20"
    save(tmp_path / "csv" / name, csv_text(csv_line()))
    save(tmp_path / "json" / name, json_line())
    (tmp_path / "parquet").mkdir()
    save_parquet(tmp_path / "parquet" / name)
    for source in contract.SOURCE_NAMES:
        found = read_source(source, str(tmp_path / source / name))
        assert len(rows(found)) == 1
        assert [file.relative for file in found.files] == [name]


@pytest.mark.parametrize(
    ("name", "content", "found", "expected"),
    [
        ("a.csv", b"PAR1 and so on", "Parquet", "CSV"),
        ("a.csv", b"PK\x03\x04 and so on", "a ZIP archive or an Excel workbook", "CSV"),
        ("a.csv", b"<!DOCTYPE html><p>Ana</p>", "an HTML or XML page", "CSV"),
        ("a.csv", json_line().encode(), "JSON", "CSV"),
        ("a.csv", gzip.compress(b"x", mtime=0), "gzip data", "CSV"),
        ("a.json", gzip.compress(b"x", mtime=0), "gzip data", "JSON lines"),
        ("a.json", b"<clients><client>Ana</client>", "an HTML or XML page", "JSON lines"),
        ("a.json", csv_text(csv_line()).encode(), "text that is not JSON", "JSON lines"),
        ("a.json", f"[{json_line()},\n{json_line()}]".encode(), "a JSON array", "JSON lines"),
        ("a.json", b'{\n"nome": "Ana"\n}', "has several lines for a record", "JSON lines"),
        ("a.csv.gz", csv_text(csv_line()).encode(), "data that is not compressed", ".gz says"),
        ("a.json.gz", b"PAR1 and so on", "Parquet under a name in .gz", ".gz says"),
        (
            "a.csv.gz",
            gzip.compress(b"x" * 999, mtime=0)[:14],
            "it ends too early, cut off",
            "whole file",
        ),
    ],
)
def test_another_format_under_that_name_is_named(
    tmp_path: Path, name: str, content: bytes, found: str, expected: str
) -> None:
    path = save(tmp_path / name, content)
    with pytest.raises(InputError) as refused:
        read_source(name.split(".")[1], str(path))
    assert refused.value.name == name
    assert found in refused.value.found
    assert expected in refused.value.expected
    assert "Ana" not in str(refused.value)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", ["csv", "json"])
def test_an_encoding_of_several_bytes_a_letter_is_named(
    tmp_path: Path, name: str, encoding: str
) -> None:
    text = {"csv": csv_text(csv_line()), "json": json_line()}[name]
    save(tmp_path / name / "1", text)
    save(tmp_path / name / "2", text.encode(encoding))
    told = f"2 is {encoding[:6].upper()}; expected UTF-8"
    with pytest.raises(QualityGateError, match=f"codificacao_de_entrada: {told}"):
        read_source(name, str(tmp_path / name))


def test_a_header_in_latin_1_is_refused(tmp_path: Path) -> None:
    text = csv_text(csv_line() + "|x", columns=(*COLUMNS["csv"], "município"))
    save(tmp_path / "a.csv", text.encode("latin-1"))
    with pytest.raises(QualityGateError, match=r"a\.csv is not UTF-8 from its first line on"):
        read_source("csv", str(tmp_path / "a.csv"))


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_another_delimiter_is_named(tmp_path: Path, delimiter: str) -> None:
    save(tmp_path / "a.csv", csv_text(csv_line()).replace("|", delimiter))
    with pytest.raises(QualityGateError) as stopped:
        read_source("csv", str(tmp_path / "a.csv"))
    called = "a tab" if delimiter == "\t" else f"'{delimiter}'"
    assert f"a.csv separates its columns with {called}; expected '|'" in str(stopped.value)


def test_a_row_where_the_header_belongs_is_never_shown(tmp_path: Path) -> None:
    person = csv_line(nome="ana", cpf=CPF)
    for lines in (person, "cpf|" + person):
        save(tmp_path / "a.csv", lines + "\n" + csv_line())
        with pytest.raises(QualityGateError) as stopped:
            read_source("csv", str(tmp_path / "a.csv"))
        message = str(stopped.value)
        assert not any(value in message for value in (CPF, "ana", "Recife", "Gold", VALUES[-1]))


def test_names_that_differ_in_case_are_missing_in_every_format(tmp_path: Path) -> None:
    def upper(name: str) -> str:
        return name.upper() if name == "cidade" else name

    save(tmp_path / "a.csv", csv_text(csv_line(), columns=tuple(map(upper, COLUMNS["csv"]))))
    save(tmp_path / "a.json", json_line().replace('"cidade"', '"CIDADE"'))
    table = pa.table({upper(name): ["x"] for name in COLUMNS["parquet"]})
    pq.write_table(table, tmp_path / "a.parquet")
    for name in contract.SOURCE_NAMES:
        with pytest.raises(QualityGateError, match=r"no column 'cidade' \(found 'CIDADE'\);"):
            read_source(name, str(tmp_path / f"a.{name}"))


def test_names_of_columns_that_might_be_data_are_counted_and_not_shown(tmp_path: Path) -> None:
    columns = (*COLUMNS["csv"], "carga_em", "Ana Lima", "529.982.247-25", "")
    save(tmp_path / "a.csv", csv_text(csv_line() + "|1|2|3|4", columns=columns))
    found = read_source("csv", str(tmp_path / "a.csv"))
    assert found.ignored == ("carga_em", "3 not shown")
    assert [row["cpf"] for row in rows(found)] == [PLAIN[0]]


def test_a_key_twice_in_one_record_stops_the_run(tmp_path: Path) -> None:
    save(tmp_path / "a.json", json_line() + "\n" + json_line()[:-1] + ', "cpf": "1"}')
    with pytest.raises(QualityGateError, match=r"a\.json has column 'cpf' more than once"):
        read_source("json", str(tmp_path / "a.json"))


def test_more_or_less_than_one_object_on_a_json_line_costs_that_line(tmp_path: Path) -> None:
    good = json_line(nome='}{ "', anexo={"lista": [{"a": 1}, {}]})
    bad = [
        json_line() + json_line(cpf=CPF),
        json_line() + ", " + json_line(cpf=CPF),
        json_line() + " Ana",
        json_line() + "}",
        f"[{json_line()}]",
        "[]",
        "!" + json_line(),
    ]
    path = save(tmp_path / "a.json", "\n".join([good, "\t" + good + " ", *bad]))
    read = rows(read_source("json", str(path)))
    assert [row[MALFORMED_LINE] for row in read] == [None, None, *bad]
    assert [row["nome"] for row in read][:2] == ['}{ "'] * 2


def test_a_line_of_very_many_columns_costs_that_line(tmp_path: Path) -> None:
    wide, quoted = csv_line() + "|" * 50_000, csv_line(nome='"' + "|" * 19_000 + '"')
    long = csv_line(nome="A" * 1_000_000)
    path = save(tmp_path / "a.csv", csv_text(wide, quoted, long))
    read = rows(read_source("csv", str(path)))
    assert [row[MALFORMED_LINE] for row in read] == [wide, None, None]
    assert [len(row["nome"] or "") for row in read[1:]] == [19_000, 1_000_000]


def test_a_header_repeated_in_the_middle_is_no_row(tmp_path: Path) -> None:
    text = csv_text(csv_line()) + csv_text(csv_line(cpf=CPF))
    path = save(tmp_path / "a.csv", text)
    assert [row["cpf"] for row in rows(read_source("csv", str(path)))] == [PLAIN[0], CPF]


def test_a_byte_order_mark_and_windows_line_ends_are_fine_in_every_file_of_a_folder(
    tmp_path: Path,
) -> None:
    lines = {"csv": csv_text(csv_line(), "1|Ana"), "json": json_line() + "\nAna\n"}
    for name, text in lines.items():
        for number in range(2):
            marked = ("\ufeff" + text).replace("\n", "\r\n")
            save(tmp_path / name / f"{number}.{name}.gz", gzip.compress(marked.encode()))
        read = rows(read_source(name, str(tmp_path / name)))
        assert [row["cpf"] for row in read if not row[MALFORMED_LINE]] == [PLAIN[0]] * 2
        kept = {"csv": "1|Ana", "json": "Ana"}[name]
        assert [row[MALFORMED_LINE] for row in read if row[MALFORMED_LINE]] == [kept] * 2


def test_a_folder_without_data_and_one_of_something_else_are_told_apart(tmp_path: Path) -> None:
    save(tmp_path / "none.csv" / "_SUCCESS", "done")
    save(tmp_path / "other.csv" / "list.pdf", b"%PDF-1.7")
    with pytest.raises(InputError, match=r"none\.csv: a folder without data files"):
        read_source("csv", str(tmp_path / "none.csv"))
    with pytest.raises(InputError, match=r"list\.pdf: a PDF document"):
        read_source("csv", str(tmp_path / "other.csv"))


@pytest.mark.parametrize("piece_bytes", [64, 1 << 20])
@pytest.mark.parametrize("name", ["csv", "json"])
def test_a_text_file_is_cut_into_pieces_that_lose_and_repeat_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, piece_bytes: int
) -> None:
    monkeypatch.setattr(readers, "PIECE_BYTES", piece_bytes)
    lines = [{"csv": csv_line, "json": json_line}[name](cpf=str(at)) for at in range(40)]
    text = csv_text(*lines) if name == "csv" else "\n".join(lines)
    path = save(tmp_path / "a", ("\ufeff" + text).replace("\n", "\r\n"))
    found = read_source(name, str(path))
    assert len(found.pieces) == -(-path.stat().st_size // piece_bytes)
    assert sum(piece.size for piece in found.pieces) == path.stat().st_size
    assert [row["cpf"] for row in rows(found)] == [str(at) for at in range(40)]
    assert not any(row[MALFORMED_LINE] for row in rows(found))


def test_a_parquet_file_is_cut_into_its_row_groups(tmp_path: Path) -> None:
    cpfs = [str(at) for at in range(10)]
    table = pa.table(dict.fromkeys(COLUMNS["parquet"], cpfs))
    pq.write_table(table, tmp_path / "a", row_group_size=4)
    found = read_source("parquet", str(tmp_path / "a"))
    assert [piece.start for piece in found.pieces] == [0, 1, 2]
    assert all(piece.size > 0 for piece in found.pieces)
    assert [row["documento_cpf"] for row in rows(found)] == cpfs


@pytest.mark.parametrize("name", ["csv", "json"])
def test_a_packed_file_is_one_piece_and_small_ones_have_their_own_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(readers, "PIECE_BYTES", 64)
    text = {"csv": csv_text(csv_line()), "json": json_line()}[name]
    save(tmp_path / "d" / "1.gz", gzip.compress(text.encode()))
    save(tmp_path / "d" / "2.bz2", bz2.compress(text.encode()))
    found = read_source(name, str(tmp_path / "d"))
    assert [(piece.relative, piece.start) for piece in found.pieces] == [("1.gz", 0), ("2.bz2", 0)]
    assert [piece.size for piece in found.pieces] == [file.size for file in found.files]
    assert [row["cpf"] for row in rows(found)] == [PLAIN[0]] * 2


@pytest.mark.parametrize("name", ["csv", "json"])
def test_nothing_but_blank_lines_is_a_source_without_rows(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / "a", "\ufeff\n \t\r\n\n")
    with pytest.raises(QualityGateError, match="fonte_vazia: a has nothing but blank lines"):
        read_source(name, str(path))
