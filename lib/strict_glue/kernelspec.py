"""The kernelspec ``glue_pyspark_strict``: this interpreter's strict kernel, by absolute path."""

import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

NAME = "glue_pyspark_strict"


def specification() -> dict[str, object]:
    """Return the content of ``kernel.json``."""
    return {
        # A bare `python` would be whichever comes first on the user's PATH.
        "argv": [sys.executable, "-m", "strict_glue.kernel", "-f", "{connection_file}"],
        "display_name": "Glue PySpark (strict)",
        # papermill chooses by this how to write parameters.
        "language": "python",
    }


def install(prefix: str = sys.prefix) -> Path:
    """Write the kernelspec into an environment, for nbval, VS Code, and JupyterLab.

    Returns
    -------
    Path
        Its folder.
    """
    return _write(Path(prefix) / "share" / "jupyter")


@contextlib.contextmanager
def temporary() -> Iterator[Path]:
    """Yield a temporary folder of kernelspecs that contains this one.

    With it, a run needs no install step, and never uses another environment's kernelspec.
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
