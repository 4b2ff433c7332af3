"""What a run of a Python Shell job executes, and with which arguments and environment."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from glue_local.errors import ApiError
from glue_local.files import JOB_ARCHIVES, local_copy, python_files, search_path
from glue_local.lifeline import MARK
from glue_local.settings import REMOVED_VARIABLES, ServiceSettings

log = logging.getLogger(__name__)

_KIND = "pythonshell"
_FILES = "--extra-py-files"
_INSTALLED = ("--additional-python-modules", "library-set")


@dataclass(frozen=True)
class JobScript:
    """A script in S3 with everything it is started with.

    Parameters
    ----------
    location : str
        URI of the script.
    arguments : Mapping of str to str
        The job's defaults, with the run's own over them.
    """

    location: str
    arguments: Mapping[str, str]

    @classmethod
    def of(cls, job: Mapping[str, Any], arguments: Mapping[str, str]) -> Self:
        """Read a job's definition.

        Raises
        ------
        ApiError
            When it is no Python Shell job, or a run changes what it may not.
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
        return cls(merged.get("--scriptLocation") or command.get("ScriptLocation", ""), merged)

    def prepare(
        self, folder: Path, settings: ServiceSettings, outer: Mapping[str, str]
    ) -> tuple[list[str], dict[str, str]]:
        """Fetch the files. Blocking.

        Parameters
        ----------
        folder : Path
            The run's own, empty.
        settings : ServiceSettings
            Where S3 is, and what every run inherits.
        outer : Mapping of str to str
            The service's own environment.

        Returns
        -------
        list of str, dict of str to str
            The command line and the environment. A Python Shell script gets the arguments of its
            job and its run and nothing else: AWS Glue tells it neither its name nor its run's id.

        Raises
        ------
        SessionStartError
            When a file can't be had.
        """
        (folder / "tmp").mkdir()
        (folder / "script").mkdir()
        endpoint = settings.s3_endpoint
        script = local_copy(self.location, folder / "script", (".py",), s3_endpoint=endpoint)
        named = tuple(filter(None, map(str.strip, self.arguments.get(_FILES, "").split(","))))
        files = python_files(named, folder / "python", archives=JOB_ARCHIVES, s3_endpoint=endpoint)
        for name in _INSTALLED:
            if name in self.arguments:
                log.info("%s is not installed: a run has the packages of the service", name)
        search = [*search_path(files, folder / "python"), outer.get("PYTHONPATH", "")]
        environment = {
            **{k: v for k, v in outer.items() if k not in REMOVED_VARIABLES},
            **settings.inherited,
            "PYTHONPATH": os.pathsep.join(filter(None, search)),
            "PYTHONUNBUFFERED": "1",
            "TZ": "UTC",
            "TMPDIR": str(folder / "tmp"),
            MARK: str(folder),
        }
        given = [part for argument in self.arguments.items() for part in argument]
        return [sys.executable, str(script), *given], environment
