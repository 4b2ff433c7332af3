"""The four visuals, declared once: the page and QuickSight's template show the same."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Kind(enum.Enum):
    """How a visual is drawn."""

    PIE = "pie"
    BAR = "bar"
    TREEMAP = "treemap"
    LINE = "line"


class Sort(enum.Enum):
    """What a visual's classes are ordered by."""

    VALUE_DESCENDING = "value descending"
    CATEGORY_ASCENDING = "category ascending"


@dataclass(frozen=True)
class Visual:
    """One visual.

    Parameters
    ----------
    name
        Its id on the page.
    title
        As readers see it.
    kind
        How it is drawn.
    query
        The query of `queries/` that it shows.
    category
        Column of the query with the classes.
    value
        Column of the query with the numbers.
    value_title
        What readers see the numbers called.
    sort
        Order of the classes.
    """

    name: str
    title: str
    kind: Kind
    query: str
    category: str
    value: str = "clientes"
    value_title: str = "Clientes"
    sort: Sort = Sort.VALUE_DESCENDING


VISUALS: tuple[Visual, ...] = (
    Visual(
        "anos",
        "Clientes por ano de cadastro, após 2020",
        Kind.LINE,
        "clientes_por_ano",
        "ano",
        sort=Sort.CATEGORY_ASCENDING,
    ),
    Visual(
        "convenios",
        "Clientes por convênio, exceto SUS",
        Kind.TREEMAP,
        "convenios",
        "convenio",
    ),
    Visual("sexo", "Clientes por sexo", Kind.PIE, "clientes_por_sexo", "sexo"),
    Visual("estados", "Os cinco estados com mais clientes", Kind.BAR, "estados", "estado"),
)
