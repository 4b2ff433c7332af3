"""Reading a drop: columns by name, no line lost, and errors that say what to do."""

from __future__ import annotations

import json
import logging
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from client_health import contract, sources
from client_health.errors import InputError, QualityGateError
from client_health.readers import Input, read_source
from client_health.sources import MALFORMED_LINE

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


def rows(found: Input) -> list[dict[str, Any]]:
    return [row.asDict() for row in found.frame.collect()]


def test_columns_are_found_by_name_in_files_with_different_headers(
    spark: SparkSession, tmp_path: Path
) -> None:
    backwards = tuple(reversed(COLUMNS["csv"]))
    given = dict(zip(COLUMNS["csv"], VALUES, strict=True)) | {"cpf": CPF}
    save(tmp_path / "csv" / "1.csv", csv_text(csv_line()))
    save(tmp_path / "csv" / "2.csv", csv_text(csv_line(cpf="2"), csv_line(cpf="3")))
    reordered = "|".join(given[name] for name in backwards)
    save(tmp_path / "csv" / "deeper" / "3.csv", csv_text(reordered, columns=backwards))
    found = read_source(spark, "csv", str(tmp_path / "csv"))
    read = {row["cpf"]: row for row in rows(found)}
    assert set(read) == {PLAIN[0], "2", "3", CPF}
    assert read[CPF] == given | {MALFORMED_LINE: None}
    assert [file.relative for file in found.files] == ["1.csv", "2.csv", "deeper/3.csv"]


