"""Errors that can stop a stage. The runner knows them by name.

``docs/errors.md`` is generated from their docstrings and from the next steps of the gates.
"""

from __future__ import annotations

from collections.abc import Sequence

from register_contract.contract import Gate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from client_health.gate.rule_results import Result


class ClientHealthError(Exception):
    """Root of this package's errors."""


class InputError(ClientHealthError):
    """An input cannot be used: it is missing, unreadable, or not what the contract says.

    Why: the file does not exist, is empty, was cut off in transfer, or has another format or
    encoding than the contract says.
    What to do: deliver the file that the message names again, complete and in the expected format,
    then run the same command.

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
    """The storage of the files does not answer, or refuses requests for the moment.

    Why: S3 throttles, the network is down, the credentials have expired, or a service behind S3
    fails. The client has already retried. The files themselves are not the problem.
    What to do: run the same command again, as the production job does by itself; if the error
    persists, check the service's health page and the network.
    """


class SettingsError(ClientHealthError):
    """A parameter is missing or invalid.

    Why: a parameter of the notebook is empty and was not set from outside, or it isn't a date or
    folder; or the id key is missing, too short, readable by others, or not the one that the table
    was published with.
    What to do: correct the setting that the message names, then run the same command. Never create
    a new id key to get past this error: every id in the table would change.
    """


class HandoverError(ClientHealthError):
    """What the previous stage should have handed over is missing or incomplete.

    Why: a notebook was run alone before the one that it follows; or the files in the run's staging
    folder, or the run's audit branch, were changed or removed since; or 02_transform wrote a
    different number of rows than it counted.
    What to do: run the same command again: it finds the stage whose result is no longer valid and
    repeats it. If you work by hand, run the previous notebook first, with the same run_id.
    """


class QualityGateError(ClientHealthError):
    """A gate stopped the run; nothing was published.

    Why: the rows could be read but must not be published. The message names every gate that
    refused, with what it found.
    What to do: look up the gate in the table below.

    Parameters
    ----------
    failures : sequence of (Gate, str)
        The gates and what each found.
    results : sequence of Result
        The results of all rules, if they are known.
    """

    def __init__(
        self, failures: Sequence[tuple[Gate, str]], results: Sequence[Result] = ()
    ) -> None:
        self.results = tuple(results)
        # A gate that is not declared has no meaning, no next step, and no part in the fingerprint.
        self.failures = tuple((Gate(rule), detail) for rule, detail in failures)
        found = "; ".join(f"{rule}: {detail}" for rule, detail in self.failures)
        steps = dict.fromkeys(rule.next_step for rule, _ in self.failures)
        told = f"{found}. Nothing was published; the table is as it was."
        super().__init__(" ".join([told, *steps]))


class PublishError(ClientHealthError):
    """The audit branch no longer exists.

    Why: someone removed the branch of this run from the table during the run.
    What to do: make sure that nothing else changes the table's branches, then run the same command.
    """


class MainMovedError(ClientHealthError):
    """Others published to the table between two stages of this run.

    Why: another run, or a person, wrote to the table after 02_transform had written this run's
    rows to their branch. Publishing them now would undo what the others published. An erasure
    counts, too: the rows may be of people who were erased meanwhile.
    What to do: nothing: the runner repeats both stages, and gives up after the third time. If you
    work by hand, run 02_transform and 03_quality again.
    """

    @classmethod
    def since_written(cls, table: str) -> MainMovedError:
        """Build for a branch from which ``main`` has moved on."""
        return cls(
            f"Others have published to the table {table} since 02_transform wrote this run's rows. "
            "This run published nothing. Run 02_transform and 03_quality again."
        )

    @classmethod
    def by_an_erasure(cls, table: str) -> MainMovedError:
        """Build for a branch that may have rows of people who were erased since it was written."""
        return cls(
            f"People were erased from the lake of the table {table} since 02_transform read who is "
            "left out. This run published nothing. Run 02_transform and 03_quality again."
        )
