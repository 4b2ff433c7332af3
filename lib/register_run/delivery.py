"""The delivery: a day's complete register, and the fingerprint that names it."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from register_contract import runs
from register_run import storage
from register_run.errors import InputError
from register_run.storage import StoredFile

_ENDINGS = {
    "parquet": (".parquet",),
    "csv": (".csv", ".csv.gz", ".csv.bz2"),
    "json": tuple(
        kind + packed for kind in (".json", ".jsonl", ".ndjson") for packed in ("", ".gz", ".bz2")
    ),
}
_BLOCK = 1 << 20
_THREADS = 4


@dataclass(frozen=True)
class DeliveryObject:
    """One object of a delivery: its source, name, version, size in bytes, last change."""

    source: str
    name: str
    version: str
    size: int
    modified: datetime


@dataclass(frozen=True)
class Delivery:
    """One complete delivery.

    Parameters
    ----------
    delivery_id : str
        ``d`` and 16 hexadecimal digits: a fingerprint of versions and sizes of its objects,
        and of the keys of those in S3. The path of a local file does not count.
    as_of : str
        UTC date of the newest change of any of its objects.
    sources : mapping of str to str
        Location of each source.
    objects : tuple of DeliveryObject
        All of its objects.
    """

    delivery_id: str
    as_of: str
    sources: Mapping[str, str]
    objects: tuple[DeliveryObject, ...]

    @classmethod
    def read(cls, sources: Mapping[str, str]) -> "Delivery":
        """Find the sources' files and fingerprint them.

        Parameters
        ----------
        sources : mapping of str to str
            Path or URI of a file or folder, by name of the source.

        Raises
        ------
        InputError
            A source is missing, empty, or unreadable.
        """
        places = {name: storage.normalise(uri) for name, uri in sources.items()}
        found = [item for name, uri in sorted(places.items()) for item in _objects(name, uri)]
        newest = max(item.modified for item in found).astimezone(timezone.utc)
        return cls(delivery_id(found), newest.date().isoformat(), places, tuple(found))

    def kept_in(self, lake: str) -> "Delivery":
        """Copy exactly these versions into a lake in S3, so that later uploads change nothing.

        Parameters
        ----------
        lake : str
            URI of the lake. The copies go to ``deliveries/<source>/delivery_id=<delivery_id>/``;
            those from an earlier start are kept.

        Returns
        -------
        Delivery
            With the same name and day, and the copies as its sources.

        Raises
        ------
        InputError
            One of the versions no longer exists.
        """
        places = {}
        for source, place in self.sources.items():
            folder = storage.join(lake, "deliveries", source, f"delivery_id={self.delivery_id}")
            files = [item for item in self.objects if item.source == source]
            alone = files[0].name == place
            for item in files:
                name = place.rsplit("/", 1)[-1] if alone else item.name[len(place) + 1 :]
                _copy(item, storage.join(folder, name))
            places[source] = storage.join(folder, place.rsplit("/", 1)[-1]) if alone else folder
        return replace(self, sources=places)


def delivery_id(objects: Sequence[DeliveryObject]) -> str:
    """Return a delivery's name, made from sources, versions, sizes, and, in S3, keys."""
    return runs.name_delivery(map(_line, objects))


