"""Object versions of raw files in S3: those that hold people go, whatever stops the command."""

from __future__ import annotations

import datetime as dt
import gzip
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support import canaries

from client_health_cli.erasing import cpfs, objects, raw_files
from client_health_cli.erasing.places import Prefix
from client_health_cli.errors import ObjectsError
from glue_local.emulator import Emulator
from register_contract import runs

CPF = canaries.cpf(45)
PEOPLE = cpfs.values((CPF,), b"k" * 32)
CSV, JSON, PARQUET = (f"upload/{canaries.NAMES[name]}" for name in ("csv", "json", "parquet"))
MARKS = [canaries._punctuated(CPF), CPF]
CLEAN = b"cpf|nome\n11144477735|Ana\n"
FAR = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)


@dataclass
class Raw:
    """A bucket of raw files."""

    s3: Any
    name: str

    @property
    def place(self) -> Prefix:
        return Prefix(f"s3://{self.name}/upload")

    def put(self, key: str, body: bytes, **extra: Any) -> str:
        answer = self.s3.put_object(Bucket=self.name, Key=key, Body=body, **extra)
        return str(answer.get("VersionId", "null"))

    def versions(self, key: str = "") -> dict[str, bytes]:
        """Return all versions below a key by id, with their content."""
        listed = self.s3.list_object_versions(Bucket=self.name, Prefix=key).get("Versions", [])
        return {
            one["VersionId"]: self.s3.get_object(
                Bucket=self.name, Key=one["Key"], VersionId=one["VersionId"]
            )["Body"].read()
            for one in listed
        }

    def current(self, key: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=self.name, Key=key)["Body"].read())

    def find(self, *, rewrite: bool = False) -> raw_files.Found:
        return raw_files.find(self.place, PEOPLE, rewrite=rewrite)

    def erase(self, *, rewrite: bool = False, notes: str = "") -> list[objects.Refusal]:
        return raw_files.erase(self.find(rewrite=rewrite), PEOPLE, notes)


@pytest.fixture
def make(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Raw]:
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    s3 = emulator.client("s3")

    def made(*, versions: bool = True, **extra: Any) -> Raw:
        name = f"raw-{uuid.uuid4().hex[:12]}"
        s3.create_bucket(Bucket=name, **extra)
        if versions:
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return Raw(s3, name)

    return made


@pytest.fixture
def raw(make: Callable[..., Raw], tmp_path: Path) -> Raw:
    """Return a bucket with the person in current and noncurrent versions of all formats."""
    raw = make()
    folder = canaries.write_delivery(tmp_path / "raw")
    for key in (CSV, JSON, PARQUET):
        content = (folder / key.rpartition("/")[2]).read_bytes()
        raw.put(key, content)
        raw.put(key, content, Metadata={"sender": "erp"}, ContentType="text/x")
    packed = "upload/2026-01-01/a b+ç.csv.gz"
    raw.put(packed, gzip.compress((folder / canaries.NAMES["csv"]).read_bytes()))
    raw.put(packed, gzip.compress(CLEAN))
    raw.put("upload/deleted.csv", f"cpf|nome\n{CPF}|Ana\n".encode())
    raw.s3.delete_object(Bucket=raw.name, Key="upload/deleted.csv")
    raw.put("upload/clean.csv", CLEAN)
    raw.put("upload-old/a.csv", f"cpf|nome\n{CPF}|Ana\n".encode())
    return raw


