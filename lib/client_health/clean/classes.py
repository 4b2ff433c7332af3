"""Classes of clients with the same quasi-identifiers, and what makes the small ones larger.

Pure functions on Polars frames. Only counts are kept: a frame has a row for each class, so that the
work grows with the classes, not with the clients. See :mod:`register_contract.anonymity`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from register_contract import anonymity, columns, tables
from register_contract.anonymity import ANY, LADDER, OTHERS, Measured, Report, Step

PLAN, SEXO, STATE, BIRTH = anonymity.QUASI_IDENTIFIERS
NAME, CLIENTS = "nome_completo", "clientes"
# Columns while the ladder is climbed: the months since year 0, null if unknown; a band's width.
_PLACE, _BORN, _WIDTH = "place", "born", "width"
#: The anonymous table's columns that describe a class.
DESCRIBED = (PLAN, SEXO, "regiao", "uf", "faixa_nascimento")
_SEXES = sorted(set(columns.SEXES.values()))
_REGION_OF = {uf: region for region, states in anonymity.REGIONS.items() for uf in states}
_UNKNOWN_BIRTH = date.fromisoformat(columns.DEFAULT_DATE)
_YEAR = 12


@dataclass(frozen=True)
class Tally:
    """The clients, counted.

    Parameters
    ----------
    published : Measured
        The classes of the values as published.
    classes : DataFrame
        Clients by what the first step of the ladder still needs.
    """

    published: Measured
    classes: pl.DataFrame


def tally(parts: Iterable[pl.DataFrame | pl.LazyFrame], *, names: bool = False) -> Tally:
    """Count the clients, part by part.

    Parameters
    ----------
    parts : iterable of DataFrame or LazyFrame
        Published rows: at least the quasi-identifiers. All rows of a health plan must be in one
        part, since its classes are counted when the part ends.
    names : bool
        Whether the name is a quasi-identifier, too.
    """
    published = Measured(anonymity.PUBLISHED, 0, 0, 0, 0)
    counted = [_months(_no_classes(names=names))]
    for part in parts:
        classes = _as_published(part.lazy(), names=names)
        published = _sum(published, measure(classes, anonymity.PUBLISHED))
        counted.append(_months(classes))
    return Tally(published, pl.concat(counted))


def climb(found: Tally) -> Iterator[tuple[Measured, pl.DataFrame]]:
    """Yield the classes of each step of the ladder, with their measure.

    Each step generalizes the classes of the one before it.

    Parameters
    ----------
    found : Tally
    """
    classes = found.classes
    by_plan = classes.group_by(PLAN).agg(pl.col(CLIENTS).sum())
    least = anonymity.RARE_PLAN * found.published.clients
    rare = by_plan.filter(pl.col(CLIENTS) < least)[PLAN]
    for step in LADDER:
        classes = _generalized(classes, step, rare)
        yield measure(classes, step.name), classes


def anonymous(found: Tally) -> tuple[pl.DataFrame, Report]:
    """Return the rows of the anonymous table, and how they were made.

    Parameters
    ----------
    found : Tally
        Without names.

    Returns
    -------
    tuple of DataFrame and Report
        A row for each class, with the columns of :data:`DESCRIBED` and the clients: never fewer
        than :data:`~register_contract.anonymity.K`. The clients of smaller classes share one row
        without values, so that sums stay right. No row if there are fewer clients than that.
    """
    measured = [found.published]
    classes = found.classes
    # The last step can always be chosen.
    for step, classes in climb(found):  # noqa: B007 - what is left of the loop is used
        measured.append(step)
        if anonymity.is_enough(step):
            break
    rows, suppressed = _suppress(_described(classes))
    table = measure(rows, tables.CLIENTOUTPUT_ANONIMA.name)
    return rows, Report(tuple(measured), table, suppressed)


def measure(classes: pl.DataFrame, step: str) -> Measured:
    """Return how many classes there are, and how many clients are in small ones."""
    clients = classes[CLIENTS]
    return Measured(
        step,
        classes.height,
        int(clients.min() or 0),  # type: ignore[arg-type]  # whole numbers
        int(clients.sum()),
        int(clients.filter(clients < anonymity.K).sum()),
    )


def _sum(one: Measured, other: Measured) -> Measured:
    both = [size for size in (one.smallest, other.smallest) if size]
    return replace(
        one,
        classes=one.classes + other.classes,
        smallest=min(both, default=0),
        clients=one.clients + other.clients,
        below=one.below + other.below,
    )


def _as_published(rows: pl.LazyFrame, *, names: bool) -> pl.DataFrame:
    # A name counts as its hash: the names of all clients would not fit into memory.
    by = [*(pl.col(name) for name in anonymity.QUASI_IDENTIFIERS)]
    by += [pl.col(NAME).hash()] if names else []
    return rows.group_by(by).agg(pl.len().cast(pl.Int64).alias(CLIENTS)).collect()


def _no_classes(*, names: bool) -> pl.DataFrame:
    texts = dict.fromkeys((PLAN, SEXO, STATE), pl.String())
    hashes = {NAME: pl.UInt64()} if names else {}
    return pl.Schema({**texts, BIRTH: pl.Date(), **hashes, CLIENTS: pl.Int64()}).to_frame()


def _months(classes: pl.DataFrame) -> pl.DataFrame:
    """Return the classes by month of birth; what is no state or no sex becomes unknown."""
    birth = pl.col(BIRTH)
    unknown = pl.lit(columns.DEFAULT_TEXT)
    known = classes.lazy().with_columns(
        pl.when(pl.col(SEXO).is_in(_SEXES)).then(pl.col(SEXO)).otherwise(unknown).alias(SEXO),
        pl.when(pl.col(STATE).is_in(sorted(_REGION_OF)))
        .then(pl.col(STATE))
        .otherwise(unknown)
        .alias(_PLACE),
        pl.when(birth != _UNKNOWN_BIRTH)
        .then(birth.dt.year() * _YEAR + birth.dt.month().cast(pl.Int32) - 1)
        .alias(_BORN),
    )
    return _grouped(known.drop(STATE, BIRTH)).collect()


def _grouped(classes: pl.LazyFrame) -> pl.LazyFrame:
    keys = [name for name in classes.collect_schema().names() if name != CLIENTS]
    return classes.group_by(keys).agg(pl.col(CLIENTS).sum())


def _generalized(classes: pl.DataFrame, step: Step, rare: pl.Series) -> pl.DataFrame:
    born = pl.col(_BORN) // step.months * step.months if step.months else pl.lit(None, pl.Int32)
    place = {"uf": pl.col(_PLACE), "regiao": pl.col(_PLACE).replace(_REGION_OF)}
    plan = pl.when(pl.col(PLAN).is_in(rare.implode())).then(pl.lit(OTHERS)).otherwise(pl.col(PLAN))
    changed = classes.lazy().with_columns(
        born.alias(_BORN),
        place.get(step.place, pl.lit(ANY)).alias(_PLACE),
        (plan if step.merges_rare_plans else pl.col(PLAN)).alias(PLAN),
    )
    return _grouped(changed.with_columns(pl.lit(step.months, pl.Int32).alias(_WIDTH))).collect()


def _described(classes: pl.DataFrame) -> pl.DataFrame:
    """Return the classes with the columns of the anonymous table."""
    born, width = pl.col(_BORN), pl.col(_WIDTH)
    first, last = born, born + width - 1

    def year(month: pl.Expr) -> pl.Expr:
        return (month // _YEAR).cast(pl.String).str.zfill(4)

    month = pl.concat_str(
        year(first), pl.lit("-"), (first % _YEAR + 1).cast(pl.String).str.zfill(2)
    )
    band = (
        pl.when(width == 0)
        .then(pl.lit(ANY))
        .when(born.is_null())
        .then(pl.lit(columns.DEFAULT_TEXT))
        .when(width == 1)
        .then(month)
        .when(width == _YEAR)
        .then(year(first))
        .otherwise(pl.concat_str(year(first), pl.lit("-"), year(last)))
    )
    place = pl.col(_PLACE)
    is_state = place.is_in(sorted(_REGION_OF))
    unknown = place == columns.DEFAULT_TEXT
    return classes.select(
        PLAN,
        SEXO,
        place.replace(_REGION_OF).alias("regiao"),
        pl.when(is_state | unknown).then(place).otherwise(pl.lit(ANY)).alias("uf"),
        band.alias("faixa_nascimento"),
        CLIENTS,
    ).sort(DESCRIBED)


def _suppress(rows: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Put the clients of small classes into one row without values; return also their number.

    If they are too few for a row, the smallest other class joins them.
    """
    small = pl.col(CLIENTS) < anonymity.K
    kept, left = rows.filter(~small), int(rows.filter(small)[CLIENTS].sum())
    if 0 < left < anonymity.K:
        joining = kept.sort(CLIENTS, *DESCRIBED).head(1)
        kept = kept.join(joining, on=DESCRIBED, how="anti", maintain_order="left")
        left += int(joining[CLIENTS].sum())
    if left < anonymity.K:
        return kept, left
    hidden = {**dict.fromkeys(DESCRIBED, ANY), CLIENTS: left}
    return pl.concat([kept, pl.DataFrame([hidden], schema=rows.schema)]), left
