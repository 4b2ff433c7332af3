"""Random numbers that depend only on a seed, a purpose, and a row's number."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Indices: TypeAlias = npt.NDArray[np.uint64]
Integers: TypeAlias = npt.NDArray[np.int64]
Digits: TypeAlias = npt.NDArray[np.uint8]
Mask: TypeAlias = npt.NDArray[np.bool_]


class Draws:
    """Counter-based draws (SplitMix64): a row draws the same number in any batch.

    All arithmetic uses integers, so that every machine draws the same numbers.

    Parameters
    ----------
    seed : int
        Different seeds give unrelated draws.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def key(self, purpose: str) -> int:
        """Return the 64-bit number of a purpose with this seed."""
        return int.from_bytes(hashlib.sha256(f"{self._seed}:{purpose}".encode()).digest()[:8])

    def bits(self, purpose: str, index: Indices) -> Indices:
        """Draw 64 random bits for each row."""
        mixed = index * np.uint64(0x9E3779B97F4A7C15) + np.uint64(self.key(purpose))
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
        return mixed

    def below(self, purpose: str, index: Indices, limit: int | Integers) -> Integers:
        """Draw an integer from 0 to `limit` (exclusive, at most 2^31) for each row."""
        high = (self.bits(purpose, index) >> np.uint64(33)).astype(np.int64)
        return (high * limit) >> 31

    def chance(self, purpose: str, index: Indices, share: float) -> Mask:
        """Draw for each row whether it belongs to a share of all rows."""
        return self.between(purpose, index, 0.0, share)

    def between(self, purpose: str, index: Indices, low: float, high: float) -> Mask:
        """Draw whether a row's number in [0, 1) is in [`low`, `high`).

        Shares that exclude each other are different ranges of one purpose's [0, 1).
        """
        fraction = self.bits(purpose, index) >> np.uint64(11)
        return (fraction >= round(low * 2**53)) & (fraction < round(high * 2**53))

    def weighted(self, purpose: str, index: Indices, weights: Sequence[int]) -> Integers:
        """Draw a position in `weights`, with a frequency by weight."""
        ends = np.cumsum(weights)
        return np.searchsorted(ends, self.below(purpose, index, int(ends[-1])), side="right")
