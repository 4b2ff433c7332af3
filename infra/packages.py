"""The locked packages of the production job, made ready for the Python that AWS Glue runs.

A Python Shell job has no lock file and installs from an index at each start, and ignores
``--python-modules-installer-option`` on Python 3.9, so that it can't be told to use no index
(``docs/decisions/0010-runner-host.md``). So everything is installed here, once for each change of
the lock, and the job only unpacks it (``infra/start_job.py``).
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
# Of Amazon Linux 2, as infra.native says: newer wheels would not load.
_NEWEST_GLIBC = 26
_PLATFORMS = (
    "manylinux1_x86_64",
    "manylinux2010_x86_64",
    "manylinux2014_x86_64",
    *(f"manylinux_2_{minor}_x86_64" for minor in range(5, _NEWEST_GLIBC + 1)),
)
# Shortcuts, icons and manuals: nothing that is imported.
_NOT_IMPORTED = (
    *("bin", "etc", "share"),
    # What a debugger puts into a process that runs: nobody attaches to the job, and a library of it
    # needs glibc 2.34.
    "debugpy/_vendored/pydevd/pydevd_attach_to_process",
)
# Changes when the same lock is to be packed in another way.
_LAYOUT = "2"


def packages_key(lock: Path) -> str:
    """Name the archive of a lock file: the same lock, whose hashes pin every byte, the same name.

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
    """Return the archive of a lock file, built once a machine.

    Parameters
    ----------
    lock
        A complete lock file with hashes.

    Returns
    -------
    Path
        In the user's cache folder, under the name of :func:`packages_key`.

    Raises
    ------
    DeployError
        As of :func:`build_packages`.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    cache = (Path(base) if base else Path.home() / ".cache") / "client-health"
    archive = cache / packages_key(lock)
    archive.parent.mkdir(parents=True, exist_ok=True)
    with (archive.parent / ".lock").open("w") as file:
        # Whoever comes second, as parallel tests do, waits for the first.
        fcntl.flock(file, fcntl.LOCK_EX)
        if not archive.exists():
            with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".build-") as name:
                built = Path(name) / archive.name
                build_packages(lock, built)
                built.replace(archive)
    return archive


def build_packages(lock: Path, archive: Path) -> None:
    """Install what is locked for another Python and platform, and pack it.

    Parameters
    ----------
    lock
        A complete lock file with hashes.
    archive
        The zip file to write.

    Raises
    ------
    DeployError
        A package can't be had, as a wheel for that Python, with a locked hash, or has a library
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
