"""The official Glue kernel, unmodified, under plain papermill."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest

from glue_local.launch import LocalService

CONFIGURE = """%%configure
{
    "glue_version": "5.1",
    "worker_type": "G.1X",
    "number_of_workers": 3,
    "idle_timeout": 15,
    "--conf": "spark.client_health.greeting=hello --conf spark.sql.shuffle.partitions=2"
}"""
PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nprint('a line')\n%matplot plt"


@pytest.fixture
def official_kernel(
    local_service: LocalService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Install the kernelspec ``glue_pyspark`` for this interpreter and the local service."""
    folder = tmp_path / "jupyter" / "kernels" / "glue_pyspark"
    folder.mkdir(parents=True)
    module = "aws_glue_interactive_sessions_kernel.glue_pyspark.GlueKernel"
    argv = [sys.executable, "-m", module, "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Glue PySpark", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    for name in local_service.removed_variables:
        monkeypatch.delenv(name, raising=False)
    for name, value in local_service.environment.items():
        monkeypatch.setenv(name, value)


def execute(tmp_path: Path, cells: list[str], **parameters: str) -> list[Any]:
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
        metadata={"kernelspec": {"name": "glue_pyspark", "display_name": "Glue PySpark"}},
    )
    notebook.cells[1].metadata["tags"] = ["parameters"]
    nbformat.write(notebook, tmp_path / "in.ipynb")
    papermill.execute_notebook(
        tmp_path / "in.ipynb",
        tmp_path / "out.ipynb",
        parameters=parameters,
        language="python",
        progress_bar=False,
    )
    return list(nbformat.read(tmp_path / "out.ipynb", as_version=4).cells)


@pytest.mark.usefixtures("official_kernel")
def test_the_official_kernel_configures_runs_and_shows_pictures(api: Any, tmp_path: Path) -> None:
    before = set(api.client.list_sessions()["Ids"])
    cells = execute(
        tmp_path,
        [
            CONFIGURE,
            "name = 'default'",
            "greeting = spark.conf.get('spark.client_health.greeting')\n"
            "print(greeting, name, spark.range(3).count())",
            PLOT,
            "name.upper()",
        ],
        name="parameter",
    )
    texts = [
        "".join(output.get("text", "") for output in cell.outputs if output.name == "stdout")
        if all(output.output_type == "stream" for output in cell.outputs)
        else None
        for cell in cells
    ]
    assert "configurations have been updated" in texts[0]
    assert "has been created" in texts[1]
    assert texts[3] == "hello parameter 3\n"
    text, picture = cells[4].outputs
    assert text.text == "a line\n"
    assert base64.b64decode(picture.data["image/png"]).startswith(b"\x89PNG")
    assert texts[5] == "'PARAMETER'\n"
    # When the kernel shuts down, it stops its session.
    (session,) = set(api.client.list_sessions()["Ids"]) - before
    described = api.wait(session, leaves="STOPPING")
    assert described["Status"] == "STOPPED"
    assert described["GlueVersion"] == "5.1"
    assert described["NumberOfWorkers"] == 3
    assert described["IdleTimeout"] == 15
