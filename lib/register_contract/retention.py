"""How long a lake's data is kept, for the command and for the template on AWS."""

from __future__ import annotations

from dataclasses import dataclass

from register_contract import resubmissions

#: Days after which the branch of an abandoned run may be removed: longer than any run takes.
BRANCH_DAYS = 7


@dataclass(frozen=True)
class Retention:
    """Retention of the table's history, and of the other zones of a lake.

    Parameters
    ----------
    snapshot_days : int
        Age in days after which a snapshot may be removed.
    snapshots_kept : int
        How many stay, whatever their age; each publication is one.
    orphan_days : int
        Age in days after which a file that no snapshot names is deleted: longer than any run takes.
    staging_days : int
        The same for the files of runs that did not end, with CPFs; others leave none.
    delivery_days : int
        For the copies that runs in S3 read, with CPFs.
    rejected_days : int
        For rejected rows and for corrected ones that were handed in, with CPFs.
    run_days : int
        For receipts, executed notebooks, and the history of quality.
    """

    snapshot_days: int = 7
    snapshots_kept: int = 2
    orphan_days: int = 3
    staging_days: int = 7
    delivery_days: int = 30
    rejected_days: int = 30
    run_days: int = 365

    def of_folder(self, name: str) -> int | None:
        """Return the limit of a folder of the lake in days; None if it has none."""
        limits = {
            "staging": self.staging_days,
            "deliveries": self.delivery_days,
            "runs": self.run_days,
            resubmissions.FOLDER: self.rejected_days,
        }
        return limits.get(name)

    def of_table(self, name: str) -> int | None:
        """Return the limit of a table's rows in days, by name; None if they are kept."""
        limits = {
            "quality_results": self.run_days,
            "column_profiles": self.run_days,
            "rejected": self.rejected_days,
        }
        return limits.get(name)


RETENTION = Retention()
