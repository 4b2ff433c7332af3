"""``client-health run`` from files to the published table, and its promised properties."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support import Command

from client_health_cli import sample_data
from register_run import receipt

Rows = Callable[[Path], list[dict[str, Any]]]
STAGES = ("01_ingest", "02_transform", "03_quality")
NAMES = {
    "parquet": "dados_cadastro_1.parquet",
    "csv": "dados_cadastro_2.csv",
    "json": "dados_cadastro_3.json",
}

# Rows whose result the contract determines; their names identify them after the CPF is masked.
CSV_LINES = [
    "11144477735|Caso Cem|Gold|01/02/1980|Fem|Rua|100|Sul|recife|SÃO PAULO|2020-01-02 03:04:05|BR",
    "52998224725|Caso Cem Ponto|Gold|01/02/1980|F|Rua|120.0|Sul|recife|SP|2020-01-02 03:04:05|BR",
    "ABCDEFGHIJK|Caso Letras|Gold|01/02/1980|F|Rua A|1|Sul|recife|SP|2020-01-02 03:04:05|Brasil",
    "um|campo|a|mais|que|o|cabecalho|tem|e|isto|custa|a|linha",
]
JSON_LINES = [
    {"cpf": "153.509.460-56\n", "nome": "Dr. José  Quebra", "estado": "sao paulo", "numero": 100},
    {"cpf": "８２３４５６７８９０９", "nome": "Caso Largos", "estado": "São Paulo", "numero": 7},
    {"cpf": "295.379.955-93", "nome": "Caso Estado", "estado": "São Paulo", "numero": 7},
]
JSON_REST = {
    "convenio": "Itaú", "data_nascimento": "January 07, 1949", "sexo": "Masc",
    "logradouro": "Rua B", "bairro": "Sul", "cidade": "olinda", "data_cadastro": 1574853122000,
}  # fmt: skip


@dataclass(frozen=True)
class Delivery:
    """Sample data with hard cases; how many rows it gave each fault."""

    raw: Path
    faults: Counter[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Delivery:
    raw = tmp_path_factory.mktemp("delivery")
    faults = Counter(cpf_formato=2, linha_malformada=2)
    for written in sample_data.write(raw, 1500, 3):
        faults.update(written.defects)
    with (raw / NAMES["csv"]).open("a", encoding="utf-8") as file:
        file.write("\n".join(CSV_LINES) + "\n")
    with (raw / NAMES["json"]).open("a", encoding="utf-8") as file:
        file.writelines(
            json.dumps(JSON_REST | line, ensure_ascii=False) + "\n" for line in JSON_LINES
        )
        file.write('{"cpf": "111.444.777-35", "nome": "Caso Partido", \n')
    return Delivery(raw, faults)


@pytest.fixture(scope="module")
def delivery(made: Delivery) -> Path:
    return made.raw


@pytest.fixture(scope="module")
def lake(delivery: Path, warm_program: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lake that a process has published."""
    lake = tmp_path_factory.mktemp("lakes") / "first"
    done = warm_program("run", "--raw", delivery, "--lake", lake, "--keep-staging")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "published" in done.stdout
    return lake


def receipts(lake: Path) -> dict[str, Any]:
    (run,) = (path for path in (lake / "runs").iterdir() if path.is_dir())
    return {stage: receipt.load(str(lake), run.name, stage) for stage in STAGES}


def snapshots(lake: Path) -> int:
    with closing(sqlite3.connect(lake / "catalog.db")) as catalog:
        (location,) = catalog.execute(
            "SELECT metadata_location FROM iceberg_tables WHERE table_name = 'clientoutput'"
        ).fetchone()
    return len(json.loads(Path(location.removeprefix("file:")).read_text())["snapshots"])


def test_every_row_is_accounted_for(lake: Path, published: Rows) -> None:
    ingest, transform, quality = receipts(lake).values()
    assert {n: r["out"] for n, r in ingest["rows"].items()} == {
        "parquet": 1500,
        "csv": 1504,
        "json": 1504,
    }
    for name, rows in transform["rows"].items():
        assert rows["in"] == ingest["rows"][name]["out"]
        assert (
            rows["in"] == rows["out"] + rows["rejected"] + rows["duplicates"] + rows["suppressed"]
        )
        assert quality["rows"][name]["out"] == rows["out"]
    assert len(published(lake)) == sum(rows["out"] for rows in quality["rows"].values())


def test_the_contracts_hard_cases(lake: Path, published: Rows) -> None:
    by_name = {row["nome_completo"]: row for row in published(lake)}
    assert by_name["Caso Cem"]["numero"] == 100
    assert by_name["Caso Cem Ponto"]["numero"] == 120
    for name in ("Caso Cem", "Caso Cem Ponto", "Jose Quebra", "Caso Estado"):
        assert by_name[name]["estado"] == "SP"
    assert by_name["Jose Quebra"]["convenio"] == "Itau"
    assert not {"Caso Letras", "Caso Largos", "Caso Partido"} & set(by_name)
    row = by_name["Caso Estado"]
    assert {n for n, value in row.items() if value == "*" * 10} == {
        "cpf",
        "logradouro",
        "bairro",
        "cidade",
    }


