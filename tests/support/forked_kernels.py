"""Kernels that are forked from a process that has already imported what they need.

Imports take most of a kernel's start. A forked kernel is a process of its own, with its own
variables; only who started it differs. Where that matters, whole programs play the scenario,
which start their kernels themselves.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

# How long a kernel may take to end by itself.
_SECONDS = 10


class ForkedKernel:
    """A running kernel.

    Parameters
    ----------
    module, name : str
        The kernel's class.
    environment : mapping of str to str
        All variables of its process.
    """

    def __init__(self, module: str, name: str, environment: Mapping[str, str]) -> None:
        from jupyter_client.blocking.client import BlockingKernelClient
        from jupyter_client.connect import write_connection_file

        self._folder = tempfile.TemporaryDirectory(prefix="k-")
        # No other program can take a socket in this folder.
        place = Path(self._folder.name)
        file, _ = write_connection_file(
            str(place / "connection.json"), transport="ipc", ip=str(place / "k")
        )
        self.process = psutil.Process(_nursery(module, name).fork(file, environment))
        self.client = BlockingKernelClient(connection_file=file)
        self.client.load_connection_file()
        # A busy machine may miss heartbeats, and the process shows whether it lives.
        self.client.start_channels(hb=False)
        self._wait_until_heard()

    def _wait_until_heard(self) -> None:
        """Wait until both channels carry messages."""
        heard = False
        while not heard:
            assert self.process.is_running(), "the kernel has died"
            self.client.kernel_info()
            with contextlib.suppress(queue.Empty):
                self.client.get_shell_msg(timeout=1)
                heard = bool(self.client.get_iopub_msg(timeout=1))

    def end(self, *, at_once: bool = False) -> None:
        """Shut the kernel down, as a front end does; kill it if it is to end at once."""
        if not at_once:
            self.client.shutdown()
        try:
            self.process.wait(0 if at_once else _SECONDS)
        except psutil.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.client.stop_channels()
        self._folder.cleanup()


class _Nursery:
    def __init__(self, module: str, name: str) -> None:
        self._process: Any = subprocess.Popen(
            [sys.executable, "-P", __file__, module, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self._process.communicate)

    def fork(self, file: str, environment: Mapping[str, str]) -> int:
        self._process.stdin.write(json.dumps({"file": file, "environment": {**environment}}) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@functools.cache
def _nursery(module: str, name: str) -> _Nursery:
    return _Nursery(module, name)


def _read_once() -> None:
    """Read the descriptions of the APIs that kernels use here, instead of in each kernel."""
    import boto3
    from botocore.loaders import JSONFileLoader

    read, known = JSONFileLoader.load_file, {}

    def load_file(self: JSONFileLoader, path: str) -> Any:
        if path not in known:
            known[path] = read(self, path)
        return known[path]

    JSONFileLoader.load_file = load_file
    nobody = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    for api in ("glue", "iam", "s3", "sts"):
        boto3.Session(region_name="us-east-1", **nobody).client(api)


def _main(module: str, name: str) -> None:
    before = {**os.environ}
    kernel_class = getattr(importlib.import_module(module), name)
    # The official kernel's import points botocore at a model of its own.
    added = {name: value for name, value in os.environ.items() if before.get(name) != value}
    _read_once()
    from ipykernel.kernelapp import IPKernelApp

    # Ended children leave no zombies.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    children = []
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, 0)
            os.dup2(nothing, 1)
            os.environ.clear()
            os.environ.update({**order["environment"], **added})
            IPKernelApp.launch_instance(argv=["-f", order["file"]], kernel_class=kernel_class)
            os._exit(0)
        children.append(child)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
    for child in children:
        if psutil.pid_exists(child) and psutil.Process(child).ppid() == os.getpid():
            os.kill(child, signal.SIGKILL)


if __name__ == "__main__":
    _main(*sys.argv[1:])
