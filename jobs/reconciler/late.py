"""Reports, once a day, that no delivery is complete in time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from reconciler.claims import Claims
from reconciler.people import People
from reconciler.settings import Settings
from reconciler.tasks import Log
from register_contract import alerts


@dataclass(frozen=True)
class Lateness:
    """Report of a late delivery."""

    settings: Settings
    claims: Claims
    people: People
    clock: Callable[[], datetime]
    log: Log

    def report(self, lacking: Sequence[str]) -> None:
        """Report a late delivery, unless it was already reported today.

        Parameters
        ----------
        lacking
            What is missing in each group of uploads.
        """
        now, entries = self.clock(), self.claims.entries()
        marker = f"late/{now.date()}"
        claimed_today = any(
            one["json"].date() == now.date() for one in entries.values() if "json" in one
        )
        if now.hour < self.settings.late_hour or claimed_today or marker in entries:
            return
        found = "; ".join(lacking) or f"nothing new is below {self.settings.upload_prefix}"
        self.people.tell(alerts.late(found, f"{now:%Y-%m-%d %H:%M} UTC"))
        self.claims.create(marker)  # last: two reports are better than none
        self.log("delivery_late", "DeliveryLate", found=found)
