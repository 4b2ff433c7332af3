"""Metrics of a run as a log line in CloudWatch's embedded metric format."""

import json
import time
from collections.abc import Mapping
from typing import Any, Optional

from register_contract.receipts import Receipt, total

NAMESPACE = "ClientHealth"


def embedded(
    metrics: Mapping[str, float],
    dimensions: Mapping[str, str],
    facts: Optional[Mapping[str, Any]] = None,
    *,
    prefix: str = "",
) -> str:
    """Return metrics as one line of JSON.

    Parameters
    ----------
    metrics : mapping of str to float
        Values by name. Names that end in ``Seconds`` have that unit, the others none.
    dimensions : mapping of str to str
        Dimensions that distinguish the metrics.
    facts : mapping, optional
        Further searchable fields that don't become metrics.
    prefix : str
        Start of the metrics' namespace, which tells environments in one account apart.

    Returns
    -------
    str
        For standard output: CloudWatch Logs extracts the metrics from such a line.
    """
    described = [
        {"Name": name, "Unit": "Seconds" if name.endswith("Seconds") else "None"}
        for name in metrics
    ]
    head = {
        "Timestamp": int(time.time() * 1000),
        "CloudWatchMetrics": [
            {
                "Namespace": f"{prefix}{NAMESPACE}",
                "Dimensions": [list(dimensions)],
                "Metrics": described,
            }
        ],
    }
    return json.dumps({"_aws": head, **dimensions, **metrics, **(facts or {})}, sort_keys=True)


def of_receipts(receipts: Mapping[str, Receipt]) -> dict[str, float]:
    """Return the row counts of a published run, from its receipts.

    Parameters
    ----------
    receipts : mapping of str to mapping
        Receipts by stage, in order.

    Returns
    -------
    dict of str to float
        ``RowsIn``, ``RowsResubmitted``, ``RowsPublished``, ``RowsRejected``, ``RowsDuplicate``,
        and the ``RejectedShare`` from 0 to 1; empty without receipts.
    """
    if not receipts:
        return {}
    found = list(receipts.values())
    rows_in = total(found[0], "in")
    rejected = sum(total(one, "rejected") for one in found)
    return {
        "RowsIn": rows_in,
        "RowsResubmitted": total(found[0], "resubmitted"),
        "RowsPublished": total(found[-1], "out"),
        "RowsRejected": rejected,
        "RowsDuplicate": sum(total(one, "duplicates") for one in found),
        "RejectedShare": round(rejected / rows_in, 6) if rows_in else 0.0,
    }
