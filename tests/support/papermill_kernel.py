"""A running strict kernel, used the way a front end uses it."""

import contextlib
import os
from dataclasses import dataclass, field
from typing import Any, Self

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from strict_glue import kernelspec
from strict_glue.kernels import reachable_here_alone
from strict_glue.settings import SESSION_VARIABLE


@dataclass
class Cell:
    """The result of a cell: its reply, and its outputs in order."""

    reply: dict[str, Any]
    outputs: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the outputs of a kind."""
        return [content for found, content in self.outputs if found == kind]

    @property
    def text(self) -> str:
        """The whole text on stdout."""
        return "".join(out["text"] for out in self.of("stream") if out["name"] == "stdout")

    @property
    def error(self) -> tuple[str, str]:
        """Name and message of the error, on which reply and output must agree."""
        (shown,) = self.of("error")
        assert self.reply["status"] == "error"
        assert (self.reply["ename"], self.reply["evalue"]) == (shown["ename"], shown["evalue"])
        assert shown["traceback"]
        return shown["ename"], shown["evalue"]


class Kernel:
    """A strict kernel that runs while its context is open."""

    def __init__(self, environment: dict[str, str], session_id: str = "", **limits: float) -> None:
        self.folder = contextlib.ExitStack()
        self.environment = {**os.environ, **environment}
        self.environment.pop(SESSION_VARIABLE, None)
        if session_id:
            self.environment[SESSION_VARIABLE] = session_id
        for name, seconds in limits.items():
            self.environment[f"GLUE_PAPERMILL_{name.upper()}_SECONDS"] = str(seconds)

    def __enter__(self) -> Self:
        folder = self.folder.enter_context(kernelspec.temporary())
        self.manager = KernelManager(kernel_name=kernelspec.NAME)
        self.manager.kernel_spec_manager = KernelSpecManager(kernel_dirs=[str(folder)])
        # Another program may take a free port that Jupyter found before the kernel binds it.
        reachable_here_alone(self.manager, folder)
        self.manager.start_kernel(env=self.environment)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(60)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel()
        self.folder.close()

    def run(self, code: str, **options: Any) -> Cell:
        """Run a cell and wait until it ends."""
        cell = Cell({})

        def output(message: dict[str, Any]) -> None:
            if message["msg_type"] not in {"status", "execute_input"}:
                cell.outputs.append((message["msg_type"], message["content"]))

        answer = self.client.execute_interactive(
            code, timeout=60, output_hook=output, **{"allow_stdin": False, **options}
        )
        cell.reply = answer["content"]
        return cell
