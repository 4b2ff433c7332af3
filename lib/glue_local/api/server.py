"""The HTTP side: one endpoint on loopback that speaks the AWS JSON 1.1 protocol."""

from __future__ import annotations

import json
import logging
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import tornado.httpserver
import tornado.netutil
import tornado.web

from glue_local.api.actions import Actions
from glue_local.api.forward import Reply, Upstream
from glue_local.api.protocol import CONTENT_TYPE, Protocol
from glue_local.api.request_signature import Gate, Request
from glue_local.errors import ApiError
from glue_local.jobs.job_runs import JobRuns
from glue_local.sessions.registry import Registry
from glue_local.settings import Credentials, ServiceSettings, client_environment

log = logging.getLogger(__name__)

_ADDRESS = "127.0.0.1"
_LARGEST_BODY = 4 * 1024 * 1024
_LARGEST_HEADERS = 64 * 1024
# On loopback, a request arrives in milliseconds; a slow one would keep a descriptor in use.
_BODY_SECONDS = 5
# What a request is about; a statement's Id is a number.
_NAMES = ("SessionId", "Id", "JobName", "DatabaseName", "Name")
_IDLE_SECONDS = 120


class _Endpoint(tornado.web.RequestHandler):
    """POST /, and nothing else."""

    def initialize(
        self,
        gate: Gate,
        protocol: Protocol,
        actions: Actions,
        upstream: Upstream | None,
        call_log: Path | None,
    ) -> None:
        self._upstream = upstream
        self._call_log = call_log
        self._gate = gate
        self._protocol = protocol
        self._actions = actions

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("Content-Type", CONTENT_TYPE)
        self.set_header("x-amzn-RequestId", str(uuid.uuid4()))

    def prepare(self) -> None:
        if self.request.method != "POST" or self.request.path != "/":
            self._refuse(
                ApiError("UnknownOperationException", "The API is POST / and nothing else.", 404)
            )

    async def post(self) -> None:
        try:
            answer = await self._answer()
            if isinstance(answer, Reply):
                self.set_status(answer.status)
                for name, value in answer.headers.items():
                    self.set_header(name, value)
                self.finish(answer.body)
            else:
                self.finish(json.dumps(answer))
        except ApiError as error:
            self._refuse(error)
        except Exception:
            log.exception("a request failed inside the service")
            self._refuse(
                ApiError("InternalServiceException", "The service failed; see its log.", 500)
            )

    async def _answer(self) -> dict[str, Any] | Reply:
        request = self.request
        headers = {name.lower(): value for name, value in request.headers.items()}
        self._gate.check(
            Request(request.method or "", request.path, request.query, headers, request.body)
        )
        operation = self._protocol.operation(headers["x-amz-target"])
        name, upstream = operation.name, self._upstream
        if self._call_log is not None:
            _note(self._call_log, name, headers.get("user-agent", ""), request.body)
        if upstream is not None and not self._actions.has(name, {}):
            # Whatever its parameters are: the upstream checks them.
            return await upstream.in_thread(upstream.send, name, request.body)
        parameters = self._protocol.read(operation, request.body)
        if upstream is not None and not self._actions.has(name, parameters):
            return await upstream.in_thread(upstream.send, name, request.body)
        return await self._actions.perform(name, parameters)

    def _refuse(self, error: ApiError) -> None:
        self.set_status(error.status)
        self.set_header("x-amzn-ErrorType", error.code)
        self.finish(json.dumps({"__type": error.code, "Message": error.message}))

    def log_exception(self, *_: object) -> None:
        """Log nothing here: :meth:`post` logs errors, without the request's content."""


def _note(log_file: Path, action: str, agent: str, body: bytes) -> None:
    """Log who called what, by name only: a call's content may be personal data."""
    try:
        given = json.loads(body or b"{}")
    except ValueError:
        given = {}
    names = [given.get(name) for name in _NAMES if isinstance(given, dict)]
    named = next((name for name in names if isinstance(name, str)), "")
    with log_file.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"action": action, "agent": agent, "name": named}) + "\n")


class Server:
    """The listening service; :meth:`close` ends it and its sessions.

    Parameters
    ----------
    settings : ServiceSettings
        Port, region, and limits.
    credentials : Credentials
        The key pair that clients must sign with.
    upstream_credentials : Credentials, optional
        The key pair for forwarded requests; if None, they are unsigned.

    Attributes
    ----------
    endpoint : str
        URL that it listens on.
    environment : dict of str to str
        The variables that point clients here.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        credentials: Credentials,
        upstream_credentials: Credentials | None = None,
    ) -> None:
        sockets = tornado.netutil.bind_sockets(settings.port, _ADDRESS)
        port = sockets[0].getsockname()[1]
        self.endpoint = f"http://{_ADDRESS}:{port}"
        self.environment = client_environment(self.endpoint, credentials, settings)
        upstream = None
        self._job_runs: JobRuns | None = None
        if settings.upstream is not None:
            # Sessions and job runs are clients of this service and of the upstream.
            upstream = Upstream(settings.upstream, settings.region, upstream_credentials)
            settings = replace(settings, inherited=self.environment)
            self._job_runs = JobRuns(settings, upstream)
        self._registry = Registry(settings)
        hosts = frozenset({f"{_ADDRESS}:{port}", f"localhost:{port}"})
        gate = Gate(credentials, hosts, settings.region)
        actions = Actions(self._registry, self._job_runs)
        parts = {
            "gate": gate,
            "protocol": Protocol(),
            "actions": actions,
            "upstream": upstream,
            "call_log": settings.call_log,
        }
        application = tornado.web.Application(
            [(r".*", _Endpoint, parts)], log_function=lambda _: None
        )
        self._http = tornado.httpserver.HTTPServer(
            application,
            max_body_size=_LARGEST_BODY,
            max_header_size=_LARGEST_HEADERS,
            body_timeout=_BODY_SECONDS,
            idle_connection_timeout=_IDLE_SECONDS,
        )
        self._http.add_sockets(sockets)

    async def close(self) -> None:
        """Stop listening, then stop every job run and every session."""
        self._http.stop()
        if self._job_runs is not None:
            # Job runs first: a run's script stops its own session properly if it can.
            await self._job_runs.close()
        await self._registry.close()
        await self._http.close_all_connections()
