"""Versions of objects in S3: listed, read, deleted, and replaced."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Literal

from client_health_cli.errors import ObjectsError
from register_run import storage

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# What is read is kept in memory up to this size, and above it in a file without a name.
_IN_MEMORY = 64 << 20
_GONE = {"NoSuchKey", "NoSuchVersion", "404"}
# The version of an object in a bucket that keeps none.
_UNVERSIONED = "null"
_AT_ONCE = 1000
# No message may quote a CPF that is in a key.
_LIKE_A_CPF = re.compile(r"[0-9]{3}[ ./-]?[0-9]{3}[ ./-]?[0-9]{3}[ ./-]?[0-9]{2}")
_CHANGED = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
# What a rewritten object takes over.
_KEPT = (
    *("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType"),
    *("Metadata", "StorageClass"),
)
# What decides which S3 a client calls, and as whom.
_CLIENT_VARIABLES = (
    *("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"),
    *("AWS_PROFILE", "AWS_ACCESS_KEY_ID"),
)


@dataclass(frozen=True, order=True)
class ObjectVersion:
    """A version of an object in S3, or a delete marker, which has no content.

    Attributes
    ----------
    key
        Its key.
    modified
        When it was uploaded.
    version
        Its version id.
    latest
        Whether it is the current version.
    marker
        Whether it is a delete marker.
    size
        In bytes.
    bucket
        Its bucket.
    """

    key: str
    modified: dt.datetime
    version: str
    latest: bool
    marker: bool
    size: int
    bucket: str

    @property
    def shown_version(self) -> str:
        """Its version for a message; empty in a bucket that keeps none."""
        return "" if self.version == _UNVERSIONED else f" version {self.version}"

    @property
    def name(self) -> str:
        """The last part of its key."""
        return self.key.rpartition("/")[2]

    @property
    def uri(self) -> str:
        """Its key with the bucket."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def suffix(self) -> str:
        """The ending of its name, with the dot."""
        return PurePosixPath(self.name).suffix

    def open(self, mode: Literal["rb"] = "rb") -> IO[bytes]:
        """Return its content, which no other process can see.

        Raises
        ------
        FileNotFoundError
            It is gone, or is a delete marker.
        """
        if self.marker:
            raise FileNotFoundError(self.key)
        content = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - the caller closes it
        with _answered(self.uri):
            found = _client().get_object(Bucket=self.bucket, Key=self.key, VersionId=self.version)[
                "Body"
            ]
            for block in found.iter_chunks(1 << 20):
                content.write(block)
        content.seek(0)
        return content


@dataclass(frozen=True)
class Refusal:
    """A version that could not be deleted, and why."""

    file: ObjectVersion
    why: str


def versions(uri: str) -> Iterator[ObjectVersion]:
    """Yield all versions of the objects below a prefix, and their delete markers.

    Raises
    ------
    ObjectsError
        They can't be listed.
    """
    bucket, prefix = storage.s3_parts(uri)
    below = f"{prefix.rstrip('/')}/" if prefix else ""
    with _answered(uri):
        pages = _client().get_paginator("list_object_versions")
        for page in pages.paginate(Bucket=bucket, Prefix=below):
            found: list[dict[str, Any]] = [dict(one) for one in page.get("Versions", [])]
            found += [{**one, "Size": None} for one in page.get("DeleteMarkers", [])]
            for one in found:
                yield ObjectVersion(
                    one["Key"],
                    one["LastModified"].astimezone(dt.UTC),
                    one["VersionId"],
                    one["IsLatest"],
                    one["Size"] is None,
                    one["Size"] or 0,
                    bucket,
                )


def delete(some: Sequence[ObjectVersion]) -> list[Refusal]:
    """Delete exactly these versions.

    Returns
    -------
    list of Refusal
        Those that stay: because of a lock, or because a permission is missing.

    Raises
    ------
    ObjectsError
        S3 doesn't answer.
    """
    return [
        refusal
        for bucket in sorted({one.bucket for one in some})
        for own in ([one for one in some if one.bucket == bucket],)
        for start in range(0, len(own), _AT_ONCE)
        for refusal in _deleted(bucket, own[start : start + _AT_ONCE])
    ]


