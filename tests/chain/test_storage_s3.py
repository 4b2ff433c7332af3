"""Files in S3, as the session reads and writes them: on the emulator, and on one that refuses."""

from __future__ import annotations

import gzip
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from client_health import storage
from client_health.errors import InputError, StorageError
from glue_local.emulator import Emulator

BUCKET = "files-of-a-lake"


@pytest.fixture
def bucket(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    yield f"s3://{BUCKET}"
    for one in s3.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        s3.delete_object(Bucket=BUCKET, Key=one["Key"])
    s3.delete_bucket(Bucket=BUCKET)


def keys(emulator: Emulator) -> list[str]:
    """Return the keys of the objects, without the folder markers that file systems add."""
    found = emulator.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", ())
    return sorted(one["Key"] for one in found if not one["Key"].endswith("/"))


def test_what_is_written_is_listed_and_read(bucket: str, emulator: Emulator) -> None:
    for name in ("lake/b/2.csv", "lake/a b+é.csv", "lake/_SUCCESS", "lake/b/.part", "other"):
        storage.write_text(f"{bucket}/{name}", "São")
    found = storage.files(f"{bucket}/lake")
    assert [(file.relative, file.size) for file in found] == [("a b+é.csv", 4), ("b/2.csv", 4)]
    assert [file.uri for file in found] == [f"{bucket}/lake/{file.relative}" for file in found]
    assert storage.files(found[0].uri)[0].size == 4
    stored = emulator.client("s3").head_object(Bucket=BUCKET, Key="lake/b/2.csv")["LastModified"]
    assert abs((found[1].modified - stored).total_seconds()) < 1
    assert [storage.read_text(file.uri) for file in found] == ["São"] * 2
    assert (storage.start_of(found[0], 1), storage.end_of(found[0], 1)) == (b"S", b"o")


def test_what_is_not_there_is_told_from_what_is_empty(bucket: str) -> None:
    missing = f"{bucket}/lake/none"
    assert not storage.exists(missing)
    assert storage.files(missing) == []
    assert storage.read_text(missing) is None
    storage.delete(missing)
    storage.write_text(missing, "")
    assert storage.exists(missing)
    assert [file.size for file in storage.files(missing)] == [0]


def test_files_and_folders_are_deleted_and_their_neighbours_stay(
    bucket: str, emulator: Emulator
) -> None:
    for name in ("lake/r1/a", "lake/r1/d/b", "lake/r10/a", "lake/f"):
        storage.write_text(f"{bucket}/{name}", "x")
    storage.delete(f"{bucket}/lake/r1")
    storage.delete(f"{bucket}/lake/f")
    assert keys(emulator) == ["lake/r10/a"]
    assert storage.files(f"{bucket}/lake/r1") == []


def test_an_object_is_replaced_whole_or_stays_as_it_was(bucket: str, emulator: Emulator) -> None:
    uri = f"{bucket}/lake/a"
    storage.write_text(uri, "old")

    def tear() -> None:
        with storage.replacing(uri) as file:
            file.write(b"new, but torn")
            raise InterruptedError

    with pytest.raises(InterruptedError):
        tear()
    assert storage.read_text(uri) == "old"
    with storage.replacing(uri) as file:
        file.write(b"x" * 20_000_000)
        assert file.tell() == 20_000_000
    assert [file.size for file in storage.files(uri)] == [20_000_000]
    assert keys(emulator) == ["lake/a"]


def test_a_packed_object_that_was_cut_off_is_its_own_fault(bucket: str) -> None:
    uri = f"{bucket}/a.csv.gz"
    packed = gzip.compress(random.Random(1).randbytes(100_000))
    with storage.replacing(uri) as file:
        file.write(packed[: len(packed) // 2])

    def read() -> bytes:
        with storage.unpacked(uri) as stream:
            return stream.read()

    with pytest.raises(InputError, match=r"^a\.csv\.gz: .* it ends too early, cut off"):
        storage.readable("a.csv.gz", read)


def test_an_object_that_went_away_meanwhile_is_said_to_be_gone(bucket: str) -> None:
    storage.write_text(f"{bucket}/a", "x")
    [file] = storage.files(f"{bucket}/a")
    storage.delete(file.uri)
    with pytest.raises(InputError, match="it is gone"):
        storage.start_of(file, 1)


class Refusing(BaseHTTPRequestHandler):
    """An S3 that refuses every request with the same error."""

    status = 403
    code = "AccessDenied"

    def do_GET(self) -> None:
        body = f"<Error><Code>{self.code}</Code><Message>secret</Message></Error>".encode()
        self.send_response(self.status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Refusing]]:
    handler = type("Handler", (Refusing,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    for name, value in {
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{server.server_port}",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_REGION": "sa-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    yield handler
    server.shutdown()
    server.server_close()


def test_what_may_not_be_read_is_named_so(refusing: type[Refusing]) -> None:
    with pytest.raises(InputError, match=r"^lake: it cannot be read: this account may not") as told:
        storage.files("s3://bucket/lake")
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (503, "SlowDown"),
        (500, "InternalError"),
        (503, "ServiceUnavailable"),
        (400, "ExpiredToken"),
        (400, "KMS.DisabledException"),
    ],
)
def test_a_service_that_fails_is_no_fault_of_the_file(
    refusing: type[Refusing], status: int, code: str
) -> None:
    refusing.status, refusing.code = status, code
    with pytest.raises(StorageError, match=r"^lake: its storage does not answer") as told:
        storage.files("s3://bucket/lake")
    assert "secret" not in str(told.value)


def test_a_place_where_nobody_listens_is_no_fault_of_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    with pytest.raises(StorageError, match="does not answer"):
        storage.files("s3://bucket/lake")
