"""Errors of a deployment, with their exit codes."""

from __future__ import annotations


class DeployError(Exception):
    """Root of the errors that the command reports without a traceback.

    Parameters
    ----------
    message
        What was found, what was expected, and the next step.

    Attributes
    ----------
    exit_code : int
        Exit code of the process.
    """

    exit_code = 1


class SettingsError(DeployError):
    """An option or a template has a value that can't be used."""

    exit_code = 2


class RefusedError(DeployError):
    """The change would lose data, and the command does not name what may be lost."""

    exit_code = 3


class StackFailedError(DeployError):
    """CloudFormation failed to carry out a request, or can't accept one now."""

    exit_code = 4
