"""Errors of the command, with their exit codes.

``docs/errors.md`` is generated from their docstrings.
"""

from __future__ import annotations

from register_contract.runs import EXIT_OTHER, EXIT_SESSION, EXIT_USAGE


class ClientHealthCliError(Exception):
    """Root of the errors that the command reports in one line, without a traceback.

    Parameters
    ----------
    message
        What was found, what was expected, and the next step.

    Attributes
    ----------
    exit_code : int
        Exit code of the process.
    """

    exit_code = EXIT_OTHER


class SettingsError(ClientHealthCliError):
    """An argument has a value that can't be used.

    Why: an argument is missing, contradicts another, names something that doesn't exist, or has the
    wrong format.
    What to do: correct the argument as the message says. Each command's `--help` has an example.
    """

    exit_code = EXIT_USAGE


class LakeError(ClientHealthCliError):
    """The lake, or the table in it, can't be read.

    Why: nothing has been published there yet, the path is wrong, or a file of the lake is missing.
    What to do: check the path after `--lake`. If it is right and nothing has been published yet,
    publish first: `client-health run`.

    Parameters
    ----------
    lake
        The lake as given.
    message
        What was found, what was expected, and the next step.
    missing
        Whether the table doesn't exist yet.
    """

    exit_code = EXIT_USAGE

    def __init__(self, lake: str, message: str, *, missing: bool = False) -> None:
        super().__init__(message)
        self.lake = lake
        self.missing = missing


class QueryError(ClientHealthCliError):
    """The SQL of a query was refused.

    Why: the SQL has a mistake, names a column or table that doesn't exist, or isn't a SELECT.
    Queries can only read.
    What to do: fix the SQL. docs/reference.md lists the columns.

    Parameters
    ----------
    message
        The reason in one line.
    """

    exit_code = EXIT_USAGE


class ServiceFailedError(ClientHealthCliError):
    """The local sessions service didn't start.

    Why: Java is missing or has another version, the port is in use, a package is not installed, or
    the machine has no memory left.
    What to do: read the service's last output in the message. `make setup` installs what is
    missing.
    """

    exit_code = EXIT_SESSION


class ObjectsError(ClientHealthCliError):
    """Objects in S3 can't be listed, read, or changed.

    Why: you aren't signed in to AWS, a permission is missing, the bucket doesn't exist, or an
    object was replaced in the meantime.
    What to do: docs/lgpd.md has the policy with the permissions. Then run the same command again:
    it goes on where it stopped.
    """

    exit_code = EXIT_SESSION


class NotErasedError(ClientHealthCliError):
    """Something of an erased person is left in the lake, or in the raw files.

    Why: a file that belongs to no run and no table mentions the person, or a file can't be
    searched, for example because it is damaged or has a bloom filter. Or S3 refused to delete an
    object version, because it is locked or a permission is missing.
    What to do: look at the files that the message names. Remove them if they aren't needed, and
    run the same command again. For a locked version, run it again after the lock.
    """


class RunFailedError(ClientHealthCliError):
    """A run ended without publishing.

    Why: the run ended with an error of the runner; this error has its lines and exit code.
    What to do: follow the lines `next:` and `more:`.

    Parameters
    ----------
    message
        The runner's lines: stage, cell, cause, notebook, next step.
    exit_code
        The runner's exit code.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
