"""Checkers of files for other tools, with locked versions in separate environments."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def scan(tool: str, *arguments: str, environment: str = "scan") -> subprocess.CompletedProcess[str]:
    """Run a tool in the repository's root, where the settings of the scanners are."""
    program = ROOT / f".venv-{environment}" / "bin" / tool
    lock = f"locks/{environment}.txt"
    assert program.exists(), f"{tool} is not there: 'make test' installs it from {lock}"
    return subprocess.run(
        [str(program), *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
