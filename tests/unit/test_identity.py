"""Ids are always the same for a person, different for others, and don't reveal the key."""

from __future__ import annotations

import json
import re
import stat
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.frames import GOOD_CPF, OTHER_CPF

from client_health.clean import identity
from client_health.errors import SettingsError

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
cpfs = st.from_regex(r"[0-9]{11}", fullmatch=True)


@given(st.binary(min_size=32, max_size=80), cpfs)
def test_an_id_is_a_uuid_of_version_8_and_the_same_every_time(key: bytes, cpf: str) -> None:
    made = identity.client_id(key, cpf)
    assert made == identity.client_id(bytes(key), str(cpf))
    parsed = uuid.UUID(made)
    assert str(parsed) == made
    assert parsed.version == 8
    assert parsed.variant == uuid.RFC_4122


@given(st.sets(cpfs, min_size=2, max_size=200))
def test_different_people_and_different_keys_give_different_ids(people: set[str]) -> None:
    made = {identity.client_id(key, cpf) for key in (KEY, OTHER_KEY) for cpf in people}
    assert len(made) == 2 * len(people)


@pytest.mark.parametrize("length", [32, 63, 64, 65, 200])
@pytest.mark.parametrize("text", [True, False], ids=["text", "bytes"])
def test_the_column_holds_what_the_function_gives(length: int, text: bool) -> None:
    # A key that isn't text is handled separately; one longer than a block is hashed first.
    key = bytes(at * 7 % (128 if text else 256) | (0 if text else 128) for at in range(length))
    cpfs = [GOOD_CPF, OTHER_CPF, *(f"{at * 191:011}" for at in range(100))]
    frame = pl.DataFrame({"cpf": [*cpfs, None]}).select(identity.ids(pl.col("cpf"), key))
    found = frame.to_series().to_list()
    assert found == [*(identity.client_id(key, cpf) for cpf in cpfs), None]


@given(st.binary(min_size=32, max_size=80), st.lists(cpfs, min_size=1, max_size=20))
def test_any_key_gives_the_columns_the_same_ids(key: bytes, people: list[str]) -> None:
    frame = pl.DataFrame({"cpf": people}).select(identity.ids(pl.col("cpf"), key))
    assert frame.to_series().to_list() == [identity.client_id(key, cpf) for cpf in people]


def test_the_key_is_made_once_for_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    made = identity.load_key()
    path = tmp_path / "config" / "client-health" / "id.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert re.fullmatch(rb"[0-9a-f]{64}", made)
    assert identity.load_key() == made == identity.load_key(str(path))
    assert [file.name for file in path.parent.iterdir()] == ["id.key"]


def test_two_homes_have_two_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = set()
    for home in ("first", "second"):
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / home))
        keys.add(identity.load_key())
    assert len(keys) == 2


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "id.key"
    path.write_bytes(KEY)
    path.chmod(mode)
    with pytest.raises(SettingsError, match=rf"mode 0{mode:o}\)\. Run: chmod 600 id\.key") as error:
        identity.load_key(str(path))
    assert KEY.decode() not in str(error.value)


def test_a_named_key_file_is_never_made(tmp_path: Path) -> None:
    path = tmp_path / "typo.key"
    with pytest.raises(SettingsError, match=r"typo\.key cannot be read \(No such file"):
        identity.load_key(str(path))
    assert not path.exists()


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "id.key"
    path.write_text("short and blank" + " " * 40)
    path.chmod(0o600)
    with pytest.raises(SettingsError, match=r"has 15 bytes; at least 32 are needed") as error:
        identity.load_key(str(path))
    assert "short and blank" not in str(error.value)


def test_the_key_check_tells_keys_apart_and_is_no_part_of_any_id() -> None:
    assert identity.key_check(KEY) == identity.key_check(bytes(KEY))
    assert identity.key_check(KEY) != identity.key_check(OTHER_KEY)
    assert re.fullmatch(r"[0-9a-f]{16}", identity.key_check(KEY))
    assert KEY.hex()[:16] != identity.key_check(KEY)


class Secrets(BaseHTTPRequestHandler):
    """A Secrets Manager that has every secret, and records the requests."""

    asked: list[tuple[str, str]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        region = self.headers["Authorization"].split("/")[2]
        self.asked.append((region, body["SecretId"]))
        answer = json.dumps({"SecretString": KEY.decode()}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    asked: list[tuple[str, str]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Secrets,), {"asked": asked}))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    for name, value in {
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": f"http://127.0.0.1:{server.server_port}",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
    }.items():
        monkeypatch.setenv(name, value)
    yield asked
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("partition", boto3.Session().get_available_partitions())
def test_the_key_is_a_secret_in_every_partition_of_aws(
    secrets: list[tuple[str, str]], partition: str
) -> None:
    regions = boto3.Session().get_available_regions("s3", partition) or ["eu-somewhere-1"]
    arn = f"arn:{partition}:secretsmanager:{regions[0]}:123456789012:secret:client-health/id-key-Ab"
    assert identity.load_key(arn) == KEY
    assert secrets == [(regions[0], arn)]


def test_a_secret_is_known_by_its_name_in_the_sessions_region(
    secrets: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "sa-east-1")
    assert identity.load_key("secretsmanager:client-health/id-key") == KEY
    assert secrets == [("sa-east-1", "client-health/id-key")]


def test_a_secrets_name_without_a_region_is_refused(
    secrets: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(SettingsError, match=r"Set AWS_REGION, or give the secret's ARN"):
        identity.load_key("secretsmanager:client-health/id-key")
    assert secrets == []


@pytest.mark.parametrize(
    "location",
    [
        "secretsmanager:",
        "secretsmanager:a name",
        "here/secretsmanager:name",
        "arn:aws:s3:::bucket/id.key",
        "arn:other:secretsmanager:sa-east-1:123456789012:secret:x",
        "arn:aws:secretsmanager:sa-east-1:123456789012:secret:",
        "here/arn:aws:secretsmanager:sa-east-1:123456789012:secret:x",
    ],
)
def test_what_names_no_secret_is_a_path(secrets: list[tuple[str, str]], location: str) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        identity.load_key(location)
    assert secrets == []
