"""`client-health rejected`: rejected rows counted, shown masked, and exported for stewards."""

from __future__ import annotations

import csv
import datetime as dt
import json
import stat
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.support import lakes
from tests.support.frames import ingested

from client_health.clean import register, rejected_rows
from client_health_cli.errors import LakeError, SettingsError
from client_health_cli.main import app
from register_contract import contract

NAME, STREET, PLAN, LINE = "Fulana Canario", "Rua do Segredo", "Plano Segredo", 'a|"b|c'
FIRST, NEWEST = "r-first", "r-newest"


def table_rows(run_id: str, hour: int, *rows: dict[str, Any]) -> list[dict[str, object]]:
    """Return rows of the table `rejected`, made as a run makes them."""
    refused = register.rejected_rows(ingested(*rows))
    parts = refused.partition_by("source", maintain_order=True)
    run = {
        "run_id": run_id,
        "delivery_id": f"d-{run_id}",
        "day": dt.date(2026, 1, 31),
        "recorded_at": dt.datetime(2026, 2, 1, hour),
    }
    found = pl.concat(rejected_rows.described(parts, f"d-{run_id}"))
    return [run | row for row in found.iter_rows(named=True)]


PERSON = {"nome_completo": NAME, "logradouro": STREET, "convenio": PLAN}
ROWS = (
    PERSON | {"source": "parquet", "cpf": "1"},
    PERSON | {"source": "csv", "cpf": None},
    PERSON | {"source": "csv", "malformed_line": LINE},
    PERSON | {"source": "csv", "cpf": "2", "numero": None, "bairro": 'x "y" | z'},
    PERSON | {"source": "json", "cpf": "3", "numero": 7},
)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("rejected") / "lake"
    lakes.make(made)
    lakes.reject(made, table_rows(NEWEST, 4, *ROWS))
    lakes.reject(made, table_rows(FIRST, 3, *ROWS[:1]))
    return made


def said(capsys: pytest.CaptureFixture[str], lake: Path, *more: str) -> str:
    app(["rejected", "--lake", str(lake), *more], standalone_mode=False)
    return capsys.readouterr().out


def test_rows_of_the_newest_run_are_counted_by_source_and_reason(
    lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counted = json.loads(said(capsys, lake, "--format", "json"))
    assert [(one["source"], one["reason"], one["rows"]) for one in counted] == [
        ("parquet", "cpf_formato", 1),
        ("csv", "cpf_ausente", 1),
        ("csv", "cpf_formato", 1),
        ("csv", "linha_malformada", 1),
        ("json", "cpf_formato", 1),
    ]
    assert counted[1]["meaning"] == "no CPF"
    named = json.loads(said(capsys, lake, "--format", "json", "--run", FIRST))
    assert [one["rows"] for one in named] == [1]


def test_samples_show_no_personal_value(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, lake)
    assert (
        f"Run {NEWEST} of 2026-01-31 (delivery d-{NEWEST}) rejected 5 rows; 0 of them were" in shown
    )
    assert contract.MASK in shown
    assert not [text for text in (NAME, STREET, PLAN, LINE, "x |") if text in shown]


def exported(lake: Path, folder: Path) -> dict[str, list[dict[str, Any]]]:
    app(["rejected", "--lake", str(lake), "--export", str(folder)], standalone_mode=False)
    with (folder / "rejected.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file, delimiter="|"))
    return {
        "parquet": pl.read_parquet(folder / "rejected.parquet").to_dicts(),
        "csv": lines,
        "json": list(map(json.loads, (folder / "rejected.json").read_text().splitlines())),
    }


def test_exported_rows_are_in_their_source_s_format(lake: Path, tmp_path: Path) -> None:
    found = exported(lake, tmp_path / "out")
    for source in contract.SOURCES:
        named = ["rejection_id", *source.columns, *["malformed_line"] * (source.name == "csv")]
        assert list(found[source.name][0]) == named
    assert found["parquet"][0]["data_cadastro"] == "2020-01-01T10:00:00"
    assert found["json"][0] | {"numero": 7, "data_cadastro": 1577872800000} == found["json"][0]
    missing, written, broken = found["csv"]
    assert (missing["cpf"], missing["data_nascimento"], missing["numero"]) == (
        "",
        "17/05/1980",
        "10.0",
    )
    assert (written["numero"], written["bairro"]) == ("", 'x "y" | z')
    assert (broken["malformed_line"], broken["cpf"]) == (LINE, "")
    ids = [row["rejection_id"] for rows in found.values() for row in rows]
    assert len(set(ids)) == len(ROWS)


def test_a_number_that_could_not_be_read_is_exported_as_it_came(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "lake"
    lakes.make(made)
    unreadable = {"numero": None, "unreadable_numero": True, "given_numero": "s/n"}
    rows = [PERSON | {"source": name, "cpf": "1"} | unreadable for name in ("parquet", "csv")]
    rows += [PERSON | {"source": "json", "cpf": cpf} for cpf in ("2", "3")]
    rows[-1] |= unreadable
    lakes.reject(made, table_rows(NEWEST, 4, *rows))
    found = exported(made, tmp_path / "out")
    assert "couldn't be read is in the file as it came" in capsys.readouterr().err
    assert [found[name][0]["numero"] for name in ("parquet", "csv")] == ["s/n", "s/n"]
    by_cpf = {row["cpf"]: row for row in found["json"]}
    assert (by_cpf["2"]["numero"], by_cpf["2"]["data_cadastro"]) == (10, 1577872800000)
    assert (by_cpf["3"]["numero"], by_cpf["3"]["data_cadastro"]) == ("s/n", "1577872800000")


def test_exported_files_are_for_this_account_only(lake: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    exported(lake, folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_corrections_are_never_overwritten_nor_put_where_others_read(
    lake: Path, tmp_path: Path
) -> None:
    exported(lake, tmp_path / "out")
    with pytest.raises(SettingsError, match=r"it has a rejected.parquet already"):
        exported(lake, tmp_path / "out")
    (tmp_path / "open").mkdir(mode=0o755)
    with pytest.raises(SettingsError, match="chmod 700"):
        exported(lake, tmp_path / "open")
    assert not list((tmp_path / "open").iterdir())


def test_what_is_not_there_is_an_error_with_a_next_step(lake: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"--run r-other: .* Newest runs: {NEWEST}, {FIRST}"):
        app(["rejected", "--lake", str(lake), "--run", "r-other"], standalone_mode=False)
    lakes.make(tmp_path / "empty")
    with pytest.raises(LakeError, match="no table rejected yet"):
        app(["rejected", "--lake", str(tmp_path / "empty")], standalone_mode=False)