def test_rejected_lines_are_kept_whole_with_their_reasons(lake: Path) -> None:
    folder = next((lake / "staging").glob("*/rejected"))
    rejected = pq.read_table(folder).to_pylist()
    lines = {row["malformed_line"] for row in rejected if row["reasons"] == ["linha_malformada"]}
    assert CSV_LINES[-1] in lines
    assert '{"cpf": "111.444.777-35", "nome": "Caso Partido", ' in lines
    formats = {row["cpf"] for row in rejected if row["reasons"] == ["cpf_formato"]}
    assert {"ABCDEFGHIJK", "８２３４５６７８９０９"} <= formats


def test_what_the_sample_data_breaks_is_what_the_rules_find(lake: Path, made: Delivery) -> None:
    found = receipts(lake)["02_transform"]["rejections"]
    assert found == {rule: made.faults[rule] for rule in found}
    assert sum(found.values()) > 10


def test_a_process_prints_a_query(lake: Path, program: Command, published: Rows) -> None:
    sql = "SELECT count(*) AS clientes FROM clientoutput"
    done = program("query", "--lake", lake, "--format", "csv", sql)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"clientes\n{len(published(lake))}\n"


def test_a_repeat_makes_no_new_snapshot(lake: Path, delivery: Path, warm_command: Command) -> None:
    before = snapshots(lake)
    done = warm_command("run", "--raw", delivery, "--lake", lake)
    assert done.returncode == 0
    assert "already published" in done.stdout + done.stderr
    assert snapshots(lake) == before


def shuffled_delivery(delivery: Path, folder: Path) -> dict[str, Path]:
    """Write the same rows and CSV columns in another order, with several files per source."""
    chance = random.Random(1)
    table = pq.read_table(delivery / NAMES["parquet"])
    order = list(range(table.num_rows))
    chance.shuffle(order)
    table = table.take(pa.array(order))
    header, *lines = (delivery / NAMES["csv"]).read_text("utf-8").split("\n")
    lines = [line for line in lines if line]
    chance.shuffle(lines)
    records = [line for line in (delivery / NAMES["json"]).read_text("utf-8").split("\n") if line]
    chance.shuffle(records)
    for name in NAMES:
        (folder / name).mkdir(parents=True)
    pq.write_table(table.slice(0, 700), folder / "parquet" / "b.parquet")
    names = table.column_names[::-1]
    pq.write_table(table.slice(700).select(names), folder / "parquet" / "a.parquet")
    places = list(range(header.count("|") + 1))
    chance.shuffle(places)

    def reorder(line: str) -> str:
        cells = line.split("|")
        return "|".join(cells[place] for place in places) if len(cells) == len(places) else line

    (folder / "csv" / "1.csv").write_text("\n".join([header, *lines[:500]]) + "\n", "utf-8")
    moved = [reorder(header), *map(reorder, lines[500:])]
    (folder / "csv" / "2.csv").write_text("\n".join(moved) + "\n", "utf-8")
    for number in range(3):
        (folder / "json" / f"{number}.json").write_text(
            "\n".join(records[number::3]) + "\n", "utf-8"
        )
    return {name: folder / name for name in NAMES}


def test_order_of_rows_columns_and_files_changes_nothing(
    lake: Path, delivery: Path, warm_command: Command, published: Rows, tmp_path: Path
) -> None:
    sources = shuffled_delivery(delivery, tmp_path / "raw")
    other = tmp_path / "lake"
    done = warm_command(
        "run", "--lake", other, "--parquet", sources["parquet"], "--csv", sources["csv"],
        "--json", sources["json"],
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.dumps(published(other)) == json.dumps(published(lake))
    for stage in STAGES:
        assert receipts(other)[stage]["rows"] == receipts(lake)[stage]["rows"]
        assert receipts(other)[stage]["warnings"] == receipts(lake)[stage]["warnings"]
        assert receipts(other)[stage]["rejections"] == receipts(lake)[stage]["rejections"]


def test_a_missing_column_stops_the_run_at_a_gate_and_the_table_stays(
    lake: Path, delivery: Path, warm_command: Command, tmp_path: Path
) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(delivery, raw)
    text = (raw / NAMES["csv"]).read_text("utf-8").replace("|bairro|", "|distrito|", 1)
    (raw / NAMES["csv"]).write_text(text, "utf-8")
    before = snapshots(lake)
    done = warm_command("run", "--raw", raw, "--lake", lake)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "bairro" in done.stderr
    assert NAMES["csv"] in done.stderr
    assert "Traceback" not in done.stderr
    assert snapshots(lake) == before
    failed = [
        p for p in (lake / "runs").glob("*/01_ingest.ipynb") if "QualityGateError" in p.read_text()
    ]
    assert len(failed) == 1
    assert str(failed[0]) in done.stderr.replace("\n", "")


def test_an_empty_file_is_unusable_input(
    delivery: Path, warm_command: Command, tmp_path: Path
) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(delivery, raw)
    (raw / NAMES["json"]).write_text("")
    done = warm_command("run", "--raw", raw, "--lake", tmp_path / "lake")
    assert done.returncode == 2, done.stdout + done.stderr
    assert NAMES["json"] in done.stderr
