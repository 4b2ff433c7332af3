"""Turns a kernel's messages into a statement's ``Output``, in the form of the API."""

from __future__ import annotations

from typing import Any

_PNG = "image/png"
_TEXT = "text/plain"


class OutputCollector:
    """Collects what one statement writes and shows.

    Parameters
    ----------
    limit : int
        Most characters of text that are kept; more is an error, never a silent cut.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._text: list[str] = []
        self._size = 0
        self._picture: str | None = None

    @property
    def too_large(self) -> bool:
        """Whether the statement wrote more than the API keeps."""
        return self._size > self._limit

    def feed(self, message: dict[str, Any]) -> None:
        """Add one message of the kernel's public channel."""
        content = message["content"]
        match message["msg_type"]:
            case "stream" if content["name"] == "stdout":
                self._write(content["text"])
            case "execute_result" | "display_data":
                data = content["data"]
                if _PNG in data:
                    self._picture = data[_PNG].replace("\n", "")
                elif _TEXT in data:
                    self._write(data[_TEXT] + "\n")

    def _write(self, text: str) -> None:
        self._size += len(text)
        if not self.too_large:
            self._text.append(text)

    def output(self, reply: dict[str, Any]) -> dict[str, Any]:
        """Return the statement's ``Output``.

        Parameters
        ----------
        reply : dict
            Content of the kernel's reply to the statement.

        Returns
        -------
        dict
            Status ``ok`` with ``Data``: ``TextPlain`` alone, or beside a picture the members
            that the Glue kernels show pictures from. Status ``error`` with ``ErrorName``,
            ``ErrorValue`` and ``Traceback``, and what was printed before it.
        """
        text = "".join(self._text).rstrip()
        count = int(reply.get("execution_count") or 0)
        if reply["status"] == "ok":
            data = {"TextPlain": text}
            if self._picture is not None:
                data |= {"MimeType": _PNG, "Result": self._picture, "StdOut": text}
            return {"Data": data, "ExecutionCount": count, "Status": "ok"}
        failed = error_output(
            reply.get("ename", "Aborted"),
            reply.get("evalue", "The statement was not run."),
            reply.get("traceback", []),
        )
        return failed | {"ExecutionCount": count} | ({"Data": {"TextPlain": text}} if text else {})


def error_output(name: str, value: str, traceback: list[str] | None = None) -> dict[str, Any]:
    """Return the ``Output`` of a statement that failed."""
    return {
        "ExecutionCount": 0,
        "Status": "error",
        "ErrorName": name,
        "ErrorValue": value,
        "Traceback": traceback or [f"{name}: {value}\n"],
    }
