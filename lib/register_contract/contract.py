"""The data contract: columns, sources, rules, and limits, as data.

Transformations, quality gates, and the host that runs papermill read this module. It exports
columns, sources, and rules from the modules that declare them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass

from register_contract import publications
from register_contract.columns import (
    COLUMNS,
    CPF_DIGITS,
    DEFAULT_DATE,
    DEFAULT_TEXT,
    DEFAULT_TIMESTAMP,
    MASK,
    REGISTER_COLUMNS,
    SEXES,
    STATES,
    TITLES,
    Column,
)
from register_contract.rules import (
    RULES,
    Criticality,
    Gate,
    Rule,
    rules,
)
from register_contract.sources import (
    CSV_DELIMITER,
    MONTHS,
    SOURCE_NAMES,
    SOURCES,
    DateFormat,
    Source,
)

__all__ = [
    "CATALOG",
    "COLUMNS",
    "CPF_DIGITS",
    "CSV_DELIMITER",
    "DATABASE",
    "DEFAULT_DATE",
    "DEFAULT_TEXT",
    "DEFAULT_TIMESTAMP",
    "LIMITS",
    "LOG_TABLE",
    "MASK",
    "MONTHS",
    "PARTITION_COLUMN",
    "REGISTER_COLUMNS",
    "RULES",
    "SEXES",
    "SOURCES",
    "SOURCE_NAMES",
    "STATES",
    "TABLE",
    "TITLES",
    "Column",
    "Criticality",
    "DateFormat",
    "Gate",
    "Limits",
    "Rule",
    "Source",
    "rules",
    "rules_fingerprint",
]

CATALOG = "glue_catalog"
DATABASE = "db_client_insurance"
TABLE = f"{DATABASE}.{publications.TABLE}"
# Keeps the record of each publication forever: the snapshots of the table itself expire.
LOG_TABLE = f"{DATABASE}.{publications.LOG}"
PARTITION_COLUMN = "convenio"


@dataclass(frozen=True)
class Limits:
    """Limits of the gates; shares are between 0 and 1.

    Parameters
    ----------
    rejected_share : float
        The largest share of ingested rows that may be rejected.
    volume_change : float
        The largest change in the number of rows, as a share of the last publication's.
    category_shift : float
        The largest change in a category's share of the rows.
    null_rise : float
        The largest rise in a column's share of missing values.
    registrations_factor : float
        How many times more, or fewer, registrations than usual a day may have.
    drift_runs : int
        How many of the last published runs say what is usual: their median.
    drift_least_runs : int
        With fewer published runs than this, nothing is usual yet.
    drift_least_rows : int
        Shares of fewer rows than this, and fewer registrations, are not compared.
    """

    rejected_share: float = 0.05
    volume_change: float = 0.5
    category_shift: float = 0.10
    null_rise: float = 0.05
    registrations_factor: float = 3.0
    drift_runs: int = 7
    drift_least_runs: int = 3
    drift_least_rows: int = 1_000


LIMITS = Limits()


def rules_fingerprint() -> str:
    """Return 16 hex digits that change when the contract changes.

    They are part of a run's identity: the same delivery under other rules is another run.
    """
    described = {
        "columns": [
            (one.name, one.type, one.meaning, one.default, one.personal, one.masked, one.required)
            for one in COLUMNS
        ],
        "sources": [
            (source.name, source.columns, source.date.value, source.timestamp.value)
            for source in SOURCES
        ],
        "rules": [(str(rule.name), rule.criticality.value) for rule in RULES],
        "values": [sorted(SEXES.items()), sorted(STATES.items()), TITLES, MASK],
        "limits": dataclasses.astuple(LIMITS),
    }
    text = json.dumps(described, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
