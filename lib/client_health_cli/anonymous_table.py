"""The anonymous table of a lake: whether it follows the published one, and how it was made."""

from __future__ import annotations

from client_health_cli.errors import LakeError
from client_health_cli.published import PublishedTable, other_table
from register_contract import anonymity
from register_contract.anonymity import Report
from register_contract.tables import CLIENTOUTPUT_ANONIMA

_NAME = CLIENTOUTPUT_ANONIMA.name
_REPAIR = "The next run makes it again, or client-health maintain."


def anonymous_report(table: PublishedTable) -> Report | None:
    """Return how the anonymous table was made; None if not from what readers see.

    Parameters
    ----------
    table
        The published table.
    """
    summary = _summary(table.lake)
    made = (summary.get(anonymity.SOURCE_SNAPSHOT), summary.get(anonymity.RECIPE))
    if made != (str(table.snapshot_id), anonymity.recipe()):
        return None
    return anonymity.parse(summary[anonymity.REPORT])


def state(table: PublishedTable) -> str:
    """Return in a sentence whether the anonymous table is made from what readers see.

    Parameters
    ----------
    table
        The published table.
    """
    report = anonymous_report(table)
    if report is not None:
        return (
            f"{_NAME} follows snapshot {table.snapshot_id}: {report.table.classes:,} classes, the "
            f"smallest of {report.table.smallest:,} clients; values of {report.suppressed:,} "
            "clients suppressed."
        )
    source = _summary(table.lake).get(anonymity.SOURCE_SNAPSHOT)
    if source is None:
        return f"{_NAME} has not been made yet. {_REPAIR}"
    return f"{_NAME} is of snapshot {source}; readers see {table.snapshot_id}. {_REPAIR}"


def _summary(lake: str) -> dict[str, str]:
    try:
        return dict(other_table(lake, _NAME).summary)
    except LakeError:
        return {}
