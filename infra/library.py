"""The library for the Spark session, as AWS Glue installs it: a zip of wheels.

AWS's page "Using Python libraries with AWS Glue" describes it for Glue 5.0 and up: the name ends
with ``.gluewheels.zip``, ``wheels/requirements.txt`` lists what is installed, and the wheels are
next to it. With ``--no-index``, the installer uses nothing else, on driver and executors.

It contains the library and the packages in ``locks/session.txt``, which the library needs in
addition to those of Glue 5.1 (``locks/glue-5.1.txt``).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from infra.archives import pack
from infra.foreign_wheels import run_pip

SUFFIX = ".gluewheels.zip"
PYTHON = "3.11"
# What AWS's page lists for Glue 5.1, newest first: Amazon Linux 2023, glibc 2.34.
_PLATFORMS = ("manylinux_2_34_x86_64", "manylinux_2_28_x86_64", "manylinux2014_x86_64")
_PINNED = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", re.MULTILINE)


def pack_library(own: Sequence[Path], lock: Path) -> tuple[str, bytes]:
    """Return the archive of the library's wheels and the packages that they need.

    Parameters
    ----------
    own
        The library's wheel, which names the archive, and those of our packages that it needs.
    lock
        A lock file with hashes, which may be empty; it is complete, so no dependency is added.

    Returns
    -------
    tuple of str and bytes
        The archive's name, and its content: the same for the same wheels and lock.

    Raises
    ------
    DeployError
        A package can't be fetched as a wheel for Glue's Python and platform with a locked hash.
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
    """Return the wheels of a lock, fetched once per machine: each deployment packs the same."""
    base = os.environ.get("XDG_CACHE_HOME")
    cache = (Path(base) if base else Path.home() / ".cache") / "client-health" / "session"
    facts = "\n".join([PYTHON, *_PLATFORMS]).encode() + lock.read_bytes()
    kept = cache / hashlib.sha256(facts).hexdigest()[:16]
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as file:
        # If two start at once, as in parallel tests, the second waits for the first.
        fcntl.flock(file, fcntl.LOCK_EX)
        if not kept.exists():
            target, host = ("--dest", str(folder / "wheels")), f"on {_PLATFORMS[0]}"
            run_pip("download", lock, *target, python=PYTHON, platforms=_PLATFORMS, host=host)
            with tempfile.TemporaryDirectory(dir=cache, prefix=".fetched-") as whole:
                shutil.copytree(folder / "wheels", Path(whole) / "wheels")
                (Path(whole) / "wheels").replace(kept)
    return sorted(kept.glob("*.whl"))
