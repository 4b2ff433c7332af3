"""Build a wheel of each package: ``make wheels``.

uv has the build back end of each package build it, as the package's ``pyproject.toml`` says. The
same commit gives the same bytes: file times come from the commit.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The oldest time that a zip file can hold, where there is no commit.
_NO_COMMIT = "315532800"


def build(out: Path) -> dict[str, Path]:
    """Build the wheels.

    Parameters
    ----------
    out : Path
        Where they go.

    Returns
    -------
    dict of str to Path
        The wheels, by the names of the packages' modules.
    """
    commit = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    subprocess.run(
        [
            *(sys.executable, "-m", "uv", "build", "--quiet", "--all-packages", "--wheel"),
            # The locked back end of this environment; nothing is asked of an index.
            *("--python", sys.executable, "--no-build-isolation", "--offline"),
            *("--out-dir", str(out.absolute())),
        ],
        cwd=ROOT,
        env={**os.environ, "SOURCE_DATE_EPOCH": commit.stdout.strip() or _NO_COMMIT},
        check=True,
    )
    return by_module(out)


def by_module(folder: Path) -> dict[str, Path]:
    """Return a folder's wheels, by the names of their modules."""
    return {path.name.partition("-")[0]: path for path in sorted(folder.glob("*.whl"))}


def main() -> None:
    """Build them, and print their names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    for wheel in build(parser.parse_args().out).values():
        print(wheel.name)


if __name__ == "__main__":
    main()