def test_unknown_columns_are_reported_and_known_useless_ones_are_not(
    spark: SparkSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    columns = (*COLUMNS["csv"], "pais_cadastro", "apelido")
    save(tmp_path / "a.csv", csv_text(csv_line() + "|Brasil|Aninha", columns=columns))
    save(tmp_path / "a.json", json_line(apelido="Aninha"))
    save_parquet(tmp_path / "a.parquet", pais=pa.array(["BR"]), apelido=pa.array(["Aninha"]))
    with caplog.at_level(logging.WARNING):
        for name in contract.SOURCE_NAMES:
            found = read_source(spark, name, str(tmp_path / f"a.{name}"))
            assert found.ignored == ("apelido",)
            assert found.frame.columns == [*COLUMNS[name], MALFORMED_LINE]
    assert [record.getMessage() for record in caplog.records] == [
        f"{name}: unknown columns ignored: apelido" for name in contract.SOURCE_NAMES
    ]


def test_a_missing_column_stops_the_run_and_is_named(spark: SparkSession, tmp_path: Path) -> None:
    without = tuple(name for name in COLUMNS["csv"] if name != "sexo")
    save(tmp_path / "a.csv", csv_text("x", columns=without))
    save(tmp_path / "a.json", "{}\n")
    table = pa.table({name: ["x"] for name in COLUMNS["parquet"] if name not in {"uf", "sexo"}})
    pq.write_table(table, tmp_path / "a.parquet")
    missing = {"csv": ["sexo"], "json": list(COLUMNS["json"]), "parquet": ["sexo", "uf"]}
    for name, columns in missing.items():
        with pytest.raises(QualityGateError) as stopped:
            read_source(spark, name, str(tmp_path / f"a.{name}"))
        [(rule, detail)] = stopped.value.failures
        assert rule == "colunas_de_entrada"
        named = ", ".join(f"no column {column!r}" for column in columns)
        found = "none of its columns" if name == "json" else f"{named}; expected each of the"
        assert detail.startswith(f"a.{name} has {found}")


def test_a_column_that_is_there_twice_stops_the_run(spark: SparkSession, tmp_path: Path) -> None:
    save(tmp_path / "a.csv", csv_text("x", columns=(*COLUMNS["csv"], "cpf")))
    names = [*COLUMNS["parquet"], "cidade"]
    pq.write_table(pa.table([pa.array(["x"])] * len(names), names=names), tmp_path / "a.parquet")
    for file, column in {"a.csv": "cpf", "a.parquet": "cidade"}.items():
        with pytest.raises(QualityGateError, match=f"{file} has column '{column}' more than once"):
            read_source(spark, file[2:], str(tmp_path / file))


def test_a_json_key_may_be_null_or_left_out_for_a_thousand_lines(
    spark: SparkSession, tmp_path: Path
) -> None:
    record = json.loads(json_line(bairro=None))
    del record["cidade"]
    lines = [json.dumps(record)] * 1001 + [json_line(cidade="Olinda")]
    path = save(tmp_path / "a.json", "\n".join(lines))
    found = read_source(spark, "json", str(path))
    assert found.frame.filter("cidade = 'Olinda' AND bairro = 'Sul'").count() == 1
    assert found.frame.filter("cidade IS NULL AND bairro IS NULL").count() == 1001


def test_a_json_key_that_only_stands_in_a_value_is_missing(
    spark: SparkSession, tmp_path: Path
) -> None:
    record = json.loads(json_line(nome="cidade"))
    del record["cidade"]
    path = save(tmp_path / "a.json", json.dumps(record))
    with pytest.raises(QualityGateError, match=r"a\.json has no column 'cidade';"):
        read_source(spark, "json", str(path))


@pytest.mark.parametrize("name", contract.SOURCE_NAMES)
def test_a_missing_or_empty_file_is_named_without_its_folders(
    spark: SparkSession, tmp_path: Path, name: str
) -> None:
    save(tmp_path / "empty", b"")
    for file, found in {"empty": "an empty file", "absent": "no such file"}.items():
        with pytest.raises(InputError) as refused:
            read_source(spark, name, str(tmp_path / file))
        assert (refused.value.name, refused.value.found) == (file, found)
        assert "run the same command" in refused.value.next_step
        assert str(tmp_path) not in str(refused.value)


def test_one_empty_file_among_others_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    save(tmp_path / "part-1.csv", csv_text(csv_line()))
    save(tmp_path / "part-2.csv", b"")
    with pytest.raises(InputError, match=r"^part-2\.csv: an empty file; expected the csv source"):
        read_source(spark, "csv", str(tmp_path))


def test_what_is_not_parquet_or_was_cut_off_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    whole = save_parquet(tmp_path / "whole.parquet").read_bytes()
    for content in (f"Ana Lima;{CPF}".encode(), whole[: len(whole) // 2]):
        path = save(tmp_path / "cut.parquet", content)
        with pytest.raises(InputError) as refused:
            read_source(spark, "parquet", str(path))
        message = str(refused.value)
        assert message.startswith("cut.parquet: ")
        assert "expected a whole Parquet file" in message
        assert "Deliver the file again" in message
        assert not any(told in message for told in (str(tmp_path), CPF, "Ana"))


def test_a_malformed_csv_line_costs_that_line_and_is_kept_whole(
    spark: SparkSession, tmp_path: Path
) -> None:
    long, short, opened = csv_line() + "|extra", "1|Ana", csv_line(nome='"Ana')
    path = save(tmp_path / "a.csv", csv_text(csv_line(), long, short, opened, csv_line(cpf=CPF)))
    read = rows(read_source(spark, "csv", str(path)))
    assert [row[MALFORMED_LINE] for row in read] == [None, long, short, opened, None]
    assert [read[0]["cpf"], read[4]["cpf"]] == [PLAIN[0], CPF]


def test_a_malformed_json_line_costs_that_line_and_is_kept_whole(
    spark: SparkSession, tmp_path: Path
) -> None:
    bad = [json_line()[:-20], "no json", "5", '"text"', "null"]
    path = save(tmp_path / "a.json", "\n".join([json_line(), *bad, json_line(cpf=CPF)]))
    read = rows(read_source(spark, "json", str(path)))
    assert [row[MALFORMED_LINE] for row in read] == [None, *bad, None]
    assert [row["cpf"] for row in read] == [PLAIN[0], *[None] * len(bad), CPF]


def test_a_byte_order_mark_windows_line_ends_and_blank_lines_are_no_matter(
    spark: SparkSession, tmp_path: Path
) -> None:
    table = csv_text(csv_line(), "", "  ", csv_line(cpf=CPF), "")
    records = "\n".join([json_line(), "", " ", json_line(cpf=CPF), ""])
    for name, text in {"csv": table, "json": records}.items():
        path = save(tmp_path / f"a.{name}", ("\ufeff" + text).replace("\n", "\r\n"))
        read = rows(read_source(spark, name, str(path)))
        assert [row["cpf"] for row in read] == [PLAIN[0], CPF]
        assert [row["data_cadastro"] for row in read] == [VALUES[-1]] * 2
        assert not any(row[MALFORMED_LINE] for row in read)


def test_the_header_may_stand_below_blank_lines(spark: SparkSession, tmp_path: Path) -> None:
    path = save(tmp_path / "a.csv", "\n \n" + csv_text(csv_line()))
    assert [row["cpf"] for row in rows(read_source(spark, "csv", str(path)))] == [PLAIN[0]]


def test_quotes_and_delimiters_inside_quotes_belong_to_the_value(
    spark: SparkSession, tmp_path: Path
) -> None:
    header = csv_text().replace("nome", '"nome"')
    lines = [csv_line(nome='"Ana | ""Aninha"""'), csv_line(nome='Ana "Aninha"')]
    path = save(tmp_path / "a.csv", header + "\n".join(lines))
    read = rows(read_source(spark, "csv", str(path)))
    assert [row["nome"] for row in read] == ['Ana | "Aninha"', 'Ana "Aninha"']
    assert [row["data_cadastro"] for row in read] == [VALUES[-1]] * 2


def test_json_values_of_any_type_become_their_text(spark: SparkSession, tmp_path: Path) -> None:
    line = json_line(numero=120, data_cadastro=1574853122000, cidade="São Luís")
    [row] = rows(read_source(spark, "json", str(save(tmp_path / "a.json", line))))
    assert (row["numero"], row["data_cadastro"]) == ("120", "1574853122000")
    assert row["cidade"] == "São Luís"


def test_parquet_columns_may_have_their_own_types(spark: SparkSession, tmp_path: Path) -> None:
    moment = datetime(2019, 11, 27, 11, 12, 2)
    types = (pa.timestamp("us"), pa.timestamp("us", tz="UTC"), pa.timestamp("ms", tz="UTC"))
    for number, kind in enumerate(types):
        save_parquet(
            tmp_path / f"{number}.parquet",
            data_nascimento=pa.array([date(1949, 1, 7)]),
            numero=pa.array([100.0 if number else 100]),
            data_cadastro=pa.array([moment], kind),
        )
    found = read_source(spark, "parquet", str(tmp_path))
    shaped = found.frame.transform(sources.transform_parquet)
    wanted = ("data_nascimento", "numero", "data_cadastro")
    assert [tuple(row[name] for name in wanted) for row in shaped.collect()] == [
        (date(1949, 1, 7), 100, moment)
    ] * len(types)


def test_markers_and_hidden_files_are_no_data(spark: SparkSession, tmp_path: Path) -> None:
    save(tmp_path / "a.json", json_line())
    for name in ("_SUCCESS", ".a.json.crc", "_temporary/0/b.json"):
        save(tmp_path / name, b"\x00not json")
    found = read_source(spark, "json", str(tmp_path))
    assert [file.relative for file in found.files] == ["a.json"]
    assert [row["cpf"] for row in rows(found)] == [PLAIN[0]]


def test_a_file_name_is_never_taken_for_a_pattern(spark: SparkSession, tmp_path: Path) -> None:
    name = "cópia {1} [2] * ?#%20"
    save(tmp_path / "csv" / name, csv_text(csv_line()))
    save(tmp_path / "json" / name, json_line())
    (tmp_path / "parquet").mkdir()
    save_parquet(tmp_path / "parquet" / name)
    for source in contract.SOURCE_NAMES:
        found = read_source(spark, source, str(tmp_path / source / name))
        assert len(rows(found)) == 1
        assert [file.relative for file in found.files] == [name]
