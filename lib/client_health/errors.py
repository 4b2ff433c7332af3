"""What can stop a stage. The runner knows these errors by their names."""

from __future__ import annotations

from collections.abc import Sequence


class ClientHealthError(Exception):
    """Root of this package's errors."""


class InputError(ClientHealthError):
    """An input cannot be used: missing, unreadable, or not what the contract says.

    Parameters
    ----------
    name : str
        File or folder name, without its path.
    found : str
        What was found.
    expected : str
        What was expected.
    next_step : str
        What to do about it.
    """

    def __init__(self, name: str, *, found: str, expected: str, next_step: str) -> None:
        self.name = name
        self.found = found
        self.expected = expected
        self.next_step = next_step
        super().__init__(f"{name}: {found}; expected {expected}. {next_step}")


class SettingsError(ClientHealthError):
    """A parameter is missing or makes no sense."""


class HandoverError(ClientHealthError):
    """What the stage before should have handed over is not there or not whole."""


class QualityGateError(ClientHealthError):
    """A gate stopped the run; nothing was published.

    Parameters
    ----------
    failures : sequence of (str, str)
        Names of the gates and what each found.
    """

    def __init__(self, failures: Sequence[tuple[str, str]]) -> None:
        self.failures = tuple(failures)
        found = "; ".join(f"{rule}: {detail}" for rule, detail in self.failures)
        super().__init__(f"{found}. Nothing was published; the table is as it was.")


class PublishError(ClientHealthError):
    """The table moved while this run was publishing, again and again."""
