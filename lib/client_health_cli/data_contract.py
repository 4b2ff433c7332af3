"""The register's data contract as a file, in the Open Data Contract Standard (ODCS) 3.

Everything in it comes from :mod:`register_contract`, which the pipeline itself reads.
"""

from __future__ import annotations

from typing import Any, Final

import yaml

from register_contract import __version__, access, contract, publications
from register_contract.contract import Column, Criticality, Rule
from register_contract.retention import RETENTION
from register_contract.rule_set import RuleSet

API_VERSION: Final = "v3.1.0"
"""Version of the standard (https://bitol-io.github.io/open-data-contract-standard)."""

_LOGICAL_TYPES = {
    "string": "string",
    "int": "integer",
    "date": "date",
    "timestamp_ntz": "timestamp",
}
_EFFECTS = {
    Criticality.ERROR: "The row is rejected",
    Criticality.WARN: "The row is published and counted",
    Criticality.GATE: "Nothing is published",
}
# Who may do what: the template on AWS has a policy for each.
_ROLES = {
    "Analyst": ("read", "queries columns without personal values, where access is by column"),
    "Reader": ("read", "queries the published table"),
    "Steward": ("read", "also reads deliveries and rejected rows, which are unmasked"),
    "Upload": ("write", "delivers the three files"),
}


def write(owner: str, rules: RuleSet | None = None) -> str:
    """Return the contract as YAML.

    Parameters
    ----------
    owner
        The team that answers for the data.
    rules
        The rules that hold; None for the default ones.
    """
    return yaml.safe_dump(
        _contract(owner, rules or RuleSet()),
        sort_keys=False,
        allow_unicode=True,
        width=100,
        default_flow_style=False,
    )


def _contract(owner: str, rules: RuleSet) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": contract.TABLE,
        "name": "Client register",
        "version": __version__,
        "status": "active",
        "domain": "health insurance",
        "description": {
            "purpose": "The current register of a health insurer's clients: one row per person.",
            "usage": "Each day's delivery replaces the whole table in one step.",
            "limitations": (
                "CPF, street, district, and city are masked. Names and dates of birth are not: the "
                "table contains personal data (LGPD, art. 5, I)."
            ),
        },
        "schema": [_table(rules)],
        "team": {"name": owner},
        "roles": [
            {"role": name, "access": access, "description": meaning}
            for name, (access, meaning) in _ROLES.items()
        ],
        "slaProperties": [
            {"property": "frequency", "value": 1, "unit": "d", "element": publications.TABLE},
            {
                "property": "retention",
                "value": RETENTION.snapshot_days,
                "unit": "d",
                "element": publications.TABLE,
                "description": (
                    f"Age at which an earlier snapshot may be removed; {RETENTION.snapshots_kept} "
                    "are kept whatever their age."
                ),
            },
        ],
        "customProperties": [
            {"property": "rulesFingerprint", "value": rules.fingerprint()},
        ],
    }


def _table(rules: RuleSet) -> dict[str, Any]:
    return {
        "name": publications.TABLE,
        "physicalName": contract.TABLE,
        "physicalType": "iceberg table",
        "logicalType": "object",
        "description": "One row per person, partitioned by health plan.",
        "properties": [_property(column, rules) for column in contract.COLUMNS],
        "quality": [_quality(rule) for rule in rules.rules() if not rule.column],
    }


def _property(column: Column, rules: RuleSet) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": column.name,
        "logicalType": _LOGICAL_TYPES.get(column.type, column.type),
        "physicalType": column.type,
        "description": column.meaning,
        "required": column.required,
        "classification": access.class_of(column).meaning,
        "customProperties": [{"property": "significado", "value": column.significado}],
    }
    if column.default is not None:
        default = {"property": "nullBecomes", "value": column.default}
        found["customProperties"].append(default)
    if column.name == "id":
        found |= {"unique": True, "primaryKey": True, "primaryKeyPosition": 1}
    if column.name == contract.PARTITION_COLUMN:
        found |= {"partitioned": True, "partitionKeyPosition": 1}
    quality = [_quality(rule) for rule in rules.rules() if rule.column == column.name]
    return found | ({"quality": quality} if quality else {})


def _quality(rule: Rule) -> dict[str, Any]:
    return {
        "type": "text",
        "name": str(rule.name),
        "description": f"{_EFFECTS[rule.criticality]}: {rule.meaning}.",
        "severity": rule.criticality.value,
    }
