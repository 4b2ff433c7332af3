"""What can stop a stage. The runner knows these errors by their names.

What the classes say of themselves, and the steps of the gates, make up ``docs/errors.md``.
"""

from __future__ import annotations

from collections.abc import Sequence

from register_contract.contract import Gate


class ClientHealthError(Exception):
    """Root of this package's errors."""


class InputError(ClientHealthError):
    """An input cannot be used: missing, unreadable, or not what the contract says.

    Why: the file is not there, is empty, was cut off on its way, or holds another format or
    encoding than its source is agreed to have.
    What to do: deliver the file that the message names again, whole and in the format that it
    expects; then run the same command.

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


class StorageError(ClientHealthError):
    """The place of the files does not answer, or refuses for the moment.

    Why: S3 throttles, the network is away, or a service behind it fails; its own client has tried
    again before. The files themselves are not at fault.
    What to do: run the same command again, as the production job does by itself; when it goes on,
    look at the health page of the service and at the network.
    """


class SettingsError(ClientHealthError):
    """A parameter is missing or makes no sense.

    Why: a parameter of the notebook is empty and nobody gave it from outside, or it isn't a date or
    folder; or the id key is missing, too short, open to others, or not the one that the table was
    published with.
    What to do: give the setting that the message names, then run the same command. Never make a new
    id key to get past this: every id in the table would change.
    """


class HandoverError(ClientHealthError):
    """What the stage before should have handed over is not there or not whole.

    Why: a notebook was run alone before the one it follows; or the files in the run's staging
    folder, or the run's audit branch, were changed or removed since; or 02_transform wrote another
    number of rows than it counted.
    What to do: run the same command again: it finds the stage that is no longer true and repeats
    it. By hand, run the notebook before first, with the same run_id.
    """


class QualityGateError(ClientHealthError):
    """A gate stopped the run; nothing was published.

    Why: the rows could be read but must not be published. Every gate that refuses is named, with
    what it found.
    What to do: look up the gate in the table below.

    Parameters
    ----------
    failures : sequence of (Gate, str)
        The gates and what each found.
    """

    def __init__(self, failures: Sequence[tuple[Gate, str]]) -> None:
        # What is not declared has no meaning, no next step and no place in the fingerprint.
        self.failures = tuple((Gate(rule), detail) for rule, detail in failures)
        found = "; ".join(f"{rule}: {detail}" for rule, detail in self.failures)
        steps = dict.fromkeys(rule.next_step for rule, _ in self.failures)
        told = f"{found}. Nothing was published; the table is as it was."
        super().__init__(" ".join([told, *steps]))


class PublishError(ClientHealthError):
    """The audit branch is not there any more.

    Why: somebody removed the branch of this run from the table while the run was at work.
    What to do: see that nobody else works on the table's branches, then run the same command.
    """


class MainMovedError(ClientHealthError):
    """The table was published by others between two stages of this run.

    Why: another run, or a person, wrote to the table after 02_transform had written this run's
    rows to their branch. Publishing them now would take the others' rows back.
    What to do: nothing; the runner does both stages again, and gives up after the third time. By
    hand, run 02_transform and 03_quality again.
    """

    @classmethod
    def since_written(cls, table: str) -> MainMovedError:
        """Build for rows whose branch ``main`` has left behind."""
        return cls(
            f"The table {table} was published by others since 02_transform wrote this run's rows. "
            "Nothing of this run was published. Run 02_transform and 03_quality again."
        )
