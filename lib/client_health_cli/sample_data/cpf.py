"""CPF numbers: distinct ones with check digits, and broken ones."""

from __future__ import annotations

import re
from math import gcd

import numpy as np

from client_health_cli.sample_data.draws import Digits, Draws, Indices
from register_contract.columns import CPF_DIGITS

# All nine-digit numbers except the ten with one repeated digit, which no CPF may have.
_BASES = 10**9 - 10
_BETWEEN_REPEATED = 111_111_110
_LOOK_ALIKES = ("ABCDEFGHIJ", "０１２３４５６７８９", "٠١٢٣٤٥٦٧٨٩")
MISSHAPEN_KINDS = 6
PLAIN, PUNCTUATED = "00000000000", "000.000.000-00"


class CpfNumbers:
    """A different CPF for each person, in an order that the draws decide."""

    def __init__(self, draws: Draws) -> None:
        # x -> a x + b modulo the number of bases visits each base once if a shares no factor
        # with it; both stay below 2^30, so that the product fits 64 bits.
        factor = 6 * 10**8 + draws.key("cpf factor") % (3 * 10**8)
        while gcd(factor, _BASES) != 1:
            factor += 1
        self._factor = np.uint64(factor)
        self._shift = np.uint64(draws.key("cpf shift") % _BASES)

    def digits(self, person: Indices) -> Digits:
        """Return the digits of each person's CPF, one row per person.

        The last two are the check digits: remainders modulo 11 over the digits before them,
        weighted 2, 3, 4, ... from the right, where 10 counts as 0.
        """
        base = (person % np.uint64(_BASES) * self._factor + self._shift) % np.uint64(_BASES)
        base += base // np.uint64(_BETWEEN_REPEATED) + np.uint64(1)
        digits = np.empty((len(person), CPF_DIGITS), dtype=np.uint8)
        for place in range(8, -1, -1):
            digits[:, place] = base % np.uint64(10)
            base //= np.uint64(10)
        for place in (9, 10):
            weights = np.arange(place + 1, 1, -1, dtype=np.int32)
            digits[:, place] = digits[:, :place].astype(np.int32) @ weights * 10 % 11 % 10
        return digits


def misshapen(text: str, kind: int) -> str:
    """Return a CPF that no longer has eleven ASCII digits; punctuation stays."""
    digits = re.sub("[^0-9]", "", text)
    letters, wide, arabic = (
        digits.translate(str.maketrans("0123456789", others)) for others in _LOOK_ALIKES
    )
    forms = (letters, digits[:10], f"{digits}0", wide, arabic, f"{digits[:4]}O{digits[5:]}")
    spoiled = forms[kind]
    if "." not in text or len(spoiled) != CPF_DIGITS:
        return spoiled
    return f"{spoiled[:3]}.{spoiled[3:6]}.{spoiled[6:9]}-{spoiled[9:]}"
