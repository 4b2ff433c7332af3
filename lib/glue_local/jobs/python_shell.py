"""Run a job's script as AWS Glue's Python Shell does: in a root of its own, as nobody there knows.

The root (``tools/python_shell.py``) has the Python and the packages that AWS documents. A run sees
it read-only, with a ``/tmp`` of its own in memory, and has neither a home nor a name nor a variable
of ours beside those that stand for its role: credentials, region and endpoints. The mounts are in a
namespace of the run, and end with it. Only root can do that.
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
# AWS Glue runs a script inside a script of its own, from /tmp.
_START_SCRIPT = """\
import os, runpy, sys
os.chdir("/tmp")
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
# The root is bound to itself, to be made read-only for this run alone.
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
    """Return the command line of a run; one process from the first program to the script.

    Parameters
    ----------
    root : Path
        The Python Shell.
    tmp : Path
        What the run's ``/tmp`` starts with, the script among it.
    script : Path
        Below ``tmp``.
    arguments : sequence of str
        The script's.

    Raises
    ------
    SessionStartError
        If a program that this needs is missing, or the root is.
    """
    if not (root / _PYTHON.lstrip("/")).exists():
        raise SessionStartError(f"{root} is no Python Shell: it has no {_PYTHON}.")
    unshare, chroot = (_program(name) for name in ("unshare", "chroot"))
    (tmp / _START).write_text(_START_SCRIPT, encoding="ascii")
    # Copied with its mode: anybody may write, and remove what is theirs.
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
        What runs inherit; only that of AWS is passed on.
    libraries : sequence of str
        What the job's ``--extra-py-files`` put on the search path, below ``tmp``.
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
    """Make the folders of scripts and libraries in a run's ``/tmp``, as AWS Glue does."""
    scripts, libraries = tmp / _SCRIPTS, tmp / _LIBRARIES
    scripts.mkdir()
    return scripts, libraries


def hand_over(tmp: Path) -> None:
    """Give what is in a run's ``/tmp`` to the run."""
    for path in tmp.rglob("*"):
        os.chown(path, UID, UID)


def inside(path: Path, tmp: Path) -> str:
    """Return the name that a file in a run's ``/tmp`` has for the run."""
    return str(Path("/tmp") / path.relative_to(tmp))  # noqa: S108 - the run's own


def _program(name: str) -> str:
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
    if found is None:
        raise SessionStartError(f"{name} is missing, which starts runs in a Python Shell.")
    return found
