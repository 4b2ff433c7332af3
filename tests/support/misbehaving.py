"""A Glue endpoint that misbehaves on request, in front of the real local service or alone.

Each call goes through rules, which may answer instead of the service, change its answer, or do
something to the session first. To keep tests short, many sessions can share one real session. Each
then has its own status, and starts with an empty namespace.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from glue_local.kernel.output import error_output

JSON = "application/x-amz-json-1.1"
#: What each ended session of a shared one says that it used.
ENDED_DPU_SECONDS = 1.5
_PAGE = b"<html><head><title>Sign in</title></head><body>Welcome to the guest network</body></html>"
FORGET = """\
if "_at_start" not in globals():
    _at_start = {*globals(), "_at_start", "_name"}
for _name in set(globals()) - _at_start:
    globals().pop(_name)
"""


@dataclass
class Answer:
    """An answer: status, body, and type; a torn answer ends before its announced length."""

    status: int
    body: bytes
    kind: str = JSON
    torn: bool = False

    @classmethod
    def of(cls, status: int, content: Any) -> Answer:
        """Create a JSON answer."""
        return cls(status, json.dumps(content).encode())


@dataclass
class Call:
    """One call to the service."""

    action: str
    parameters: dict[str, Any]
    endpoint: Endpoint

    @property
    def session_id(self) -> str:
        """The session that the call is about."""
        return str(self.parameters.get("SessionId") or self.parameters.get("Id") or "")

    def pass_on(self) -> tuple[int, dict[str, Any]]:
        """Pass the call on to the service."""
        return self.endpoint.perform(self.action, self.parameters)


Fault = Callable[[Call], Answer | None]


def refuse(code: str, message: str = "told so", status: int = 400) -> Fault:
    """Answer with an error of the API instead of asking the service."""
    return lambda _call: Answer.of(status, {"__type": code, "Message": message})


def lose_answer(call: Call) -> None:
    """Pass the call on, then close the connection without an answer."""
    call.pass_on()


def change(**members: Any) -> Fault:
    """Pass the call on, then change the session or statement in the answer."""

    def fault(call: Call) -> Answer:
        status, answer = call.pass_on()
        kind = "Session" if "Session" in answer else "Statement"
        return Answer.of(status, {**answer, kind: {**answer[kind], **members}})

    return fault


def web_page(_call: Call) -> Answer:
    """Answer like a proxy or a captive portal."""
    return Answer(200, _PAGE, "text/html")


def half_an_answer(call: Call) -> Answer:
    """Pass the call on, and lose the second half of the answer."""
    status, answer = call.pass_on()
    body = json.dumps(answer).encode()
    return Answer(status, body[: len(body) // 2])


def torn_answer(call: Call) -> Answer:
    """Pass the call on, and close the connection in the middle of the answer."""
    status, answer = call.pass_on()
    return Answer(status, json.dumps(answer).encode(), torn=True)


def ending(status: str, message: str = "") -> Fault:
    """End the session before the service gets the call."""

    def fault(call: Call) -> Answer:
        call.endpoint.end(call.session_id, status, message)
        return Answer.of(*call.pass_on())

    return fault


def provisioning(call: Call) -> Answer:
    """Create a session of a shared one that stays PROVISIONING, which AWS refuses to stop."""
    status, answer = call.pass_on()
    call.endpoint.sessions[call.session_id] = "PROVISIONING"
    return Answer.of(status, answer)


def dying(message: str) -> Fault:
    """Report that the session died under its statement, as the service does for a process."""

    def fault(call: Call) -> Answer:
        call.endpoint.end(call.session_id, "FAILED", message)
        return change(State="ERROR", Output=error_output("SessionFailed", message))(call)

    return fault


def cancelling(call: Call) -> Answer:
    """Cancel the statement without the caller's knowledge."""
    status, answer = call.pass_on()
    if call.action == "RunStatement":
        what = {"SessionId": call.session_id, "Id": answer["Id"]}
        time.sleep(0.3)
        call.endpoint.perform("CancelStatement", what)
    return Answer.of(status, answer)


