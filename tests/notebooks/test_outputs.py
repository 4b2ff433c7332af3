"""The committed notebooks: their form, their outputs, and the detection of a changed output."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pyarrow.parquet as pq
import pytest
from tests.support.warm import shared
from tests.support.ways import NBVAL
from tools.notebook_outputs import NOTEBOOKS, seeded_service

from strict_glue import kernelspec

LINE_LIMIT = 60
# A cell that shows the same output when it runs twice.
SHOWN_AGAIN = "display.sample("


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield folder and environment of a seeded delivery, with the strict kernel installed."""
    folder = tmp_path_factory.mktemp("seeded")
    with (
        kernelspec.temporary() as kernels,
        seeded_service(folder) as service,
        shared(service) as warm,
    ):
        environment = {**service.client_environment(), **warm.endpoint.environment}
        yield folder, environment | {"JUPYTER_PATH": str(kernels.parent)}


def nbval(notebooks: list[Path], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*NBVAL, "-q", "--rootdir", str(notebooks[0].parent), *map(str, notebooks)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=notebooks[0].parent,
    )


def copies(folder: Path) -> list[Path]:
    folder.mkdir()
    return [Path(shutil.copy(path, folder)) for path in NOTEBOOKS]


@pytest.fixture(scope="module")
def compared(
    seeded: tuple[Path, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> subprocess.CompletedProcess[str]:
    """Return nbval's report on the notebooks, and on a copy of a cell with a changed output."""
    paths = copies(tmp_path_factory.mktemp("compared") / "as-committed")
    first = read(paths[0])
    at = max(number for number, cell in enumerate(first.cells) if SHOWN_AGAIN in cell.source)
    changed = copy.deepcopy(first.cells[at])
    changed.id = "changed"
    changed.outputs[0].text = changed.outputs[0].text.replace("parquet", "PARQUET", 1)
    first.cells.insert(at + 1, changed)
    nbformat.write(first, paths[0])
    return nbval(paths, seeded[1])


def test_the_notebooks_show_what_is_committed(
    compared: subprocess.CompletedProcess[str],
) -> None:
    cells = sum(cell.cell_type == "code" for path in NOTEBOOKS for cell in read(path).cells)
    # The failed cell is the changed one.
    assert f"1 failed, {cells} passed" in compared.stdout, compared.stdout[-4000:]
    assert "PARQUET" in compared.stdout, compared.stdout[-4000:]


def test_a_changed_output_is_noticed(compared: subprocess.CompletedProcess[str]) -> None:
    assert compared.returncode == 1
    assert "1 failed" in compared.stdout
    assert "PARQUET" in compared.stdout


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestForm:
    def test_it_opens_in_glue_studio_as_it_is(self, path: Path) -> None:
        assert read(path).metadata.kernelspec.name == "glue_pyspark"

    def test_it_begins_with_portable_magics_and_then_parameters(self, path: Path) -> None:
        magics, parameters = [cell for cell in read(path).cells if cell.cell_type == "code"][:2]
        assert magics.source.startswith("%%configure\n")
        for place in ("s3://", "arn:", "endpoint", "region", "profile"):
            assert place not in magics.source
        assert parameters.metadata.tags == ["parameters"]

    def test_it_holds_no_logic_worth_a_unit_test(self, path: Path) -> None:
        code = "\n".join(c.source for c in read(path).cells if c.cell_type == "code")
        assert not re.search(r"^\s*(def|class|for|while|if|try|with|lambda)\b", code, re.M)
        assert len(code.splitlines()) <= LINE_LIMIT

    def test_every_step_is_explained(self, path: Path) -> None:
        kinds = [cell.cell_type for cell in read(path).cells]
        assert kinds[0] == "markdown"
        assert kinds.count("markdown") >= 5

    def test_it_was_executed_without_an_error(self, path: Path) -> None:
        outputs = [o for c in read(path).cells for o in c.get("outputs", [])]
        assert outputs
        assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]


def test_no_personal_value_of_the_delivery_is_shown(seeded: tuple[Path, dict[str, str]]) -> None:
    raw = seeded[0] / "raw"
    people = pq.read_table(raw / "dados_cadastro_1.parquet").to_pylist()
    people += [
        json.loads(line)
        for line in (raw / "dados_cadastro_3.json").read_text().splitlines()
        if line.startswith("{") and line.endswith("}")
    ]
    columns = ("documento_cpf", "cpf", "nome_completo", "nome", "logradouro", "bairro", "cidade")
    values = {str(p[c]).strip() for p in people for c in columns if p.get(c)}
    values = {value for value in values if len(value) > 5}
    assert len(values) > 1000
    for path in NOTEBOOKS:
        shown = json.dumps([c.get("outputs", []) for c in read(path).cells], ensure_ascii=False)
        words = set(re.split(r"\s{2,}|\\n", shown))
        assert not {value for value in values if value in words}
        assert not re.search(r"\d{3}\.\d{3}\.\d{3}-\d{2}", shown)
