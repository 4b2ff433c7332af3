"""A proxy before the real service that makes chosen calls fail, as networks and clouds do."""

import http.client
import json
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

Fault = Callable[[dict[str, Any]], tuple[int, dict[str, Any]] | None]


def refuse(code: str, message: str = "told so", status: int = 400) -> Fault:
    """Answer with an error of the API instead of asking the service."""
    return lambda _answer: (status, {"__type": code, "Message": message})


def lose_answer(_answer: dict[str, Any]) -> None:
    """Let the service do it, then close the connection without a word."""
    return


def change(**members: Any) -> Fault:
    """Let the service do it, then change the session or statement in its answer."""

    def fault(answer: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        kind = "Session" if "Session" in answer else "Statement"
        return 200, {**answer, kind: {**answer[kind], **members}}

    return fault


class FaultyProxy:
    """Forwards to a service; `faults` are used up one by one, by action."""

    def __init__(self, service: Any) -> None:
        self.faults: dict[str, list[Fault]] = {}
        self.calls: Counter[str] = Counter()
        proxy = self
        target = urlsplit(service.endpoint).netloc
        self._service = service
        keys = Credentials(
            service.environment["AWS_ACCESS_KEY_ID"], service.environment["AWS_SECRET_ACCESS_KEY"]
        )

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                action = self.headers["X-Amz-Target"].partition(".")[2]
                proxy.calls[action] += 1
                waiting = proxy.faults.get(action)
                fault = waiting.pop(0) if waiting else None
                status, answer = 0, {}
                if fault is None or not fault.__qualname__.startswith("refuse"):
                    status, answer = self._forward(body)
                if fault is not None:
                    changed = fault(answer)
                    if changed is None:
                        self.close_connection = True
                        self.connection.close()
                        return
                    status, answer = changed
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def _forward(self, body: bytes) -> tuple[int, dict[str, Any]]:
                names = ("Content-Type", "X-Amz-Target", "amz-sdk-invocation-id")
                headers = {"Host": target, **{name: self.headers[name] for name in names}}
                request = AWSRequest("POST", f"http://{target}/", headers=headers, data=body)
                # The client's signature is for the host that it knows.
                SigV4Auth(keys, "glue", service.environment["AWS_REGION"]).add_auth(request)
                connection = http.client.HTTPConnection(target)
                connection.request("POST", "/", body, dict(request.headers.items()))
                answer = connection.getresponse()
                content = json.loads(answer.read() or b"{}")
                connection.close()
                return answer.status, content

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def will(self, action: str, *faults: Fault) -> None:
        """Make the next calls of an action fail so; those after them pass."""
        self.faults[action] = list(faults)

    def clear(self) -> None:
        """Forget faults that were not used up."""
        self.faults.clear()

    @property
    def environment(self) -> dict[str, str]:
        """The service's variables, pointed at the proxy."""
        place = {"AWS_ENDPOINT_URL_GLUE": self.endpoint, "glue_endpoint_url": self.endpoint}
        return {**self._service.environment, **place}

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
