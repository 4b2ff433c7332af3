"""Executed notebooks of a run, as papermill leaves them: the committed ones with its additions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from register_contract.runs import STAGES, notebook_path

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def write(lake: Path, run_id: str, stages: Sequence[str] = STAGES) -> None:
    """Write the notebooks of some stages into a lake."""
    for stage in stages:
        save(lake, run_id, stage, nbformat.read(NOTEBOOKS / f"{stage}.ipynb", as_version=4))


def fail(lake: Path, run_id: str, stage: str, ename: str, evalue: str) -> None:
    """Write a stage's notebook in which the fourth code cell raised an error."""
    content = nbformat.read(NOTEBOOKS / f"{stage}.ipynb", as_version=4)
    cells = [cell for cell in content.cells if cell.cell_type == "code"]
    traceback = [f"File {lake}/x.py, line 1", f"{ename}: {evalue}"]
    failed = cells[3]
    failed.outputs = [
        new_output("stream", name="stderr", text=f"a warning about {evalue}\n"),
        new_output("error", ename=ename, evalue=evalue, traceback=traceback),
    ]
    notice = new_markdown_cell(f'<span id="papermill-error-cell">{evalue}</span>')
    notice.metadata["tags"] = ["papermill-error-cell-tag"]
    content.cells.insert(0, notice)
    save(lake, run_id, stage, content)


def save(lake: Path, run_id: str, stage: str, content: nbformat.NotebookNode) -> None:
    """Write an executed notebook with its parameters."""
    given = {
        "run_id": run_id,
        "lake": str(lake),
        "csv_path": f"{lake.parent}/raw/dados_cadastro_2.csv",
        "id_key": f"{lake.parent}/secret/id.key",
    }
    source = "\n".join(f'{name} = "{value}"' for name, value in given.items())
    parameters = new_code_cell(source)
    parameters.metadata["tags"] = ["injected-parameters"]
    # As a stage may print it.
    said = new_output("stream", name="stdout", text=f"lake {lake}, {given['csv_path']}\n")
    content.cells[3:3] = [parameters, new_code_cell("print(lake)", outputs=[said])]
    content.metadata["papermill"] = {"parameters": given, "output_path": str(lake)}
    path = lake / notebook_path(run_id, stage)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(content, path)
