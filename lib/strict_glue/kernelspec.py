"""The kernelspec ``glue_pyspark_strict``: this interpreter's strict kernel, by absolute path."""

import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

NAME = "glue_pyspark_strict"


def specification() -> dict[str, object]:
    """Give the content of ``kernel.json``."""
    return {
        # A bare `python` would be whichever comes first on somebody's PATH.
        "argv": [sys.executable, "-m", "strict_glue.kernel", "-f", "{connection_file}"],
        "display_name": "Glue PySpark (strict)",
        # papermill chooses how it writes parameters by this.
        "language": "python",
    }


def install(prefix: str = sys.prefix) -> Path:
    """Write the kernelspec below an environment, for nbval, VS Code and JupyterLab.

    Returns
    -------
    Path
        Its folder.
    """
    return _write(Path(prefix) / "share" / "jupyter")


@contextlib.contextmanager
def temporary() -> Iterator[Path]:
    """Give a folder of kernelspecs with this one in it, for as long as it is needed.

    So a run needs no install step, and never uses a kernelspec that another environment left.
    """
    with tempfile.TemporaryDirectory(prefix="glue-papermill-") as folder:
        yield _write(Path(folder)).parent


def _write(jupyter: Path) -> Path:
    folder = jupyter / "kernels" / NAME
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kernel.json").write_text(json.dumps(specification(), indent=1) + "\n", "utf-8")
    return folder


if __name__ == "__main__":
    sys.stdout.write(f"{install()}\n")
