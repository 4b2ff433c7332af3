"""Clients of the local service, and a check of every answer against the API's model."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

import boto3
import psutil
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from glue_local.launch import LocalService

JSON_TYPES: dict[str, type | tuple[type, ...]] = {
    **{"string": str, "integer": int, "long": int, "boolean": bool},
    **{"double": (int, float), "float": (int, float), "timestamp": (int, float)},
    **{"structure": dict, "map": dict, "list": list},
}
# The public model is narrower than the API's answers: an output's status is "ok" or "error", and
# the Glue kernels' own model has these members for pictures.
OUTPUT_STATUS = {"ok", "error"}
PICTURE_MEMBERS = {"Result", "MimeType", "StdOut", "StdErr"}
CREATE = {"Command": {"Name": "glueetl", "PythonVersion": "3"}, "GlueVersion": "5.1"}


def deviations(value: Any, shape: Shape, path: str = "answer") -> list[str]:
    """Return the differences between a JSON answer and its shape in the model."""
    wanted = JSON_TYPES[shape.type_name]
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        return [f"{path}: {type(value).__name__}, not {shape.type_name}"]
    if isinstance(shape, StringShape):
        known = OUTPUT_STATUS if path.endswith("Output.Status") else shape.enum
        return [f"{path}: {value!r} is not in {known}"] if known and value not in known else []
    found = []
    if isinstance(shape, StructureShape):
        found += [f"{path}.{name}: missing" for name in shape.required_members if name not in value]
        for name, member in value.items():
            if name in shape.members:
                found += deviations(member, shape.members[name], f"{path}.{name}")
            elif shape.name != "StatementOutputData" or name not in PICTURE_MEMBERS:
                found.append(f"{path}.{name}: unknown")
    elif isinstance(shape, ListShape):
        for item in value:
            found += deviations(item, shape.member, f"{path}[]")
    elif isinstance(shape, MapShape):
        for name, member in value.items():
            found += deviations(name, shape.key, f"{path} key")
            found += deviations(member, shape.value, f"{path}[{name}]")
    return found


def glue_client(service: LocalService) -> Any:
    """Return a boto3 client that checks every answer against botocore's model."""
    environment = service.environment
    client = boto3.client(
        "glue",
        endpoint_url=service.endpoint,
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )

    def check(http_response: Any, model: Any, **_: Any) -> None:
        answer = json.loads(http_response.content)
        if http_response.status_code == 200:
            assert deviations(answer, model.output_shape) == []
        else:
            assert set(answer) == {"__type", "Message"}
            assert answer["Message"]

    client.meta.events.register("after-call.glue", check)
    return client


