"""Write what owners of given buckets and keys apply: ``python -m tools.owner_files``.

For its own buckets and key, the template sets encryption, versions, retention, and policies. It
can't for those that are given to it, so ``infra/owner`` has the same settings as files for the AWS
CLI, made from the template. With ``--check``, the tool writes nothing, and exits with 1 if a file
is out of date.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.support.deployed import Deployed

FOLDER = Path(__file__).resolve().parent.parent / "infra" / "owner"
_ACCOUNT = "111122223333"
_UPLOADER = "arn:aws:iam::444455556666:role/UPLOADER"
# What the owner replaces.
_NAMES = {
    f"cliente-data-raw-{_ACCOUNT}-sa-east-1": "UPLOADS-BUCKET",
    f"cliente-data-lake-{_ACCOUNT}-sa-east-1": "LAKE-BUCKET",
    "key/DataKey": "key/KEY-ID",
}
_VERSIONS_OF_THE_LAKE = (
    # The template's own lake keeps no versions, so that what is erased is gone.
    {"ID": "old-versions", "Filter": {"Prefix": "lake/"}},
    {"ID": "old-versions-of-results", "Filter": {"Prefix": "query-results/"}},
)


def owner_files() -> dict[str, str]:
    """Return the text of each file, by its name in the folder."""
    deployed = Deployed(account=_ACCOUNT, parameters={"UploaderArn": _UPLOADER})
    uploads, lake = (deployed.properties(name) for name in ("RawBucket", "LakeBucket"))
    old = [
        {
            **rule,
            "Status": "Enabled",
            "Expiration": {"ExpiredObjectDeleteMarker": True},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
        }
        for rule in _VERSIONS_OF_THE_LAKE
    ]
    contents: dict[str, Any] = {
        "uploads/versioning.json": uploads["VersioningConfiguration"],
        "uploads/encryption.json": _encryption(uploads),
        "uploads/lifecycle.json": {
            "Rules": list(_lifecycle(uploads, deployed.ref("UploadPrefix")))
        },
        "uploads/notification.json": {"EventBridgeConfiguration": {}},
        "uploads/policy.json": deployed.properties("RawBucketPolicy")["PolicyDocument"],
        "lake/encryption.json": _encryption(lake),
        "lake/lifecycle.json": {"Rules": [*_lifecycle(lake, "lake/"), *old]},
        "lake/policy.json": deployed.properties("LakeBucketPolicy")["PolicyDocument"],
        "key/policy.json": deployed.properties("DataKey")["KeyPolicy"],
    }
    return {name: _text(content) for name, content in contents.items()}


def _encryption(bucket: Mapping[str, Any]) -> dict[str, Any]:
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    return {
        "Rules": [
            {
                "ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"],
                "BucketKeyEnabled": rule["BucketKeyEnabled"],
            }
        ]
    }


def _lifecycle(bucket: Mapping[str, Any], prefix: str) -> Iterator[dict[str, Any]]:
    """Yield a bucket's rules as S3's API has them, for the chain's folder only."""
    for rule in bucket["LifecycleConfiguration"]["Rules"]:
        known = {"Id", "Status", "Prefix", "ExpirationInDays", "ExpiredObjectDeleteMarker"}
        same = {name: value for name, value in rule.items() if name not in known}
        expires = {
            "Days": rule.get("ExpirationInDays"),
            "ExpiredObjectDeleteMarker": rule.get("ExpiredObjectDeleteMarker"),
        }
        expires = {name: value for name, value in expires.items() if value is not None}
        yield {
            "ID": rule["Id"],
            "Status": rule["Status"],
            "Filter": {"Prefix": rule.get("Prefix", prefix)},
            **({"Expiration": expires} if expires else {}),
            **same,
        }


def _text(content: object) -> str:
    text = json.dumps(content, indent=2)
    for name, placeholder in _NAMES.items():
        text = text.replace(name, placeholder)
    return f"{text}\n"


def main() -> int:
    """Write or check the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    files = {FOLDER / name: text for name, text in owner_files().items()}
    old = [p for p, text in files.items() if not p.exists() or p.read_text("utf-8") != text]
    for path in old:
        if check:
            print(f"{path} is out of date: run 'make docs'")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path], encoding="utf-8")
    return int(check and bool(old))


if __name__ == "__main__":
    sys.exit(main())
