"""`client-health sessions`: the local Interactive Sessions service."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from client_health_cli.errors import ServiceFailedError

if TYPE_CHECKING:
    from glue_local import LocalService

_LOOK_SECONDS = 0.5
# What the JVM takes as its heap; anything else would fail each session instead of this command.
_MEMORY = re.compile(r"[1-9]\d*[mg]")


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    sessions = typer.Typer(help="The local Interactive Sessions service.", no_args_is_help=True)
    sessions.command("serve")(serve)
    app.add_typer(sessions, name="sessions")


def serve(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 for a free one.")
    ] = 0,
    working_directory: Annotated[
        Path | None, typer.Option(help="Where sessions' code runs (default: the current folder).")
    ] = None,
    spark_conf: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Spark setting of every session; repeatable."),
    ] = None,
    python: Annotated[
        Path | None,
        typer.Option(
            help="Interpreter of sessions' drivers and workers, with the same Python and PySpark "
            "(default: this command's)."
        ),
    ] = None,
    driver_memory: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Memory of each session's Spark driver, such as 6g (default: the service's, 3g).",
        ),
    ] = None,
) -> None:
    """Serve the Glue Interactive Sessions API on this machine until Ctrl-C.

    This prints the shell lines that point boto3, the AWS command line, and Jupyter's Glue kernels
    at the service. Its credentials are valid only for this start. The service's log goes to
    standard error.

    Example: client-health sessions serve --port 8998, and in another shell, after the printed
    lines: aws glue list-sessions

    Exit codes: 0 stopped by Ctrl-C; 2 usage; 4 the service failed.
    """
    from client_health_cli.service import local_service  # noqa: PLC0415 - not for --help
    from strict_glue import unwinding  # noqa: PLC0415

    conf = {}
    for pair in spark_conf or ():
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise typer.BadParameter(f"{pair!r} isn't KEY=VALUE", param_hint="--spark-conf")
        conf[key] = value
    if working_directory is not None and not working_directory.is_dir():
        raise typer.BadParameter(
            f"{working_directory} isn't a folder", param_hint="--working-directory"
        )
    if driver_memory is not None and not _MEMORY.fullmatch(driver_memory):
        raise typer.BadParameter(
            f"{driver_memory!r} isn't 512m or 6g", param_hint="--driver-memory"
        )
    if python is not None and not os.access(python, os.X_OK):
        raise typer.BadParameter(f"{python} isn't a program", param_hint="--python")
    with (
        unwinding(signal.SIGTERM, signal.SIGHUP),
        local_service(
            conf,
            working_directory,
            port,
            log=sys.stderr,
            python=python,
            driver_memory=driver_memory,
        ) as service,
    ):
        for line in environment_lines(service.environment, service.removed_variables):
            typer.echo(line)
        typer.echo(f"# Serving on {service.endpoint}. Ctrl-C stops it and its sessions.")
        sys.stdout.flush()
        try:
            _wait(service)
        except KeyboardInterrupt:
            typer.echo("client-health: stopping", err=True)


def environment_lines(environment: dict[str, str], removed: tuple[str, ...]) -> Iterator[str]:
    """Yield the shell lines that set and unset variables.

    Parameters
    ----------
    environment
        Variables to export.
    removed
        Variables to unset.
    """
    if removed:
        yield f"unset {' '.join(removed)}"
    for name, value in environment.items():
        yield f"export {name}={shlex.quote(value)}"


def _wait(service: LocalService) -> None:
    """Wait for the service's process to end, which it shouldn't."""
    while service.pid is not None:
        # Checks without reaping the process: the service's own code does that.
        if os.waitid(os.P_PID, service.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            raise ServiceFailedError(
                "the local sessions service ended unexpectedly: see its log above, then start "
                "it again"
            )
        time.sleep(_LOOK_SECONDS)
