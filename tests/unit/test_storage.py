"""Files on disk: listed, read, and written completely, with errors that name the cause."""

from __future__ import annotations

import bz2
import gzip
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from client_health import storage
from client_health.errors import InputError, StorageError

NOBODY = 65534


def test_a_folder_is_listed_with_all_its_data_and_nothing_else(tmp_path: Path) -> None:
    for name in ("b/2.csv", "a.csv", "b/_temporary/3.csv", "_SUCCESS", ".a.csv.crc", ".hidden/4"):
        storage.write_text(str(tmp_path / name), "x" * len(name))
    os.utime(tmp_path / "a.csv", ns=(0, 1_700_000_000_123_456_789))
    first, second = storage.files(str(tmp_path))
    assert first == storage.File(
        str(tmp_path / "a.csv"), "a.csv", 5, datetime.fromtimestamp(1_700_000_000.123, tz=UTC)
    )
    assert (second.uri, second.relative) == (str(tmp_path / "b/2.csv"), "b/2.csv")
    assert storage.files(first.uri) == [first]
    assert storage.files(f"{tmp_path}/") == [first, second]


@pytest.mark.parametrize("scheme", ["", "file:", "file://"])
def test_a_path_may_be_a_file_uri(tmp_path: Path, scheme: str) -> None:
    uri = scheme + str(tmp_path / "é #1 100%20?" / "a b")
    storage.write_text(uri, "São")
    assert storage.read_text(uri) == "São"
    assert storage.exists(uri)
    assert [path.name for path in tmp_path.iterdir()] == ["é #1 100%20?"]
    [file] = storage.files(uri)
    assert storage.start_of(file, 3) == b"S\xc3\xa3"


def test_what_is_read_and_written_is_as_it_is_whatever_its_name(tmp_path: Path) -> None:
    packed = gzip.compress(b"x")
    with storage.replacing(str(tmp_path / "a.gz")) as file:
        file.write(packed)
    assert (tmp_path / "a.gz").read_bytes() == packed
    assert storage.read_bytes(str(tmp_path / "a.gz")) == packed


def test_what_is_not_there_is_told_from_what_is_empty(tmp_path: Path) -> None:
    uri = str(tmp_path / "none")
    assert not storage.exists(uri)
    assert storage.files(uri) == []
    assert storage.read_text(uri) is None
    storage.delete(uri)
    storage.write_text(uri, "")
    assert storage.exists(uri)
    assert storage.read_text(uri) == ""
    assert [file.size for file in storage.files(uri)] == [0]


def test_files_and_folders_are_deleted(tmp_path: Path) -> None:
    for name in ("d/a", "d/e/b", "f"):
        storage.write_text(str(tmp_path / name), "x")
    storage.delete(str(tmp_path / "d"))
    storage.delete(str(tmp_path / "f"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_whole_or_stays_as_it_was(tmp_path: Path) -> None:
    uri = str(tmp_path / "a.json")
    storage.write_text(uri, "old")

    def tear() -> None:
        with storage.replacing(uri) as file:
            file.write(b"new, but torn")
            file.flush()
            assert storage.read_text(uri) == "old"
            raise InterruptedError

    with pytest.raises(InterruptedError):
        tear()
    assert storage.read_text(uri) == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    storage.write_text(uri, "new")
    assert storage.read_text(uri) == "new"


def modes(folder: Path) -> set[tuple[bool, int]]:
    """Return the permissions of a folder and all that is in it, folders apart from files."""
    found = (folder, *folder.rglob("*"))
    return {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in found}


def test_what_is_private_was_never_open_to_others(tmp_path: Path) -> None:
    zone = tmp_path / "zone"
    with storage.replacing(str(zone / "run" / "rows"), private=True) as file:
        file.write(b"rows")
        file.flush()
        assert modes(zone) == {(True, 0o700), (False, 0o600)}
    storage.write_text(str(zone / "manifest"), "names", private=True)
    assert modes(zone) == {(True, 0o700), (False, 0o600)}


def test_a_zone_that_was_open_is_closed(tmp_path: Path) -> None:
    (tmp_path / "zone").mkdir(mode=0o755)
    storage.protect(str(tmp_path / "zone"))
    storage.protect(str(tmp_path / "new" / "zone"))
    assert modes(tmp_path / "zone") == modes(tmp_path / "new") == {(True, 0o700)}


@pytest.mark.parametrize("ending", ["", ".gz", ".bz2"])
def test_a_file_is_read_from_its_start_and_its_end(tmp_path: Path, ending: str) -> None:
    pack = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress}[ending]
    inside = b"0123456789" * 20_000
    path = tmp_path / f"a{ending}"
    path.write_bytes(pack(inside))
    [file] = storage.files(str(path))
    assert storage.start_of(file, 12, unpack=True) == inside[:12]
    assert storage.start_of(file, 3) == path.read_bytes()[:3]
    assert storage.end_of(file, 4) == path.read_bytes()[-4:]
    assert storage.end_of(file, 1 << 30) == path.read_bytes()
    with storage.unpacked(file.uri) as stream:
        assert stream.read() == inside


def everything(path: Path) -> bytes:
    def read() -> bytes:
        with storage.unpacked(str(path)) as stream:
            return stream.read()

    return storage.readable(path.name, read)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_a_packed_file_that_was_cut_off_or_damaged_is_its_own_fault(tmp_path: Path, pack) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / ("a.gz" if pack is gzip.compress else "a.bz2")
    whole = pack(os.urandom(100_000) + b"Ana Lima")
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="it cannot be read: it ends too early, cut off"):
        everything(path)
    damaged = bytearray(whole)
    damaged[50_000:50_100] = bytes(100)
    path.write_bytes(bytes(damaged))
    with pytest.raises(InputError, match="it cannot be read: ") as refused:
        everything(path)
    assert refused.value.name == path.name
    assert not any(told in str(refused.value) for told in (str(tmp_path), "Ana"))


