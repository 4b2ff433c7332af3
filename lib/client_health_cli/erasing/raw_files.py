"""Raw files that hold people: found by CPF, and deleted, or written again without their rows."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from client_health_cli.erasing import objects, places
from client_health_cli.erasing.objects import ObjectVersion, Refusal
from client_health_cli.erasing.places import File, Place, Prefix
from client_health_cli.erasing.search import Report, Values, bare, found_in, search
from client_health_cli.errors import SettingsError
from client_health_cli.terminal import count_text
from register_contract import runs
from register_contract.erasures import Zone
from register_run import storage

#: Names of zones in the audit record.
RAW, VERSIONS, KEPT = "raw files", "raw files, object versions", "raw files, not deleted"
#: What becomes of a file.
DELETE, REWRITE, LEAVE = "is deleted", "is written again without them", "stays: see below"
_IN_MEMORY = 64 << 20


@dataclass(frozen=True)
class Holding:
    """A raw file, or a version of one, that holds people.

    Attributes
    ----------
    file
        The file or version.
    rows
        Their rows; None if rows can't be told apart.
    mentions
        Rows of others that have their CPF.
    action
        What becomes of it.
    hidden
        Whether a delete marker must keep an older version from becoming the current one.
    """

    file: File
    rows: int | None
    mentions: int = 0
    action: str = DELETE
    hidden: bool = False


@dataclass(frozen=True)
class Found:
    """What a place has of people.

    Attributes
    ----------
    place
        The folder or prefix.
    all_files
        How many files or versions it has.
    holding
        Those that hold people.
    """

    place: Place
    all_files: int
    holding: tuple[Holding, ...]

    @property
    def going(self) -> tuple[Holding, ...]:
        """Those that are deleted or written again."""
        return tuple(one for one in self.holding if one.action != LEAVE)

    def zones(self) -> tuple[Zone, ...]:
        """Return rows, files, and versions for the audit record."""
        if not self.going:
            return ()
        names = {places.relative(one.file, self.place) for one in self.going}
        found = [Zone(RAW, sum(one.rows or 0 for one in self.going), len(names))]
        if isinstance(self.place, Prefix):
            found.append(Zone(VERSIONS, None, len(self.going)))
        return tuple(found)


def place_of(raw: str) -> Place:
    """Return the folder or prefix that `--raw` names.

    Raises
    ------
    SettingsError
        There is no such folder.
    """
    if storage.is_s3(raw):
        return places.prefix_of(raw)
    folder = storage.local_path(raw)
    if not folder.is_dir():
        raise SettingsError(f"--raw {raw}: there is no such folder")
    return folder.resolve()


def find(place: Place, people: Values, *, rewrite: bool) -> Found:
    """Find the files that hold people; nothing is changed.

    Parameters
    ----------
    place
        Where to look.
    people
        Their CPFs and ids.
    rewrite
        Whether current files are to be written again.

    Raises
    ------
    SettingsError
        The folder has a link, or a file can't be written again.
    ObjectsError
        S3 refuses, or doesn't answer.
    """
    if isinstance(place, Path):
        _refuse_links(place)
    people = searched(people)
    listed = places.files(place)
    held = [one for file in listed if (one := _holding(file, people)) is not None]
    if rewrite:
        held = [_with_action(one, place, people) for one in held]
    going = {one.file for one in held if one.action != LEAVE}
    staying = {
        file.key
        for file in listed
        if isinstance(file, ObjectVersion) and not file.marker and file not in going
    }
    return Found(place, len(listed), tuple(_hidden(one, staying) for one in held))


def described(found: Found, people: Values) -> list[str]:
    """Return lines for a person: what holds people, and what will become of it."""
    things = "object versions" if isinstance(found.place, Prefix) else "files"
    hold = "holds" if len(found.holding) == 1 else "hold"
    lines = [f"{len(found.holding):,} of {found.all_files:,} {things} in {found.place} {hold} them"]
    lines[0] += ":" if found.holding else "."
    for one in found.holding:
        version = ""
        if isinstance(one.file, ObjectVersion):
            current = ", current" if one.file.latest else ""
            version = f"{one.file.shown_version} of {one.file.modified:%Y-%m-%d}{current}"
        rows = "rows unknown" if one.rows is None else count_text(one.rows, "row")
        have = "has" if one.mentions == 1 else "have"
        mentions = f", {count_text(one.mentions, 'row')} of others {have} their CPF"
        mentions *= bool(one.mentions)
        name = shown(places.relative(one.file, found.place), people)
        lines.append(f"  {name}{version}: {rows}{mentions}; {one.action}")
    if any(one.action == LEAVE for one in found.holding):
        lines.append(
            "  Rows of others are never removed: correct these files, or erase them as a whole, "
            "without --rewrite"
        )
    return lines


def shown(name: str, people: Values) -> str:
    """Return a file's name without a CPF."""
    return "***" if _names(name, people) else name


