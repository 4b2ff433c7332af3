"""`client-health notebook`: JupyterLab on local sessions."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from client_health_cli.errors import ServiceFailedError


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("notebook")(notebook)


def notebook(
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open JupyterLab in a browser.")
    ] = True,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 8888,
    notebooks: Annotated[
        Path | None, typer.Option(help="Folder of the three notebooks, if not ./notebooks.")
    ] = None,
) -> None:
    """Open the notebooks in JupyterLab on local sessions.

    As in Glue Studio, the kernel is the official one, unmodified. If a notebook's parameters are
    empty, it uses a small sample delivery in data/notebook-raw and the lake data/notebook-lake,
    both created if needed, and the run id "notebook". Each open notebook has its own session.
    Ctrl-C stops JupyterLab, the service, and its sessions.

    Example: client-health notebook --no-browser

    Exit codes: 0 shut down; 2 usage; 4 JupyterLab or the service failed.
    """
    from client_health_cli import laboratory  # noqa: PLC0415 - not for --help
    from client_health_cli.notebooks import notebooks_folder  # noqa: PLC0415
    from client_health_cli.service import local_service  # noqa: PLC0415
    from strict_glue import unwinding  # noqa: PLC0415

    folder = notebooks_folder(notebooks)
    data = folder.parent / "data"
    conf = laboratory.session_defaults(data, laboratory.sample_delivery(data))
    with (
        unwinding(signal.SIGTERM, signal.SIGHUP),
        laboratory.official_kernel() as kernels,
        local_service(conf, folder.parent) as service,
    ):
        environment = laboratory.jupyter_environment(service.client_environment(), kernels)
        code = laboratory.run_jupyter(folder, environment, browser=browser, port=port)
    if code != 0:
        raise ServiceFailedError(f"JupyterLab ended with code {code}: see its messages above")
