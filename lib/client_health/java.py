"""Numbers as text in Java's form, which Spark's own readers also return."""

from __future__ import annotations

import math
import struct


def double_text(value: float) -> str:
    """Return a number as ``Double.toString`` of Java 17 does: not always in the shortest form."""
    if not math.isfinite(value):
        return _special(value)
    return _written(value, *_digits(abs(value))) if value else _zero(value)


def float_text(value: float) -> str:
    """Return a 32-bit float with its own few digits, not those of the nearest double."""
    if not math.isfinite(value):
        return _special(value)
    if not value:
        return _zero(value)
    written = (f"{abs(value):.{count}e}" for count in range(9))
    digits, _, exponent = next(text for text in written if _rounded(text) == abs(value)).partition(
        "e"
    )
    return _written(value, digits.replace(".", "").rstrip("0"), int(exponent) + 1)


def _rounded(text: str) -> float:
    try:
        single: float = struct.unpack("f", struct.pack("f", float(text)))[0]
    except OverflowError:
        return math.inf
    return single


def _special(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _sign(value: float) -> str:
    return "-" if math.copysign(1, value) < 0 else ""


def _zero(value: float) -> str:
    return f"{_sign(value)}0.0"


def _written(value: float, digits: str, point: int) -> str:
    """Return digits with the point at that place, and with an exponent where Java has one."""
    sign = _sign(value)
    if 0 < point < 8:
        return f"{sign}{digits[:point].ljust(point, '0')}.{digits[point:] or '0'}"
    if -3 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{point - 1}"


def _digits(value: float) -> tuple[str, int]:
    """Return the digits of a positive number, and where its point is: FloatingDecimal's dtoa."""
    fraction, exponent = math.frexp(value)
    exponent -= 1
    significant = 53 if exponent >= -1022 else 53 + exponent + 1022
    bits = int(math.ldexp(fraction, 53))
    odd = bits >> ((bits & -bits).bit_length() - 1)
    length = odd.bit_length()
    tiny = max(0, length - exponent - 1)
    if not tiny and exponent <= 62:
        return _integer_digits(int(value), exponent - significant - 1)
    normal = math.ldexp(fraction, 1)
    estimate = (normal - 1.5) * 0.289529654 + 0.176091259 + exponent * 0.301029995663981
    decimal = math.floor(estimate)
    fives, twos = max(0, -decimal), max(0, -decimal) + tiny + exponent
    below_fives, below_twos = max(0, decimal), max(0, decimal) + tiny
    margin_twos = twos - significant
    twos -= length - 1
    common = min(twos, below_twos)
    twos, below_twos, margin_twos = twos - common, below_twos - common, margin_twos - common
    margin_twos -= length == 1
    if margin_twos < 0:
        twos, below_twos, margin_twos = twos - margin_twos, below_twos - margin_twos, 0
    # Up to 63 bits, it compares differently.
    small = length + twos + _bits_of_five(fives) < 64
    small = small and below_twos + 1 + _bits_of_five(below_fives + 1) < 64
    number, below = odd * 5**fives << twos, 5**below_fives << below_twos
    margin, tens = 5**fives << margin_twos, below * 10
    digits: list[int] = []
    first = True
    while True:
        digit, number = divmod(number, below)
        number, margin = number * 10, margin * 10
        low = number < margin
        high = number + margin > tens or (not small and number + margin == tens)
        if first and digit == 0 and not high:
            decimal -= 1
        else:
            digits.append(digit)
        if first and not -3 <= decimal < 8:
            low = high = False
        first = False
        if low or high:
            break
    rest = number * 2 - tens
    if high and (not low or rest > 0 or (rest == 0 and digits[-1] % 2)):
        return _round_up(digits, decimal + 1)
    return "".join(map(str, digits)), decimal + 1


def _bits_of_five(power: int) -> int:
    return (5**power).bit_length() if 0 < power < 27 else power * 3


def _integer_digits(value: int, spare: int) -> tuple[str, int]:
    dropped = 10 ** int(spare * math.log10(2)) if spare > 1 else 1
    value = (value + dropped // 2) // dropped if dropped > 1 else value
    digits = str(value)
    return digits.rstrip("0"), len(digits) + len(str(dropped)) - 1


def _round_up(digits: list[int], point: int) -> tuple[str, int]:
    rounded = str(int("".join(map(str, digits))) + 1).rjust(len(digits), "0")
    if len(rounded) > len(digits):
        return rounded[: len(digits)], point + 1
    return rounded, point
