"""The whole chain on one machine: real events, a real Lambda, the real job, real sessions.

The emulator of AWS provides everything except Glue's sessions and job runs, which the local service
provides. The same code as on AWS deploys the template. If possible, the job runs in a Python Shell
(``tools/python_shell.py``) and unpacks its packages as on AWS; otherwise it runs in this
environment, which has them. ``make e2e`` is ``infra.show_chain``.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
from botocore.config import Config
from tools import python_shell

from glue_local import Emulator, LocalService, free_port
from infra.deployment import Listener, deploy
from infra.emulator import emulator_settings
from infra.errors import DeployError
from infra.settings import STACK
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
class LocalChain(AbstractContextManager["LocalChain"]):
    """The deployed chain, for the duration of a block of code.

    Parameters
    ----------
    folder : Path
        Folder for the logs of emulator, service, and job runs.
    listener : Listener
        Receives the deployment's reports and questions.
    parameters : mapping of str to str
        Parameters of the template.
    endpoint : str
        Endpoint in front of the emulator that clients use instead, such as a recorder.
    service_arguments : tuple of str
        Further arguments of the local service.
    python_shell : Path or None
        The root that the job runs in; None for this environment.
    """

    folder: Path
    listener: Listener
    parameters: Mapping[str, str] = field(default_factory=dict)
    endpoint: str = ""
    service_arguments: tuple[str, ...] = ()
    python_shell: Path | None = field(default_factory=python_shell.find)

    def __post_init__(self) -> None:
        port = free_port()
        (self.folder / "jobs").mkdir(parents=True, exist_ok=True)
        self.emulator = Emulator(
            log=self.folder / "emulator.log", service_endpoint=f"http://127.0.0.1:{port}"
        )
        if self.endpoint:
            self.emulator.environment["AWS_ENDPOINT_URL"] = self.endpoint
        self._port = port
        self._stack = ExitStack()
        # Clients are kept: loading a service's model takes longer than a call, and polling would
        # do it each time.
        self._clients: dict[str, Any] = {}
        self.service: LocalService
        self.outputs: dict[str, str] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.emulator)
            log = stack.enter_context((self.folder / "service.log").open("ab"))
            self.service = stack.enter_context(
                LocalService(
                    port=self._port,
                    upstream=self.emulator.environment,
                    log=log,
                    job_log_folder=self.folder / "jobs",
                    python_shell=self.python_shell,
                    arguments=(
                        *("--call-log", str(self.folder / "glue-calls.jsonl")),
                        *self.service_arguments,
                    ),
                )
            )
            self.deploy()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def deploy(self) -> None:
        """Create or update the stacks."""
        # The deployment's calls are its clients', not the chain's: they go past a recorder.
        direct = {**self.emulator.environment, "AWS_ENDPOINT_URL": self.emulator.endpoint}
        settings = emulator_settings(direct, packages=self.python_shell is not None)
        settings = replace(settings, parameters=self.parameters)
        self.outputs = deploy(self.client, settings, self.listener)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point a client at the chain."""
        return self.service.client_environment()

    @contextmanager
    def at_the_chain(self) -> Iterator[None]:
        """Point this process's own clients at the chain."""
        before = dict(os.environ)
        os.environ.update(self.environment)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    @property
    def artifacts_version(self) -> str:
        """Deployed folder of the artifacts bucket."""
        described = self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
        found = {
            given["ParameterKey"]: given["ParameterValue"] for given in described["Parameters"]
        }
        return str(found["ArtifactsVersion"])

    def stacks(self) -> list[str]:
        """Return the names of the stacks."""
        found = self.client("cloudformation").describe_stacks()["Stacks"]
        return [str(stack["StackName"]) for stack in found]

    @property
    def lake(self) -> str:
        """URI of the lake."""
        return self.outputs["Lake"]

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3 makes its clients' classes up
        """Return a boto3 client, the same each time; Glue's is the local service's."""
        if service not in self._clients:
            self._clients[service] = self._new_client(service)
        return self._clients[service]

    def _new_client(self, service: str) -> Any:  # noqa: ANN401 - boto3 makes its clients' classes up
        if service != "glue":
            return self.emulator.client(service)
        given = self.emulator.environment
        session: Any = boto3.Session(
            given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"], None, given["AWS_REGION"]
        )
        own = Config(user_agent_extra="app/local_chain")
        return session.client("glue", endpoint_url=self.service.endpoint, config=own)

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
            f"expected {ended} deliveries to be done within {seconds:.0f} s, found {found}: "
            f"see the logs in {self.folder}"
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
