"""The manifest of a stage's files: which there are, and what each holds.

A task that ran twice leaves two files; only one of them is named here, and only a named file
exists for whoever reads on. The manifest stands beside the files under a name that data never has.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

#: Its name in the folder of the files.
NAME = "_manifest.jsonl"


@dataclass(frozen=True)
class Line:
    """One file of a manifest, with what was counted while it was written.

    Parameters
    ----------
    file : str
        Its name in the folder.
    source : str
        The source whose rows it holds.
    rows : int
    size : int
        In bytes.
    malformed : int
        Rows that could not be split into columns.
    undecodable : int
        Other rows with a letter that is lost: their text may not be UTF-8.
    convenios : int
        Different health plans, as they came.
    """

    file: str
    source: str
    rows: int
    size: int
    malformed: int = 0
    undecodable: int = 0
    convenios: int = 0


def dump(lines: Iterable[Line]) -> str:
    """Return the text of a manifest: JSON lines, sorted by file."""
    ordered = sorted(lines, key=lambda line: line.file)
    return "".join(json.dumps(asdict(line), sort_keys=True) + "\n" for line in ordered)


def parse(text: str) -> list[Line]:
    """Read the text of a manifest.

    Raises
    ------
    ValueError
        It is none.
    """
    try:
        return [Line(**json.loads(line)) for line in text.splitlines()]
    except TypeError as error:
        raise ValueError(str(error)) from error


def fingerprint(sizes: Mapping[str, int]) -> str:
    """Return what a handover is known by: sha256 over the sorted lines ``name size``.

    Parameters
    ----------
    sizes : mapping of str to int
        Name to bytes of each file.
    """
    lines = sorted(f"{name} {size}\n" for name, size in sizes.items())
    return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()


def fingerprint_of(text: str, sizes: Mapping[str, int]) -> str:
    """Return what a handover with a manifest is known by: the files that it names, and itself.

    Parameters
    ----------
    text : str
        Of the manifest.
    sizes : mapping of str to int
        Name to bytes of each file that is there, others as well.

    Raises
    ------
    ValueError
        The text isn't a manifest.
    """
    named = {line.file: sizes.get(line.file, -1) for line in parse(text)}
    return fingerprint({**named, NAME: len(text.encode())})
