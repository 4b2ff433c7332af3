"""A deployed chain, wherever it is: its uploads, claims, and runs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.deployment import Listener, deploy
from infra.errors import DeployError
from infra.settings import Settings
from infra.stack import Stack
from register_run.storage import s3_parts

_POLL_SECONDS = 0.25
_ENDS = ("published", "stopped", "failed")


class ChainError(DeployError):
    """The chain did not do something in time."""

    exit_code = 4


@dataclass(frozen=True)
class Claimed:
    """A claim of the reconciler: the delivery, and how it ended; empty until it has."""

    delivery_id: str
    group: str
    uri: str
    end: str


@dataclass
class Chain:
    """A chain, deployed or to be deployed.

    Parameters
    ----------
    client : callable
        Returns the boto3 client of a service.
    settings : Settings
        What is deployed, and under which names.
    listener : Listener
        Receives the deployment's reports and questions.
    logs : Path, optional
        Folder that messages name for logs.

    Attributes
    ----------
    outputs : dict of str to str
        The stack's outputs, after :meth:`deploy`.
    """

    client: Callable[[str], Any]
    settings: Settings
    listener: Listener
    logs: Path | None = None
    outputs: dict[str, str] = field(default_factory=dict)

    def deploy(self) -> None:
        """Create or update the stacks."""
        self.outputs = deploy(self.client, self.settings, self.listener)

    @property
    def artifacts_version(self) -> str:
        """Deployed folder of the artifacts bucket."""
        stack = Stack(self.client("cloudformation"), self.settings.stack)
        return stack.parameters()["ArtifactsVersion"]

    def stacks(self) -> list[str]:
        """Return the names of the stacks."""
        found = self.client("cloudformation").describe_stacks()["Stacks"]
        return [str(stack["StackName"]) for stack in found]

    @property
    def lake(self) -> str:
        """URI of the lake."""
        return self.outputs["Lake"]

    def upload(self, files: Mapping[str, Path | bytes]) -> None:
        """Upload files of deliveries, by their names below the upload folder."""
        bucket, prefix = s3_parts(self.outputs["UploadTo"])
        s3 = self.client("s3")
        for name, content in files.items():
            body = content if isinstance(content, bytes) else content.read_bytes()
            s3.put_object(Bucket=bucket, Key=f"{prefix}{name}", Body=body)

    def claims(self) -> list[Claimed]:
        """Return all claims, sorted by name."""
        bucket, prefix = s3_parts(f"{self.lake}/claims/")
        pages = (
            self.client("s3")
            .get_paginator("list_objects_v2")
            .paginate(Bucket=bucket, Prefix=prefix)
        )
        names = {item["Key"][len(prefix) :] for page in pages for item in page.get("Contents", ())}
        found = []
        for name in sorted(names):
            group, _, file = name.partition("/")
            delivery_id, _, ending = file.partition(".")
            if ending == "json" and delivery_id.startswith("d"):
                ends = [end for end in _ENDS if f"{group}/{delivery_id}.{end}" in names]
                uri = f"s3://{bucket}/{prefix}{name}"
                found.append(Claimed(delivery_id, group, uri, ends[0] if ends else ""))
        return found

    def claim(self, claimed: Claimed) -> Mapping[str, Any]:
        """Return the content of a claim."""
        content: Mapping[str, Any] = json.loads(self.read(claimed.uri))
        return content

    def read(self, uri: str) -> bytes:
        """Return the content of an object."""
        bucket, key = s3_parts(uri)
        body: bytes = self.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def wait(self, ended: int, seconds: float) -> list[Claimed]:
        """Wait until this many claims have ended; this does nothing else for them.

        Raises
        ------
        ChainError
            They have not ended in time.
        """
        for claims in self.looks(seconds):
            if sum(bool(claim.end) for claim in claims) >= ended:
                return claims
        found = [(claim.group, claim.delivery_id, claim.end or "open") for claim in self.claims()]
        raise ChainError(
            f"expected {ended} deliveries to be done within {seconds:.0f} s, found {found}"
            + (f": see the logs in {self.logs}" if self.logs else "")
        )

    def looks(self, seconds: float) -> Iterator[list[Claimed]]:
        """Yield the claims repeatedly, for this many seconds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            yield self.claims()
            time.sleep(_POLL_SECONDS)

    def reconcile(self) -> None:
        """Call the reconciler as the schedule does.

        Raises
        ------
        ChainError
            The function failed.
        """
        answer = self.client("lambda").invoke(
            FunctionName=self.outputs["FunctionName"],
            Payload=json.dumps({"detail-type": "Scheduled Event", "source": "aws.events"}).encode(),
        )
        body = answer["Payload"].read()
        if "FunctionError" in answer:
            raise ChainError(f"the reconciler failed: {body.decode()[:600]}")

    def runs(self) -> list[Mapping[str, Any]]:
        """Return the job's runs, newest first."""
        found = self.client("glue").get_job_runs(JobName=self.outputs["JobName"])
        runs: list[Mapping[str, Any]] = found["JobRuns"]
        return runs

    @contextmanager
    def id_key(self, key: str) -> Iterator[None]:
        """Use another id key, so that ids can be compared with those of another lake."""
        secret = self.client("secretsmanager")
        before = secret.get_secret_value(SecretId=self.outputs["IdKeyArn"])["SecretString"]
        secret.put_secret_value(SecretId=self.outputs["IdKeyArn"], SecretString=key)
        try:
            yield
        finally:
            secret.put_secret_value(SecretId=self.outputs["IdKeyArn"], SecretString=before)
