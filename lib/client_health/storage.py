"""Files of a lake and of a delivery, through Hadoop's file systems: paths and ``s3://`` URIs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from client_health.errors import InputError, StorageError
from client_health.session import jvm

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject

# What went wrong, by parts of the names of Java's exceptions: a message shows neither these nor
# their texts, which may quote data and are no help at night.
_REASONS = (
    (("AccessControl", "AccessDenied", "Forbidden"), "this account may not read it"),
    (("FileNotFound", "NoSuchFile"), "it is gone"),
    (("Checksum",), "its bytes are not those of its checksum"),
    (("EOF",), "it ends too early, cut off"),
)
# Not the file's fault, by parts of the names of what the clients of S3 throw: the last two lines
# are those of the AWS SDK 2 and of Hadoop 3.4's S3A, which Glue 5.1 has.
_UNAVAILABLE = (
    *(
        "AWSClientIO",
        "SdkClient",
        "Throttl",
        "ServiceUnavailable",
        "InternalServer",
        "AWSStatus500",
    ),
    *("ConnectException", "ConnectTimeout", "SocketTimeout", "SocketException", "UnknownHost"),
    *("NoHttpResponse", "AbortedException"),
    *("ApiCallTimeout", "ApiCallAttemptTimeout", "RetryableException", "SdkInterrupted"),
    *("HttpChannelEOF", "ConnectionPoolTimeout", "InterruptedIO"),
)
_DAMAGED = "its content is damaged or cut off"


@dataclass(frozen=True)
class File:
    """One file: its URI, its path below the folder asked for, size in bytes, time of change."""

    uri: str
    relative: str
    size: int
    modified: datetime


def _path(spark: SparkSession, uri: str) -> tuple[JavaObject, JavaObject]:
    path = jvm(spark).org.apache.hadoop.fs.Path(uri)
    configuration = spark.sparkContext._jsc.hadoopConfiguration()
    return path, path.getFileSystem(configuration)


def join(base: str, *parts: str) -> str:
    """Join a URI or path and relative parts."""
    return "/".join([base.rstrip("/"), *(part.strip("/") for part in parts)])


def exists(spark: SparkSession, uri: str) -> bool:
    """Say whether there is a file or folder."""
    path, system = _path(spark, uri)
    return bool(system.exists(path))


def files(spark: SparkSession, uri: str) -> list[File]:
    """Return the data files at or below a URI, sorted by path; empty when there is nothing.

    Names that start with ``_`` or ``.`` are not data, as everywhere in Hadoop.

    Raises
    ------
    InputError
        When they cannot be listed.
    """
    try:
        return _listed(*_path(spark, uri))
    except Py4JJavaError as error:
        raise unreadable(uri.rstrip("/").rsplit("/", 1)[-1], error.java_exception) from None


def _listed(path: JavaObject, system: JavaObject) -> list[File]:
    if not system.exists(path):
        return []
    status = system.getFileStatus(path)
    root = str(status.getPath().toString())
    found = []
    listing = system.listFiles(path, True)
    while listing.hasNext():
        entry = listing.next()
        full = str(entry.getPath().toString())
        relative = full[len(root) :].strip("/")
        if any(part.startswith(("_", ".")) for part in relative.split("/")):
            continue
        modified = datetime.fromtimestamp(entry.getModificationTime() / 1000, tz=UTC)
        found.append(File(full, relative or full.rsplit("/", 1)[-1], entry.getLen(), modified))
    return sorted(found, key=lambda file: file.relative)


def literal(uri: str) -> str:
    """Return a URI for Spark's readers, which take some characters for patterns."""
    return re.sub(r"([][{}*?\\])", r"\\\1", uri)


def start_of(spark: SparkSession, file: File, count: int, *, unpacked: bool = False) -> bytes:
    """Return the first bytes of a file.

    Parameters
    ----------
    spark : SparkSession
    file : File
    count : int
        How many at the most.
    unpacked : bool
        Whether they are those of the data inside, where the file's name says that it is
        compressed.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    path, system = _path(spark, file.uri)
    factory = jvm(spark).org.apache.hadoop.io.compress.CompressionCodecFactory(
        spark.sparkContext._jsc.hadoopConfiguration()
    )
    codec = factory.getCodec(path) if unpacked else None

    def read() -> bytes:
        stream = system.open(path)
        try:
            source = codec.createInputStream(stream) if codec else stream
            return bytes(source.readNBytes(count))
        finally:
            stream.close()

    return _readable(file, read)


def end_of(spark: SparkSession, file: File, count: int) -> bytes:
    """Return the last bytes of a file.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    path, system = _path(spark, file.uri)

    def read() -> bytes:
        stream = system.open(path)
        try:
            stream.seek(max(0, file.size - count))
            return bytes(stream.readNBytes(count))
        finally:
            stream.close()

    return _readable(file, read)


def _readable(file: File, read: Callable[[], bytes]) -> bytes:
    try:
        return read()
    except Py4JJavaError as error:
        raise unreadable(file.relative, error.java_exception) from None


def unreadable(name: str, thrown: JavaObject) -> InputError | StorageError:
    """Build the error for a file that cannot be read, from what Java threw.

    It is the file's own fault unless the names of what was thrown say otherwise.

    Parameters
    ----------
    name : str
        The file's name.
    thrown : JavaObject
        The exception.
    """
    classes = []
    cause: JavaObject | None = thrown
    while cause is not None:
        classes.append(str(cause.getClass().getSimpleName()))
        cause = cause.getCause()
    away = [name for name in classes if any(part in name for part in _UNAVAILABLE)]
    if away:
        return StorageError(
            f"{name}: its storage does not answer ({away[-1]}); expected to read it. Run the same "
            "command again."
        )
    told = [
        reason for parts, reason in _REASONS for c in classes if any(part in c for part in parts)
    ]
    return InputError(
        name,
        found=f"it cannot be read: {told[0] if told else _DAMAGED}",
        expected="a whole file that this account may read",
        next_step="Deliver the file again or mend its permissions, and run the same command.",
    )


def write_text(spark: SparkSession, uri: str, text: str) -> None:
    """Write a small text file whole, replacing what was there."""
    path, system = _path(spark, uri)
    stream = system.create(path, True)
    try:
        stream.write(bytearray(text.encode()))
    finally:
        stream.close()


def read_text(spark: SparkSession, uri: str) -> str | None:
    """Return a small text file's content, or None when there is none."""
    return read_bytes(spark, uri).decode() if exists(spark, uri) else None


def read_bytes(spark: SparkSession, uri: str) -> bytes:
    """Return a small file's content."""
    path, system = _path(spark, uri)
    stream = system.open(path)
    try:
        return bytes(jvm(spark).org.apache.commons.io.IOUtils.toByteArray(stream))
    finally:
        stream.close()


def delete(spark: SparkSession, uri: str) -> None:
    """Delete a file or folder, if it is there."""
    path, system = _path(spark, uri)
    system.delete(path, True)


def fingerprint(found: list[File]) -> str:
    """Return the sha256 of the sorted lines ``relative/path size``: what a handover is known by."""
    lines = sorted(f"{file.relative} {file.size}\n" for file in found)
    return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()
