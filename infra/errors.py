"""What can go wrong while deploying, each with the exit code it ends with."""

from __future__ import annotations


class DeployError(Exception):
    """Root of the errors that the command reports without a traceback.

    Parameters
    ----------
    message
        What was found, what was expected and the next step.

    Attributes
    ----------
    exit_code : int
        What the process ends with.
    """

    exit_code = 1


class SettingsError(DeployError):
    """An option or a template has a value that can't be used."""

    exit_code = 2


class RefusedError(DeployError):
    """The change would lose data, and nobody named what may be lost."""

    exit_code = 3


class StackFailedError(DeployError):
    """CloudFormation could not do what it was asked, or can't be asked now."""

    exit_code = 4
