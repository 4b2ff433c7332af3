"""A proxy in front of the emulator that records who called what, to compare it with the roles.

It refuses what AWS refuses and the emulator accepts: requests that aren't signed, and requests that
are signed for another region.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

_SCOPE = re.compile(
    r"Credential=[^/]+/\d+/(?P<region>[\w-]+)/(?P<service>[\w-]+)/aws4_request,.*Signature=\w"
)
_APP = re.compile(r"\bapp/([\w-]+)")
_OF_THE_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"}
# The kind of resource that an action uses, by a word in its name.
_GLUE = {"ListSessions": "", "Session": "session", "Statement": "session", "Job": "job"}
_GLUE |= {"Crawler": "crawler"}


@dataclass(frozen=True)
class Call:
    """One call: the role, the permission that it needs, and the resource.

    ``resource`` is ``bucket/key`` for S3, and empty if the request line doesn't contain it.
    """

    role: str
    action: str
    resource: str


def role_of(agent: str) -> str:
    """Return a caller's role: the name that it sends, or `session` for all others."""
    found = _APP.search(agent)
    return found[1] if found else "session"


def s3_action(method: str, path: str, query: Mapping[str, list[str]]) -> str:
    """Return the permission that an S3 request needs."""
    bucket, _, key = path.lstrip("/").partition("/")
    assert bucket, path
    if not key:
        return _bucket_action(method, query)
    version = "Version" if "versionId" in query else ""
    if "uploadId" in query and method == "DELETE":
        return "s3:AbortMultipartUpload"
    if "uploadId" in query and method == "GET":
        return "s3:ListMultipartUploadParts"
    if method in {"PUT", "POST"}:
        return "s3:PutObject"
    if method == "DELETE":
        return f"s3:DeleteObject{version}"
    return f"s3:GetObject{version}"


def _bucket_action(method: str, query: Mapping[str, list[str]]) -> str:
    if "versions" in query:
        return "s3:ListBucketVersions"
    if "delete" in query and method == "POST":
        return "s3:DeleteObject"
    if "location" in query:
        return "s3:GetBucketLocation"
    if "uploads" in query:
        return "s3:ListBucketMultipartUploads"
    return "s3:ListBucket" if method in {"GET", "HEAD"} else f"s3:{method}Bucket"


class Recorder:
    """The proxy; ``calls`` has each call once, in order; ``refused`` has all refused calls.

    Parameters
    ----------
    port : int
        The port on loopback to listen on; 0 means any free port.
    region : str
        The region of the resources behind the proxy.
    """

    def __init__(self, port: int = 0, region: str = "us-east-1") -> None:
        self._region = region
        self.calls: dict[Call, int] = {}
        self.refused: list[str] = []
        self.upstream = ""
        self._lock = threading.Lock()
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                recorder.handle(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Write nothing: the recorded calls are the log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def note(self, call: Call) -> None:
        """Record a call."""
        with self._lock:
            self.calls[call] = self.calls.get(call, 0) + 1

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        """Record a request and pass it on."""
        size = int(request.headers.get("Content-Length") or 0)
        if "chunked" in (request.headers.get("Transfer-Encoding") or ""):
            body = _chunks(request)
        else:
            body = request.rfile.read(size)
        scope = _SCOPE.search(request.headers.get("Authorization") or "")
        if scope is None:
            self._refuse(request, 403, "AccessDenied", "Access Denied")
            return
        if scope["region"] != self._region:
            told = f"the region '{scope['region']}' is wrong; expecting '{self._region}'"
            code = "AuthorizationHeaderMalformed"
            self._refuse(request, 400, code, f"The authorization header is malformed; {told}")
            return
        self._record(request, body, scope["service"])
        host = urlsplit(self.upstream).netloc
        connection = http.client.HTTPConnection(host, timeout=120)
        # Some clients write these names in small letters.
        own = _OF_THE_HOP | {"host", "content-length", "expect"}
        headers = {k: v for k, v in request.headers.items() if k.lower() not in own}
        headers["Host"] = host
        headers["Content-Length"] = str(len(body))
        try:
            connection.request(request.command, request.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            request.send_response(answer.status)
            told = {k.lower() for k, _ in answer.getheaders()}
            for name, value in answer.getheaders():
                if name.lower() not in _OF_THE_HOP | {"content-length"}:
                    request.send_header(name, value)
            head = request.command == "HEAD" and "content-length" in told
            length = answer.getheader("Content-Length") if head else str(len(content))
            request.send_header("Content-Length", length or "0")
            request.end_headers()
            request.wfile.write(content)
        finally:
            connection.close()

    def _refuse(
        self, request: BaseHTTPRequestHandler, status: int, code: str, message: str
    ) -> None:
        """Answer as S3 does; clients of other services understand only the status."""
        with self._lock:
            self.refused.append(f"{request.command} {request.path}: {message}")
        content = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/xml")
        request.send_header("x-amz-bucket-region", self._region)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(content)

    def _record(self, request: BaseHTTPRequestHandler, body: bytes, service: str) -> None:
        parts = urlsplit(request.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        role = role_of(request.headers.get("User-Agent") or "")
        target = request.headers.get("X-Amz-Target")
        if service == "s3":
            path = unquote(parts.path).strip("/")
            copied = request.headers.get("x-amz-copy-source")
            if copied:
                source, _, version = unquote(copied).partition("?versionId=")
                action = "s3:GetObjectVersion" if version else "s3:GetObject"
                self.note(Call(role, action, source.lstrip("/")))
            action = s3_action(request.command, path, query)
            if "delete" in query and b"<VersionId>" in body:
                action = "s3:DeleteObjectVersion"
            self.note(Call(role, action, path))
        elif target:
            self.note(Call(role, f"{service}:{target.rpartition('.')[2]}", ""))
        else:
            form = parse_qs(body.decode(errors="replace"))
            action = form.get("Action", query.get("Action", ["?"]))[0]
            self.note(Call(role, f"{service}:{action}", ""))

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _chunks(request: BaseHTTPRequestHandler) -> bytes:
    found = b""
    while size := int(request.rfile.readline().split(b";")[0], 16):
        found += request.rfile.read(size)
        request.rfile.readline()
    while request.rfile.readline().strip():
        pass
    return found


def glue_calls(log: Path, account: str, region: str) -> set[Call]:
    """Read the Glue calls in the local service's log, in the form that permissions use."""
    found = set()
    for line in log.read_text(encoding="utf-8").splitlines():
        call = json.loads(line)
        action, name = call["action"], call["name"]
        kind = next((kind for word, kind in _GLUE.items() if word in action), "")
        at = f"arn:aws:glue:{region}:{account}:{kind}/{name}" if kind and name else ""
        found.add(Call(role_of(call["agent"]), f"glue:{action}", at))
    return found
