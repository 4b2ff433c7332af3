"""The emulator of the other AWS services, for tests and for the chain on one machine.

It runs in a separate environment (``tools/side_environment.py``), keeps everything in memory, and
checks no signatures. Its Lambda functions run in child processes, which inherit its environment:
with ``service_endpoint``, they call the local service for Glue.
"""

from __future__ import annotations

import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from glue_local.errors import GlueLocalError
from glue_local.processes import keeper
from glue_local.processes.lifeline import MARK, signal_session
from glue_local.settings import ACCOUNT

ENVIRONMENT = Path(__file__).resolve().parents[2] / ".venv-emulator"
_ADDRESS = "127.0.0.1"
_START_SECONDS = 60.0
_STOP_SECONDS = 5.0
# Variables of the caller that are for another AWS or another Python.
_FOREIGN = ("AWS_", "PYTHON", "VIRTUAL_ENV")


class EmulatorError(GlueLocalError):
    """The AWS emulator could not be started.

    Shown: on the terminal, by `make e2e`.
    Why: its environment does not exist, or another program took the port in the meantime.
    What to do: if the message names a port, end the program that has it. If the environment is
    missing, make it: `.venv/bin/python tools/side_environment.py emulator`. Then run `make e2e`
    again.
    """


class Emulator:
    """The emulator as a process that starts on entering and ends on leaving the block.

    Parameters
    ----------
    log : Path, optional
        File for its log (default: none is kept).
    port : int, optional
        0 takes a free one.
    region : str, optional
        Region of its resources.
    service_endpoint : str, optional
        Endpoint of Glue for Lambda functions: the local service, which forwards other actions.
    python : Path, optional
        The interpreter of the emulator's environment.

    Attributes
    ----------
    endpoint : str
        URL of every service, after the start.
    environment : dict of str to str
        The variables that point clients at it. Its Lambda functions sign with this key pair, so a
        local service that is started with it (``--environment-credentials``) accepts them.

    Examples
    --------
    >>> with Emulator() as emulator:  # doctest: +SKIP
    ...     bucket = emulator.client("s3").create_bucket(Bucket="files")
    """

    def __init__(
        self,
        *,
        log: Path | None = None,
        port: int = 0,
        region: str = "us-east-1",
        service_endpoint: str | None = None,
        python: Path | None = None,
    ) -> None:
        self._log = log
        self._port = port or free_port()
        self._python = python or ENVIRONMENT / "bin" / "python"
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._service_endpoint = service_endpoint
        self.endpoint = f"http://{_ADDRESS}:{self._port}"
        self.environment = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
        }

    @property
    def pid(self) -> int | None:
        """Process id of its keeper, while it runs."""
        return self._process.pid if self._process else None

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3 makes its clients' classes up
        """Return a boto3 client of one of its services."""
        import boto3  # noqa: PLC0415 - slow, and the service itself needs only botocore

        session: Any = boto3.session.Session()
        return session.client(
            service,
            endpoint_url=self.endpoint,
            region_name=self.environment["AWS_REGION"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )

    def start(self) -> Self:
        """Start the emulator and wait until it answers.

        Raises
        ------
        EmulatorError
            If it is not installed, or ends before that.
        """
        if not self._python.exists():
            raise EmulatorError(
                f"{self._python} is missing: the emulator has no environment. 'make e2e' makes it."
            )
        self._folder = Path(tempfile.mkdtemp(prefix="emulator-"))
        log = self._log or self._folder / "emulator.log"
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                keeper.command(self._folder, [str(self._python), "-m", "ministack"]),
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=self._environment(os.environ, self._folder),
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                words = log.read_text(encoding="utf-8", errors="replace").strip()[-600:]
                self.stop()
                raise EmulatorError(
                    f"The emulator did not start on {self.endpoint}. Its last output: "
                    f"{words or '(none)'}. Free the port if another program has it, then try again."
                )
            time.sleep(0.02)
        return self

    def _environment(self, outer: Mapping[str, str], folder: Path) -> dict[str, str]:
        kept = {k: v for k, v in outer.items() if not k.startswith(_FOREIGN)}
        glue = self._service_endpoint
        return {
            **kept,
            **self.environment,
            **({"AWS_ENDPOINT_URL_GLUE": glue} if glue else {}),
            "GATEWAY_PORT": str(self._port),
            "BIND_HOST": _ADDRESS,
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": self.environment["AWS_REGION"],
            # Functions are unpacked there, and are removed with the folder.
            "TMPDIR": str(folder),
            MARK: str(folder),
        }

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(_ADDRESS, self._port, timeout=5)
        try:
            connection.request("GET", "/_ministack/health")
            return connection.getresponse().status == http.client.OK
        except OSError:
            return False
        finally:
            connection.close()

    def stop(self) -> None:
        """End the emulator with its functions and data; do nothing if it has already ended."""
        process, self._process = self._process, None
        folder, self._folder = self._folder, None
        if process is not None and process.stdin is not None:
            # There is nothing to save: it ends as if this process had died.
            process.stdin.close()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                signal_session(process.pid, folder or Path(), signal.SIGKILL)
                process.wait()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def free_port() -> int:
    """Return a free port on loopback.

    Another program may take it before it is used; then the start fails.
    """
    with socket.socket() as probe:
        probe.bind((_ADDRESS, 0))
        port: int = probe.getsockname()[1]
        return port
