"""Lists all uploads at any event. Events are not read, so they may be late, duplicated, or lost.

Only data objects of the raw bucket count: not empty, of a known format, and neither hidden nor
temporary. Each becomes an upload in the form of a claim.
"""

import re
from collections.abc import Iterable
from datetime import UTC
from typing import Any

Json = dict[str, Any]
#: Patterns for the file names of each source; a delivery has one object of each.
FORMATS = {
    "parquet": re.compile(r".*\.parquet", re.IGNORECASE),
    "csv": re.compile(r".*\.csv(\.gz|\.bz2)?", re.IGNORECASE),
    "json": re.compile(r".*\.(json|jsonl|ndjson)(\.gz|\.bz2)?", re.IGNORECASE),
}


def current_objects(s3: Any, bucket: str, prefix: str) -> list[Any]:  # noqa: ANN401 - boto3's
    """Return the newest version of each object that is not deleted."""
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
    return [item for page in pages for item in page.get("Versions", []) if item["IsLatest"]]


def group_uploads(objects: Iterable[Any], bucket: str, prefix: str) -> dict[str, list[Json]]:
    """Return listed data objects in the form of claims, by folder.

    Parameters
    ----------
    objects
        As :func:`current_objects` returns them.
    bucket, prefix
        Location of the uploads.

    Returns
    -------
    dict of str to list of dict
        Uploads by group: the folder's path below the prefix with ``+`` between its parts, and
        ``-`` for the prefix itself.
    """
    groups: dict[str, list[Json]] = {}
    for item in objects:
        *folder, name = item["Key"][len(prefix) :].split("/")
        source = _source_of(name)
        hidden = any(part[:1] in "_." for part in (*folder, name))
        if source and item["Size"] and not hidden:
            group = "+".join(folder) or "-"
            groups.setdefault(group, []).append(_upload(item, source, bucket))
    return groups


def _source_of(name: str) -> str:
    return next((source for source, form in FORMATS.items() if form.fullmatch(name)), "")


def _upload(item: Any, source: str, bucket: str) -> Json:  # noqa: ANN401 - as boto3 lists it
    etag, version = item["ETag"].strip('"'), item["VersionId"]
    return {
        "source": source,
        "bucket": bucket,
        "key": item["Key"],
        "size": item["Size"],
        "etag": etag,
        # In a bucket without versioning, the content is the version.
        "version_id": etag if version == "null" else version,
        "modified": item["LastModified"].astimezone(UTC).isoformat(),
    }
