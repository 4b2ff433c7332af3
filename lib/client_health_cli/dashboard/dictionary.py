"""The data dictionary: the contract as a page for readers, in Portuguese."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from client_health_cli.dashboard import html
from register_contract import contract
from register_contract.rule_set import RuleSet

EFFECTS: Final = {
    contract.Criticality.ERROR: "a linha é rejeitada",
    contract.Criticality.WARN: "a linha é publicada e contada",
    contract.Criticality.GATE: "nada é publicado",
}
"""Effect of a rule, by its criticality."""


@dataclass(frozen=True)
class Entry:
    """One column, as the page shows it.

    Attributes
    ----------
    name, type, meaning
        From the contract.
    sources
        Name and format of the column in each source.
    default
        What a null becomes.
    mask
        What readers see instead of the value; empty if they see the value.
    personal
        Whether it is personal data.
    rules
        Names of the rules for it.
    """

    name: str
    type: str
    meaning: str
    sources: tuple[tuple[str, str, str], ...]
    default: str
    mask: str
    personal: bool
    rules: tuple[str, ...]


def entries(rules: RuleSet | None = None) -> tuple[Entry, ...]:
    """Return the columns in their published order.

    Parameters
    ----------
    rules
        The rules that hold; None for the default ones.
    """
    held = (rules or RuleSet()).rules()
    return tuple(
        Entry(
            name=column.name,
            type=column.type,
            meaning=column.significado,
            sources=_sources(column),
            default="" if column.default is None else str(column.default),
            mask=contract.MASK if column.masked else "",
            personal=column.personal,
            rules=tuple(rule.name for rule in held if rule.column == column.name),
        )
        for column in contract.COLUMNS
    )


def write(rules: RuleSet | None = None) -> str:
    """Return the page.

    Parameters
    ----------
    rules
        The rules that hold; None for the default ones.
    """
    held = rules or RuleSet()
    return html.render(
        "dictionary.html",
        policy=html.policy(),
        css=html.style(),
        table=contract.TABLE,
        columns=entries(held),
        rules=[(rule.name, EFFECTS[rule.criticality], rule.significado) for rule in held.rules()],
        sources=contract.SOURCES,
        limits=held.limits,
        fingerprint=held.fingerprint(),
    )


def _sources(column: contract.Column) -> tuple[tuple[str, str, str], ...]:
    if column not in contract.REGISTER_COLUMNS:
        return ()
    formats = {"date": "date", "timestamp_ntz": "timestamp"}
    return tuple(
        (
            source.name,
            source.column(column.name),
            getattr(source, formats[column.type]).value if column.type in formats else "",
        )
        for source in contract.SOURCES
    )
