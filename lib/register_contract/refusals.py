"""Runs that the runner refused before they had a session, for the history of quality.

Only a session writes tables, and none is started for a delivery that can't be published. So the
runner leaves a note, and the next run that checks its gates writes the note into the table.
"""

import json
from dataclasses import asdict, dataclass

from register_contract import runs

#: Folder with the notes; no run has this name.
FOLDER = f"{runs.RUNS}/_refused"


@dataclass(frozen=True)
class Refusal:
    """A run that a gate stopped before its first stage.

    Parameters
    ----------
    run_id, delivery_id : str
    day : str
        Day of the delivery, as an ISO date.
    rule : str
        Name of the gate.
    finding : str
        What it found, without personal data.
    rules : str
        Fingerprint of the rules that held.
    recorded_at : str
        Time in UTC, as ISO text without a zone.
    """

    run_id: str
    delivery_id: str
    day: str
    rule: str
    finding: str
    rules: str
    recorded_at: str

    @property
    def path(self) -> str:
        """Path of the note in the lake."""
        return f"{FOLDER}/{self.run_id}.json"

    def dump(self) -> str:
        """Return the note's text."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def parse(cls, content: bytes) -> "Refusal":
        """Return the refusal in a note.

        Raises
        ------
        ValueError
            It isn't one.
        """
        found = json.loads(content)
        try:
            return cls(**{name: str(value) for name, value in found.items()})
        except (AttributeError, TypeError) as error:
            raise ValueError(f"it isn't a note about a run: {error}") from error
