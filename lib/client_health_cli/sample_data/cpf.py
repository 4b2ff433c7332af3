"""CPF numbers: distinct, with their check digits, plain or punctuated."""

from __future__ import annotations

from math import gcd
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from client_health_cli.sample_data.draws import Draws, Indices
from client_health_cli.sample_data.texts import from_characters

Digits: TypeAlias = npt.NDArray[np.uint8]

# All nine-digit numbers but the ten of one repeated digit, which no CPF may have.
_BASES = 10**9 - 10
_BETWEEN_REPEATED = 111_111_110


class CpfNumbers:
    """A CPF for each person: another person, another CPF.

    Parameters
    ----------
    draws
        Where the order of the numbers comes from.
    """

    def __init__(self, draws: Draws) -> None:
        # x -> a x + b modulo the number of bases visits each base once if a shares no factor
        # with it; both stay below 2^30, so that the product fits 64 bits.
        factor = 6 * 10**8 + draws.key("cpf factor") % (3 * 10**8)
        while gcd(factor, _BASES) != 1:
            factor += 1
        self._factor = np.uint64(factor)
        self._shift = np.uint64(draws.key("cpf shift") % _BASES)

    def digits(self, person: Indices) -> Digits:
        """Give eleven digits for each person.

        The last two are the check digits: remainders of 11 over the digits before them, weighted
        2, 3, 4, ... from the right, where 10 counts as 0.
        """
        base = (person % np.uint64(_BASES) * self._factor + self._shift) % np.uint64(_BASES)
        base += base // np.uint64(_BETWEEN_REPEATED) + np.uint64(1)
        digits = np.empty((len(person), 11), dtype=np.uint8)
        for place in range(8, -1, -1):
            digits[:, place] = base % np.uint64(10)
            base //= np.uint64(10)
        for place in (9, 10):
            weights = np.arange(place + 1, 1, -1, dtype=np.int32)
            digits[:, place] = digits[:, :place].astype(np.int32) @ weights * 10 % 11 % 10
        return digits


def plain(digits: Digits) -> pa.StringArray:
    """Write `12345678909`."""
    return from_characters(digits + np.uint8(ord("0")))


def punctuated(digits: Digits) -> pa.StringArray:
    """Write `123.456.789-09`."""
    characters = np.empty((len(digits), 14), dtype=np.uint8)
    characters[:, [3, 7]] = ord(".")
    characters[:, 11] = ord("-")
    characters[:, [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13]] = digits + np.uint8(ord("0"))
    return from_characters(characters)


def misshapen(digits: str, kind: int) -> str:
    """Spoil a CPF so that it isn't eleven ASCII digits any more."""
    forms = (
        digits.translate(str.maketrans("0123456789", "ABCDEFGHIJ")),
        digits[:10],
        f"{digits}0",
        digits.translate(str.maketrans("0123456789", "０１２３４５６７８９")),
        digits.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")),
        f"{digits[:4]}O{digits[5:]}",
    )
    return forms[kind % len(forms)]


MISSHAPEN_KINDS = 6


def with_punctuation(text: str) -> str:
    """Punctuate eleven characters like a CPF; leave other lengths alone."""
    if len(text) != 11:
        return text
    return f"{text[:3]}.{text[3:6]}.{text[6:9]}-{text[9:]}"