def find_sources(raw: str) -> dict[str, str]:
    """Find exactly one Parquet, one CSV, and one JSON source in a folder or prefix.

    Parameters
    ----------
    raw : str
        Folder or ``s3://`` prefix. Each source is a file or folder directly in it whose name
        has the format's ending (``.parquet``; ``.csv``; ``.json``, ``.jsonl``, ``.ndjson``;
        CSV and JSON also compressed), or a folder named ``parquet``, ``csv``, or ``json``.

    Returns
    -------
    dict of str to str
        Location by format.

    Raises
    ------
    InputError
        A format is missing or present more than once; the message names all of these.
    """
    root = storage.normalise(raw)
    entries = sorted({file.name.split("/", 1)[0] for file in _files(raw, root)})
    places: dict[str, str] = {}
    problems = []
    for kind, endings in _ENDINGS.items():
        names = [name for name in entries if name.lower().endswith(endings) or name == kind]
        if len(names) == 1:
            places[kind] = storage.join(root, names[0])
        elif names:
            problems.append(f"{len(names)} for {kind} ({', '.join(names)})")
        else:
            problems.append(f"none for {kind} ({', '.join(endings[:3])})")
    if problems:
        listed = ", ".join(entries[:10]) or "nothing"
        raise InputError(
            f"{raw}: expected one source each of parquet, csv and json, found"
            f" {'; '.join(problems)}; the folder has {listed}",
            next_step="leave one file or folder of each format there, or name the three yourself",
        )
    return places


def _objects(source: str, uri: str) -> list[DeliveryObject]:
    files = _files(source, uri)
    if not files:
        raise InputError(
            f"source {source} has no file: {uri} is {_absent(uri)}; expected a file, or a folder"
            " of files",
            next_step="check the path, and that the upload has finished",
        )
    empty = [file.name for file in files if not file.size]
    if empty:
        more = f" and {len(empty) - 1} more" if len(empty) > 1 else ""
        raise InputError(
            f"source {source} is empty: {empty[0]}{more} with 0 bytes at {uri}; expected data",
            next_step="upload the complete file again",
        )
    look = _with_version if storage.is_s3(uri) else _with_content
    with ThreadPoolExecutor(_THREADS) as pool:
        files = list(pool.map(look, files))
    return [
        DeliveryObject(source, file.uri, file.version or "", file.size, file.modified)
        for file in files
    ]


def _absent(uri: str) -> str:
    if storage.is_s3(uri):
        return "missing"
    path = storage.local_path(uri)
    if path.is_dir():
        return "a folder without data files"
    if path.is_symlink():
        return "a broken link"
    return "not a regular file" if path.exists() else "missing"


def _files(what: str, uri: str) -> list[StoredFile]:
    try:
        if not storage.is_s3(uri):
            # Listing skips a folder that may not be read, with everything in it.
            for _ in os.walk(storage.local_path(uri), onerror=_raise):
                pass
        return storage.list_files(uri)
    except (OSError, ClientError, BotoCoreError) as error:
        raise _unreadable(what, uri, error) from error


def _with_version(file: StoredFile) -> StoredFile:
    try:
        return replace(file, version=storage.version_of(file))
    except (ClientError, BotoCoreError) as error:
        raise _unreadable("source", file.uri, error) from error


def _with_content(file: StoredFile) -> StoredFile:
    digest = hashlib.sha256()
    try:
        with Path(file.uri).open("rb") as stream:
            for block in iter(lambda: stream.read(_BLOCK), b""):
                digest.update(block)
    except OSError as error:
        raise _unreadable("source", file.uri, error) from error
    return replace(file, version=f"sha256:{digest.hexdigest()}")


def _raise(error: OSError) -> None:
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise error


def _unreadable(what: str, uri: str, error: Exception) -> InputError:
    reason = (isinstance(error, OSError) and error.strerror) or error
    return InputError(
        f"{what} cannot be read at {uri}: {reason}; expected a file that this account may read",
        next_step="check that it exists and that this account may read it",
    )


def _copy(item: DeliveryObject, target: str) -> None:
    try:
        storage.copy_version(item.name, item.version, target)
    except FileNotFoundError as error:
        raise InputError(
            f"source {item.source} is gone: version {item.version} of {item.name} existed when"
            " the delivery was complete; expected that it still exists",
            next_step="upload the three files again: they are a new delivery",
        ) from error


def _line(item: DeliveryObject) -> str:
    key = storage.s3_parts(item.name)[1] if storage.is_s3(item.name) else ""
    return runs.object_line(item.source, item.version, item.size, key)
