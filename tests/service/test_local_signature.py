"""Who may use the service: programs that sign with the key pair of its start."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import psutil
import pytest
from tests.support.local_api import Api

GET = {"Id": "absent"}


def test_a_signed_request_passes(api: Api) -> None:
    status, answer = api.post("GetSession", GET)
    assert (status, answer["__type"]) == (400, "EntityNotFoundException")


def test_the_service_listens_on_loopback_only(api: Api) -> None:
    port = urlsplit(api.service.endpoint).port
    listening = [
        connection.laddr.ip
        for connection in psutil.Process(api.service.pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1"]
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass


def test_an_unsigned_request_is_refused(api: Api) -> None:
    status, answer = api.post("GetSession", GET, then=lambda h: h.pop("Authorization"))
    assert (status, answer["__type"]) == (403, "MissingAuthenticationTokenException")


def test_another_access_key_is_refused(api: Api) -> None:
    key = api.service.environment["AWS_ACCESS_KEY_ID"]

    def change(headers: dict[str, str]) -> None:
        headers["Authorization"] = headers["Authorization"].replace(key, "AKIAANOTHER")

    status, answer = api.post("GetSession", GET, then=change)
    assert (status, answer["__type"]) == (403, "UnrecognizedClientException")


def test_another_secret_key_is_refused(api: Api) -> None:
    status, answer = api.post("GetSession", GET, secret="guess")
    assert (status, answer["__type"]) == (403, "InvalidSignatureException")


def test_a_signature_for_another_service_is_refused(api: Api) -> None:
    status, answer = api.post("GetSession", GET, service="s3")
    assert (status, answer["__type"]) == (403, "InvalidSignatureException")


def test_a_signature_for_another_region_is_refused(api: Api) -> None:
    status, answer = api.post("GetSession", GET, region="sa-east-1")
    assert (status, answer["__type"]) == (403, "InvalidSignatureException")
    assert "scoped to a valid region: it is sa-east-1, this service's is us" in answer["Message"]


@pytest.mark.parametrize(
    "header",
    [
        "Bearer token",
        "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256",
        "",
    ],
)
def test_another_kind_of_authorization_is_refused(api: Api, header: str) -> None:
    status, answer = api.post("GetSession", GET, then=lambda h: h.update(Authorization=header))
    assert (status, answer["__type"]) == (403, "IncompleteSignatureException")


def test_a_changed_body_is_refused(api: Api) -> None:
    status, answer = api.post("GetSession", GET, body=b'{"Id": "other"}')
    assert (status, answer["__type"]) == (403, "InvalidSignatureException")


@pytest.mark.parametrize(
    "hash_", ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "0" * 64]
)
def test_a_body_that_was_not_hashed_is_refused(api: Api, hash_: str) -> None:
    status, answer = api.post(
        "GetSession", GET, lambda h: h.update({"X-Amz-Content-SHA256": hash_})
    )
    assert (status, answer["__type"]) == (403, "InvalidSignatureException")


def test_a_changed_target_is_refused(api: Api) -> None:
    def change(headers: dict[str, str]) -> None:
        headers["X-Amz-Target"] = "AWSGlue.DeleteSession"

    status, answer = api.post("GetSession", GET, then=change)
    assert (status, answer["__type"]) == (403, "InvalidSignatureException")


def test_a_target_outside_the_signature_is_refused(api: Api) -> None:
    target: dict[str, str] = {}

    def unsigned(headers: dict[str, str]) -> None:
        target.update({"X-Amz-Target": headers.pop("X-Amz-Target")})

    status, answer = api.post("GetSession", GET, unsigned, then=lambda h: h.update(target))
    assert (status, answer["__type"]) == (403, "InvalidSignatureException")


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_request_from_another_time_is_refused(
    api: Api, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    stamp = datetime.now(UTC) + timedelta(minutes=minutes)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: stamp)
    status, answer = api.post("GetSession", GET)
    assert (status, answer["__type"]) == (403, "InvalidSignatureException")
    assert "expired" in answer["Message"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost:1", ""])
def test_a_foreign_host_is_refused_even_when_signed(api: Api, host: str) -> None:
    status, answer = api.post("GetSession", GET, lambda h: h.update(Host=host))
    assert (status, answer["__type"]) == (403, "AccessDeniedException")


@pytest.mark.parametrize(
    "header",
    [{"Origin": "http://127.0.0.1"}, {"Sec-Fetch-Mode": "cors"}, {"Sec-Fetch-Site": "none"}],
)
def test_a_browser_is_refused_even_when_signed(api: Api, header: dict[str, str]) -> None:
    status, answer = api.post("GetSession", GET, then=lambda h: h.update(header))
    assert (status, answer["__type"]) == (403, "AccessDeniedException")


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS", "DELETE"])
def test_other_methods_are_refused(api: Api, method: str) -> None:
    status, answer = api.post("GetSession", GET, method=method)
    assert (status, answer["__type"]) == (404, "UnknownOperationException")


@pytest.mark.parametrize("body", [b"{", b"[]", b"1", b'"text"', b"\xff\xfe", b'{"Id": "\\ud800"}'])
def test_a_body_that_is_no_json_object_is_refused(api: Api, body: bytes) -> None:
    status, answer = api.post("GetSession", body)
    assert (status, answer["__type"]) == (400, "SerializationException")


def test_a_deeply_nested_body_is_refused(api: Api) -> None:
    status, answer = api.post("GetSession", b'{"Id":' * 50_000 + b"1" + b"}" * 50_000)
    assert (status, answer["__type"]) == (400, "SerializationException")


def test_unknown_and_missing_actions_are_told_apart(api: Api) -> None:
    status, answer = api.post("InventSession", {})
    assert (status, answer["__type"]) == (400, "UnknownOperationException")
    status, answer = api.post("GetTables", {"DatabaseName": "d"})
    assert (status, answer["__type"]) == (400, "OperationNotSupportedException")
    assert "GetTables" in answer["Message"]