def holds(raw: Raw, key: str = "upload/") -> bool:
    """Return whether a version holds the person, by a plain look at its bytes."""
    return any(
        mark.encode() in (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
        for body in raw.versions(key).values()
        for mark in MARKS
    )


def test_every_version_that_holds_a_person_is_listed_and_deleted(raw: Raw) -> None:
    before = raw.versions()
    found = raw.find()
    assert raw.versions() == before
    assert len(found.holding) == 8
    lines = raw_files.described(found, PEOPLE)
    assert lines[0] == f"8 of 11 object versions in {raw.place} hold them:"
    assert CPF not in "\n".join(lines)
    (current,) = (line for line in lines if "cadastro_2.csv" in line and ", current" in line)
    newest = max(one.file for one in found.holding if one.file.key == CSV)  # type: ignore[union-attr]
    assert f"version {newest.version} of {newest.modified:%Y-%m-%d}, current: 1 row" in current  # type: ignore[union-attr]
    assert [(zone.rows, zone.files) for zone in found.zones()] == [(8, 5), (None, 8)]
    assert raw.erase() == []
    assert not holds(raw)
    assert raw_files.prove(raw.place, PEOPLE).is_clean
    left = raw.versions()
    assert {one.file.version for one in found.holding}.isdisjoint(left)  # type: ignore[union-attr]
    assert left == {name: body for name, body in before.items() if name in left}
    # What is beside the prefix isn't touched.
    assert holds(raw, "upload-old/")


def test_no_older_version_becomes_the_current_one(raw: Raw) -> None:
    older = raw.put("upload/fixed.csv", CLEAN)
    raw.put("upload/fixed.csv", f"cpf|nome\n{CPF}|Ana\n".encode())
    raw.erase()
    assert list(raw.versions("upload/fixed.csv")) == [older]
    with pytest.raises(raw.s3.exceptions.NoSuchKey):
        raw.current("upload/fixed.csv")
    assert raw.find().holding == ()


def test_written_again_a_file_is_a_new_version_with_all_other_bytes(raw: Raw) -> None:
    before = raw.current(CSV)
    raw.erase(rewrite=True, notes=f"s3://{raw.name}/lake/claims")
    assert not holds(raw)
    assert raw_files.prove(raw.place, PEOPLE).is_clean
    lines = before.splitlines(keepends=True)
    kept = b"".join(line for line in lines if CPF.encode() not in line)
    assert raw.current(CSV) == kept
    for key in (CSV, JSON, PARQUET):
        assert len(raw.versions(key)) == 1
        head = raw.s3.head_object(Bucket=raw.name, Key=key)
        assert (head["Metadata"], head["ContentType"]) == ({"sender": "erp"}, "text/x")
        note = f"lake/claims/{runs.rewritten_name(key, head['ContentLength'])}"
        noted = raw.s3.head_object(Bucket=raw.name, Key=note)["LastModified"]
        assert noted <= head["LastModified"]
    assert gzip.decompress(raw.current("upload/2026-01-01/a b+ç.csv.gz")) == CLEAN
    assert raw.find(rewrite=True).holding == ()


class KilledError(BaseException):
    """Stands for the death of the process."""


CALLS = ("PutObject", "DeleteObject", "DeleteObjects")


@pytest.mark.parametrize("rewrite", [False, True])
def test_killed_after_any_call_the_same_command_ends_the_same(
    raw: Raw, monkeypatch: pytest.MonkeyPatch, *, rewrite: bool
) -> None:
    monkeypatch.setattr(objects, "_AT_ONCE", 2)
    raw.put("upload/fixed.csv", CLEAN)
    raw.put("upload/fixed.csv", f"cpf|nome\n{CPF}|Ana\n{MARKS[0]}|Bia\n".encode())
    expected = len(raw.find(rewrite=rewrite).holding)
    client = objects._client()
    kills = 0
    while True:

        def die(model: Any, **_: Any) -> None:
            if model.name in CALLS:
                raise KilledError

        client.meta.events.register("after-call.s3", die)
        try:
            raw.erase(rewrite=rewrite)
        except KilledError:
            kills += 1
        else:
            break
        finally:
            client.meta.events.unregister("after-call.s3", die)
        assert kills < 30
    # Each start came one call further: no start did everything again.
    assert kills >= expected / 2
    assert not holds(raw)
    assert raw_files.prove(raw.place, PEOPLE).is_clean
    if rewrite:
        assert raw.current("upload/fixed.csv") == b"cpf|nome\n"
        assert len(raw.versions(PARQUET)) == 1


def test_a_locked_version_is_named_and_goes_after_its_lock(make: Callable[..., Raw]) -> None:
    raw = make(ObjectLockEnabledForBucket=True)
    row = f"cpf|nome\n{CPF}|Ana\n".encode()
    held = raw.put("upload/a.csv", row, ObjectLockLegalHoldStatus="ON")
    retention = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": FAR}
    locked = raw.put("upload/b.csv", row, **retention)
    raw.put("upload/c.csv", row)
    refused = {one.file.version: one.why for one in raw.erase(rewrite=True)}
    assert refused == {
        held: "AccessDenied, the object has a legal hold",
        locked: "AccessDenied, locked until 2099-01-01 00:00 UTC",
    }
    assert {raw.current(f"upload/{name}.csv") for name in "abc"} == {b"cpf|nome\n"}
    report = raw_files.prove(raw.place, PEOPLE)
    assert {file.version for file, _ in report.found} == {held, locked}  # type: ignore[union-attr]
    # Nothing is written again a second time.
    assert len(raw.erase(rewrite=True)) == 2
    assert len(raw.versions()) == 5
    raw.s3.put_object_legal_hold(
        Bucket=raw.name, Key="upload/a.csv", VersionId=held, LegalHold={"Status": "OFF"}
    )
    assert [one.file.version for one in raw.erase(rewrite=True)] == [locked]


def test_a_bucket_without_versions_works_the_same(make: Callable[..., Raw]) -> None:
    raw = make(versions=False)
    row = f"cpf|nome\n{CPF}|Ana\n11144477735|Bia\n".encode()
    for name in "ab":
        raw.put(f"upload/{name}.csv", row)
    raw.erase(rewrite=True)
    assert raw.current("upload/a.csv") == b"cpf|nome\n11144477735|Bia\n"
    raw.put("upload/a.csv", row)
    raw.erase()
    assert list(raw.versions()) == ["null"]
    assert raw.current("upload/b.csv") == b"cpf|nome\n11144477735|Bia\n"


def test_a_file_that_is_replaced_meanwhile_stays(raw: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    found = raw.find(rewrite=True)
    newest = raw.put(CSV, f"cpf|nome\n{CPF}|Ana\n11144477735|Bia\n".encode())
    with pytest.raises(ObjectsError, match="was replaced in the meantime"):
        raw_files.erase(found, PEOPLE, "")
    assert newest in raw.versions(CSV)
    raw.erase(rewrite=True)
    assert raw.current(CSV) == b"cpf|nome\n11144477735|Bia\n"
    assert not holds(raw)


def test_a_marker_never_hides_an_upload_that_arrives_meanwhile(raw: Raw) -> None:
    raw.put("upload/fixed.csv", CLEAN)
    raw.put("upload/fixed.csv", f"cpf|nome\n{CPF}|Ana\n".encode())
    found = raw.find()
    newest = CLEAN + b"22255588846|Bia\n"
    raw.put("upload/fixed.csv", newest)
    with pytest.raises(ObjectsError, match="was replaced in the meantime"):
        raw_files.erase(found, PEOPLE, "")
    assert raw.current("upload/fixed.csv") == newest
    raw.erase()
    assert raw.current("upload/fixed.csv") == newest
    assert not holds(raw)


def test_a_key_with_a_cpf_is_never_shown(raw: Raw, capsys: pytest.CaptureFixture[str]) -> None:
    raw.put(f"upload/{MARKS[0]}/x.csv", CLEAN)
    raw.s3.delete_object(Bucket=raw.name, Key=f"upload/{MARKS[0]}/x.csv")
    found = raw.find()
    lines = "\n".join(raw_files.described(found, PEOPLE))
    assert "  *** version" in lines
    assert canaries.found_in(lines) == []
    raw_files.erase(found, PEOPLE, "")
    assert raw_files.prove(raw.place, PEOPLE).is_clean
    listed = raw.s3.list_object_versions(Bucket=raw.name, Prefix="upload/")
    keys = [one["Key"] for kind in ("Versions", "DeleteMarkers") for one in listed.get(kind, [])]
    assert not any(MARKS[0] in key for key in keys)


def test_what_s3_refuses_is_said_with_the_next_step(
    make: Callable[..., Raw], monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    with pytest.raises(ObjectsError, match=r"ListObjectVersions was refused \(NoSuchBucket\)"):
        raw_files.find(Prefix("s3://no-such-bucket/upload"), PEOPLE, rewrite=False)
    with pytest.raises(ObjectsError) as raised:
        raw_files.find(Prefix(f"s3://no-such-bucket/{MARKS[0]}"), PEOPLE, rewrite=False)
    assert canaries.found_in(str(raised.value)) == []
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(ObjectsError, match="can't be reached"):
        raw_files.find(Prefix("s3://bucket/upload"), PEOPLE, rewrite=False)
