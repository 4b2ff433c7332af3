"""The page's counts: every view that its filters can show, and none below five."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from register_contract import anonymity, contract

if TYPE_CHECKING:
    import duckdb

SMALLEST: Final = anonymity.K
"""The smallest class that is shown; smaller ones are merged into `OTHERS`."""
OTHERS: Final = "Outros"
AFTER: Final = 2020
"""The span of `clientes_por_ano` begins after this year."""
HIDDEN: Final = -1
_MOST: Final = {"convenio": 40, "ano": 30}

Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Axis:
    """One dimension of the cube.

    Position 0 is all, followed by the members, the last of which is `OTHERS`, and the spans.

    Attributes
    ----------
    members
        Values that are large enough to be named, in the order of the page.
    spans
        Sums over some members: a title, and the positions that are summed.
    """

    members: tuple[str, ...]
    spans: tuple[tuple[str, tuple[int, ...]], ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """Label of each position, beginning with `Todos`."""
        return ("Todos", *self.members, OTHERS, *(title for title, _ in self.spans))

    @property
    def others(self) -> int:
        """Position of `OTHERS`."""
        return len(self.members) + 1

    @property
    def sums(self) -> tuple[tuple[int, tuple[int, ...]], ...]:
        """Positions that are sums, each with the positions that it sums."""
        everything = (0, tuple(range(1, self.others + 1)))
        return (
            everything,
            *((self.others + 1 + n, summed) for n, (_, summed) in enumerate(self.spans)),
        )

    @property
    def lines(self) -> tuple[tuple[int, tuple[int, ...]], ...]:
        """`sums`, and for each span: all is the span and what it leaves out.

        That follows from two of the sums, so a reader can subtract the one from the other.
        """
        return (
            *self.sums,
            *(
                (0, (span, *(n for n in range(1, self.others + 1) if n not in summed)))
                for span, summed in self.sums[1:]
            ),
        )


@dataclass(frozen=True)
class Cube:
    """Counts by convênio, UF, year and sexo, and all their sums.

    Attributes
    ----------
    axes
        The dimensions, in that order.
    counts
        Numbers of clients; `HIDDEN` where a number must not be shown.
    """

    axes: tuple[Axis, ...]
    counts: Counts

    def count(self, *positions: int) -> int:
        """Return one count, or `HIDDEN`."""
        return int(self.counts[positions])


def build(connection: duckdb.DuckDBPyConnection) -> Cube:
    """Count the clients.

    Parameters
    ----------
    connection
        A connection with a table `clientoutput`.

    Returns
    -------
    Cube
        Without a count between 0 and `SMALLEST`, and without one that can be calculated from the
        sum and the other counts of its row, column, or pile.
    """
    rows = connection.execute(_sql()).fetchall()
    axes = (
        Axis(_members(rows, 0, _MOST["convenio"])),
        Axis(tuple(sorted(_members(rows, 1, len(contract.STATES))))),
        _years(rows),
        Axis(("F", "M", contract.DEFAULT_TEXT)),
    )
    counts = _sums(axes, _place(axes, rows))
    return Cube(axes, np.where(hidden(axes, counts), HIDDEN, counts))


def hidden(axes: Sequence[Axis], counts: Counts) -> Mask:
    """Return which counts must not be shown.

    Counts that are too small are hidden. If one can be calculated from its line's sum and other
    counts, the next smallest count is hidden as well, until no line reveals anything.

    Parameters
    ----------
    axes
        Define which positions are sums of which.
    counts
        All counts, including the sums.
    """
    hide: Mask = (counts > 0) & (counts < SMALLEST)
    changed = True
    while changed:
        changed = False
        for number, axis in enumerate(axes):
            for total, members in axis.lines:
                lines = np.moveaxis(counts, number, -1)[..., list(members)]
                shadow = np.moveaxis(hide, number, -1)
                told = _tell_too_much(lines, shadow[..., list(members)], shadow[..., total])
                if not told.any():
                    continue
                changed = True
                candidates = np.where(
                    shadow[..., list(members)] | (lines == 0), np.iinfo(np.int64).max, lines
                )
                smallest = candidates.argmin(axis=-1)
                left = np.take_along_axis(candidates, smallest[..., None], -1)[..., 0]
                member = told & (left != np.iinfo(np.int64).max)
                place = np.array(members)[smallest]
                index = np.nonzero(member)
                shadow[(*index, place[index])] = True
                # Only the line's sum is left.
                shadow[..., total] |= told & ~member
    return hide


def _tell_too_much(lines: Counts, shadow: Mask, total: Mask) -> Mask:
    """Return which lines reveal a hidden count: one unknown, or unknowns with a small sum."""
    unknown = shadow.sum(axis=-1)
    small = (lines * shadow).sum(axis=-1) < SMALLEST
    by_sum = ~total & (unknown > 0) & ((unknown == 1) | small)
    by_members = total & (unknown == 0) & (lines.sum(axis=-1) > 0)
    told: Mask = by_sum | by_members
    return told


def _sql() -> str:
    states = ", ".join(f"'{state}'" for state in sorted(contract.STATES.values()))
    return f"""
        SELECT
            convenio,
            CASE WHEN estado IN ({states}) THEN estado END,
            CASE
                WHEN data_cadastro > TIMESTAMP '{contract.DEFAULT_TIMESTAMP}'
                    AND data_cadastro < current_date + INTERVAL 1 DAY
                THEN year(data_cadastro)
            END,
            sexo,
            count(*)
        FROM clientoutput
        GROUP BY ALL
    """  # noqa: S608 - the contract's own values


def _members(rows: Iterable[tuple[Any, ...]], column: int, most: int) -> tuple[str, ...]:
    """Return the values that are large enough to be named, largest first."""
    totals: dict[str, int] = {}
    for row in rows:
        if row[column] is not None:
            totals[str(row[column])] = totals.get(str(row[column]), 0) + row[-1]
    named = [pair for pair in totals.items() if pair[1] >= SMALLEST]
    return tuple(name for name, _ in sorted(named, key=lambda pair: (-pair[1], pair[0]))[:most])


def _years(rows: Sequence[tuple[Any, ...]]) -> Axis:
    # Sorted by year, not by size: a line chart needs that order.
    named = sorted(_members(rows, 2, len(rows)), key=int)[-_MOST["ano"] :]
    after = tuple(n for n, year in enumerate(named, 1) if int(year) > AFTER)
    return Axis(tuple(named), ((f"Após {AFTER}", after),) if after else ())


def _place(axes: Sequence[Axis], rows: Iterable[tuple[Any, ...]]) -> Counts:
    places: list[Mapping[str, int]] = [
        {name: n for n, name in enumerate(axis.members, 1)} for axis in axes
    ]
    counts = np.zeros([len(axis.labels) for axis in axes], np.int64)
    for *values, clients in rows:
        position = tuple(
            place.get(str(value), axis.others)
            for value, place, axis in zip(values, places, axes, strict=True)
        )
        counts[position] += clients
    return counts


def _sums(axes: Sequence[Axis], counts: Counts) -> Counts:
    for number, axis in enumerate(axes):
        lines = np.moveaxis(counts, number, 0)
        for total, members in axis.sums:
            lines[total] = lines[list(members)].sum(axis=0)
    return counts