def hide(version: ObjectVersion) -> None:
    """Put a delete marker on an object, so that no older version of it becomes the current one.

    Raises
    ------
    FileNotFoundError
        The object is gone by now.
    ObjectsError
        Another version is the current one by now, or S3 refuses.
    """
    client = _client()
    place: Any = {"Bucket": version.bucket, "Key": version.key}
    with _answered(version.uri):
        known = client.head_object(**place, VersionId=version.version)
        client.delete_object(**place, IfMatch=known["ETag"])


def replace(version: ObjectVersion, content: IO[bytes]) -> bool:
    """Upload a new version of an object, with the type and metadata of the current one.

    Parameters
    ----------
    version
        The current version.
    content
        The new content.

    Returns
    -------
    bool
        Whether the old version still exists: only in a bucket that keeps versions.

    Raises
    ------
    FileNotFoundError
        The object is gone by now.
    ObjectsError
        Another version is the current one by now, or S3 refuses.
    """
    client = _client()
    place: Any = {"Bucket": version.bucket, "Key": version.key}
    with _answered(version.uri):
        known: dict[str, Any] = dict(client.head_object(**place, VersionId=version.version))
        kept = {name: known[name] for name in _KEPT if known.get(name)}
        written = client.put_object(**place, Body=content, IfMatch=known["ETag"], **kept)
    return written.get("VersionId", _UNVERSIONED) != version.version


def _deleted(bucket: str, batch: Iterable[ObjectVersion]) -> Iterator[Refusal]:
    by_id = {(one.key, one.version): one for one in batch}
    with _answered(f"s3://{bucket}"):
        done = _client().delete_objects(
            Bucket=bucket,
            Delete={
                "Objects": [{"Key": key, "VersionId": version} for key, version in by_id],
                "Quiet": True,
            },
        )
    for error in done.get("Errors", []):
        if error.get("Code") not in _GONE:
            version = by_id[error["Key"], error["VersionId"]]
            yield Refusal(version, f"{error.get('Code')}{_lock_of(version)}")


def _lock_of(version: ObjectVersion) -> str:
    """Return what locks a version, as far as this account may see that."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - slows every command's start

    try:
        found = _client().head_object(
            Bucket=version.bucket, Key=version.key, VersionId=version.version
        )
    except ClientError:
        return ""
    if found.get("ObjectLockLegalHoldStatus") == "ON":
        return ", the object has a legal hold"
    until = found.get("ObjectLockRetainUntilDate")
    return f", locked until {until:%Y-%m-%d %H:%M} UTC" if until else ""


def _client() -> S3Client:
    return _client_of(tuple(os.environ.get(name, "") for name in _CLIENT_VARIABLES))


@functools.lru_cache(maxsize=2)
def _client_of(_variables: tuple[str, ...]) -> S3Client:
    """Return a client: to make one takes longer than a call."""
    import boto3  # noqa: PLC0415 - slows every command's start

    return boto3.client("s3")


@contextlib.contextmanager
def _answered(uri: str) -> Iterator[None]:
    """Turn errors of S3 into ours; what is gone is a file that isn't found."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    place = _LIKE_A_CPF.sub("***", uri)
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _GONE:
            raise FileNotFoundError(uri) from error
        if code in _CHANGED:
            raise ObjectsError(
                f"{place} was replaced in the meantime: run the same command again"
            ) from error
        raise ObjectsError(
            f"{place}: {error.operation_name} was refused ({code}). docs/lgpd.md has the policy "
            "with the permissions; then run the same command again"
        ) from error
    except BotoCoreError as error:
        raise ObjectsError(
            f"{place}: S3 can't be reached ({type(error).__name__}). Are you signed in to AWS?"
        ) from error
