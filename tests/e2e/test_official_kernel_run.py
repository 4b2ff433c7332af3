"""The unmodified official kernel runs the three notebooks under plain papermill."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
from tests.support.warm import Warm
from tools.notebook_outputs import NOTEBOOKS, seeded_values

MODULE = "aws_glue_interactive_sessions_kernel.glue_pyspark.GlueKernel"


@pytest.fixture
def _kernel(tmp_path: Path, warm: Warm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the kernel, and let it find the warm sessions."""
    kernel = tmp_path / "jupyter" / "kernels" / "glue_pyspark" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    argv = [sys.executable, "-m", MODULE, "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": argv, "display_name": "Glue", "language": "python"}))
    variables = {**warm.service.client_environment(), **warm.endpoint.environment}
    for name, value in {**variables, "JUPYTER_PATH": str(tmp_path / "jupyter")}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("_kernel")
def test_the_official_kernel_shows_what_is_committed(tmp_path: Path) -> None:
    values = seeded_values(tmp_path)
    for path in NOTEBOOKS:
        executed = papermill.execute_notebook(
            str(path),
            str(tmp_path / path.name),
            # Each notebook takes some of them.
            values,
            language="python",
            progress_bar=False,
        )
        committed = nbformat.read(path, as_version=4)
        injected = "injected-parameters"
        own = [cell for cell in executed.cells if injected not in cell.metadata.get("tags", [])]
        for cell, was in zip(own, committed.cells, strict=True):
            expected = "".join(o.get("text", "") for o in was.get("outputs", []))
            shown = "".join(
                o.get("text", "") for o in cell.get("outputs", []) if o.get("name") == "stdout"
            )
            # The kernel also prints its own messages, but the notebook's whole output is
            # included.
            assert expected.strip() in shown
    assert list((tmp_path / "lake" / "clientoutput").glob("convenio=*/*.parquet"))
