"""The client-health command: reads the arguments and turns errors into exit codes.

Subcommands import what they need when they run, so that `--help` is fast.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from client_health_cli import __version__
from client_health_cli.commands import (
    anonymity,
    contract,
    dashboard,
    docs,
    erase,
    history,
    hold,
    maintain,
    notebook,
    query,
    rejected,
    report,
    restore,
    resubmit,
    rollback,
    rules,
    run,
    sample_data,
    sessions,
)
from client_health_cli.errors import ClientHealthCliError

if TYPE_CHECKING:
    from strict_glue import StrictGlueError

_EPILOG = (
    "Exit codes: 0 done; 2 usage, configuration, or unusable input; 3 a quality gate stopped the "
    "run; 4 a session, statement, or service failed; 1 anything else."
)

app = typer.Typer(
    name="client-health",
    help="Run, query, and try out the client register pipeline, on this machine or on AWS.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_READERS = (query, anonymity, dashboard, docs, contract, rules, report)
_UPKEEP = (history, rollback, maintain, restore)
_CORRECTIONS = (rejected, resubmit)
_PRIVACY = (erase, hold)
_DATA = (*_READERS, *_CORRECTIONS, *_UPKEEP, *_PRIVACY)
for _module in (run, *_DATA, sample_data, sessions, notebook):
    _module.register(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"client-health {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and end the process.

    Parameters
    ----------
    arguments
        The arguments after the command's name (default: those of the process).
    """
    try:
        app(args=None if arguments is None else list(arguments), prog_name="client-health")
    except ClientHealthCliError as error:
        typer.echo(f"client-health: {error}", err=True)
        sys.exit(error.exit_code)
    except Exception as error:
        said = _said_by_aws(error)
        if said is None:
            raise
        typer.echo(f"client-health: {said}", err=True)
        sys.exit(said.exit_code)


def _said_by_aws(error: Exception) -> StrictGlueError | None:
    """Return what to say of an error of AWS's client; None for any other error.

    Most commands read a lake in S3 in many places, and each place can be refused.
    """
    # It takes a while to load. Where it isn't loaded, the error can't be one of its own.
    known = sys.modules.get("botocore.exceptions")
    if known is None or not isinstance(error, (known.ClientError, known.BotoCoreError)):
        return None
    from strict_glue import failure  # noqa: PLC0415

    return failure(getattr(error, "operation_name", "AWS"), error)