def erase(found: Found, people: Values, notes: str) -> list[Refusal]:
    """Delete what holds people, or write it again; each call goes on where another stopped.

    Parameters
    ----------
    found
        From :func:`find`.
    people
        Their CPFs.
    notes
        The `claims` of the lake in S3, where rewritten uploads are noted for the reconciler; empty
        if there are none.

    Returns
    -------
    list of Refusal
        What could not be deleted.
    """
    gone: list[File] = []
    for one in found.going:
        if one.action == REWRITE and not _write_again(one.file, people, notes):
            continue
        if one.hidden and isinstance(one.file, ObjectVersion):
            with contextlib.suppress(FileNotFoundError):
                objects.hide(one.file)
        gone.append(one.file)
    return places.delete(gone)


def prove(place: Place, people: Values) -> Report:
    """Search all files and versions of a place for CPFs and ids of people."""
    return search(places.files(place), searched(people))


def searched(people: Values) -> Values:
    """Return what is looked for in raw files: a name there may be somebody else's, too."""
    return Values(people.cpfs, people.ids, previous_ids=people.previous_ids)


def _refuse_links(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_symlink():
            raise SettingsError(
                f"--raw: {path.relative_to(folder)} is a link: name the folder that has the files "
                "themselves"
            )


def _names(name: str, people: Values) -> bool:
    return any(cpf in bare(name.encode()) for cpf in people.cpfs)


def _holding(file: File, people: Values) -> Holding | None:
    """Return what a file holds of people; None if nothing is found, or if it is gone."""
    from client_health import InputError, people_rows  # noqa: PLC0415 - loads Polars

    named = _names(places.searched_name(file), people)
    if isinstance(file, ObjectVersion) and file.marker:
        return Holding(file, 0) if named else None
    try:
        with file.open("rb") as content:
            try:
                counts = people_rows.count(content, people.cpfs)
            except InputError:
                counts = None
            theirs = counts.theirs if counts else 0
            if not (theirs or named or found_in(file, content, people)):
                return None
    except FileNotFoundError:
        return None
    except PermissionError as error:
        name = places.searched_name(file)
        raise SettingsError(f"--raw: {shown(name, people)}: {error.strerror}") from error
    return Holding(file, counts.theirs, counts.mentions) if counts else Holding(file, None)


def _with_action(one: Holding, place: Place, people: Values) -> Holding:
    """Return what becomes of a holding with `--rewrite`: older versions are only deleted."""
    if not places.is_current(one.file) or _names(places.searched_name(one.file), people):
        return one
    if one.rows is None:
        name = places.relative(one.file, place)
        raise SettingsError(
            f"--rewrite: {name} holds them, but its rows can't be told apart (it is damaged, or "
            "has the form of no source): erase it as a whole, without --rewrite"
        )
    only_others = one.mentions and not one.rows
    return replace(one, action=LEAVE if only_others else REWRITE)


def _hidden(one: Holding, staying: set[str]) -> Holding:
    file = one.file
    if one.action != DELETE or not isinstance(file, ObjectVersion) or not places.is_current(file):
        return one
    return replace(one, hidden=file.key in staying)


def _write_again(file: File, people: Values, notes: str) -> bool:
    """Write a file again; return whether the old one is still there and must be deleted."""
    from client_health import InputError, people_rows  # noqa: PLC0415

    with (
        contextlib.suppress(FileNotFoundError),
        tempfile.SpooledTemporaryFile(_IN_MEMORY) as target,
    ):
        with file.open("rb") as content:
            try:
                people_rows.without(content, target, people.cpfs)
            except InputError as error:
                raise SettingsError(f"--rewrite: {file.name}: {error}") from error
        if notes and isinstance(file, ObjectVersion):
            # First: from the upload on, the reconciler must know that it is none.
            size = target.seek(0, os.SEEK_END)
            storage.write_text(storage.join(notes, runs.rewritten_name(file.key, size)), "")
        return places.replace(file, target)
    return False
