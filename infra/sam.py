"""Changes a stack with ``sam deploy``, after somebody has looked at the change set.

The SAM CLI runs in a separate environment (``tools/side_environment.py sam``). It creates a change
set, asks whether to execute it, executes it, and waits for the end. Its question is answered here,
so the change set that is executed is the one that was looked at.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, cast

from infra.errors import DeployError
from infra.settings import Settings
from infra.stack import Stack
from infra.template import Template, render

PROGRAM = Path(__file__).resolve().parents[1] / ".venv-sam" / "bin" / "sam"
CAPABILITIES = ("CAPABILITY_IAM", "CAPABILITY_NAMED_IAM")
_CREATED = re.compile(r"Changeset created successfully\. (\S+)")
_QUESTION = "[y/N]: "
# In a value, it drops a backslash before these.
_DROPPED = re.compile(r"(\\[ \"'])")


class SamError(Exception):
    """The SAM CLI failed; the text is its own."""


def deploy(
    stack: Stack,
    template: Template,
    settings: Settings,
    parameters: Mapping[str, str],
    approve: Callable[[str], None],
    *,
    show: Callable[[str], None],
    upload_to: str = "",
) -> None:
    """Create a change set, have it approved, and execute it.

    Parameters
    ----------
    stack, template
        The stack, and what it is to become.
    settings
        How it is deployed; its parameters are not used.
    parameters
        New values; other parameters keep theirs, or have their default.
    approve
        Called with the change set's ARN, unless nothing would change. If it raises an error,
        nothing is executed.
    show
        Called with each line about the execution.
    upload_to
        Bucket for a template that is too long for a request.

    Raises
    ------
    SamError
        CloudFormation refuses the change, or the execution failed.
    """
    if not PROGRAM.exists():
        raise DeployError(
            f"{PROGRAM} is missing: 'make deploy' installs the SAM CLI from locks/sam.txt"
        )
    with tempfile.TemporaryDirectory(prefix="sam-") as folder:
        Path(folder, "template.json").write_text(render(template), encoding="utf-8")
        # JSON is also YAML, the suffix that the SAM CLI asks for. It unquotes such values twice.
        values = {name: _quoted(_quoted(value)) for name, value in parameters.items()}
        Path(folder, "parameters.yaml").write_text(json.dumps(values), encoding="utf-8")
        # Once a week, it asks the internet for a newer version, unless this file says it has.
        Path(folder, "metadata.json").write_text(json.dumps({"lastVersionCheck": time.time()}))
        # Without new ones, the stack keeps those it has; the SAM CLI would remove them.
        given = settings.tags or stack.tags()
        tags = [f"{_quoted(name)}={_quoted(value)}" for name, value in given.items()]
        command = [
            *(str(PROGRAM), "deploy", "--stack-name", stack.name, "--region", stack.region),
            *("--template-file", f"{folder}/template.json", "--capabilities", *CAPABILITIES),
            *(["--parameter-overrides", f"file://{folder}/parameters.yaml"] if values else []),
            *(["--tags", *tags] if tags else []),
            *(["--s3-bucket", upload_to, "--s3-prefix", "templates"] if upload_to else []),
            *("--confirm-changeset", "--no-fail-on-empty-changeset"),
        ]
        variables = {
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": str(settings.poll_seconds),
            "__SAM_CLI_APP_DIR": folder,
            "COLUMNS": str(shutil.get_terminal_size().columns),
        }
        _run(command, {**os.environ, **settings.environment, **variables}, approve, show)


def _run(
    command: list[str],
    environment: Mapping[str, str],
    approve: Callable[[str], None],
    show: Callable[[str], None],
) -> None:
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        output = cast("IO[str]", process.stdout)
        said = ""
        while not said.endswith(_QUESTION) and (character := output.read(1)):
            said += character
        if said.endswith(_QUESTION):
            try:
                approve(_change_set(said))
            except BaseException:
                process.communicate("n\n")
                raise
            print("y", file=process.stdin, flush=True)
        for line in output:
            said += line
            show(line.rstrip())
    if process.returncode != 0:
        # A traceback follows an error that the SAM CLI did not expect.
        raise SamError(said.rpartition("\nError: ")[2].partition("\nTraceback:")[0].strip())


def _change_set(said: str) -> str:
    found = _CREATED.search(said)
    if found is None:
        raise SamError(f"a change set was expected in: {said}")
    return found[1]


def _quoted(value: str) -> str:
    escaped = _DROPPED.sub(r"\\\1", value)
    return f'"{escaped}"'
