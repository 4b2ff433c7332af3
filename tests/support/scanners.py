"""The template scanners, with locked versions in a separate environment."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def scan(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``cfn-lint`` or ``checkov`` in the repository's root, where their settings are."""
    program = ROOT / ".venv-scan" / "bin" / tool
    assert program.exists(), f"{tool} is not there: 'make test' installs it from locks/scan.txt"
    return subprocess.run(
        [str(program), *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
