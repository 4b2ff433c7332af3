"""`client-health anonymity`, and the dashboard's table: measured as plain counting measures."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.support import lakes

from client_health_cli.dashboard.files import write_pages
from client_health_cli.main import app
from client_health_cli.published import published_table
from register_contract import anonymity, contract

NOW = dt.datetime(2026, 2, 1, 12, tzinfo=dt.UTC)
KEYS = ("convenio", "sexo", "estado", "data_nascimento")


def report(lake: Path, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, dict[str, Any]], str]:
    """Return the report's rows by step, and what is said about the table."""
    app(["anonymity", "--lake", str(lake), "--format", "json"], standalone_mode=False)
    said = capsys.readouterr()
    return {row["step"]: row for row in json.loads(said.out)}, said.err


def counted(rows: list[tuple[object, ...]]) -> tuple[int, float]:
    sizes = Counter(rows).values()
    below = sum(size for size in sizes if size < anonymity.K)
    return min(sizes), round(100 * below / len(rows), 2)


def test_published_values_are_measured_with_and_without_the_name(
    lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps, _ = report(lake, capsys)
    found, rows = steps["publicado"], lakes.register()
    without = counted([tuple(row[key] for key in KEYS) for row in rows])
    named = counted([tuple(row[key] for key in (*KEYS, "nome_completo")) for row in rows])
    assert (found["smallest"], found["percent_under_k"]) == without
    assert (found["smallest_with_name"], found["percent_under_k_with_name"]) == named
    assert named == (1, 100)


def test_each_step_leaves_fewer_in_small_classes_and_one_is_chosen(
    lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps, said = report(lake, capsys)
    assert list(steps) == ["publicado", *(step.name for step in anonymity.LADDER)]
    shares = [row["percent_under_k"] for row in steps.values()]
    assert shares == sorted(shares, reverse=True)
    (chosen,) = (row for row in steps.values() if row["chosen"])
    below = [row for row in steps.values() if row["percent_under_k"] <= 1]
    assert chosen in (below[0], steps["sem_lugar"])
    assert f"follows snapshot {published_table(str(lake)).snapshot_id}" in said


def test_a_table_that_lags_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lakes.make(tmp_path / "lake")
    lakes.publish(tmp_path / "lake", "run-1", lakes.clients(9), follow=False)
    assert "has not been made yet. The next run" in report(tmp_path / "lake", capsys)[1]
    lakes.publish(tmp_path / "lake", "run-22", lakes.clients(9))
    before = published_table(str(tmp_path / "lake")).snapshot_id
    lakes.publish(tmp_path / "lake", "run-333", lakes.clients(7), follow=False)
    said = report(tmp_path / "lake", capsys)[1]
    assert f"is of snapshot {before}; readers see" in said
    assert "client-health maintain" in said
    # The page never shows what was made from other rows.
    text = page(tmp_path)
    assert "k-anonimato" not in text
    assert "clientoutput_anonima" not in text


def page(folder: Path) -> str:
    out = folder / "painel.html"
    write_pages(str(folder / "lake"), out, folder / "dicionario.html", NOW)
    return out.read_text(encoding="utf-8")


def test_the_page_shows_the_steps_up_to_the_tables(tmp_path: Path) -> None:
    lakes.make(tmp_path / "lake")
    lakes.publish(tmp_path / "lake", "run", lakes.clients(3, sexo="M") + lakes.clients(300, 3))
    text = page(tmp_path)
    assert "k-anonimato: clientes em classes com menos de 5" in text
    assert "como publicado" in text
    assert "clientes suprimidos" in text
    # Three clients alone can't be suppressed: the smallest other class, of 42, joins them.
    assert "em clientoutput_anonima, 45 clientes (14,85\N{NBSP}%) estão suprimidos" in text
    assert contract.MASK not in text


def test_parquet_is_refused(lake: Path) -> None:
    with pytest.raises(Exception, match="table, csv, or json"):
        app(["anonymity", "--lake", str(lake), "--format", "parquet"], standalone_mode=False)
