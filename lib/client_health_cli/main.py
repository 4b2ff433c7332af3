"""The client-health command: reads the arguments and turns errors into exit codes.

Subcommands import what they need when they run, so that `--help` is fast.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

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
from register_contract.runs import EXIT_SESSION, EXIT_USAGE

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
# Errors of libraries that aren't loaded until a command needs them, so they have only names here.
_OUTSIDE = (
    (
        {"botocore.exceptions.ClientError", "botocore.exceptions.BotoCoreError"},
        "AWS",
        "Check the region, that you are signed in, and your permissions.",
        EXIT_SESSION,
    ),
    (
        {"sqlite3.Error", "sqlalchemy.exc.DBAPIError"},
        "the catalog's database",
        "Check that the lake is complete, and that no other program holds it.",
        EXIT_USAGE,
    ),
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
        found, code = _outside(error)
        if not found:
            raise
        typer.echo(f"client-health: {found}", err=True)
        sys.exit(code)


def _outside(error: Exception) -> tuple[str, int]:
    """Return in one line what the world outside refused, and the exit code; empty if nothing did.

    A service's or database's own words have no row of the register. Further lines, which may quote
    arguments, are left out.
    """
    # SQLAlchemy adds the statement and its arguments to the database's words.
    said = str(getattr(error, "orig", error)).partition("\n")[0].rstrip(". :")
    if isinstance(error, PermissionError):
        return f"{error.strerror}: {error.filename}" if error.filename else said, EXIT_USAGE
    kinds = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
    for names, start, step, code in _OUTSIDE:
        if not names.isdisjoint(kinds):
            return f"{start}: {said}. {step}", code
    return "", EXIT_USAGE