def test_a_parquet_page_is_held_against_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    column = pa.array([os.urandom(20).hex() for _ in range(2000)])
    pq.write_table(
        pa.table({"a": column}), path, write_page_checksum=True, compression="none",
        use_dictionary=False,
    )  # fmt: skip
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(bytes(content))

    def read() -> object:
        with storage.opened(str(path)) as stream:
            return pq.ParquetFile(stream, page_checksum_verification=True).read()

    with pytest.raises(InputError, match="its bytes are not those of its checksum"):
        storage.readable("a.parquet", read)


@contextmanager
def as_somebody_else() -> Iterator[None]:
    """Run as a user who owns none of the files, because root can read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_or_folder_that_may_not_be_read_is_named_so(tmp_path: Path) -> None:
    path = tmp_path / "d" / "a.csv"
    storage.write_text(str(path), "Ana")
    [file] = storage.files(str(path))
    path.chmod(0)
    path.parent.chmod(0)
    try:
        with as_somebody_else():
            for look in (
                lambda: storage.start_of(file, 3),
                lambda: storage.end_of(file, 3),
                lambda: storage.files(str(path.parent)),
            ):
                with pytest.raises(InputError, match="this account may not read it") as refused:
                    look()
                assert str(tmp_path) not in str(refused.value)
    finally:
        path.parent.chmod(0o700)


def test_a_file_that_went_away_meanwhile_is_said_to_be_gone(tmp_path: Path) -> None:
    storage.write_text(str(tmp_path / "a"), "x")
    [file] = storage.files(str(tmp_path))
    storage.delete(file.uri)
    with pytest.raises(InputError, match=r"^a: it cannot be read: it is gone; expected a whole"):
        storage.start_of(file, 1)


@pytest.mark.parametrize(
    "told",
    [
        "When listing objects: AWS Error NETWORK_CONNECTION during ListObjectsV2 operation: secret",
        "When reading: AWS Error SLOW_DOWN during GetObject operation: Please reduce your rate",
        "AWS Error UNKNOWN (HTTP status 503) during HeadObject operation: No response body.",
        "AWS Error INTERNAL_FAILURE during GetObject operation",
        "AWS Error REQUEST_TIMEOUT during GetObject operation",
        "AWS Error UNKNOWN (HTTP status 400) during HeadObject operation: No response body.",
        "AWS Error INVALID_ACCESS_KEY_ID during GetObject operation: secret",
        "AWS Error [code 136] during GetObject operation: secret",
    ],
)
def test_storage_that_does_not_answer_is_no_fault_of_the_file(told: str) -> None:
    error = storage.unreadable("a.csv", OSError(told))
    assert isinstance(error, StorageError)
    assert str(error).startswith("a.csv: its storage does not answer (")
    assert "Run the same command again" in str(error)
    assert "secret" not in str(error)


def test_an_error_that_only_the_service_knows_is_told_by_its_name() -> None:
    told = (
        "AWS Error UNKNOWN (HTTP status 400) during GetObject operation: Unable to parse"
        " ExceptionName: KMS.DisabledException Message: secret is disabled."
    )
    error = storage.unreadable("a.csv", OSError(told))
    assert isinstance(error, StorageError)
    assert "(KMS.DisabledException)" in str(error)
    assert "secret" not in str(error)


@pytest.mark.parametrize("code", ["NO_SUCH_KEY", "NO_SUCH_BUCKET", "RESOURCE_NOT_FOUND"])
def test_an_object_that_is_not_there_is_said_to_be_gone(code: str) -> None:
    error = storage.unreadable("a.csv", OSError(f"AWS Error {code} during GetObject operation"))
    assert isinstance(error, InputError)
    assert "it is gone" in str(error)


@pytest.mark.parametrize(
    "thrown",
    [
        OSError("AWS Error ACCESS_DENIED during GetObject operation: Access Denied"),
        FileNotFoundError("a.csv"),
        EOFError("Compressed file ended before the end-of-stream marker was reached"),
        OSError("Couldn't deserialize thrift: Ana Lima"),
        pa.ArrowInvalid("Ana Lima"),
    ],
)
def test_what_is_said_of_the_file_itself_stays_its_fault(thrown: Exception) -> None:
    error = storage.unreadable("a.csv", thrown)
    assert isinstance(error, InputError)
    assert "Ana" not in str(error)
