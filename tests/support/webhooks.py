"""A webhook on loopback that keeps what arrives, and checks the forms of chat services.

The limits are those of the services' documentation: Slack's Block Kit reference, and the schema of
Adaptive Cards 1.4 in the message that a Teams workflow takes.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "T0CANARY/B0SECRET/abcdef0123456789"


@dataclass
class Webhook:
    """A server that answers with a status, after it was told to, or not at all."""

    status: int = 200
    location: str = ""
    arrived: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    answers: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.answers.set()
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.headers["Content-Type"].startswith("application/json")
                webhook.paths.append(self.path)
                webhook.arrived.append(json.loads(body))
                webhook.answers.wait(30)
                self.send_response(webhook.status)
                if webhook.location:
                    self.send_header("Location", webhook.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/services/{SECRET}"

    def close(self) -> None:
        self.answers.set()
        self._server.shutdown()
        self._server.server_close()

    def text(self) -> str:
        """Return all that arrived."""
        return json.dumps(self.arrived, ensure_ascii=False)


def is_slack_message(payload: dict[str, Any]) -> None:
    """Check a message against Slack's limits."""
    assert payload.keys() == {"text", "blocks"}
    assert payload["text"]
    assert 0 < len(payload["blocks"]) <= 50
    assert payload["blocks"][0]["type"] == "header"
    for block in payload["blocks"]:
        kind = block["type"]
        if kind == "header":
            assert block["text"]["type"] == "plain_text"
            assert 0 < len(block["text"]["text"]) <= 150
        elif kind == "section":
            assert ("text" in block) != ("fields" in block)
            assert len(block.get("fields", ())) <= 10
            for text, most in [
                *([(block["text"], 3000)] if "text" in block else []),
                *((one, 2000) for one in block.get("fields", ())),
            ]:
                assert text["type"] == "mrkdwn"
                assert 0 < len(text["text"]) <= most
        else:
            assert kind == "context"
            assert 0 < len(block["elements"]) <= 10
            assert all(one["type"] == "mrkdwn" and one["text"] for one in block["elements"])


_ELEMENTS = {
    "TextBlock": {"type", "text", "wrap", "size", "weight", "color"},
    "FactSet": {"type", "facts"},
}


def is_teams_message(payload: dict[str, Any]) -> dict[str, Any]:
    """Check a message against what a Teams workflow takes; return its card."""
    assert payload["type"] == "message"
    (attachment,) = payload["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card: dict[str, Any] = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert card["body"]
    for element in card["body"]:
        assert element.keys() <= _ELEMENTS[element["type"]]
        if element["type"] == "FactSet":
            assert all(fact.keys() == {"title", "value"} for fact in element["facts"])
            assert all(fact["title"] and fact["value"] for fact in element["facts"])
        else:
            assert element["text"]
            assert element.get("color", "attention") in {"attention", "warning"}
    for action in card.get("actions", ()):
        assert action["type"] == "Action.OpenUrl"
        assert action["url"].startswith("https://")
    # Teams refuses messages of more than 28 kB.
    assert len(json.dumps(payload, ensure_ascii=False).encode()) < 28_000
    return card
