"""Objects of the artifacts bucket, written once and never changed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

_DIGEST = "sha256"


def is_there(s3: Any, bucket: str, key: str, digest: str = "") -> bool:  # noqa: ANN401 - boto3 makes its clients' classes up
    """Return whether an object exists, with the same content if a digest is given."""
    try:
        found = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        raise
    return not digest or found.get("Metadata", {}).get(_DIGEST) == digest


def upload(s3: Any, bucket: str, key: str, content: bytes) -> bool:  # noqa: ANN401
    """Write an object, unless it already exists with this content.

    Returns
    -------
    bool
        Whether it was written.
    """
    digest = hashlib.sha256(content).hexdigest()
    if is_there(s3, bucket, key, digest):
        return False
    s3.put_object(Bucket=bucket, Key=key, Body=content, Metadata={_DIGEST: digest})
    return True


def upload_file(s3: Any, bucket: str, key: str, path: Path) -> None:  # noqa: ANN401
    """Write a large object, in parts."""
    s3.upload_file(str(path), bucket, key, ExtraArgs={"Metadata": {_DIGEST: file_digest(path)}})


def digest_of(s3: Any, bucket: str, key: str) -> str:  # noqa: ANN401
    """Return the digest that an object had when it was written; empty for an older one."""
    return str(s3.head_object(Bucket=bucket, Key=key).get("Metadata", {}).get(_DIGEST, ""))


def file_digest(path: Path) -> str:
    """Return the digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, _DIGEST).hexdigest()


def has_objects(s3: Any, bucket: str) -> bool:  # noqa: ANN401
    """Return whether a bucket has any objects, including old versions and delete markers."""
    found = s3.list_object_versions(Bucket=bucket, MaxKeys=1)
    return bool(found.get("Versions") or found.get("DeleteMarkers"))
