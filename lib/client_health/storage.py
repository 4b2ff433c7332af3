"""Files of a lake and of a delivery, through Arrow's file systems: paths and ``s3://`` URIs.

Driver and workers read and write the same way, without a JVM. The S3 endpoint and the credentials
come from the same variables as boto3's.
"""

from __future__ import annotations

import bz2
import gzip
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import IO, TypeVar, cast

from pyarrow import fs
from pyarrow.lib import ArrowException

from client_health.errors import InputError, StorageError
from client_health.read import file_types

# Errors that a read can raise: Arrow's, those of decompression, and the system's.
READ_ERRORS = (OSError, EOFError, zlib.error, ArrowException)

# Reasons, by parts of the raised error's text. A message never shows that text: it may quote data,
# and doesn't help.
_REASONS = (
    (("ACCESS_DENIED", "PermissionError"), "this account may not read it"),
    (("FileNotFoundError", "NO_SUCH_KEY", "NO_SUCH_BUCKET", "RESOURCE_NOT_FOUND"), "it is gone"),
    (("crc", "CRC"), "its bytes are not those of its checksum"),
    (("EOFError", "end of file", "end of stream", "Truncated"), "it ends too early, cut off"),
)
_DAMAGED = "its content is damaged or cut off"
_AWS_ERROR = re.compile(r"AWS Error (\[code \d+\]|[A-Z_]+)")
# The service's name of an error that the SDK doesn't know, which it calls UNKNOWN.
_AWS_NAME = re.compile(r"Unable to parse ExceptionName: ([\w.]+)")
# Whatever else AWS answers, such as that credentials have expired, is not the file's fault.
_FILES_FAULT = frozenset({"ACCESS_DENIED", "NO_SUCH_KEY", "NO_SUCH_BUCKET", "RESOURCE_NOT_FOUND"})
_SERVER_ERROR = re.compile(r"HTTP (?:status|response code):? 5\d\d", re.IGNORECASE)
# Bytes copied at once from a draft to S3.
_COPIED_BYTES = 8 << 20
_CONNECT_SECONDS, _REQUEST_SECONDS = 10, 60
# For unmasked rows: no other user of the machine reads them.
_PRIVATE_FOLDER, _PRIVATE_FILE = 0o700, 0o600
_T = TypeVar("_T")


@dataclass(frozen=True)
class File:
    """One file: its URI, its path below the requested folder, size in bytes, time of change."""

    uri: str
    relative: str
    size: int
    modified: datetime


def is_remote(uri: str) -> bool:
    """Return whether a URI is in object storage."""
    return "://" in uri and not uri.startswith("file:")


def join(base: str, *parts: str) -> str:
    """Join a URI or path and relative parts."""
    return "/".join([base.rstrip("/"), *(part.strip("/") for part in parts)])


def name_of(uri: str) -> str:
    """Return the last part of a URI."""
    return uri.rstrip("/").rsplit("/", 1)[-1]


def place(uri: str) -> tuple[fs.FileSystem, str]:
    """Return the file system of a URI, and the path in it."""
    if is_remote(uri):
        return _s3(), uri.split("://", 1)[1]
    return fs.LocalFileSystem(), str(Path(re.sub(r"\Afile:(?://)?", "", uri)).absolute())


def _s3() -> fs.FileSystem:
    import boto3  # noqa: PLC0415 (takes a quarter of a second, not needed for local files)

    session = boto3.Session()
    credentials = session.get_credentials()
    frozen = credentials.get_frozen_credentials() if credentials else None
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    return _connected(
        endpoint,
        os.environ.get("AWS_REGION") or session.region_name or "",
        frozen.access_key if frozen else "",
        frozen.secret_key if frozen else "",
        (frozen.token if frozen else "") or "",
    )


@lru_cache(maxsize=4)
def _connected(endpoint: str, region: str, key: str, secret: str, token: str) -> fs.FileSystem:
    """Return a client; it is the same one until credentials are renewed."""
    scheme, _, host = endpoint.rpartition("://")
    return fs.S3FileSystem(
        access_key=key or None,
        secret_key=secret or None,
        session_token=token or None,
        region=region or None,
        endpoint_override=host or None,
        scheme="http" if scheme == "http" else "https",
        connect_timeout=_CONNECT_SECONDS,
        request_timeout=_REQUEST_SECONDS,
    )


def exists(uri: str) -> bool:
    """Return whether a file or folder exists."""
    system, path = place(uri)
    return bool(system.get_file_info(path).type != fs.FileType.NotFound)


def files(uri: str) -> list[File]:
    """Return the data files at or below a URI, sorted by path; empty if there are none.

    Names that start with ``_`` or ``.`` are not data, as is usual with Spark.

    Raises
    ------
    InputError
        If the files cannot be listed.
    StorageError
        If the storage does not answer.
    """
    return readable(name_of(uri), lambda: _listed(uri))


def _listed(uri: str) -> list[File]:
    system, path = place(uri)
    root = system.get_file_info(path)
    if root.type == fs.FileType.File:
        return [_file(uri, root.base_name, root)]
    if root.type == fs.FileType.NotFound:
        return []
    found = []
    for entry in system.get_file_info(fs.FileSelector(path, recursive=True)):
        relative = entry.path[len(path.rstrip("/")) :].strip("/")
        hidden = any(part.startswith(("_", ".")) for part in relative.split("/"))
        if entry.type == fs.FileType.File and not hidden:
            found.append(_file(join(uri, relative), relative, entry))
    return sorted(found, key=lambda file: file.relative)


