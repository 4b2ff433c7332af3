"""What can go wrong in the command, each with the exit code it ends with."""

from __future__ import annotations

EXIT_OTHER = 1
EXIT_USAGE = 2
EXIT_SESSION = 4


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
    """An argument has a value that can't be used."""

    exit_code = EXIT_USAGE


class LakeError(ClientHealthCliError):
    """The lake, or the table in it, can't be read.

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

    Parameters
    ----------
    message
        The reason in one line.
    """

    exit_code = EXIT_USAGE


class ServiceFailedError(ClientHealthCliError):
    """The local sessions service didn't start."""

    exit_code = EXIT_SESSION


class RunFailedError(ClientHealthCliError):
    """A run ended without publishing.

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
