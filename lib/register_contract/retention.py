"""How long a lake's data is kept, for the command and for the template on AWS."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Retention:
    """Retention of the table's history.

    Parameters
    ----------
    snapshot_days : int
        Age in days after which a snapshot may be removed.
    snapshots_kept : int
        How many stay, whatever their age; each publication is one.
    orphan_days : int
        Age in days after which a file that no snapshot names is deleted: longer than any run takes.
    """

    snapshot_days: int = 7
    snapshots_kept: int = 2
    orphan_days: int = 3


RETENTION = Retention()
