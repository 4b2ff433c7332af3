"""Reads, writes, lists, and deletes small files at local paths and ``s3://`` URIs."""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional
from urllib.parse import unquote, urlsplit

import boto3
from botocore.exceptions import ClientError
from s3transfer.exceptions import S3CopyFailedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CopySourceTypeDef, ErrorTypeDef

_ABSENT = {"NoSuchKey", "404", "NotFound"}
_GONE = _ABSENT | {"NoSuchVersion", "412", "PreconditionFailed"}
_UNVERSIONED = "null"
_ETAG = re.compile(r"[0-9a-f]{32}(-\d+)?")
# Metadata of a copy: the version that it was copied from.
_SOURCE = "source-version"
_DELETE_AT_ONCE = 1000
# Reasons for which S3 leaves an object that it may delete a moment later.
_PASSING = {"InternalError", "SlowDown"}


@dataclass(frozen=True)
class StoredFile:
    """One file or object: its location, its name below the listed one, and its version.

    ``version`` is an object's ETag; `version_of` returns its version id. A local file has no
    version until its content is read.
    """

    uri: str
    name: str
    size: int
    modified: datetime
    version: Optional[str] = None


def is_s3(uri: str) -> bool:
    """Return whether ``uri`` names an object or prefix in S3."""
    return uri.startswith(("s3://", "s3a://"))


def local_path(uri: str) -> Path:
    """Return the absolute path for a local path or ``file:`` URI."""
    if uri.startswith("file:"):
        uri = unquote(urlsplit(uri).path)
    return Path(uri).expanduser().absolute()


def normalise(uri: str) -> str:
    """Return a location in one form: without a final slash, local paths absolute."""
    return uri.rstrip("/") if is_s3(uri) else str(local_path(uri))


def join(uri: str, *names: str) -> str:
    """Append names to a location."""
    return "/".join([uri.rstrip("/"), *names])


def s3_parts(uri: str) -> tuple[str, str]:
    """Split ``s3://bucket/key`` into bucket and key."""
    parts = urlsplit(uri)
    return parts.netloc, uri.split("://", 1)[1][len(parts.netloc) :].lstrip("/")


def read_bytes(uri: str) -> Optional[bytes]:
    """Return a file's content; ``None`` if it does not exist."""
    if not is_s3(uri):
        try:
            return local_path(uri).read_bytes()
        except FileNotFoundError:
            return None
    bucket, key = s3_parts(uri)
    try:
        body: bytes = _s3().get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT:
            return None
        raise
    return body


def write_text(uri: str, text: str) -> None:
    """Write a file as a whole: readers see either the old one or the new one."""
    if is_s3(uri):
        bucket, key = s3_parts(uri)
        _s3().put_object(Bucket=bucket, Key=key, Body=text.encode())
        return
    path = local_path(uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def delete(uri: str) -> None:
    """Delete a file, if it exists."""
    if is_s3(uri):
        bucket, key = s3_parts(uri)
        _s3().delete_object(Bucket=bucket, Key=key)
    else:
        local_path(uri).unlink(missing_ok=True)


def delete_tree(uri: str) -> None:
    """Delete everything below a folder or prefix, if it exists.

    Raises
    ------
    ClientError
        S3 has left some of it.
    """
    if not is_s3(uri):
        shutil.rmtree(local_path(uri), ignore_errors=True)
        return
    bucket, _ = s3_parts(uri)
    client = _s3()
    keys = [s3_parts(file.uri)[1] for file in _s3_files(uri + "/")]
    left: list[ErrorTypeDef] = []
    for start in range(0, len(keys), _DELETE_AT_ONCE):
        found = _delete(client, bucket, keys[start : start + _DELETE_AT_ONCE])
        again = [error["Key"] for error in found if error.get("Code") in _PASSING]
        left += [error for error in found if error.get("Code") not in _PASSING]
        left += _delete(client, bucket, again) if again else []
    if left:
        raise _refusal(left)


def _delete(client: "S3Client", bucket: str, keys: list[str]) -> "list[ErrorTypeDef]":
    """Delete objects; return why some are left, which S3 says in an answer with status 200."""
    answer = client.delete_objects(
        Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]}
    )
    return answer.get("Errors", [])


