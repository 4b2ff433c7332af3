"""Joins, chooses, and replaces Arrow arrays of text without a loop over their rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from client_health_cli.sample_data.draws import Digits, Integers, Mask

# The stubs have fewer signatures than the library.
pc: Any = pyarrow.compute


def choose(
    mask: Mask | pa.BooleanArray,
    where_true: pa.StringArray | str,
    where_false: pa.StringArray | str,
) -> pa.StringArray:
    """Return the first array's text where the mask is true, and the other's elsewhere."""
    condition: Any = mask if isinstance(mask, pa.BooleanArray) else pa.array(mask)
    chosen: pa.StringArray = pc.if_else(condition, where_true, where_false)
    return chosen


def replace(texts: pa.StringArray, mask: Mask, values: Sequence[str | None]) -> pa.StringArray:
    """Return the texts with the values, one after the other, where the mask is true."""
    if not mask.any():
        return texts
    new = pa.array(values, pa.string())
    replaced: pa.StringArray = pc.replace_with_mask(texts, pa.array(mask), new)
    return replaced


def rewrite(
    texts: pa.StringArray, mask: Mask, change: Callable[[str, int], str], numbers: Integers
) -> pa.StringArray:
    """Return the texts, changed one by one where the mask is true, each with its own number.

    Use this for the few rows that no array function can change; none of them may be null.
    """
    chosen = texts.filter(pa.array(mask)).to_pylist()
    changed = [change(str(text), int(n)) for text, n in zip(chosen, numbers, strict=True)]
    return replace(texts, mask, changed)


def join(*parts: pa.StringArray | str, separator: str = "") -> pa.StringArray:
    """Return arrays (and texts, equal for each row) joined row by row; a null counts as empty."""
    joined: pa.StringArray = pc.binary_join_element_wise(
        *parts, separator, null_handling="replace", null_replacement=""
    )
    return joined


def numerals(numbers: Integers) -> pa.StringArray:
    """Return whole numbers as text."""
    written: pa.StringArray = pc.cast(pa.array(numbers), pa.string())
    return written


def filled(form: str, digits: Digits) -> pa.StringArray:
    """Return each row of digits in the zeros of a form such as `000.000.000-00`."""
    template = np.frombuffer(form.encode(), dtype=np.uint8)
    characters = np.tile(template, (len(digits), 1))
    characters[:, template == ord("0")] += digits
    offsets = np.arange(len(digits) + 1, dtype=np.int32) * np.int32(len(form))
    return pa.StringArray.from_buffers(
        len(digits), pa.py_buffer(offsets.tobytes()), pa.py_buffer(characters.tobytes())
    )


def json_values(texts: pa.StringArray, *, numbers: bool) -> pa.StringArray:
    """Return each text as a JSON value, a null as null; with `numbers`, digits as a number."""
    quoted: Any = texts
    characters = bytes(concatenated(texts))
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t")):
        # Most columns have none of them, and checking costs almost nothing.
        if plain.encode() in characters:
            quoted = pc.replace_substring(quoted, plain, escaped)
    quoted = join('"', quoted, '"')
    if numbers:
        number = pc.match_substring_regex(texts, "^[0-9]+$").fill_null(fill_value=False)
        quoted = choose(number, texts, quoted)
    return choose(texts.is_null(), "null", quoted)


def concatenated(texts: pa.StringArray) -> memoryview:
    """Return the UTF-8 of all texts, concatenated, without a copy."""
    buffers: Any = texts.buffers()
    ends = np.frombuffer(buffers[1], dtype=np.int32)
    return memoryview(buffers[2] or b"")[ends[texts.offset] : ends[texts.offset + len(texts)]]