def _file(uri: str, relative: str, entry: fs.FileInfo) -> File:
    # Milliseconds, which all storages support: a fingerprint must not depend on the storage.
    modified = datetime.fromtimestamp((entry.mtime_ns or 0) // 1_000_000 / 1000, tz=UTC)
    return File(uri, relative, entry.size, modified)


@contextmanager
def opened(uri: str) -> Iterator[IO[bytes]]:
    """Open a file for reading at any position."""
    system, path = place(uri)
    with system.open_input_file(path) as file:
        yield cast("IO[bytes]", file)


@contextmanager
def unpacked(uri: str) -> Iterator[IO[bytes]]:
    """Open a file for reading from its start, decompressed if its name says it is compressed."""
    with opened(uri) as file:
        kind = file_types.packing(uri)
        if kind == ".gz":
            with gzip.GzipFile(fileobj=file) as inside:
                yield cast("IO[bytes]", inside)
        elif kind == ".bz2":
            with bz2.BZ2File(file) as inside:
                yield cast("IO[bytes]", inside)
        else:
            yield file


def start_of(file: File, count: int, *, unpack: bool = False) -> bytes:
    """Return the first bytes of a file.

    Parameters
    ----------
    file : File
    count : int
        The largest number of bytes.
    unpack : bool
        Whether to decompress first, if the file's name says that it is compressed.

    Raises
    ------
    InputError
        If the file cannot be read.
    StorageError
        If the storage does not answer.
    """

    def read() -> bytes:
        with (unpacked if unpack else opened)(file.uri) as stream:
            return stream.read(count)

    return readable(file.relative, read)


def end_of(file: File, count: int) -> bytes:
    """Return the last bytes of a file; raises as :func:`start_of` does."""

    def read() -> bytes:
        with opened(file.uri) as stream:
            stream.seek(max(0, file.size - count))
            return stream.read(count)

    return readable(file.relative, read)


def readable(name: str, read: Callable[[], _T]) -> _T:
    """Return the result of a read, or raise an error with the file's name.

    Raises
    ------
    InputError, StorageError
        See :func:`unreadable`.
    """
    try:
        return read()
    except READ_ERRORS as error:
        raise unreadable(name, error) from None


def unreadable(name: str, thrown: BaseException) -> InputError | StorageError:
    """Return the error for a file that cannot be read, from the raised one.

    The file is at fault, unless the raised error says otherwise.

    Parameters
    ----------
    name : str
        The file's name.
    thrown : exception
    """
    told = f"{type(thrown).__name__}: {thrown}"
    aws = _AWS_ERROR.search(told)
    if (aws and aws[1] not in _FILES_FAULT) or _SERVER_ERROR.search(told):
        reason = aws[1].lower().replace("_", " ") if aws else "it fails"
        if named := _AWS_NAME.search(told):
            reason = named[1]
        return StorageError(
            f"{name}: its storage does not answer ({reason}); expected to read it. Run the same "
            "command again."
        )
    reasons = [reason for parts, reason in _REASONS if any(part in told for part in parts)]
    return InputError(
        name,
        found=f"it cannot be read: {reasons[0] if reasons else _DAMAGED}",
        expected="a whole file that this account may read",
        next_step="Deliver the file again or fix its permissions, and run the same command.",
    )


@contextmanager
def replacing(uri: str, *, private: bool = False) -> Iterator[IO[bytes]]:
    """Write a file: readers see either the complete old one or the complete new one.

    If the block fails, nothing is written.

    Parameters
    ----------
    uri : str
        The file.
    private : bool
        Whether only this account may read it, and the folders that are created for it. In object
        storage, the bucket's policies decide that.
    """
    system, path = place(uri)
    if not isinstance(system, fs.LocalFileSystem):
        # Arrow completes an upload even if it is abandoned, so the upload starts after the block.
        with tempfile.TemporaryFile() as draft:
            yield cast("IO[bytes]", draft)
            draft.seek(0)
            # No compression: Arrow would compress again if the name ends in .gz.
            with system.open_output_stream(path, compression=None) as stream:
                shutil.copyfileobj(draft, stream, _COPIED_BYTES)
        return
    target = Path(path)
    if private:
        _create_private(target.parent)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
    local = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with open(local, "wb", opener=_open_private if private else None) as file:
            yield file
        local.replace(target)
    finally:
        local.unlink(missing_ok=True)


def protect(uri: str) -> None:
    """Create a folder that only this account may enter, or close an existing one to others.

    In object storage, which has no folders, this does nothing.
    """
    system, path = place(uri)
    if isinstance(system, fs.LocalFileSystem):
        _create_private(Path(path))
        Path(path).chmod(_PRIVATE_FOLDER)


def _create_private(folder: Path) -> None:
    # One by one: `parents=True` would give the mode to the last folder alone.
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, _PRIVATE_FILE)


def write_text(uri: str, text: str, *, private: bool = False) -> None:
    """Write a small text file, replacing an existing one in one step."""
    with replacing(uri, private=private) as file:
        file.write(text.encode())


def read_text(uri: str) -> str | None:
    """Return a small text file's content, or None if it does not exist."""
    try:
        return read_bytes(uri).decode()
    except FileNotFoundError:
        return None


def read_bytes(uri: str) -> bytes:
    """Return a small file's content."""
    system, path = place(uri)
    with system.open_input_stream(path, compression=None) as stream:
        return bytes(stream.read())


def delete(uri: str) -> None:
    """Delete a file or folder, if it exists."""
    system, path = place(uri)
    kind = system.get_file_info(path).type
    if kind == fs.FileType.Directory:
        system.delete_dir(path)
    elif kind == fs.FileType.File:
        system.delete_file(path)
