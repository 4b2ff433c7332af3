"""Requests that no client of the API sends: they are refused, and nothing waits for their end."""

from __future__ import annotations

import json

import pytest
from tests.support.local_api import Api, answer

GET = b'{"Id": "absent"}'


def request(headers: dict[str, str], body: bytes = b"", line: str = "POST / HTTP/1.1") -> bytes:
    lines = [line, *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def exchange(api: Api, *parts: bytes) -> bytes:
    """Send all parts on one connection; return everything that arrives until it closes."""
    with api.connection() as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before everything was sent
        return answer(connection)


def still_serves(api: Api) -> bool:
    return api.post("GetSession", {"Id": "absent"})[1]["__type"] == "EntityNotFoundException"


def test_a_chunked_request_is_answered_like_any_other(api: Api) -> None:
    headers = api.signed("GetSession", GET)
    headers |= {"Transfer-Encoding": "chunked", "Connection": "close"}
    said = exchange(api, request(headers, chunk(GET[:5]) + chunk(GET[5:]) + chunk(b"")))
    assert said.startswith(b"HTTP/1.1 400 ")
    assert json.loads(said.partition(b"\r\n\r\n")[2])["__type"] == "EntityNotFoundException"


def test_a_body_longer_than_said_is_not_read_as_part_of_the_request(api: Api) -> None:
    headers = {**api.signed("GetSession", GET), "Content-Length": str(len(GET) - 4)}
    said = exchange(api, request(headers, GET + b"\r\n\r\n"))
    first, _, second = said.partition(b"HTTP/1.1 400 Bad Request")
    assert b"InvalidSignatureException" in first
    assert second == b"\r\n\r\n", "what was left over is no request"
    assert still_serves(api)


def test_a_body_that_does_not_come_is_not_waited_for_and_holds_nobody_up(api: Api) -> None:
    headers = {**api.signed("GetSession", GET), "Content-Length": "1000"}
    with api.connection() as slow:
        slow.sendall(request(headers, GET))
        assert still_serves(api), "others are served meanwhile"
        assert answer(slow) == b""
    assert still_serves(api)


@pytest.mark.parametrize("length", ["-1", "x", "1 6", "0x10", "16, 17", "9" * 30, "4194305"])
def test_a_length_that_is_none_or_too_large_is_refused_at_once(api: Api, length: str) -> None:
    headers = {**api.signed("GetSession", GET), "Content-Length": length}
    assert exchange(api, request(headers)) == b"HTTP/1.1 400 Bad Request\r\n\r\n"


def test_a_request_with_two_kinds_of_length_is_refused(api: Api) -> None:
    headers = {**api.signed("GetSession", GET), "Content-Length": str(len(GET))}
    headers["Transfer-Encoding"] = "chunked"
    assert exchange(api, request(headers, GET)).startswith(b"HTTP/1.1 400 Bad Request")
    assert still_serves(api)


def test_chunks_without_end_are_refused_at_the_limit(api: Api) -> None:
    headers = {**api.signed("GetSession", GET), "Transfer-Encoding": "chunked"}
    said = exchange(api, request(headers), *[chunk(b"x" * 65_536)] * 100)
    assert said in (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert still_serves(api)


def test_the_largest_body_is_judged_by_the_api(api: Api) -> None:
    status, told = api.post("GetSession", {"Id": "x" * 4_000_000})
    assert (status, told["__type"]) == (400, "InvalidInputException")
    assert len(told["Message"]) <= 2000


def test_headers_without_end_are_refused_at_the_limit(api: Api) -> None:
    line = b"X-Filler: " + b"x" * 1000 + b"\r\n"
    assert exchange(api, b"POST / HTTP/1.1\r\n", line * 200) == b""
    assert still_serves(api)


@pytest.mark.parametrize(
    "line",
    ["GET", "POST /\x00 HTTP/1.1", "\x16\x03\x01", "POST / HTTP/9.9", "PRI * HTTP/2.0"],
    ids=ascii,
)
def test_what_is_no_request_of_http_1_is_refused(api: Api, line: str) -> None:
    headers = {"Host": "127.0.0.1", "Connection": "close"}
    assert exchange(api, request(headers, line=line)).startswith((b"HTTP/1.1 400", b"HTTP/1.1 404"))


@pytest.mark.parametrize(
    "target", ["/../", "//", "/%2e%2e/etc/passwd", "http://evil.example/", "*"]
)
def test_another_path_is_refused(api: Api, target: str) -> None:
    headers = {**api.signed("GetSession", GET), "Content-Length": str(len(GET))}
    headers["Connection"] = "close"
    said = exchange(api, request(headers, GET, line=f"POST {target} HTTP/1.1"))
    assert b"UnknownOperationException" in said


def test_a_query_outside_the_signature_is_refused(api: Api) -> None:
    headers = {**api.signed("GetSession", GET), "Content-Length": str(len(GET))}
    headers["Connection"] = "close"
    said = exchange(api, request(headers, GET, line="POST /?Action=Other HTTP/1.1"))
    assert b"InvalidSignatureException" in said


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity"])
def test_numbers_that_json_does_not_have_are_refused(api: Api, number: bytes) -> None:
    status, told = api.post("ListSessions", b'{"MaxResults": ' + number + b"}")
    assert (status, told["__type"]) == (400, "SerializationException")
