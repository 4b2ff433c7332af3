"""Where files are that may hold people: a folder, or a prefix in S3 with all object versions."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from client_health_cli.erasing import objects
from client_health_cli.erasing.objects import ObjectVersion, Refusal
from client_health_cli.errors import SettingsError
from register_run import storage

# A name such as runs' own drafts have: an erasure of a lake removes these, too.
_DRAFT = ".0"


@dataclass(frozen=True)
class Prefix:
    """Everything below a prefix in S3.

    Attributes
    ----------
    uri
        `s3://bucket/prefix`, without a final slash.
    """

    uri: str

    def __str__(self) -> str:
        return self.uri


#: A place, and what is in it.
Place = Path | Prefix
File = Path | ObjectVersion


def prefix_of(uri: str) -> Prefix:
    """Return the prefix that an `s3://` or `s3a://` URI names."""
    return Prefix("s3://" + uri.partition("://")[2].rstrip("/"))


def files(place: Place) -> list[File]:
    """Return all files of a place, sorted; in S3, all versions and delete markers.

    Raises
    ------
    ObjectsError
        They can't be listed.
    SettingsError
        A folder can't be read, or is a link, so that files would be left out without a word.
    """
    if isinstance(place, Path):
        return sorted(_all_below(place))
    return sorted(objects.versions(place.uri))


def _all_below(place: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(place, onerror=_refuse):
        for name in folders:
            if Path(folder, name).is_symlink():
                raise SettingsError(
                    f"{Path(folder, name)} is a link to a folder: put the folder itself there, or "
                    "name it alone"
                )
        for name in names:
            path = Path(folder, name)
            if path.is_file():
                yield path


def _refuse(error: OSError) -> None:
    raise SettingsError(
        f"{error.filename}: {error.strerror}; use an account that may read every folder"
    ) from error


def relative(file: File, place: Place) -> str:
    """Return the name of a file below its place, with slashes."""
    if isinstance(file, Path):
        return file.relative_to(str(place)).as_posix()
    prefix = storage.s3_parts(str(place))[1]
    return file.key[len(prefix) :].lstrip("/")


def location(file: File) -> str:
    """Return the path or URI of a file, as Iceberg's metadata names it."""
    return str(file) if isinstance(file, Path) else file.uri


def searched_name(file: File) -> str:
    """Return a file's name, or an object's whole key."""
    return file.name if isinstance(file, Path) else file.key


def is_current(file: File) -> bool:
    """Return whether a reader who names no version sees this file."""
    return isinstance(file, Path) or (file.latest and not file.marker)


def older(place: Place) -> list[File]:
    """Return the versions that were replaced or deleted, without delete markers."""
    found = () if isinstance(place, Path) else objects.versions(place.uri)
    return [one for one in found if not one.latest and not one.marker]


def delete(some: Iterable[File]) -> list[Refusal]:
    """Delete files, and in S3 exactly these versions; see :func:`objects.delete`."""
    versions: list[ObjectVersion] = []
    for file in some:
        if isinstance(file, Path):
            file.unlink(missing_ok=True)
        else:
            versions.append(file)
    return objects.delete(versions)


def replace(file: File, content: IO[bytes]) -> bool:
    """Replace a file's content in one step.

    A local file keeps its mode and its time, which is the day of a delivery.

    Parameters
    ----------
    file
        The file, or the current version; see :func:`objects.replace`.
    content
        The new content.

    Returns
    -------
    bool
        Whether the old version still exists.
    """
    content.seek(0)
    if isinstance(file, Path):
        _replace_locally(file, content)
        return False
    return objects.replace(file, content)


def _replace_locally(path: Path, content: IO[bytes]) -> None:
    draft = path.with_name(f".{path.name}{_DRAFT}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        shutil.copyfileobj(content, file)
        file.flush()
        os.fsync(file.fileno())
    shutil.copystat(path, draft)
    draft.replace(path)
