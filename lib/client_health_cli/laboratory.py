"""JupyterLab with the notebooks, the official kernel, and a local service."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from client_health_cli.sample_data import write
from register_contract.sources import SOURCES

KERNEL = "glue_pyspark"
RUN_ID = "notebook"
SAMPLE_ROWS = 5_000
SAMPLE_SEED = 7
_CONF = "spark.client_health."
_STOP_SECONDS = 10


def sample_delivery(data: Path) -> dict[str, Path]:
    """Return a small delivery for trying the notebooks; create it if missing.

    Parameters
    ----------
    data
        Folder for data that isn't committed.

    Returns
    -------
    dict of str to Path
        The file of each source.
    """
    raw = data / "notebook-raw"
    files = {source.name: raw / source.file for source in SOURCES}
    if not all(path.is_file() for path in files.values()):
        write(raw, SAMPLE_ROWS, SAMPLE_SEED)
    return files


def session_defaults(data: Path, files: Mapping[str, Path]) -> dict[str, str]:
    """Return the Spark settings that give values to empty notebook parameters.

    The service sets them on every session in addition to the notebook's own `--conf`. (The
    kernel's variable `glue_spark_conf` would replace that one.)

    Parameters
    ----------
    data
        Folder for data that isn't committed, including the lake.
    files
        The file of each source.
    """
    paths = {f"{_CONF}{source}_path": str(path) for source, path in files.items()}
    return {f"{_CONF}lake": str(data / "notebook-lake"), f"{_CONF}run_id": RUN_ID, **paths}


@contextlib.contextmanager
def official_kernel() -> Iterator[Path]:
    """Yield a Jupyter data folder with the official kernel under its own name.

    The kernel's own specification starts a bare `python`, whichever comes first on the path; this
    one starts the interpreter that the kernel is installed in.
    """
    with TemporaryDirectory(prefix="client-health-jupyter-") as folder:
        kernel = Path(folder) / "kernels" / KERNEL
        kernel.mkdir(parents=True)
        module = "aws_glue_interactive_sessions_kernel.glue_pyspark.GlueKernel"
        specification = {
            "argv": [sys.executable, "-m", module, "-f", "{connection_file}"],
            "display_name": "Glue PySpark",
            "language": "python",
        }
        (kernel / "kernel.json").write_text(json.dumps(specification, indent=1), encoding="utf-8")
        yield Path(folder)


def jupyter_environment(client: Mapping[str, str], kernels: Path) -> dict[str, str]:
    """Return JupyterLab's environment, which its kernels inherit.

    Parameters
    ----------
    client
        The environment of a client of the local service.
    kernels
        A Jupyter data folder, which is searched first.
    """
    path = os.pathsep.join(filter(None, [str(kernels), client.get("JUPYTER_PATH")]))
    # The kernel runs tools by their bare names.
    tools = os.pathsep.join(filter(None, [str(Path(sys.executable).parent), client.get("PATH")]))
    return {**client, "JUPYTER_PATH": path, "PATH": tools}


def run_jupyter(
    notebooks: Path, environment: Mapping[str, str], *, browser: bool, port: int
) -> int:
    """Run JupyterLab until it is shut down.

    Parameters
    ----------
    notebooks
        Root folder of JupyterLab.
    environment
        Its complete environment.
    browser
        Whether to open a browser.
    port
        Port on 127.0.0.1; if it is in use, the next free one.

    Returns
    -------
    int
        Its exit code.
    """
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        f"--ServerApp.root_dir={notebooks}",
    ]
    if not browser:
        command.append("--no-browser")
    if os.geteuid() == 0:
        # In a container, root is the only user.
        command.append("--allow-root")
    process = subprocess.Popen(command, env=dict(environment))
    try:
        while True:
            # Ctrl-C also reaches JupyterLab, which asks for confirmation.
            with contextlib.suppress(KeyboardInterrupt):
                return process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