def _refusal(left: "list[ErrorTypeDef]") -> ClientError:
    first = left[0]
    message = f"{first.get('Key')}: {first.get('Message', '')} (objects left: {len(left)})"
    return ClientError(
        {"Error": {"Code": first.get("Code", ""), "Message": message}}, "DeleteObjects"
    )


def list_files(uri: str) -> list[StoredFile]:
    """Return the data files of a location, sorted by name.

    Parameters
    ----------
    uri : str
        A file, or a folder or prefix. Files and folders below it whose names start with ``_`` or
        ``.`` are not data.

    Returns
    -------
    list of StoredFile
        Names are relative to ``uri``, or the file's own name; empty if there are no files.
    """
    found = _s3_files(uri) if is_s3(uri) else _local_files(local_path(uri))
    return sorted(
        (
            file
            for file in found
            if not any(part.startswith(("_", ".")) for part in file.name.split("/"))
        ),
        key=lambda file: file.name,
    )


def version_of(file: StoredFile) -> str:
    """Return the version id of an object, or its ETag if its bucket keeps no versions.

    If the same content is uploaded again, the ETag stays the same and the version id changes.
    """
    bucket, key = s3_parts(file.uri)
    found = _s3().head_object(Bucket=bucket, Key=key)
    version = found.get("VersionId", _UNVERSIONED)
    return found["ETag"].strip('"') if version == _UNVERSIONED else version


def copy_version(source: str, version: str, target: str) -> None:
    """Copy one version of an object within S3, whatever is uploaded meanwhile.

    Parameters
    ----------
    source, target : str
        URIs of objects.
    version : str
        As `version_of` returns it. A target that is already a copy of it is not copied again.

    Raises
    ------
    FileNotFoundError
        The version no longer exists.
    """
    client = _s3()
    bucket, key = s3_parts(source)
    to_bucket, to_key = s3_parts(target)
    if _copied_from(client, to_bucket, to_key) == version:
        return
    # An ETag has 32 hexadecimal digits, and for an upload in parts also a dash and a number.
    is_etag = _ETAG.fullmatch(version) is not None
    place: CopySourceTypeDef = {"Bucket": bucket, "Key": key}
    extra: dict[str, Any] = {"Metadata": {_SOURCE: version}, "MetadataDirective": "REPLACE"}
    # We don't use tags, and copying them would need another permission.
    extra["TaggingDirective"] = "REPLACE"
    if is_etag:
        extra["CopySourceIfMatch"] = version
    else:
        place["VersionId"] = version
    try:
        client.copy(place, to_bucket, to_key, ExtraArgs=extra)
    except S3CopyFailedError as error:  # a copy in parts: the object changed in between
        raise FileNotFoundError(source) from error
    except ClientError as error:
        if error.response["Error"]["Code"] in _GONE:
            raise FileNotFoundError(source) from error
        raise


def _copied_from(client: "S3Client", bucket: str, key: str) -> Optional[str]:
    try:
        return client.head_object(Bucket=bucket, Key=key)["Metadata"].get(_SOURCE)
    except ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT:
            return None
        raise


def _local_files(root: Path) -> Iterator[StoredFile]:
    paths = root.rglob("*") if root.is_dir() else [root]
    for path in paths:
        if path.is_file():
            status = path.stat()
            name = path.relative_to(root).as_posix() if path != root else path.name
            modified = datetime.fromtimestamp(status.st_mtime, timezone.utc)
            yield StoredFile(str(path), name, status.st_size, modified)


def _s3_files(uri: str) -> Iterator[StoredFile]:
    bucket, prefix = s3_parts(uri)
    folder = prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
    for page in _s3().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", ()):
            key = item["Key"]
            if key == prefix and not key.endswith("/"):
                name = key.rsplit("/", 1)[-1]
            elif key.startswith(folder) and not key.endswith("/"):
                name = key[len(folder) :]
            else:  # `upload` also lists `upload-old/...`; keys that end in / mark folders
                continue
            yield StoredFile(
                f"s3://{bucket}/{key}",
                name,
                item["Size"],
                item["LastModified"],
                item["ETag"].strip('"'),
            )


def _s3() -> "S3Client":
    return boto3.client("s3")
