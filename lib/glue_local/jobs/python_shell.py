"""Runs a job's script as AWS Glue's Python Shell does: in its own root, as an unknown user.

The root (``tools/python_shell.py``) has the Python and the packages that AWS documents. A run sees
it read-only, with its own ``/tmp`` in memory. It has no home, no user name, and of our variables
only those that replace its role: credentials, region, and endpoints. The mounts are in a namespace
of the run, and end with it. This needs root.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from glue_local.errors import SessionStartError

# Reports show this uid in AWS Glue's containers, without an entry in its /etc/passwd.
UID = 10_000
_PYTHON = "/usr/bin/python3.9"
_PATH = "/usr/local/bin:/usr/bin:/bin"
_SCRIPTS = "glue-python-scripts-local"
_LIBRARIES = "glue-python-libs-local"
_START = "runscript.py"
# AWS Glue runs a script inside its own script, from /tmp.
_START_SCRIPT = """\
import os, runpy, sys
os.chdir("/tmp")
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
# The root is bound to itself, so that it can be read-only for this run only.
_MOUNTS = """\
set -e
root=$1 tmp=$2
shift 2
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t tmpfs -o size=4g,mode=1777 tmp "$root/tmp"
cp -a "$tmp/." "$root/tmp"
mount -t proc proc "$root/proc"
unset PWD
exec "$@"
"""


def command(root: Path, tmp: Path, script: Path, arguments: Sequence[str]) -> list[str]:
    """Return the command line of a run; it stays one process from the first program to the script.

    Parameters
    ----------
    root : Path
        Root folder of the Python Shell.
    tmp : Path
        Initial content of the run's ``/tmp``, including the script.
    script : Path
        The script, below ``tmp``.
    arguments : sequence of str
        Arguments of the script.

    Raises
    ------
    SessionStartError
        If the root or a needed program is missing.
    """
    if not (root / _PYTHON.lstrip("/")).exists():
        raise SessionStartError(f"{root} is not a Python Shell: it has no {_PYTHON}.")
    unshare, chroot = (_program(name) for name in ("unshare", "chroot"))
    (tmp / _START).write_text(_START_SCRIPT, encoding="ascii")
    # The mode is copied too: anyone may write, and remove their own files.
    tmp.chmod(0o1777)
    return [
        *(unshare, "--mount", "--propagation", "private"),
        *("/bin/sh", "-c", _MOUNTS, "python-shell", str(root), str(tmp)),
        *(chroot, str(root), "/usr/bin/setpriv", f"--reuid={UID}", f"--regid={UID}"),
        *("--clear-groups", "--bounding-set=-all", "--no-new-privs"),
        *(_PYTHON, f"/tmp/{_START}", inside(script, tmp), *arguments),  # noqa: S108 - the run's own
    ]


def environment(
    inherited: Mapping[str, str], libraries: Sequence[str], tmp: Path
) -> dict[str, str]:
    """Return the variables of a run.

    Parameters
    ----------
    inherited : Mapping of str to str
        Variables that runs inherit; only those of AWS are passed on.
    libraries : sequence of str
        Paths below ``tmp`` that the job's ``--extra-py-files`` add to the search path.
    tmp : Path
        The run's ``/tmp``.
    """
    path = os.pathsep.join(inside(Path(library), tmp) for library in libraries)
    return {
        "PATH": _PATH,
        **{name: value for name, value in inherited.items() if name.startswith("AWS_")},
        **({"PYTHONPATH": path} if path else {}),
    }


def folders(tmp: Path) -> tuple[Path, Path]:
    """Create the folders for scripts and libraries in a run's ``/tmp``, as AWS Glue does."""
    scripts, libraries = tmp / _SCRIPTS, tmp / _LIBRARIES
    scripts.mkdir()
    return scripts, libraries


def hand_over(tmp: Path) -> None:
    """Make the run's user the owner of the files in its ``/tmp``."""
    for path in tmp.rglob("*"):
        os.chown(path, UID, UID)


def inside(path: Path, tmp: Path) -> str:
    """Return the path that a file in a run's ``/tmp`` has for the run."""
    return str(Path("/tmp") / path.relative_to(tmp))  # noqa: S108 - the run's own


def _program(name: str) -> str:
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
    if found is None:
        raise SessionStartError(f"{name} is missing; runs in a Python Shell need it.")
    return found
