"""What the account already has and the stack is given: looked at before anything is created."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from infra.errors import SettingsError

OWNERS_FILES = "infra/owner"
_DENIED = frozenset({"403", "AccessDenied", "AccessDeniedException", "Forbidden"})
_MISSING = frozenset({"404", "NoSuchBucket", "EntityNotFoundException"})
_MOVED = frozenset({"301", "PermanentRedirect"})


def look(
    clients: Callable[[str], Any], parameters: Mapping[str, str], note: Callable[[str], None]
) -> None:
    """Check the buckets, the database, and the connection that are given.

    Parameters
    ----------
    clients
        Returns the boto3 client of a service.
    parameters
        The template's parameters, those of earlier deployments included.
    note
        Receives what the owner should still change; the deployment goes on.

    Raises
    ------
    SettingsError
        Something isn't there, or is in another region.
    """
    look = _Look(clients, note)
    if name := parameters.get("RawBucketName"):
        look.uploads(name)
    if name := parameters.get("LakeBucketName"):
        look.lake(name)
    if name := parameters.get("DatabaseName"):
        look.database(name)
    if name := parameters.get("ConnectionName"):
        look.connection(name)


class _Look:
    def __init__(self, clients: Callable[[str], Any], note: Callable[[str], None]) -> None:
        self._clients, self._note = clients, note

    def uploads(self, bucket: str) -> None:
        if not self._bucket("RawBucketName", bucket):
            return
        s3 = self._clients("s3")
        versions = self._ask(bucket, lambda: s3.get_bucket_versioning(Bucket=bucket))
        if versions is not None and versions.get("Status") != "Enabled":
            self._note(
                f"{bucket} keeps no versions: a file that is replaced before its run has copied it "
                f"stops this run. Its owner should switch them on ({OWNERS_FILES}/uploads)"
            )
        events = self._ask(bucket, lambda: s3.get_bucket_notification_configuration(Bucket=bucket))
        if events is not None and "EventBridgeConfiguration" not in events:
            self._note(
                f"{bucket} sends no events to EventBridge: uploads are only found by the schedule, "
                f"up to 15 minutes later. Its owner should switch them on ({OWNERS_FILES}/uploads)"
            )

    def lake(self, bucket: str) -> None:
        if not self._bucket("LakeBucketName", bucket):
            return
        s3 = self._clients("s3")
        versions = self._ask(bucket, lambda: s3.get_bucket_versioning(Bucket=bucket))
        if versions is not None and versions.get("Status") == "Enabled":
            self._note(
                f"{bucket} keeps versions, so files of erased people stay as old versions: its "
                f"owner must let those below lake/ expire ({OWNERS_FILES}/lake/lifecycle.json)"
            )

    def database(self, name: str) -> None:
        glue = self._clients("glue")
        found = self._exists(
            "DatabaseName", f"database {name}", lambda: glue.get_database(Name=name)
        )
        place = found["Database"].get("LocationUri", "").rstrip("/") if found else ""
        if place and not place.endswith(f"/lake/warehouse/{name}.db"):
            raise SettingsError(
                f"DatabaseName: the database {name} has the location {place}, where Iceberg would "
                f"keep the tables' metadata, expected none or s3://<lake's bucket>/lake/warehouse/"
                f"{name}.db: give a database without a location"
            )

    def connection(self, name: str) -> None:
        glue = self._clients("glue")
        self._exists(
            "ConnectionName",
            f"connection {name}",
            lambda: glue.get_connection(Name=name, HidePassword=True),
        )

    def _bucket(self, parameter: str, name: str) -> bool:
        """Return whether the bucket can be looked at; it exists here if so."""
        s3 = self._clients("s3")
        found = self._exists(parameter, f"bucket {name}", lambda: s3.head_bucket(Bucket=name))
        if found is None:
            return False
        region = found.get("BucketRegion") or s3.meta.region_name
        if region != s3.meta.region_name:
            raise SettingsError(
                f"{parameter}: the bucket {name} is in {region}, expected {s3.meta.region_name}: "
                "deploy there, or give a bucket of this region"
            )
        return True

    def _exists(self, parameter: str, what: str, call: Callable[[], Any]) -> Any:  # noqa: ANN401
        """Return the answer, or None if these credentials may not ask."""
        try:
            return self._ask(what, call)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _MOVED:
                found = "is in another region"
            elif code in _MISSING:
                found = "does not exist in this account and region"
            else:
                raise
            raise SettingsError(
                f"{parameter}: the {what} {found}: give the name of one that does, or leave the "
                "parameter empty, and the stack creates one"
            ) from error

    def _ask(self, what: str, call: Callable[[], Any]) -> Any:  # noqa: ANN401
        try:
            return call()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in _DENIED:
                raise
            self._note(f"{what} was not looked at ({code}): check it with its owner")
            return None
