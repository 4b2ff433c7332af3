"""The deliveries for the benchmark: `client-health sample-data`, always with the same seed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SEED = 7
COMMAND = Path(sys.executable).with_name("client-health")


def write(raw: Path, rows: int, *options: str) -> None:
    """Write a delivery.

    Parameters
    ----------
    raw : Path
        The folder for its three files.
    rows : int
        Rows of each source.
    options : str
        Further options of the command.
    """
    given = ("--rows", str(rows), "--seed", str(SEED), "--out", str(raw), *options)
    subprocess.run([str(COMMAND), "sample-data", *given], check=True, stdout=sys.stderr)
