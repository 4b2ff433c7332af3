"""The locked pip, for wheels of another Python and platform, which uv can't choose by glibc."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.errors import DeployError


def run_pip(
    action: str,
    lock: Path,
    *options: str,
    python: str,
    platforms: Sequence[str],
    host: str,
) -> None:
    """Install or download what a lock file names, and nothing else.

    Parameters
    ----------
    action
        ``install`` or ``download``.
    lock
        A complete lock file with hashes.
    *options
        Further ones, such as the folder.
    python
        Version of the Python that loads it, such as ``3.9``.
    platforms
        Tags of the wheels that it can load, the preferred first.
    host
        What the message calls that Python's machine.

    Raises
    ------
    DeployError
        A package can't be fetched as such a wheel with a locked hash.
    """
    command = [
        *(sys.executable, "-m", "pip", action, "--quiet", "--disable-pip-version-check", *options),
        *("--no-deps", "--require-hashes", "--only-binary=:all:", "--requirement", str(lock)),
        *("--implementation", "cp", "--python-version", python),
        *(word for platform in platforms for word in ("--platform", platform)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DeployError(
            f"the packages of {lock.name} can't be fetched as wheels for Python {python} {host}: "
            f"{done.stderr.strip()[-1500:]}\n"
            "Check that the package index answers; after a change of versions, run 'make lock'."
        )
