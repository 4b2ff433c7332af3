"""Installs the modules of ``--additional-python-modules`` into a folder of the session.

As AWS documents for Glue 5.0 and up, an item is a package for the installer, or the address of
a wheel, of a ``requirements.txt`` (with the installer option ``-r``), or of a zip of wheels, whose
``wheels/requirements.txt`` lists what to install from the wheels next to it. Without the installer
option ``--no-index``, the installer also uses a package index, as on AWS. Packages of the
interpreter don't count: an archive must contain all that its wheels need, as AWS advises.
"""

from __future__ import annotations

import importlib.util
import sys
import zipfile
from pathlib import Path
from threading import Event

from glue_local.errors import SessionStartError
from glue_local.processes import child
from glue_local.sessions.arguments import SessionArguments
from glue_local.sessions.shipped_files import local_copy

_ARGUMENT = "--additional-python-modules"
_NO_INDEX = "--no-index"
ZIP_OF_WHEELS = ".gluewheels.zip"
_ENDINGS = (ZIP_OF_WHEELS, ".whl", ".txt")
_REQUIREMENTS = Path("wheels") / "requirements.txt"


def install(
    arguments: SessionArguments,
    folder: Path,
    *,
    python: str,
    cancelled: Event,
    s3_endpoint: str | None = None,
) -> Path:
    """Install the modules for one session.

    Parameters
    ----------
    arguments : SessionArguments
        Modules and options of the installer.
    folder : Path
        The session's own folder.
    python : str
        The interpreter that they are for.
    cancelled : Event
        When set, nothing more is fetched.
    s3_endpoint : str, optional
        Endpoint of S3 (default: from the environment).

    Returns
    -------
    Path
        The folder that Python must search.

    Raises
    ------
    SessionStartError
        If a module can't be installed.
    """
    if importlib.util.find_spec("uv") is None:
        raise SessionStartError(f"{_ARGUMENT} needs uv in the service's environment; install it.")
    if any(module.startswith("-") for module in arguments.python_modules):
        raise SessionStartError(f"{_ARGUMENT} has an option, not a module name.")
    brought = folder / "brought"
    brought.mkdir()
    wanted = [
        word
        for number, module in enumerate(arguments.python_modules)
        for word in _words(module, brought / str(number), s3_endpoint)
    ]
    target = folder / "modules"
    options = arguments.installer_options
    # Without an index, everything is from the session's own files: a cache is useless.
    cache = ["--no-cache"] if _NO_INDEX in options else []
    code, output = child.run(
        [
            *(sys.executable, "-m", "uv", "pip", "install", "--quiet", *cache),
            *("--python", python, "--target", str(target), *options, *wanted),
        ],
        cancelled=cancelled,
    )
    if code != 0:
        raise SessionStartError(
            f"{_ARGUMENT} {','.join(arguments.python_modules)} could not be installed: "
            f"{output.strip()[-600:]}"
        )
    return target


def _words(module: str, folder: Path, s3_endpoint: str | None) -> list[str]:
    """Return the installer's arguments for one item."""
    if "://" not in module and not module.startswith("/"):
        return [module]
    folder.mkdir()
    copy = local_copy(module, folder, _ENDINGS, s3_endpoint=s3_endpoint)
    if not copy.name.endswith(ZIP_OF_WHEELS):
        return [str(copy)]
    try:
        with zipfile.ZipFile(copy) as archive:
            archive.extractall(folder)
    except (zipfile.BadZipFile, OSError) as error:
        raise SessionStartError(f"{module} isn't a zip of wheels: {error}.") from error
    requirements = folder / _REQUIREMENTS
    if not requirements.is_file():
        raise SessionStartError(
            f"{module} has no {_REQUIREMENTS.as_posix()}, which lists what to install."
        )
    return ["--find-links", str(requirements.parent), "-r", str(requirements)]
