"""The four visuals, declared once for the page and QuickSight's template."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Kind(enum.Enum):
    """Kind of chart."""

    PIE = "pie"
    BAR = "bar"
    TREEMAP = "treemap"
    LINE = "line"


class Sort(enum.Enum):
    """Order of a visual's classes."""

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
        Its title for readers.
    kind
        Kind of chart.
    query
        The query in `queries/` whose answer the page shows.
    anonymous
        The query over the tables without persons, with the same columns, that QuickSight shows.
    category
        Column of the query with the classes.
    value
        Column of the query with the numbers.
    value_title
        Name of the numbers for readers.
    sort
        Order of the classes.
    """

    name: str
    title: str
    kind: Kind
    query: str
    anonymous: str
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
        "clientes_por_ano_anonimos",
        "ano",
        sort=Sort.CATEGORY_ASCENDING,
    ),
    Visual(
        "convenios",
        "Clientes por convênio, exceto SUS",
        Kind.TREEMAP,
        "convenios",
        "convenios_anonimos",
        "convenio",
    ),
    Visual(
        "sexo",
        "Clientes por sexo",
        Kind.PIE,
        "clientes_por_sexo",
        "clientes_por_sexo_anonimos",
        "sexo",
    ),
    Visual(
        "estados",
        "Os cinco estados com mais clientes",
        Kind.BAR,
        "estados",
        "estados_anonimos",
        "estado",
    ),
)
