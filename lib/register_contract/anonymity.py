"""How far the anonymous table generalizes: the size of a class, and the ladder of steps.

A class is all clients with the same quasi-identifiers: values that others know of a person, too. A
table is k-anonymous if no class has fewer than k clients. Each step of the ladder generalizes more
than the one before it. The first step that leaves few enough clients in smaller classes is the
table's; those clients' values are suppressed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType

#: The smallest class.
K = 5
#: The largest share of clients whose values may be suppressed, unless the last step has more.
MOST_SUPPRESSED = 0.01
#: Health plans with a smaller share of the clients are rare.
RARE_PLAN = 0.01
#: Columns of the published table that others know of a person, too.
QUASI_IDENTIFIERS = ("convenio", "sexo", "estado", "data_nascimento")
#: Age in days after which an earlier snapshot of the anonymous table is removed, by the next commit
#: or by maintenance: the difference of two of them shows in which class a client came or left.
SNAPSHOT_DAYS = 1
#: What replaces a value that a step, or the suppression, leaves out; and the rare health plans.
ANY, OTHERS = "*", "Outros"
REGIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Norte": ("AC", "AM", "AP", "PA", "RO", "RR", "TO"),
        "Nordeste": ("AL", "BA", "CE", "MA", "PB", "PE", "PI", "RN", "SE"),
        "Centro-Oeste": ("DF", "GO", "MS", "MT"),
        "Sudeste": ("ES", "MG", "RJ", "SP"),
        "Sul": ("PR", "RS", "SC"),
    }
)

#: In the summary of the anonymous table's snapshot: the snapshot that it was made from, the ladder
#: that it was made with, and the report.
SOURCE_SNAPSHOT = "pipeline.source-snapshot-id"
RECIPE = "pipeline.anonymity-recipe"
REPORT = "pipeline.anonymity-report"


@dataclass(frozen=True)
class Step:
    """One step of the ladder.

    Parameters
    ----------
    name : str
    meaning, significado : str
        What it generalizes, in English and in Portuguese.
    months : int
        Width of the bands of dates of birth; 0 leaves the date out.
    place : str
        ``uf``, ``regiao``, or empty for none.
    merges_rare_plans : bool
        Whether rare health plans become one.
    """

    name: str
    meaning: str
    significado: str
    months: int
    place: str = "uf"
    merges_rare_plans: bool = False


#: What a report calls the values as they are published.
PUBLISHED = "publicado"
LADDER: tuple[Step, ...] = (
    Step("mes", "month of birth", "mês de nascimento", 1),
    Step("ano", "year of birth", "ano de nascimento", 12),
    Step("cinco_anos", "five years of birth", "cinco anos de nascimento", 60),
    Step("dez_anos", "ten years of birth", "dez anos de nascimento", 120),
    Step(
        "convenios_raros",
        "ten years of birth, rare health plans as one",
        "dez anos de nascimento, convênios raros como um só",
        120,
        merges_rare_plans=True,
    ),
    Step(
        "regiao",
        "ten years of birth, region, rare health plans as one",
        "dez anos de nascimento, região, convênios raros como um só",
        120,
        "regiao",
        merges_rare_plans=True,
    ),
    Step(
        "sem_nascimento",
        "no birth, region, rare health plans as one",
        "sem nascimento, região, convênios raros como um só",
        0,
        "regiao",
        merges_rare_plans=True,
    ),
    Step(
        "sem_lugar",
        "no birth, no place, rare health plans as one",
        "sem nascimento, sem lugar, convênios raros como um só",
        0,
        "",
        merges_rare_plans=True,
    ),
)


@dataclass(frozen=True)
class Measured:
    """The classes of one step.

    Parameters
    ----------
    step : str
        Its name, or :data:`PUBLISHED`.
    classes, smallest : int
        How many there are, and the clients of the smallest one.
    clients, below : int
        All clients, and those in classes with fewer than :data:`K`.
    """

    step: str
    classes: int
    smallest: int
    clients: int
    below: int

    @property
    def share(self) -> float:
        """Share of the clients in classes with fewer than :data:`K`, 0 to 1."""
        return self.below / self.clients if self.clients else 0.0


@dataclass(frozen=True)
class Report:
    """How the anonymous table was made.

    Parameters
    ----------
    measured : tuple of Measured
        The values as published, and the ladder up to the table's step.
    table : Measured
        The classes of the table itself. Its clients are fewer than the published ones only if the
        table is empty.
    suppressed : int
        Clients whose values are suppressed.
    """

    measured: tuple[Measured, ...]
    table: Measured
    suppressed: int

    def dump(self) -> str:
        """Return the report as JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))

    def described(self) -> list[tuple[str, str, int, int, float]]:
        """Return a row for each step, and one for the table.

        Returns
        -------
        list of tuple
            The step, its meaning, its classes, the smallest of them, and the percentage of clients
            in classes with fewer than :data:`K`.
        """
        lines = [(meaning_of(one.step), one) for one in self.measured]
        lines.append((f"the table: values of {self.suppressed:,} clients suppressed", self.table))
        return [
            (one.step, meaning, one.classes, one.smallest, 100 * one.share)
            for meaning, one in lines
        ]


def parse(text: str) -> Report:
    """Return a report from its JSON."""
    content = json.loads(text)
    return Report(
        tuple(Measured(**one) for one in content["measured"]),
        Measured(**content["table"]),
        content["suppressed"],
    )


def is_enough(measured: Measured) -> bool:
    """Return whether the table is made with a step that was measured."""
    return measured.step == LADDER[-1].name or (
        measured.step != PUBLISHED and measured.share <= MOST_SUPPRESSED
    )


def meaning_of(step: str) -> str:
    """Return what a step of a report generalizes."""
    return next((one.meaning for one in LADDER if one.name == step), "as published")


def recipe() -> str:
    """Return the fingerprint of what decides how the table is made."""
    parts = [K, MOST_SUPPRESSED, RARE_PLAN, QUASI_IDENTIFIERS, [asdict(step) for step in LADDER]]
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
