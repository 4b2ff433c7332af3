"""The manifest of a stage's files: their names and contents.

A task that ran twice leaves two files. The manifest names only one of them, and the next stage
reads only named files. The manifest is in the files' folder, under a name that data never has.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

#: The manifest's name in the folder of the files.
NAME = "_manifest.jsonl"


@dataclass(frozen=True)
class Line:
    """One file of a manifest, with the counts taken while it was written.

    Parameters
    ----------
    file : str
        Its name in the folder.
    source : str
        The source whose rows it contains.
    rows : int
    size : int
        In bytes.
    malformed : int
        Rows that could not be split into columns.
    undecodable : int
        Other rows with a lost letter: their text may not be UTF-8.
    convenios : int
        Different health plans, as delivered.
    batch : str
        The batch of corrected rows that it contains; empty for rows of the delivery.
    """

    file: str
    source: str
    rows: int
    size: int
    malformed: int = 0
    undecodable: int = 0
    convenios: int = 0
    batch: str = ""


def dump(lines: Iterable[Line]) -> str:
    """Return the text of a manifest: JSON lines, sorted by file."""
    ordered = sorted(lines, key=lambda line: line.file)
    return "".join(json.dumps(asdict(line), sort_keys=True) + "\n" for line in ordered)


def parse(text: str) -> list[Line]:
    """Parse the text of a manifest.

    Raises
    ------
    ValueError
        The text isn't a manifest.
    """
    try:
        return [Line(**json.loads(line)) for line in text.splitlines()]
    except TypeError as error:
        raise ValueError(str(error)) from error


def fingerprint(sizes: Mapping[str, int]) -> str:
    """Return the fingerprint of a handover: sha256 over the sorted lines ``name size``.

    Parameters
    ----------
    sizes : mapping of str to int
        Size in bytes of each file, by name.
    """
    lines = sorted(f"{name} {size}\n" for name, size in sizes.items())
    return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()


def fingerprint_of(text: str, sizes: Mapping[str, int]) -> str:
    """Return the fingerprint of a handover with a manifest: over its named files and itself.

    Parameters
    ----------
    text : str
        Text of the manifest.
    sizes : mapping of str to int
        Size in bytes of each file in the folder, by name; files that it doesn't name are ignored.

    Raises
    ------
    ValueError
        The text isn't a manifest.
    """
    named = {line.file: sizes.get(line.file, -1) for line in parse(text)}
    return fingerprint({**named, NAME: len(text.encode())})
