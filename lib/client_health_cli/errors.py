"""What can go wrong in the command, each with the exit code it ends with.

What the classes say of themselves makes up ``docs/errors.md``.
"""

from __future__ import annotations

from register_contract.runs import EXIT_OTHER, EXIT_SESSION, EXIT_USAGE


class ClientHealthCliError(Exception):
    """Root of the errors that the command reports in a line and without a traceback.

    Parameters
    ----------
    message
        What was found, what was expected and the next step.

    Attributes
    ----------
    exit_code : int
        What the process ends with.
    """

    exit_code = EXIT_OTHER


class SettingsError(ClientHealthCliError):
    """An argument has a value that can't be used.

    Why: an argument is missing, contradicts another, names nothing that is there, or is not written
    as it must be.
    What to do: give the argument as the message says. Each command's `--help` has an example.
    """

    exit_code = EXIT_USAGE


class LakeError(ClientHealthCliError):
    """The lake, or the table in it, can't be read.

    Why: nothing has been published there yet, the path is another one's, or a file of the lake is
    missing.
    What to do: check the path behind `--lake`. If it is right and nothing was published yet,
    publish first: `client-health run`.

    Parameters
    ----------
    lake
        The lake as it was asked for.
    message
        What was found, what was expected and the next step.
    """

    exit_code = EXIT_USAGE

    def __init__(self, lake: str, message: str) -> None:
        super().__init__(message)
        self.lake = lake


class QueryError(ClientHealthCliError):
    """The SQL of a query was refused.

    Why: the SQL has a mistake, names a column or table that is not there, or is no SELECT. Queries
    can only read.
    What to do: fix the SQL. docs/reference.md lists the columns.

    Parameters
    ----------
    message
        The reason in one line.
    """

    exit_code = EXIT_USAGE


class ServiceFailedError(ClientHealthCliError):
    """The local sessions service didn't start.

    Why: Java is missing or is another version, the port is taken, a package was not installed, or
    the machine has no memory left.
    What to do: read the service's last words in the message. `make setup` installs what is missing.
    """

    exit_code = EXIT_SESSION


class RunFailedError(ClientHealthCliError):
    """A run ended without publishing.

    Why: the run ended with an error of the runner, whose lines and code it has.
    What to do: follow the lines `next:` and `more:`.

    Parameters
    ----------
    message
        The runner's own lines: stage, cell, cause, notebook, next step.
    exit_code
        The runner's.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
