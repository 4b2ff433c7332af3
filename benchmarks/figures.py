"""Calculations from the measurements: medians, and ratios within each round."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.measure import Measurement


@dataclass(frozen=True)
class Run:
    """One run of one way on one delivery.

    Parameters
    ----------
    took : Measurement
        Its measurement.
    rows : int
        Number of published rows.
    stages : mapping of str to float
        Seconds by stage, if the way has stages.
    """

    took: Measurement
    rows: int
    stages: Mapping[str, float]

    @property
    def outside_seconds(self) -> float:
        """Time outside the stages: start, session, kernels, and end."""
        return self.took.wall_seconds - sum(self.stages.values())


Round = Mapping[str, Run]
"""One run of each way, one after the other, by the way's name."""


def median(rounds: Sequence[Round], way: str, value: Callable[[Run], float]) -> float:
    """Return the median of a value of a way over all rounds."""
    return statistics.median(value(one[way]) for one in rounds)


@dataclass(frozen=True)
class Ratio:
    """Ratio of one way's wall time to another's, over all rounds."""

    median: float
    lowest: float
    highest: float


def ratio(rounds: Sequence[Round], way: str, other: str) -> Ratio:
    """Return the ratio of two ways' wall times, compared round by round.

    If something slows the machine for a while, it slows both ways in a round: the ratio stays
    meaningful, but the times don't.
    """
    found = [one[way].took.wall_seconds / one[other].took.wall_seconds for one in rounds]
    return Ratio(statistics.median(found), min(found), max(found))


# Share of the processors that other programs may use before a round counts as disturbed.
DISTURBED = 0.1


def disturbance(one: Round) -> float:
    """Return the largest share of the processors that other programs used in a round."""
    return max(run.took.others_share for run in one.values())


def quietest(rounds: Sequence[Round], count: int) -> Sequence[Round]:
    """Return the `count` least disturbed rounds, in the order in which they ran."""
    kept = sorted(range(len(rounds)), key=lambda number: disturbance(rounds[number]))[:count]
    return [rounds[number] for number in sorted(kept)]
