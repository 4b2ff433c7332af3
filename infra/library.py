"""The library for the Spark session, as AWS Glue installs it: a zip of wheels.

AWS's page "Using Python libraries with AWS Glue" describes it for Glue 5.0 and up: the name ends
with ``.gluewheels.zip``, ``wheels/requirements.txt`` says what is installed, and the wheels lie
beside it. With ``--no-index`` it is all that the installer looks into, on driver and executors.

It holds the library and what ``locks/session.txt`` names: what the library needs beside what Glue
5.1 brings (``locks/glue-5.1.txt``).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

from infra.archives import pack
from infra.errors import DeployError

SUFFIX = ".gluewheels.zip"
PYTHON = "3.11"
# What AWS's page lists for Glue 5.1, newest first: Amazon Linux 2023, glibc 2.34.
_PLATFORMS = ("manylinux_2_34_x86_64", "manylinux_2_28_x86_64", "manylinux2014_x86_64")
_PINNED = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", re.MULTILINE)


def pack_library(own: Sequence[Path], lock: Path) -> tuple[str, bytes]:
    """Pack the library's wheels and what is shipped with them.

    Parameters
    ----------
    own
        The library's, which names the archive, and those of the packages that it needs of ours.
    lock
        A lock file with hashes, which may name nothing; it is complete, so no dependency is added.

    Returns
    -------
    tuple of str and bytes
        The archive's name, and its content: the same for the same wheels and lock.

    Raises
    ------
    DeployError
        A package can't be had, as a wheel for Glue's Python and platform, with a locked hash.
    """
    pins = dict(_PINNED.findall(lock.read_text(encoding="utf-8")))
    wheels = list(own)
    with tempfile.TemporaryDirectory(prefix="session-") as folder:
        if pins:
            wheels += _kept(lock, Path(folder))
        files = {f"wheels/{path.name}": path.read_bytes() for path in wheels}
    named = [path.name.split("-")[:2] for path in own]
    pins |= {name.replace("_", "-"): version for name, version in named}
    lines = sorted(f"{name}=={version}\n" for name, version in pins.items())
    files["wheels/requirements.txt"] = "".join(lines).encode()
    return f"{'-'.join(named[0])}{SUFFIX}", pack(files)


def _kept(lock: Path, folder: Path) -> list[Path]:
    """Give the wheels that a lock names, fetched once a machine: each deployment packs the same."""
    base = os.environ.get("XDG_CACHE_HOME")
    cache = (Path(base) if base else Path.home() / ".cache") / "client-health" / "session"
    facts = "\n".join([PYTHON, *_PLATFORMS]).encode() + lock.read_bytes()
    kept = cache / hashlib.sha256(facts).hexdigest()[:16]
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as file:
        # The second of two that start at once, as parallel tests do, waits for the first.
        fcntl.flock(file, fcntl.LOCK_EX)
        if not kept.exists():
            _fetch(lock, folder)
            with tempfile.TemporaryDirectory(dir=cache, prefix=".fetched-") as whole:
                shutil.copytree(folder / "wheels", Path(whole) / "wheels")
                (Path(whole) / "wheels").replace(kept)
    return sorted(kept.glob("*.whl"))


def _fetch(lock: Path, folder: Path) -> None:
    # pip, as for the job's packages: `make setup` leaves none in its environment.
    venv.create(folder / "installer", symlinks=True, with_pip=True)
    command = [
        *(str(folder / "installer" / "bin" / "python"), "-m", "pip", "download", "--quiet"),
        *("--disable-pip-version-check", "--dest", str(folder / "wheels")),
        *("--no-deps", "--require-hashes", "--only-binary=:all:", "--requirement", str(lock)),
        *("--implementation", "cp", "--python-version", PYTHON),
        *(word for platform in _PLATFORMS for word in ("--platform", platform)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DeployError(
            f"the packages of {lock.name} can't be had as wheels for Python {PYTHON} on "
            f"{_PLATFORMS[0]}: {done.stderr.strip()[-1500:]}\n"
            "Look whether the package index answers; after a change of versions run 'make lock'."
        )