def nodding(call: Call) -> Answer:
    """Answer that everything is done, and do nothing."""
    identity = {"Id": call.session_id}
    answers: dict[str, dict[str, Any]] = {
        "CreateSession": {"Session": {**identity, "Status": "PROVISIONING"}},
        "GetSession": {"Session": {**identity, "Status": "READY"}},
        "RunStatement": {"Id": call.endpoint.calls["RunStatement"]},
        "GetStatement": {
            "Statement": {
                "Id": call.parameters.get("Id", 0),
                "State": "AVAILABLE",
                "Output": {"Status": "ok", "ExecutionCount": 1, "Data": {"TextPlain": ""}},
            }
        },
        "ListSessions": {"Ids": [], "Sessions": []},
        "ListStatements": {"Statements": []},
        "StopSession": identity,
    }
    return Answer.of(200, answers.get(call.action, {}))


@dataclass
class Rule:
    """What happens to the calls of an action.

    Parameters
    ----------
    action : str
        The API's name, or ``*``.
    fault : callable
        What happens.
    at : str
        Text of a statement's code; the rule applies from that statement on. Empty: immediately.
    times : int, optional
        Number of calls; default: all.
    """

    action: str
    fault: Fault
    at: str = ""
    times: int | None = None
    _awake: bool = field(default=False, repr=False)

    def applies(self, call: Call) -> bool:
        """Return whether the rule applies to the call, and count it."""
        if self.at and self.at in call.parameters.get("Code", ""):
            self._awake = True
        if (self.at and not self._awake) or self.action not in {"*", call.action}:
            return False
        if self.times is not None:
            if self.times == 0:
                return False
            self.times -= 1
        return True


