"""Files of a lake and of a drop, through Hadoop's file systems: paths and ``s3://`` URIs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pyspark.sql import SparkSession

from client_health.session import jvm

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject


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
    """
    path, system = _path(spark, uri)
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
    path, system = _path(spark, uri)
    if not system.exists(path):
        return None
    stream = system.open(path)
    try:
        content = jvm(spark).org.apache.commons.io.IOUtils.toByteArray(stream)
    finally:
        stream.close()
    return bytes(content).decode()


def delete(spark: SparkSession, uri: str) -> None:
    """Delete a file or folder, if it is there."""
    path, system = _path(spark, uri)
    system.delete(path, True)


def fingerprint(found: list[File]) -> str:
    """Return the sha256 of the sorted lines ``relative/path size``: what a handover is known by."""
    lines = sorted(f"{file.relative} {file.size}\n" for file in found)
    return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()
