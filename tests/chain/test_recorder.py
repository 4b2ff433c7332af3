"""The proxy behind which the chain runs: what it forwards, records, and refuses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.support.recorder import Call, Recorder


class Upstream(BaseHTTPRequestHandler):
    """Stores what arrives, and accepts it."""

    came: list[str]

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.came.append(f"{self.command} {self.path}")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_DELETE = do_PUT  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture
def recorder() -> Iterator[tuple[Recorder, list[str]]]:
    came: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Upstream,), {"came": came}))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    with Recorder() as made:
        made.upstream = f"http://127.0.0.1:{server.server_port}"
        yield made, came
    server.shutdown()
    server.server_close()


def s3(recorder: Recorder, region: str = "us-east-1", **config: Any) -> Any:
    keys = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing"}
    once = Config(retries={"total_max_attempts": 1}, **config)
    endpoint = {"endpoint_url": recorder.endpoint, "region_name": region}
    return boto3.client("s3", config=once, **endpoint, **keys)


def test_a_call_is_passed_on_and_written_down_with_its_role(
    recorder: tuple[Recorder, list[str]],
) -> None:
    proxy, came = recorder
    s3(proxy, user_agent_extra="app/def_lambda").put_object(Bucket="b", Key="a/k", Body=b"x")
    s3(proxy).list_parts(Bucket="b", Key="a/k", UploadId="1")
    s3(proxy).abort_multipart_upload(Bucket="b", Key="a/k", UploadId="1")
    s3(proxy).list_multipart_uploads(Bucket="b")
    assert [line.partition("?")[0] for line in came] == [
        "PUT /b/a/k",
        "GET /b/a/k",
        "DELETE /b/a/k",
        "GET /b",
    ]
    assert list(proxy.calls) == [
        Call("def_lambda", "s3:PutObject", "b/a/k"),
        Call("session", "s3:ListMultipartUploadParts", "b/a/k"),
        Call("session", "s3:AbortMultipartUpload", "b/a/k"),
        Call("session", "s3:ListBucketMultipartUploads", "b"),
    ]
    assert proxy.refused == []


def test_a_call_that_is_not_signed_is_refused(recorder: tuple[Recorder, list[str]]) -> None:
    proxy, came = recorder
    with pytest.raises(ClientError, match="AccessDenied"):
        s3(proxy, signature_version=UNSIGNED).put_object(Bucket="b", Key="k", Body=b"x")
    assert (came, len(proxy.refused), dict(proxy.calls)) == ([], 1, {})


def test_a_call_that_is_signed_for_another_region_is_refused(
    recorder: tuple[Recorder, list[str]],
) -> None:
    proxy, came = recorder
    with pytest.raises(ClientError, match=r"'us-east-2' is wrong; expecting 'us-east-1'"):
        s3(proxy, "us-east-2").put_object(Bucket="b", Key="k", Body=b"x")
    assert came == []
    assert "us-east-2" in proxy.refused[0]
