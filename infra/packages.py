"""The locked packages of the production job, installed for the Python of AWS Glue.

A Python Shell job has no lock file, and installs from an index at each start. On Python 3.9, it
ignores ``--python-modules-installer-option``, so it can't run without an index
(``docs/decisions/0010-runner-host.md``). So this module installs everything, once for each change
of the lock, and the job only unpacks it (``infra/start_job.py``).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from infra.archives import pack_folder
from infra.errors import DeployError
from infra.foreign_wheels import run_pip
from infra.native import too_new

PYTHON = "3.9"
# That of Amazon Linux 2, as in infra.native: newer wheels would not load.
_NEWEST_GLIBC = 26
_PLATFORMS = (
    "manylinux1_x86_64",
    "manylinux2010_x86_64",
    "manylinux2014_x86_64",
    *(f"manylinux_2_{minor}_x86_64" for minor in range(5, _NEWEST_GLIBC + 1)),
)
# Shortcuts, icons, and manuals, which are never imported.
_NOT_IMPORTED = (
    *("bin", "etc", "share"),
    # Files that a debugger injects into a running process: no one attaches to the job, and one of
    # its libraries needs glibc 2.34.
    "debugpy/_vendored/pydevd/pydevd_attach_to_process",
)
# Change this when the same lock must be packed differently.
_LAYOUT = "2"


def packages_key(lock: Path) -> str:
    """Return the key of a lock file's archive: it depends on the lock, whose hashes pin all bytes.

    Parameters
    ----------
    lock
        A lock file with hashes.

    Returns
    -------
    str
        Key in the artifacts bucket.
    """
    facts = "\n".join([_LAYOUT, PYTHON, *_PLATFORMS, *_NOT_IMPORTED]).encode()
    return f"packages/{hashlib.sha256(facts + lock.read_bytes()).hexdigest()[:16]}.zip"


def kept_packages(lock: Path) -> Path:
    """Return the archive of a lock file, built once per machine.

    Parameters
    ----------
    lock
        A complete lock file with hashes.

    Returns
    -------
    Path
        In the user's cache folder, with the name from :func:`packages_key`.

    Raises
    ------
    DeployError
        See :func:`build_packages`.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    cache = (Path(base) if base else Path.home() / ".cache") / "client-health"
    archive = cache / packages_key(lock)
    archive.parent.mkdir(parents=True, exist_ok=True)
    with (archive.parent / ".lock").open("w") as file:
        # If two start at once, as in parallel tests, the second waits for the first.
        fcntl.flock(file, fcntl.LOCK_EX)
        if not archive.exists():
            with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".build-") as name:
                built = Path(name) / archive.name
                build_packages(lock, built)
                built.replace(archive)
    return archive


def build_packages(lock: Path, archive: Path) -> None:
    """Install the locked packages for another Python and platform, and pack them.

    Parameters
    ----------
    lock
        A complete lock file with hashes.
    archive
        The zip file to write.

    Raises
    ------
    DeployError
        A package can't be fetched as a wheel for that Python with a locked hash, or has a library
        that the job's host can't load.
    """
    with tempfile.TemporaryDirectory(prefix="packages-") as name:
        folder = Path(name)
        # Names of places in RECORD and compiled code would differ from machine to machine.
        target = ("--no-compile", "--target", str(folder / "site"))
        host = f"with glibc 2.{_NEWEST_GLIBC}"
        run_pip("install", lock, *target, python=PYTHON, platforms=_PLATFORMS, host=host)
        for unused in _NOT_IMPORTED:
            shutil.rmtree(folder / "site" / unused, ignore_errors=True)
        if found := too_new(folder / "site"):
            raise DeployError(
                f"packages of {lock.name} can't be loaded where the job runs, whatever the tags of "
                f"their wheels say: {', '.join(found)}. Pin an older version in pyproject.toml, "
                "then run 'make lock'."
            )
        pack_folder(folder / "site", archive)
