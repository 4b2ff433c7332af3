"""The reconciler: claims each complete delivery of uploads once, and has the job publish it.

An event is only a hint to look: each call does what events and calls before it left undone. The
modules of ``reconciler`` have the parts.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3

from reconciler.claims import Claiming, Claims
from reconciler.late import Lateness
from reconciler.people import People
from reconciler.settings import Settings
from reconciler.starts import Starts
from reconciler.tasks import Log, ReconcileError, Tasks, emit
from reconciler.uploads import current_objects, group_uploads

__all__ = ["ReconcileError", "Reconciler", "Settings", "lambda_handler"]


def lambda_handler(event: dict[str, Any], context: object) -> None:
    """Look at everything once; of the event only its kind matters."""
    kind = "s3" if "Records" in event else event.get("detail-type", event.get("Event", "other"))
    emit("called", kind=kind)
    s3, glue, sns = (boto3.client(name) for name in ("s3", "glue", "sns"))
    settings, now = Settings.read(os.environ), lambda: datetime.now(UTC)
    secrets = boto3.client("secretsmanager") if settings.alert_secret else None
    reconciler = Reconciler(settings, s3, glue, sns, now, emit, secrets)
    reconciler.reconcile(scheduled=kind == "Scheduled Event")


@dataclass(frozen=True)
class Reconciler:
    """Brings claims and runs in line with the uploads; clients are those of boto3."""

    settings: Settings
    s3: Any
    glue: Any
    sns: Any
    clock: Callable[[], datetime]
    log: Log
    secrets: Any = None

    def reconcile(self, *, scheduled: bool) -> None:
        """Do all there is to do; what fails keeps nothing from its turn but newer claims.

        Parameters
        ----------
        scheduled
            Whether the schedule makes the call: it alone reports a late delivery.

        Raises
        ------
        ReconcileError
            A task failed, all others are done.
        """
        settings, tasks = self.settings, Tasks(self.log)
        claims = Claims(self.s3, settings.lake)
        people = People(settings, self.sns, self.secrets, self.log)
        with tasks.attempt("claim deliveries"):
            lacking = self._claim(claims, tasks)
            if scheduled:
                Lateness(settings, claims, people, self.clock, self.log).report(lacking)
        with tasks.attempt("run claims"):
            Starts(settings, claims, self.s3, self.glue, self.clock, tasks, people).start()
        tasks.end()

    def _claim(self, claims: Claims, tasks: Tasks) -> list[str]:
        bucket, prefix = self.settings.raw_bucket, self.settings.upload_prefix
        entries = claims.entries()
        groups = group_uploads(current_objects(self.s3, bucket, prefix), bucket, prefix)
        lacking = Claiming(claims, prefix, self.clock, tasks).claim(groups, entries)
        self.log("uploads_seen", groups=len(groups), lacking=lacking)
        return lacking
