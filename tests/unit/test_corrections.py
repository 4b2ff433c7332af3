"""Corrected rows are read in their source's format, checked as a whole, and become one batch."""

from __future__ import annotations

import json
import stat
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from tests.support.frames import GOOD_CPF, OTHER_CPF, ingested

from client_health import corrections
from client_health.clean import register, rejected_rows
from client_health.errors import InputError, SettingsError
from client_health_cli import rejection_files
from register_contract import contract, resubmissions

BAD = "123"
NAME = 'Fulana "F" | Canario ç'
NOTHING = pl.DataFrame(schema={"rejection_id": pl.String, "batch": pl.String})


def a_table() -> pl.DataFrame:
    """Return two rejected rows of each source, as the table has them."""
    frames = [
        register.rejected_rows(
            ingested(
                {"source": name, "cpf": BAD, "nome_completo": NAME},
                {"source": name, "cpf": None, "numero": None, "data_nascimento": None},
            )
        )
        for name in contract.SOURCE_NAMES
    ]
    return pl.concat(rejected_rows.described(frames, "d1"))


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Return the exported files, with the CPFs corrected."""
    done = rejection_files.export(a_table(), tmp_path / "out")
    paths = {one.path.suffix.removeprefix("."): one.path for one in done}
    rows = pl.read_parquet(paths["parquet"])
    rows.with_columns(pl.Series("documento_cpf", [GOOD_CPF, OTHER_CPF])).write_parquet(
        paths["parquet"]
    )
    lines = paths["csv"].read_text(encoding="utf-8").splitlines()
    lines[1] = lines[1].replace(f"|{BAD}|", f"|{GOOD_CPF}|")
    lines[2] = lines[2].replace("||", f"|{OTHER_CPF}|", 1)
    paths["csv"].write_text("\r\n".join([lines[0], "", *lines[1:]]), encoding="utf-8")
    records = [json.loads(line) for line in paths["json"].read_text().splitlines()]
    for record, cpf in zip(records, (GOOD_CPF, OTHER_CPF), strict=True):
        record["cpf"] = cpf
    paths["json"].write_text("\n".join(map(json.dumps, records)))
    return paths


def read(*paths: Path) -> list[corrections.Corrected]:
    return [corrections.read(path.name, path.read_bytes()) for path in paths]


def refused(*paths: Path, taken: pl.DataFrame = NOTHING) -> str:
    with pytest.raises(SettingsError) as error:
        corrections.check(read(*paths), a_table(), taken)
    return str(error.value)


def test_corrected_rows_come_back_in_the_register_s_shape(
    files: dict[str, Path], tmp_path: Path
) -> None:
    given = read(*files.values())
    corrections.check(given, a_table(), NOTHING)
    batch = corrections.batch_of(given)
    lake, name = str(tmp_path / "lake"), corrections.name_of(batch)
    corrections.write(lake, name, batch)

    found = list(corrections.of_batches(lake, [name]))
    assert [(one, source) for one, source, _ in found] == [
        (name, source) for source in contract.SOURCE_NAMES
    ]
    table = a_table()
    for _, source, rows in found:
        own = table.filter(pl.col("source") == source)
        assert set(rows["rejection_id"]) == set(own["rejection_id"])
        kept = rows.filter(pl.col("cpf") == GOOD_CPF).row(0, named=True)
        assert (kept["nome_completo"], kept["numero"]) == (NAME, 10)
        assert kept["data_cadastro"] == datetime(2020, 1, 1, 10)
        other = rows.filter(pl.col("cpf") == OTHER_CPF).row(0, named=True)
        assert (other["numero"], other["data_nascimento"]) == (None, None)


def test_a_batch_is_named_by_its_rows_in_any_order(files: dict[str, Path]) -> None:
    given = read(*files.values())
    name = corrections.name_of(corrections.batch_of(given))
    assert resubmissions.among([f"{name}.parquet", "other.parquet", ".x"]) == (name,)
    assert corrections.name_of(corrections.batch_of(reversed(given))) == name
    assert corrections.name_of(corrections.batch_of(given[:1])) != name


def test_a_batch_is_closed_to_other_accounts(files: dict[str, Path], tmp_path: Path) -> None:
    batch = corrections.batch_of(read(files["csv"]))
    corrections.write(str(tmp_path / "lake"), "b" + "0" * 16, batch)
    modes = {
        path.is_dir(): stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "lake" / "restricted").rglob("*")
    }
    assert modes == {True: 0o700, False: 0o600}
    assert stat.S_IMODE((tmp_path / "lake" / "restricted").stat().st_mode) == 0o700


def test_of_two_batches_at_once_that_correct_a_row_one_withdraws(
    files: dict[str, Path], tmp_path: Path
) -> None:
    lake = str(tmp_path / "lake")
    corrections.write(lake, "b" + "1" * 16, corrections.batch_of(read(files["csv"])))
    both = corrections.batch_of(read(files["csv"], files["json"]))
    with pytest.raises(SettingsError, match=r"b1{16}, handed in at the same time"):
        corrections.write(lake, "b" + "0" * 16, both)
    assert corrections.batches(lake) == ("b" + "1" * 16,)


def test_a_problem_names_file_and_line_and_no_value(files: dict[str, Path]) -> None:
    csv = files["csv"]
    lines = csv.read_text(encoding="utf-8").splitlines()
    csv.write_text("\n".join([*lines[:2], lines[2].replace(GOOD_CPF, "98765"), "x|y", lines[3]]))
    said = refused(csv)
    assert said == (
        "rejected.csv, line 3: its CPF is not 11 digits; "
        "rejected.csv, line 4: it can't be split into its columns"
    )


@pytest.mark.parametrize("source", contract.SOURCE_NAMES)
def test_a_column_that_is_missing_is_named(source: str, files: dict[str, Path]) -> None:
    path = files[source]
    if source == "parquet":
        pl.read_parquet(path).drop("rejection_id").write_parquet(path)
    else:
        path.write_text(path.read_text().replace("rejection_id", "id"))
    with pytest.raises(SettingsError, match=f"{path.name}: no column rejection_id"):
        read(path)


def test_a_rejection_is_corrected_once_and_by_a_row_of_its_source(files: dict[str, Path]) -> None:
    csv = files["csv"]
    head, blank, first, second = csv.read_text(encoding="utf-8").splitlines()
    own, foreign = first.split("|")[0], pl.read_parquet(files["parquet"])["rejection_id"][0]
    csv.write_text("\n".join([head, blank, first, second.replace(second.split("|")[0], own)]))
    assert refused(csv).count("another row has the same rejection_id") == 2
    csv.write_text("\n".join([head, blank, first.replace(own, foreign), second.replace("-", "+")]))
    assert refused(csv).count("no rejected row of this source has its rejection_id") == 2
    csv.write_text("\n".join([head, first]))
    taken = pl.DataFrame({"rejection_id": [own], "batch": ["b" + "0" * 16]})
    assert refused(csv, taken=taken).endswith(
        "line 2: it was handed in before, in batch b" + "0" * 16
    )


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rejected.txt", b"", "its name ends in none of .parquet, .csv"),
        ("rejected.parquet", b"PAR1", "it isn't a whole Parquet file"),
        ("rejected.csv", "rejection_id|cpf\nç".encode("latin-1"), "it isn't UTF-8"),
        ("rejected.json", b"\n \n", "it has no rows"),
    ],
)
def test_a_file_that_is_none_of_its_format_is_named(name: str, content: bytes, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        corrections.read(name, content)


def test_many_problems_are_counted(files: dict[str, Path]) -> None:
    csv = files["csv"]
    head, *_ = csv.read_text(encoding="utf-8").splitlines()
    csv.write_text("\n".join([head, *["x|y"] * 12]))
    said = refused(csv)
    assert said.count("it can't be split") == 10
    assert said.endswith("; and 2 more")


def test_a_batch_that_is_gone_or_doubles_another_is_not_taken_in(
    files: dict[str, Path], tmp_path: Path
) -> None:
    lake, first, second = str(tmp_path / "lake"), "b" + "1" * 16, "b" + "2" * 16
    batch = corrections.batch_of(read(files["csv"]))
    corrections.write(lake, first, batch)
    with pytest.raises(InputError, match="no such batch"):
        list(corrections.of_batches(lake, [second]))
    copy = Path(lake, resubmissions.path_of(first))
    copy.with_name(f"{second}.parquet").write_bytes(copy.read_bytes())
    with pytest.raises(InputError, match=f"rows that batch {first} corrects, too"):
        list(corrections.of_batches(lake, [first, second]))
