"""The unmodified official kernel runs the three notebooks under plain papermill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
from tests.support.warm import shared
from tools.notebook_outputs import NOTEBOOKS, seeded_service

MODULE = "aws_glue_interactive_sessions_kernel.glue_pyspark.GlueKernel"


def test_the_official_kernel_shows_what_is_committed(tmp_path: Path) -> None:
    kernel = tmp_path / "jupyter" / "kernels" / "glue_pyspark" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    argv = [sys.executable, "-m", MODULE, "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": argv, "display_name": "Glue", "language": "python"}))
    with seeded_service(tmp_path) as service, shared(service) as warm:
        environment = {**service.client_environment(), **warm.endpoint.environment}
        for path in NOTEBOOKS:
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "papermill", "--no-progress-bar"),
                    *("--language", "python", str(path), str(tmp_path / path.name)),
                ],
                env={**os.environ, **environment, "JUPYTER_PATH": str(tmp_path / "jupyter")},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr[-3000:]
            executed = nbformat.read(tmp_path / path.name, as_version=4)
            committed = nbformat.read(path, as_version=4)
            for cell, was in zip(executed.cells, committed.cells, strict=True):
                expected = "".join(o.get("text", "") for o in was.get("outputs", []))
                shown = "".join(
                    o.get("text", "") for o in cell.get("outputs", []) if o.get("name") == "stdout"
                )
                # The kernel also prints its own messages, but the notebook's whole output is
                # included.
                assert expected.strip() in shown
    assert list((tmp_path / "lake" / "clientoutput").glob("convenio=*/*.parquet"))
