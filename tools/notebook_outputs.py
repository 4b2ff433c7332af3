"""Write the committed notebook outputs again: ``make notebook-outputs``.

The three notebooks run on a small seeded delivery with a fixed key, on a local service, in a new
lake. Their outputs depend only on the seed, so a changed output means a changed behavior.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import papermill

from client_health_cli import sample_data
from glue_local.launch import LocalService
from strict_glue import engine, kernelspec

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = tuple(
    ROOT / "notebooks" / f"{n}.ipynb" for n in ("01_ingest", "02_transform", "03_quality")
)
ROWS, SEED, AS_OF = 400, 11, "2026-01-31"
# Higher shares for rare defects, so that every rule finds some.
DEFECTS = {"linha_malformada": 0.01, "cpf_ausente": 0.01, "data_cadastro_futura": 0.01}
# Publicly known, and used for nothing else.
TEST_KEY = b"a key for tests and documentation, not a secret"


def seeded_values(folder: Path) -> dict[str, str]:
    """Write the seeded delivery and the key; return the notebooks' parameters, with a new lake.

    Parameters
    ----------
    folder : Path
        Folder for delivery, key, and lake.
    """
    settings = sample_data.SampleSettings(defects={**sample_data.DEFAULT_DEFECTS, **DEFECTS})
    raw, key = folder / "raw", folder / "id.key"
    files = {file.source: file.path for file in sample_data.write(raw, ROWS, SEED, settings)}
    key.touch(mode=0o600)
    key.write_bytes(TEST_KEY)
    values = {
        "lake": folder / "lake",
        "run_id": "seeded",
        "delivery_id": "seeded",
        "as_of": AS_OF,
        "id_key": key,
        **{f"{source}_path": path for source, path in files.items()},
    }
    return {name: str(value) for name, value in values.items()}


@contextlib.contextmanager
def seeded_service(folder: Path) -> Iterator[LocalService]:
    """Yield a service in whose sessions the notebooks find the seeded delivery and a new lake.

    Parameters
    ----------
    folder : Path
        Folder for delivery, key, and lake.
    """
    conf = {f"spark.client_health.{name}": value for name, value in seeded_values(folder).items()}
    with LocalService(spark_conf=conf, driver_memory="1g") as service:
        yield service


def main() -> None:
    """Execute the notebooks in place, and remove what differs from run to run."""
    engine.register()
    with (
        tempfile.TemporaryDirectory() as folder,
        seeded_service(Path(folder)) as service,
    ):
        environment = service.client_environment(dict(os.environ))
        for path in NOTEBOOKS:
            print(f"executing {path.name}", flush=True)
            executed = papermill.execute_notebook(
                str(path),
                None,
                engine_name=engine.NAME,
                kernel_name=kernelspec.NAME,
                language="python",
                progress_bar=False,
                kernel_environment=environment,
            )
            notebook = nbformat.read(path, as_version=4)
            pairs = zip(notebook.cells, executed.cells, strict=True)
            code = [pair for pair in pairs if pair[0].cell_type == "code"]
            for number, (cell, done) in enumerate(code, start=1):
                cell.outputs, cell.execution_count = done.outputs, number
            nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
