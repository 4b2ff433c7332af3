"""Arrays of text: variants of a value, joins, replacements."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from client_health_cli.sample_data.draws import Integers, Mask

# The stubs know fewer signatures than the library has.
_compute: Any = pyarrow.compute


def decomposed(text: str) -> str:
    """Write each accent as a combining mark of its own."""
    return unicodedata.normalize("NFD", text)


def unaccented(text: str) -> str:
    """Leave every accent out."""
    return "".join(c for c in decomposed(text) if not unicodedata.combining(c))


def unchanged(text: str) -> str:
    """Give the text as it is."""
    return text


def spaced(text: str) -> str:
    """Put white space around the text."""
    return f"  {text} "


Variant = Callable[[str], str]


class Pool:
    """Values to choose from, each in several variants.

    Parameters
    ----------
    values
        What to choose from.
    variants
        Ways to write a value.
    """

    def __init__(self, values: Sequence[str], variants: Sequence[Variant] = (unchanged,)) -> None:
        self.size = len(values)
        self._texts = pa.array(
            [variant(value) for variant in variants for value in values], pa.string()
        )

    def take(self, positions: Integers, variants: Integers | int = 0) -> pa.StringArray:
        """Give the value at each position in the variant of that number."""
        return self._texts.take(positions + variants * self.size)


def choose(
    mask: Mask | pa.BooleanArray,
    where_true: pa.StringArray | str,
    where_false: pa.StringArray | str,
) -> pa.StringArray:
    """Give the one's text where the mask holds and the other's elsewhere."""
    condition: Any = mask if isinstance(mask, pa.BooleanArray) else pa.array(mask)
    chosen: pa.StringArray = _compute.if_else(condition, where_true, where_false)
    return chosen


def replace(texts: pa.StringArray, mask: Mask, values: Sequence[str | None]) -> pa.StringArray:
    """Put one value after the other where the mask holds."""
    if not mask.any():
        return texts
    replaced: pa.StringArray = _compute.replace_with_mask(
        texts, pa.array(mask), pa.array(values, pa.string())
    )
    return replaced


def some(texts: pa.StringArray, mask: Mask) -> list[str]:
    """Give the texts where the mask holds; none of them may be null."""
    return [str(text) for text in texts.filter(pa.array(mask)).to_pylist()]


def join(*parts: pa.StringArray | str, separator: str = "") -> pa.StringArray:
    """Join arrays (and texts, the same for each row) row by row; a null counts as empty."""
    joined: pa.StringArray = _compute.binary_join_element_wise(
        *parts, separator, null_handling="replace", null_replacement=""
    )
    return joined


def numerals(numbers: Integers) -> pa.StringArray:
    """Write whole numbers."""
    written: pa.StringArray = _compute.cast(pa.array(numbers), pa.string())
    return written


def json_values(texts: pa.StringArray, *, numbers: bool) -> pa.StringArray:
    """Write each text as a JSON value, a null as null; digits as a number where asked."""
    quoted: Any = texts
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t")):
        quoted = _compute.replace_substring(quoted, plain, escaped)
    quoted = join('"', quoted, '"')
    if numbers:
        number = _compute.match_substring_regex(texts, "^[0-9]+$")
        quoted = choose(_compute.fill_null(number, fill_value=False), texts, quoted)
    return choose(texts.is_null(), "null", quoted)


def from_characters(characters: npt.NDArray[np.uint8]) -> pa.StringArray:
    """Read each row of a table of ASCII codes as a text."""
    rows, width = characters.shape
    offsets = np.arange(0, (rows + 1) * width, width, dtype=np.int32)
    return pa.StringArray.from_buffers(
        rows, pa.py_buffer(offsets.tobytes()), pa.py_buffer(characters.tobytes())
    )


def concatenated(texts: pa.StringArray) -> memoryview:
    """Give the UTF-8 of all texts one after the other, without a copy."""
    _, offset_buffer, characters = texts.buffers()
    if offset_buffer is None or characters is None:
        return memoryview(b"")
    offsets = np.frombuffer(memoryview(offset_buffer), dtype=np.int32)
    first, last = offsets[texts.offset], offsets[texts.offset + len(texts)]
    return memoryview(characters)[first:last]
