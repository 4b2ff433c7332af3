"""Sessions in another interpreter than the service's: ``--session-python``.

Such an interpreter has the packages of AWS Glue (``locks/glue-5.1.txt``) and nothing of this
project. The session's own process also needs this package and the kernel. They are linked into a
folder that only this process searches, after all others: Spark's workers never see it, and it hides
no package of the interpreter.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from glue_local.errors import SessionStartError

_NEEDED = ("ipykernel", "psutil")
_ASK = """
import json, sys
from importlib.util import find_spec
from importlib.metadata import version
print(json.dumps([sys.version_info[:2], version("pyspark") if find_spec("pyspark") else ""]))
"""
_START = (
    "import runpy, sys; sys.path.append(sys.argv.pop(1)); "
    "runpy.run_module('glue_local.kernel.kernel_main', run_name='__main__', alter_sys=True)"
)


@dataclass(frozen=True)
class Interpreter:
    """The Python of a session's driver and workers.

    Parameters
    ----------
    path : str
        Path of its executable: the service's own, or another.
    """

    path: str = sys.executable

    @property
    def own(self) -> bool:
        """Whether it is the service's own."""
        return self.path == sys.executable

    def check(self) -> None:
        """Refuse an interpreter that can't use our kernel and our Spark.

        Raises
        ------
        SessionStartError
            If it does not exist, or has another Python or PySpark.
        """
        if self.own:
            return
        command = [self.path, "-P", "-c", _ASK]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found = json.loads(done.stdout)
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            raise SessionStartError(f"{self.path} is not a working Python: {error}.") from error
        expected = [list(sys.version_info[:2]), metadata.version("pyspark")]
        if found != expected:
            raise SessionStartError(
                f"{self.path} has Python and PySpark {found}; expected the service's {expected}."
            )

    def command(self, folder: Path) -> list[str]:
        """Return the start of the command line of a session's process.

        Parameters
        ----------
        folder : Path
            The session's own folder.
        """
        # -P: a module in the working directory must not hide an installed one.
        if self.own:
            return [self.path, "-P", "-m", "glue_local.kernel.kernel_main"]
        host = folder / "host"
        host.mkdir()
        link(host)
        return [self.path, "-P", "-c", _START, str(host)]


def link(folder: Path) -> None:
    """Link what a session's process needs in addition to its interpreter's packages.

    Parameters
    ----------
    folder : Path
        An empty folder.
    """
    for entry in (Path(__file__).parents[1], *_entries()):
        target = folder / entry.name
        if not target.exists():
            target.symlink_to(entry)


def _entries() -> list[Path]:
    """Return the files and folders of the needed packages and of their dependencies."""
    entries: dict[Path, None] = {}
    left, seen = list(_NEEDED), set[str]()
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        package = metadata.distribution(name)
        for file in package.files or ():
            top = file.parts[0]
            if top not in ("..", "__pycache__"):
                entries[Path(str(package.locate_file(top)))] = None
        for line in package.requires or ():
            wanted = Requirement(line)
            if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                left.append(wanted.name)
    return list(entries)
