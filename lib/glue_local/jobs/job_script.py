"""The script of a Python Shell job's run, with its arguments and environment."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from glue_local.errors import ApiError
from glue_local.jobs import python_shell
from glue_local.processes.lifeline import MARK
from glue_local.sessions.shipped_files import JOB_ARCHIVES, local_copy, python_files, search_path
from glue_local.settings import REMOVED_VARIABLES, ServiceSettings

log = logging.getLogger(__name__)

_KIND = "pythonshell"
_FILES = "--extra-py-files"
_MODULES = "--additional-python-modules"
_LIBRARY_SET = "library-set"
_LOCATION = "--scriptLocation"


@dataclass(frozen=True)
class JobScript:
    """A script in S3, with its arguments.

    Parameters
    ----------
    location : str
        URI of the script.
    arguments : Mapping of str to str
        The job's defaults, overridden by the run's own.
    """

    location: str
    arguments: Mapping[str, str]

    @classmethod
    def of(cls, job: Mapping[str, Any], arguments: Mapping[str, str]) -> Self:
        """Return the script of a job's definition.

        Raises
        ------
        ApiError
            If it isn't a Python Shell job, or a run changes what it may not.
        """
        command = job.get("Command", {})
        if command.get("Name") != _KIND:
            raise ApiError.invalid(
                f"Job {job.get('Name')} has the command {command.get('Name')!r}; the local service "
                f"runs {_KIND} jobs. Spark runs in its sessions."
            )
        fixed = job.get("NonOverridableArguments") or {}
        if refused := sorted(fixed.keys() & arguments.keys()):
            raise ApiError.invalid(f"A run of this job may not set {', '.join(refused)}.")
        merged = {**(job.get("DefaultArguments") or {}), **arguments, **fixed}
        return cls(merged.get(_LOCATION) or command.get("ScriptLocation", ""), merged)

    def prepare(
        self, folder: Path, settings: ServiceSettings, outer: Mapping[str, str]
    ) -> tuple[list[str], dict[str, str]]:
        """Fetch the files. This blocks.

        Parameters
        ----------
        folder : Path
            The run's own folder, empty.
        settings : ServiceSettings
            Endpoint of S3, and variables that every run inherits.
        outer : Mapping of str to str
            The service's own environment.

        Returns
        -------
        list of str, dict of str to str
            The command line and the environment. A Python Shell script gets the arguments of its
            job and run, and the location that it was read from. AWS Glue passes it neither its name
            nor its run's id. Without a Python Shell in the settings, it runs in the service's own
            Python with all its packages, which is kinder than AWS.

        Raises
        ------
        SessionStartError
            If a file can't be fetched.
        """
        tmp = folder / "tmp"
        tmp.mkdir()
        scripts, libraries = python_shell.folders(tmp)
        endpoint = settings.s3_endpoint
        script = local_copy(self.location, scripts, (".py",), s3_endpoint=endpoint)
        named = tuple(filter(None, map(str.strip, self.arguments.get(_FILES, "").split(","))))
        files = python_files(named, libraries, archives=JOB_ARCHIVES, s3_endpoint=endpoint)
        search = search_path(files, libraries)
        # AWS Glue passes its own arguments as well, and adds the script's location.
        handed = {**self.arguments, _LOCATION: self.location}
        given = [part for argument in handed.items() for part in argument]
        if settings.python_shell is not None:
            self._warn("has what its root has")
            environment = python_shell.environment(settings.inherited, search, tmp)
            command = python_shell.command(settings.python_shell, tmp, script, given)
            python_shell.hand_over(tmp)
            return command, {**environment, MARK: str(folder)}
        log.warning("no Python Shell is set: a run has the Python and packages of the service")
        self._warn("has the packages of the service")
        environment = {
            **{k: v for k, v in outer.items() if k not in REMOVED_VARIABLES},
            **settings.inherited,
            "PYTHONPATH": os.pathsep.join(filter(None, [*search, outer.get("PYTHONPATH", "")])),
            "PYTHONUNBUFFERED": "1",
            "TZ": "UTC",
            "TMPDIR": str(tmp),
            MARK: str(folder),
        }
        return [sys.executable, str(script), *given], environment

    def _warn(self, instead: str) -> None:
        if _MODULES in self.arguments:
            log.warning("%s is not installed: a run %s", _MODULES, instead)
        if self.arguments.get(_LIBRARY_SET, "none") != "none":
            log.warning("%s is treated as none: a run %s", _LIBRARY_SET, instead)
