"""Looks for many values at once in the content of files.

Content and values are compared without spaces, dots, dashes, and slashes: a CPF is found with and
without punctuation, and a name across any spacing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO

from client_health_cli.erasing import contents, places
from client_health_cli.erasing.contents import UnsearchableError
from client_health_cli.erasing.places import File
from register_contract import erasures

#: Kinds of values.
CPF, ID, NAME, STREET = "CPF", "id", "name", "street"
#: What content and values are compared without.
SEPARATORS = erasures.SEPARATORS
# An id's beginning: bounds of a column are cut after 16 letters, and the last one may be raised.
_ID_LETTERS = 15
# Shorter values are in many texts that are about nobody.
SHORTEST = 8
# Bytes that are searched together: each search prepares all values once.
_AT_ONCE = 64 << 20


@dataclass(frozen=True)
class Values:
    """What tells of some people.

    Attributes
    ----------
    cpfs
        11 digits each.
    ids
        Their ids.
    names, streets
        As written in sources, and as published.
    previous_ids
        Their ids of an earlier key, in the same order, if it is known.
    """

    cpfs: tuple[str, ...]
    ids: tuple[str, ...]
    names: tuple[str, ...] = ()
    streets: tuple[str, ...] = ()
    previous_ids: tuple[str, ...] = ()

    @property
    def all_ids(self) -> tuple[str, ...]:
        """The ids of every key."""
        return (*self.ids, *self.previous_ids)

    def patterns(self) -> dict[str, str]:
        """Return what to look for, as :func:`bare` returns content, and the kind of each."""
        found: dict[str, str] = {}
        for kind, values in ((STREET, self.streets), (NAME, self.names)):
            for value in values:
                # Notebooks and receipts may escape letters.
                for written in (value, json.dumps(value)[1:-1]):
                    found[bare(written.encode())] = kind
        found |= {bare(value[:_ID_LETTERS].encode()): ID for value in self.all_ids}
        return found | dict.fromkeys(self.cpfs, CPF)


@dataclass
class Report:
    """What was searched and found.

    Attributes
    ----------
    files, stored, searched
        By kind of file: how many, their bytes, and the bytes after decompression.
    found
        By file and kind of value: how often.
    unsearchable
        Files that can't be searched, with the reason.
    """

    files: dict[str, int] = field(default_factory=dict)
    stored: dict[str, int] = field(default_factory=dict)
    searched: dict[str, int] = field(default_factory=dict)
    found: dict[tuple[File, str], int] = field(default_factory=dict)
    unsearchable: dict[File, str] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Whether everything was searched and nothing was found."""
        return not self.found and not self.unsearchable

    def with_values(self) -> set[File]:
        """Return the files that have a value, or can't be searched for one."""
        return {path for path, _ in self.found} | set(self.unsearchable)


def bare(content: bytes) -> str:
    """Return bytes without separators, each as one letter."""
    return content.translate(None, SEPARATORS.encode()).decode("latin-1")


def search(files: Iterable[File], values: Values) -> Report:
    """Look for values in files, stored and decompressed, and in their names.

    Parameters
    ----------
    files
        The files.
    values
        What to look for.

    Returns
    -------
    Report
        Never with a value.
    """
    report = Report()
    _look_at_all(_parts(files, report), values, report)
    return report


def found_in(file: File, content: IO[bytes], values: Values) -> bool:
    """Return whether a file that is open has a value; see :func:`search`."""
    report = Report()
    _look_at_all(_parts_of(file, content, report), values, report)
    return bool(report.found)


def _look_at_all(parts: Iterable[tuple[File, bytes]], values: Values, report: Report) -> None:
    patterns = values.patterns()
    batch: list[tuple[File, str]] = []
    size = 0
    for file, part in parts:
        batch.append((file, bare(part)))
        size += len(part)
        if size > _AT_ONCE:
            _look(batch, patterns, report)
            batch, size = [], 0
    _look(batch, patterns, report)


def _parts(files: Iterable[File], report: Report) -> Iterator[tuple[File, bytes]]:
    for file in files:
        yield file, places.searched_name(file).encode()
        try:
            with file.open("rb") as opened:
                yield from _parts_of(file, opened, report)
        except FileNotFoundError:
            # It went away since it was listed.
            continue
        except PermissionError as error:
            report.unsearchable[file] = f"it can't be read ({error.strerror})"


def _parts_of(file: File, opened: IO[bytes], report: Report) -> Iterator[tuple[File, bytes]]:
    kind = contents.kind_of(opened)
    report.files[kind] = report.files.get(kind, 0) + 1
    report.stored[kind] = report.stored.get(kind, 0) + opened.seek(0, os.SEEK_END)
    try:
        for part in contents.parts(opened, kind):
            report.searched[kind] = report.searched.get(kind, 0) + len(part)
            yield file, part
    except UnsearchableError as error:
        report.unsearchable[file] = str(error)


def _look(batch: list[tuple[File, str]], patterns: Mapping[str, str], report: Report) -> None:
    import polars as pl  # noqa: PLC0415 - slows every command's start

    if not batch or not patterns:
        return
    texts = pl.Series([text for _, text in batch])
    hits = texts.str.extract_many(list(patterns), overlapping=True)
    for (path, _), found in zip(batch, hits, strict=True):
        for pattern in found if found is not None else ():
            place = path, patterns[pattern]
            report.found[place] = report.found.get(place, 0) + 1
