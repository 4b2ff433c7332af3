"""nbval in strict mode on the strict kernel, which creates its own session."""

import os
import subprocess

import nbformat
import pytest
from nbformat.v4 import new_output
from tests.support.papermill_helpers import write_notebook
from tests.support.ways import NBVAL

from strict_glue import kernelspec


@pytest.fixture
def check(local_service, shared_sessions, tmp_path):
    """Run nbval on a notebook; return its exit code and output."""

    def run(path):
        with kernelspec.temporary() as folder:
            found = subprocess.run(
                [*NBVAL, str(path), "-c", os.devnull, "-rA", "--rootdir", str(tmp_path)],
                env={
                    **local_service.client_environment(),
                    **shared_sessions,
                    "JUPYTER_PATH": str(folder.parent),
                },
                capture_output=True,
                text=True,
                check=False,
            )
        return found.returncode, found.stdout

    return run


def _committed(folder, *cells_with_text):
    """Write a notebook with the outputs of a run: ``(code, text)`` for each cell."""
    path = write_notebook(folder, "n", *[code for code, _ in cells_with_text])
    content = nbformat.read(path, as_version=4)
    code_cells = [cell for cell in content.cells if cell.cell_type == "code"]
    texts = ["", "", *[text for _, text in cells_with_text]]
    for number, (cell, text) in enumerate(zip(code_cells, texts, strict=True), 1):
        cell.execution_count = number
        cell.outputs = [new_output("stream", name="stdout", text=text)] if text else []
    nbformat.write(content, path)
    return path


def test_outputs_that_are_the_same_pass(check, tmp_path):
    path = _committed(
        tmp_path,
        ("print('one')\nprint('two')", "one\ntwo\n"),
        ("quiet = 1", ""),
        ("spark.range(3).count()", "3\n"),
    )
    code, said = check(path)
    assert code == 0, said
    assert "5 passed" in said


def test_other_outputs_and_errors_fail_each_with_its_reason(check, tmp_path):
    path = _committed(
        tmp_path,
        ("print('new')", "old\n"),
        ("print('extra')", ""),
        ("'missing'\nNone", "missing\n"),
        ("raise ValueError('boom')", ""),
        ("print('same')", "same\n"),
    )
    code, said = check(path)
    assert code == 1
    assert "4 failed, 3 passed" in said
    assert "Unexpected output fields" in said
    assert "Missing output fields" in said
    assert "ValueError" in said
    assert "boom" in said
