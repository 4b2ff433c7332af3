"""Athena's API with answers made up for a test: what it sends and records, and no engine."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

QUERY = "00000000-0000-4000-8000-000000000001"


def column(name: str, kind: str) -> dict[str, Any]:
    """Describe a column as GetQueryResults does; the kind is as in SQL."""
    plain, _, numbers = kind.lower().partition("(")
    precision, scale = map(int, numbers.rstrip(")").split(",")) if numbers else (0, 0)
    facts = {"Name": name, "Type": plain, "Precision": precision, "Scale": scale}
    return facts | {"Nullable": "UNKNOWN", "CaseSensitive": False}


class AthenaApi:
    """An endpoint that gives one answer to every query.

    Parameters
    ----------
    columns
        As `column` describes them.
    rows
        Texts, None for a null.
    state
        What a query is in, until it is stopped.
    refuses
        The action that is answered with an error, and at which of its calls.

    Attributes
    ----------
    calls
        Actions and their parameters.
    """

    def __init__(
        self,
        columns: Sequence[dict[str, Any]] = (),
        rows: Sequence[tuple[str | None, ...]] = (),
        *,
        state: str = "SUCCEEDED",
        refuses: tuple[str, int] = ("", 0),
    ) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.polled = threading.Event()
        self._columns = list(columns)
        self._rows = [tuple(one["Name"] for one in columns), *rows]
        self._state = state
        self._refuses = refuses
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def environment(self) -> dict[str, str]:
        """What leads boto3 here."""
        return {
            "AWS_ENDPOINT_URL_ATHENA": f"http://127.0.0.1:{self._server.server_port}",
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_DEFAULT_REGION": "sa-east-1",
            "AWS_MAX_ATTEMPTS": "1",
        }

    def actions(self) -> list[str]:
        """Give the actions that were called."""
        return [action for action, _ in self.calls]

    def answer(self, action: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer a call."""
        self.calls.append((action, asked))
        if self._refuses == (action, self.actions().count(action)):
            return 400, {"__type": "InvalidRequestException", "Message": "no\nmore"}
        if action == "StopQueryExecution":
            self._state = "CANCELLED"
        if action == "GetQueryExecution":
            self.polled.set()
            told = {
                "QueryExecutionId": QUERY,
                "Query": "SELECT 1",
                "Status": {"State": self._state},
            }
            return 200, {"QueryExecution": told}
        return 200, self._page(asked) if action == "GetQueryResults" else {
            "QueryExecutionId": QUERY
        }

    def _page(self, asked: dict[str, Any]) -> dict[str, Any]:
        start = int(asked.get("NextToken", 0))
        end = start + asked["MaxResults"]
        rows = [
            {"Data": [{} if text is None else {"VarCharValue": text} for text in row]}
            for row in self._rows[start:end]
        ]
        metadata = {"ColumnInfo": self._columns}
        page: dict[str, Any] = {"ResultSet": {"Rows": rows, "ResultSetMetadata": metadata}}
        return page | ({"NextToken": str(end)} if end < len(self._rows) else {})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, content = api.answer(self.headers["X-Amz-Target"].split(".")[1], asked)
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        return Handler

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
