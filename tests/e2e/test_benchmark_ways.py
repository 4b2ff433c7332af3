"""The three commands that `make bench` compares produce the same rows."""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from benchmarks.run import Bench
from benchmarks.ways import OURS, STAGES, WAYS

ROWS = 300

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="measured on Linux only"
)


def persons(raw: Path) -> int:
    """Count the distinct CPFs of a delivery by their digits."""
    cpfs = pq.read_table(raw / "dados_cadastro_1.parquet")["documento_cpf"].to_pylist()
    with (raw / "dados_cadastro_2.csv").open(encoding="utf-8", newline="") as file:
        cpfs += [row["cpf"] for row in csv.DictReader(file, delimiter="|")]
    with (raw / "dados_cadastro_3.json").open(encoding="utf-8") as file:
        cpfs += [json.loads(line)["cpf"] for line in file]
    assert len(cpfs) == 3 * ROWS
    return len({re.sub(r"\D", "", cpf) for cpf in cpfs})


def test_all_ways_publish_one_row_for_each_person_of_a_clean_delivery(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    raw = bench.delivery(ROWS)
    runs = bench.round(raw)
    assert {name: run.rows for name, run in runs.items()} == {
        way.name: persons(raw) for way in WAYS
    }
    assert persons(raw) < 3 * ROWS
    assert tuple(runs[OURS.name].stages) == STAGES
    assert runs[OURS.name].outside_seconds > 0
    assert not (tmp_path / "published").exists()
