"""What follows from the measurements: medians, and ratios within each round."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.measure import Measurement


@dataclass(frozen=True)
class Run:
    """One way on one delivery, once.

    Parameters
    ----------
    took : Measurement
        What it took.
    rows : int
        What it published.
    stages : mapping of str to float
        Seconds by stage, where the way has stages.
    """

    took: Measurement
    rows: int
    stages: Mapping[str, float]

    @property
    def outside_seconds(self) -> float:
        """What passed outside the stages: start, session, kernels, the end."""
        return self.took.wall_seconds - sum(self.stages.values())


Round = Mapping[str, Run]
"""Each way once, one after the other, by the way's name."""


def median(rounds: Sequence[Round], way: str, value: Callable[[Run], float]) -> float:
    """Return the median of a value of a way over all rounds."""
    return statistics.median(value(one[way]) for one in rounds)


@dataclass(frozen=True)
class Ratio:
    """How many times as long one way takes as another, over all rounds."""

    median: float
    lowest: float
    highest: float


def ratio(rounds: Sequence[Round], way: str, other: str) -> Ratio:
    """Compare the wall time of two ways round by round.

    What slows the machine for a while slows both of a round: their ratio keeps its meaning
    where each one's time does not.
    """
    found = [one[way].took.wall_seconds / one[other].took.wall_seconds for one in rounds]
    return Ratio(statistics.median(found), min(found), max(found))


# Of the machine's processors, what other programs may take before a round means little.
DISTURBED = 0.1


def disturbance(one: Round) -> float:
    """Return the largest share of the processors that other programs took in a round."""
    return max(run.took.others_share for run in one.values())


def quietest(rounds: Sequence[Round], count: int) -> Sequence[Round]:
    """Return the `count` least disturbed rounds, in the order they were run."""
    kept = sorted(range(len(rounds)), key=lambda number: disturbance(rounds[number]))[:count]
    return [rounds[number] for number in sorted(kept)]