class Api:
    """Calls of the service that the tests use."""

    def __init__(self, service: LocalService) -> None:
        self.service = service
        self.client = glue_client(service)
        self.role = service.environment["glue_role_arn"]

    def create(self, **request: Any) -> str:
        """Create a session and return its id immediately."""
        name = request.pop("Id", f"test-{uuid.uuid4()}")
        self.client.create_session(Id=name, **{"Role": self.role, **CREATE, **request})
        return name

    def wait(self, session: str, *, leaves: str = "PROVISIONING") -> dict[str, Any]:
        """Wait until a session's status changes, and return the session."""
        while True:
            described: dict[str, Any] = self.client.get_session(Id=session)["Session"]
            if described["Status"] != leaves:
                return described
            time.sleep(0.1)

    def ready(self, **request: Any) -> str:
        """Create a session and wait until it is ready."""
        described = self.wait(self.create(**request))
        assert described["Status"] == "READY", described.get("ErrorMessage")
        return str(described["Id"])

    def stop(self, session: str) -> None:
        """Stop a session and wait until it is stopped."""
        self.client.stop_session(Id=session)
        assert self.wait(session, leaves="STOPPING")["Status"] == "STOPPED"

    def result(self, session: str, statement: int) -> dict[str, Any]:
        """Wait until a statement ends."""
        pause = 0.02
        while True:
            found: dict[str, Any] = self.client.get_statement(SessionId=session, Id=statement)
            if found["Statement"]["State"] not in ("WAITING", "RUNNING", "CANCELLING"):
                return dict(found["Statement"])
            time.sleep(pause)
            # Asking often costs the service more than most statements.
            pause = min(1.5 * pause, 0.2)

    def run(self, session: str, code: str) -> dict[str, Any]:
        """Run a statement and wait until it ends."""
        return self.result(session, self.client.run_statement(SessionId=session, Code=code)["Id"])

    def text(self, session: str, code: str) -> str:
        """Run a statement that must succeed; return its text."""
        output = self.run(session, code)["Output"]
        assert output["Status"] == "ok", output
        return str(output["Data"]["TextPlain"])

    def processes(self, session: str) -> list[psutil.Process]:
        """Return a session's kernel, JVM and Python workers."""
        code = (
            "import os as _os\n"
            "sc.parallelize([1], 1).map(lambda x: x).count()\n"  # so that there is a worker
            "_os.getpid()"
        )
        kernel = psutil.Process(int(self.text(session, code)))
        found = [kernel, *kernel.children(recursive=True)]
        assert {"java"} <= {process.name() for process in found}
        assert len(found) >= 3
        return found

    def signed(
        self,
        action: str,
        body: bytes,
        change: Callable[[dict[str, str]], None] = lambda headers: None,
        *,
        secret: str | None = None,
        service: str = "glue",
        region: str = "us-east-1",
        method: str = "POST",
    ) -> dict[str, str]:
        """Return the headers of a signed request; ``change`` runs before it is signed."""
        environment = self.service.environment
        host = urlsplit(self.service.endpoint).netloc
        headers = {
            "Host": host,
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"AWSGlue.{action}",
        }
        change(headers)
        request = AWSRequest(method, f"http://{host}/", headers=headers, data=body)
        keys = Credentials(
            environment["AWS_ACCESS_KEY_ID"], secret or environment["AWS_SECRET_ACCESS_KEY"]
        )
        SigV4Auth(keys, service, region).add_auth(request)
        return {**dict(request.headers.items()), "amz-sdk-invocation-id": str(uuid.uuid4())}

    def post(
        self,
        action: str,
        parameters: dict[str, Any] | bytes,
        change: Callable[[dict[str, str]], None] = lambda headers: None,
        *,
        secret: str | None = None,
        service: str = "glue",
        region: str = "us-east-1",
        then: Callable[[dict[str, str]], None] = lambda headers: None,
        body: bytes | None = None,
        method: str = "POST",
    ) -> tuple[int, dict[str, Any]]:
        """Send one request directly: ``change`` runs before it is signed, ``then`` afterwards."""
        signed = parameters if isinstance(parameters, bytes) else json.dumps(parameters).encode()
        scope = {"service": service, "region": region, "method": method}
        sent = self.signed(action, signed, change, secret=secret, **scope)
        then(sent)
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(self.service.endpoint).port)
        try:
            connection.request(method, "/", body=signed if body is None else body, headers=sent)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")
        finally:
            connection.close()

    def connection(self) -> socket.socket:
        """Return a connection to the service, to send what no client sends."""
        return socket.create_connection(("127.0.0.1", urlsplit(self.service.endpoint).port), 60)


def answer(connection: socket.socket) -> bytes:
    """Return everything that the service sends until it closes the connection."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65_536):
            said += part
    return said


def listening(processes: Iterable[psutil.Process]) -> list[str]:
    """Return the addresses on which processes accept connections."""
    return [
        connection.laddr.ip.removeprefix("::ffff:")
        for process in processes
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]


def gone(processes: list[psutil.Process], seconds: float = 15) -> bool:
    """Wait until all processes have ended; return whether they have."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def code_of(call: Callable[..., Any], **parameters: Any) -> str:
    """Return the code with which the API refuses a call."""
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError) as refused:
        call(**parameters)
    return str(refused.value.response["Error"]["Code"])
