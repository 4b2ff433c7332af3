"""Runs the service as a separate process, for the duration of a block of code."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from glue_local.errors import ServiceStartError
from glue_local.settings import REMOVED_VARIABLES

_STOP_SECONDS = 30
# An upstream answers for every service: an endpoint for a single service would bypass it.
_OTHER_ENDPOINT = ("AWS_ENDPOINT_URL_",)


class LocalService:
    """The local sessions service, which starts on entering and stops on leaving the block.

    Parameters
    ----------
    spark_conf : Mapping of str to str, optional
        Spark settings of every session, before the session's own.
    working_directory : Path, optional
        Where sessions' code runs (default: the current directory).
    driver_memory : str, optional
        Heap of each session's Spark driver.
    port : int, optional
        0 takes a free one.
    environment : Mapping of str to str, optional
        The service's own environment, which sessions inherit (default: this process's).
    log : file, optional
        File for the service's log (default: kept only for the error message).
    arguments : sequence of str, optional
        Further arguments of ``python -m glue_local``.
    upstream : Mapping of str to str, optional
        The environment of an emulator's clients, such as
        :attr:`glue_local.emulator.Emulator.environment`. Job runs need it, actions that the service
        doesn't have are forwarded to it, and the service accepts its key pair.
    job_log_folder : Path, optional
        Folder for the output of job runs.
    python_shell : Path, optional
        Root folder for job runs (default: they use the service's own Python).

    Examples
    --------
    >>> with LocalService() as service:  # doctest: +SKIP
    ...     client = boto3.client("glue", endpoint_url=service.endpoint, ...)
    """

    def __init__(
        self,
        *,
        spark_conf: Mapping[str, str] | None = None,
        working_directory: Path | None = None,
        driver_memory: str | None = None,
        port: int = 0,
        environment: Mapping[str, str] | None = None,
        log: IO[Any] | None = None,
        arguments: Sequence[str] = (),
        upstream: Mapping[str, str] | None = None,
        job_log_folder: Path | None = None,
        python_shell: Path | None = None,
    ) -> None:
        command = [sys.executable, "-m", "glue_local", "--port", str(port)]
        command += ["--until-stdin-closes", "--parent-pid", str(os.getpid())]
        for name, value in (spark_conf or {}).items():
            command += ["--spark-conf", f"{name}={value}"]
        if working_directory is not None:
            command += ["--working-directory", str(working_directory)]
        if driver_memory is not None:
            command += ["--driver-memory", driver_memory]
        if job_log_folder is not None:
            command += ["--job-log-folder", str(job_log_folder)]
        if python_shell is not None:
            command += ["--python-shell", str(python_shell)]
        outer = dict(os.environ if environment is None else environment)
        if upstream is not None:
            command += ["--upstream", upstream["AWS_ENDPOINT_URL"], "--environment-credentials"]
            outer = _without(outer, REMOVED_VARIABLES, _OTHER_ENDPOINT) | dict(upstream)
        self._command = [*command, *arguments]
        self._outer = outer
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.endpoint = ""
        self.environment: dict[str, str] = {}
        self.removed_variables: tuple[str, ...] = ()

    @property
    def pid(self) -> int | None:
        """Process id, while it runs."""
        return self._process.pid if self._process else None

    def client_environment(self, outer: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return an environment for a client: the outer one, pointed at the service."""
        outer = os.environ if outer is None else outer
        elsewhere = _OTHER_ENDPOINT if "AWS_ENDPOINT_URL" in self.environment else ()
        return _without(outer, self.removed_variables, elsewhere) | self.environment

    def start(self) -> Self:
        """Start the service and wait until it listens.

        Raises
        ------
        ServiceStartError
            If it ends before that.
        """
        with contextlib.ExitStack() as stack:
            log = self._log or stack.enter_context(tempfile.TemporaryFile())
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._outer,
                # This process handles Ctrl-C on the terminal, and stops the service properly.
                start_new_session=True,
            )
            assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
            line = self._process.stdout.readline()
            if not line:
                code = self._process.wait()
                last_words = ""
                if self._log is None:
                    log.seek(0)
                    last_words = log.read().decode(errors="replace").strip()[-600:]
                raise ServiceStartError(code, last_words)
        ready = json.loads(line)
        self.endpoint = ready["endpoint"]
        self.environment = ready["environment"]
        self.removed_variables = tuple(ready["removed_variables"])
        return self

    def stop(self) -> None:
        """Stop the service and its sessions; do nothing if it has already stopped."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            # The sessions' own lifelines end them.
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _without(
    outer: Mapping[str, str], names: Sequence[str], prefixes: tuple[str, ...]
) -> dict[str, str]:
    return {k: v for k, v in outer.items() if k not in names and not k.startswith(prefixes)}
