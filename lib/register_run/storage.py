"""Small files by URI: local paths and ``s3://``, read, written, listed, deleted."""

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
    from mypy_boto3_s3.type_defs import CopySourceTypeDef

_ABSENT = {"NoSuchKey", "404", "NotFound"}
_GONE = _ABSENT | {"NoSuchVersion", "412", "PreconditionFailed"}
_UNVERSIONED = "null"
_ETAG = re.compile(r"[0-9a-f]{32}(-\d+)?")
# Says of a copy which version it is of.
_SOURCE = "source-version"
_DELETE_AT_ONCE = 1000


@dataclass(frozen=True)
class StoredFile:
    """One file or object: where it is, its name below what was listed, and its version.

    ``version`` is an object's ETag until `version_of` is asked for more; a local file has none
    until its content is read.
    """

    uri: str
    name: str
    size: int
    modified: datetime
    version: Optional[str] = None


def is_s3(uri: str) -> bool:
    """Tell whether ``uri`` names an object or prefix of S3."""
    return uri.startswith(("s3://", "s3a://"))


def local_path(uri: str) -> Path:
    """Give the absolute path of a local path or ``file:`` URI."""
    if uri.startswith("file:"):
        uri = unquote(urlsplit(uri).path)
    return Path(uri).expanduser().absolute()


def normalise(uri: str) -> str:
    """Give one spelling to a location: no closing slash, local paths absolute."""
    return uri.rstrip("/") if is_s3(uri) else str(local_path(uri))


def join(uri: str, *names: str) -> str:
    """Append names to a location."""
    return "/".join([uri.rstrip("/"), *names])


def s3_parts(uri: str) -> tuple[str, str]:
    """Split ``s3://bucket/key`` into bucket and key."""
    parts = urlsplit(uri)
    return parts.netloc, uri.split("://", 1)[1][len(parts.netloc) :].lstrip("/")


def read_bytes(uri: str) -> Optional[bytes]:
    """Read a whole file; ``None`` when there is none."""
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
    """Write a whole file; readers see the old one or the new one."""
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
    """Delete a file; one that is not there is fine."""
    if is_s3(uri):
        bucket, key = s3_parts(uri)
        _s3().delete_object(Bucket=bucket, Key=key)
    else:
        local_path(uri).unlink(missing_ok=True)


def delete_tree(uri: str) -> None:
    """Delete everything below a folder or prefix; one that is not there is fine."""
    if not is_s3(uri):
        shutil.rmtree(local_path(uri), ignore_errors=True)
        return
    bucket, _ = s3_parts(uri)
    client = _s3()
    keys = [s3_parts(file.uri)[1] for file in _s3_files(uri + "/")]
    for start in range(0, len(keys), _DELETE_AT_ONCE):
        some = keys[start : start + _DELETE_AT_ONCE]
        client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in some]})


def list_files(uri: str) -> list[StoredFile]:
    """List the data files of a location, by name.

    Parameters
    ----------
    uri : str
        A file, or a folder or prefix. Names below it that start with ``_`` or ``.``, and
        whatever is in folders of such a name, are no data.

    Returns
    -------
    list of StoredFile
        Names are relative to ``uri``, or the file's own name; empty when nothing is there.
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
    """Give the version id of an object, or its ETag where its bucket keeps no versions.

    Content that is uploaded again has the same ETag and another version id.
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
        As `version_of` gives it. A target that was copied from it is left as it is.

    Raises
    ------
    FileNotFoundError
        That version is gone.
    """
    client = _s3()
    bucket, key = s3_parts(source)
    to_bucket, to_key = s3_parts(target)
    if _copied_from(client, to_bucket, to_key) == version:
        return
    # An ETag has 32 hexadecimal digits, and a dash with a number where it came in parts.
    is_etag = _ETAG.fullmatch(version) is not None
    place: CopySourceTypeDef = {"Bucket": bucket, "Key": key}
    extra: dict[str, Any] = {"Metadata": {_SOURCE: version}, "MetadataDirective": "REPLACE"}
    # Tags say nothing to us, and copying them would take leave of its own.
    extra["TaggingDirective"] = "REPLACE"
    if is_etag:
        extra["CopySourceIfMatch"] = version
    else:
        place["VersionId"] = version
    try:
        client.copy(place, to_bucket, to_key, ExtraArgs=extra)
    except S3CopyFailedError as error:  # of parts: the object changed in between
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
            else:  # `upload` also lists `upload-old/...`; keys that end in / are folder marks
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