class Endpoint:
    """Listens on loopback and passes calls on to a service, unless its rules prevent it.

    Parameters
    ----------
    service : LocalService
        The real service.
    """

    def __init__(self, service: Any) -> None:
        self.rules: list[Rule] = []
        self.calls: Counter[str] = Counter()
        self.watched = ""
        self.struck = threading.Event()
        self.misbehaved = threading.Event()
        self.sessions: dict[str, str] = {}
        self._tags: dict[str, dict[str, str]] = {}
        self._messages: dict[str, str] = {}
        self._shared = ""
        self._last = 0
        self._service = service
        self._netloc = urlsplit(service.endpoint).netloc
        self._keys = Credentials(
            service.environment["AWS_ACCESS_KEY_ID"], service.environment["AWS_SECRET_ACCESS_KEY"]
        )
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def environment(self) -> dict[str, str]:
        """The service's variables, with this endpoint's address."""
        place = {"AWS_ENDPOINT_URL_GLUE": self.url, "glue_endpoint_url": self.url}
        return {**self._service.environment, **place}

    def will(self, action: str, *faults: Fault) -> None:
        """Make the next calls of an action fail like this; later calls pass."""
        self.rules = [rule for rule in self.rules if rule.action != action]
        self.rules += [Rule(action, fault, times=1) for fault in faults]

    @property
    def pending(self) -> int:
        """The number of unused faults."""
        return sum(rule.times != 0 for rule in self.rules)

    def stops(self) -> bool:
        """Return whether a request to stop a session reaches the service."""
        return not any(rule.action == "*" for rule in self.rules)

    def start(self, *rules: Rule, watch: str = "", share: str = "") -> None:
        """Reset everything and start with new rules.

        Parameters
        ----------
        *rules : Rule
            What is to happen.
        watch : str
            Text of a statement's code that sets ``struck``.
        share : str
            A real session that all sessions share; by default, each has its own.
        """
        if self._shared and self._last:
            # A statement that is still running from an earlier scenario would delay this one.
            self._ask("CancelStatement", {"SessionId": self._shared, "Id": self._last})
        self.rules = list(rules)
        self.calls.clear()
        self.watched, self._shared, self._last = watch, share, 0
        self.struck.clear()
        self.misbehaved.clear()
        self.sessions.clear()
        self._tags.clear()

    def clear(self) -> None:
        """Remove the rules."""
        self.rules = []

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, action: str, parameters: dict[str, Any]) -> Answer | None:
        """Answer a call by the first rule that applies, or as the service does."""
        self.calls[action] += 1
        call = Call(action, parameters, self)
        rule = next((rule for rule in self.rules if rule.applies(call)), None)
        if self.watched and self.watched in parameters.get("Code", ""):
            threading.Timer(0.5, self.struck.set).start()
        if rule is None:
            return Answer.of(*call.pass_on())
        self.misbehaved.set()
        return rule.fault(call)

    def living(self) -> list[str]:
        """Return the sessions that were created here and are still running."""
        return [name for name in self.sessions if self._status(name) in {"READY", "PROVISIONING"}]

    def end(self, session_id: str, status: str, message: str = "") -> None:
        """End a session; with the status ``GONE``, also delete it."""
        if self._shared:
            self.sessions[session_id], self._messages[session_id] = status, message
            self._ask("CancelStatement", {"SessionId": self._shared, "Id": self._last})
            return
        self._ask("StopSession", {"Id": session_id})
        while self._status(session_id) == "STOPPING":
            time.sleep(0.05)
        if status == "GONE":
            self._ask("DeleteSession", {"Id": session_id})

    def perform(self, action: str, parameters: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Do what the service does."""
        name = str(parameters.get("SessionId") or parameters.get("Id") or "")
        if action == "CreateSession":
            self.sessions.setdefault(name, "READY")
        if not self._shared:
            return self._ask(action, parameters)
        if action == "ListSessions":
            tags = parameters.get("Tags", {}).items()
            ids = [found for found, own in self._tags.items() if tags <= own.items()]
            return 200, {"Ids": ids, "Sessions": [self._described(found) for found in ids]}
        if action in {"GetSession", "StopSession"}:
            status = self._status(name)
        else:
            status = self.sessions.get(name, "GONE")
        if status == "GONE":
            return 400, {"__type": "EntityNotFoundException", "Message": f"no session {name}"}
        if action == "CreateSession":
            self._tags[name] = parameters.get("Tags", {})
            self._run_shared(FORGET)
            return 200, {"Session": self._described(name)}
        if action == "GetSession":
            return 200, {"Session": self._described(name)}
        if status != "READY" and action != "GetStatement":
            # A session that timed out answers differently from one that was stopped.
            timed_out = status == "TIMEOUT"
            code = "InvalidInputException" if timed_out else "IllegalSessionStateException"
            return 400, {"__type": code, "Message": f"Session {name} is in {status} state"}
        if action == "StopSession":
            self.end(name, "STOPPED")
            return 200, {"Id": name}
        place = "SessionId" if "SessionId" in parameters else "Id"
        status_code, answer = self._ask(action, {**parameters, place: self._shared})
        if action == "RunStatement" and status_code == 200:
            self._last = answer["Id"]
        return status_code, answer

    def _described(self, name: str) -> dict[str, Any]:
        found = {"Id": name, "Status": self.sessions[name], "Role": "", "CreatedOn": 0}
        if self.sessions[name] not in {"READY", "PROVISIONING"}:
            found["DPUSeconds"] = ENDED_DPU_SECONDS
        if self._messages.get(name):
            found["ErrorMessage"] = self._messages[name]
        return found

    def _run_shared(self, code: str) -> None:
        _, made = self._ask("RunStatement", {"SessionId": self._shared, "Code": code})
        while True:
            what = {"SessionId": self._shared, "Id": made["Id"]}
            _, found = self._ask("GetStatement", what)
            if found["Statement"]["State"] == "AVAILABLE":
                assert found["Statement"]["Output"]["Status"] == "ok", found
                return
            time.sleep(0.02)

    def _status(self, name: str) -> str:
        own = self.sessions.get(name, "GONE")
        if self._shared and own != "READY":
            return own
        _, answer = self._ask("GetSession", {"Id": self._shared or name})
        found = answer.get("Session", {})
        status = str(found.get("Status", "GONE"))
        if self._shared and status != "READY":
            # The processes of a shared session have died under the session that uses it.
            self.sessions[name], self._messages[name] = status, found.get("ErrorMessage", "")
        return status

    def _ask(self, action: str, parameters: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        body = json.dumps(parameters).encode()
        headers = {
            "Host": self._netloc,
            "Content-Type": JSON,
            "X-Amz-Target": f"AWSGlue.{action}",
            "amz-sdk-invocation-id": str(uuid.uuid4()),
        }
        # Sign again, because the client signed for this endpoint's host.
        asked = AWSRequest("POST", f"http://{self._netloc}/", headers=headers, data=body)
        SigV4Auth(self._keys, "glue", self._service.environment["AWS_REGION"]).add_auth(asked)
        connection = http.client.HTTPConnection(self._netloc)
        try:
            connection.request("POST", "/", body, dict(asked.headers.items()))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")
        finally:
            connection.close()


def _handler(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            action = self.headers["X-Amz-Target"].partition(".")[2]
            answer = endpoint.answer(action, json.loads(body or b"{}"))
            if answer is None:
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            sent = answer.body[: len(answer.body) // 2] if answer.torn else answer.body
            self.wfile.write(sent)
            if answer.torn:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
