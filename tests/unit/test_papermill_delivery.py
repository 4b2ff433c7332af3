"""The id of a delivery comes from its content."""

import gzip
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from register_run.delivery import Delivery, find_sources
from register_run.errors import InputError


def _delivery(folder: Path, parquet: bytes = b"PAR1", csv: bytes = b"a|b\n", json: bytes = b"{}\n"):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("c.parquet", parquet), ("c.csv", csv), ("c.json", json)):
        (folder / name).write_bytes(content)
    return folder


def test_the_same_content_is_the_same_delivery_wherever_it_stands(tmp_path):
    first = Delivery.read(find_sources(str(_delivery(tmp_path / "a"))))
    second = Delivery.read(find_sources(str(_delivery(tmp_path / "b"))))
    assert first.delivery_id == second.delivery_id
    assert first.delivery_id[0] == "d"
    assert int(first.delivery_id[1:], 16) >= 0
    assert len(first.delivery_id) == 17


@pytest.mark.parametrize("source", ["parquet", "csv", "json"])
def test_one_changed_byte_is_another_delivery(tmp_path, source):
    before = Delivery.read(find_sources(str(_delivery(tmp_path / "a"))))
    after = Delivery.read(find_sources(str(_delivery(tmp_path / "b", **{source: b"PAR2"}))))
    assert before.delivery_id != after.delivery_id


def test_sources_that_change_places_are_another_delivery(tmp_path):
    folder = _delivery(tmp_path, csv=b"same\n", json=b"other\n")
    sources = find_sources(str(folder))
    swapped = {**sources, "csv": sources["json"], "json": sources["csv"]}
    assert Delivery.read(sources).delivery_id != Delivery.read(swapped).delivery_id


def test_a_source_may_be_a_folder_and_its_marks_do_not_count(tmp_path):
    folder = _delivery(tmp_path)
    (folder / "c.csv").unlink()
    parts = folder / "c.csv"
    parts.mkdir()
    (parts / "part-1").write_bytes(b"a|b\n")
    (parts / "part-2").write_bytes(b"c|d\n")
    before = Delivery.read(find_sources(str(folder)))
    (parts / "_SUCCESS").write_bytes(b"")
    (parts / ".part-1.crc").write_bytes(b"x")
    (parts / "_temporary").mkdir()
    (parts / "_temporary" / "part-3").write_bytes(b"half")
    assert Delivery.read(find_sources(str(folder))) == before
    assert sum(item.source == "csv" for item in before.objects) == 2


def test_as_of_is_the_day_of_the_newest_change_in_utc(tmp_path):
    folder = _delivery(tmp_path)
    late = datetime(2024, 5, 2, 23, 30, tzinfo=UTC).timestamp()
    for name in ("c.parquet", "c.csv", "c.json"):
        os.utime(folder / name, (late - 90_000, late - 90_000))
    os.utime(folder / "c.json", (late, late))
    assert Delivery.read(find_sources(str(folder))).as_of == "2024-05-02"


def test_compressed_and_differently_named_sources_are_found(tmp_path):
    (tmp_path / "x.snappy.parquet").write_bytes(b"PAR1")
    (tmp_path / "X.CSV.GZ").write_bytes(gzip.compress(b"a|b\n"))
    (tmp_path / "x.jsonl").write_bytes(b"{}\n")
    (tmp_path / ".complete").write_bytes(b"")
    (tmp_path / "readme.md").write_bytes(b"hello")
    found = {kind: Path(place).name for kind, place in find_sources(str(tmp_path)).items()}
    assert found == {"parquet": "x.snappy.parquet", "csv": "X.CSV.GZ", "json": "x.jsonl"}


def test_everything_missing_or_doubled_is_named_at_once(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"a\n")
    (tmp_path / "b.csv").write_bytes(b"a\n")
    (tmp_path / "c.json").write_bytes(b"{}\n")
    with pytest.raises(InputError) as caught:
        find_sources(str(tmp_path))
    message = str(caught.value)
    assert "a.csv, b.csv" in message
    assert "none for parquet" in message
    assert "for json" not in message
    assert caught.value.exit_code == 2


def test_a_folder_that_is_not_there_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="none for parquet"):
        find_sources(str(tmp_path / "nowhere"))


def test_an_empty_source_is_refused_by_name(tmp_path):
    folder = _delivery(tmp_path, csv=b"")
    with pytest.raises(InputError, match="source csv is empty"):
        Delivery.read(find_sources(str(folder)))


def test_one_empty_file_in_a_folder_is_refused_by_name(tmp_path):
    folder = _delivery(tmp_path)
    (folder / "c.csv").unlink()
    (folder / "c.csv").mkdir()
    (folder / "c.csv" / "part-1").write_bytes(b"a|b\n")
    (folder / "c.csv" / "part-2").write_bytes(b"")
    with pytest.raises(InputError, match="source csv is empty: part-2 with 0 bytes"):
        Delivery.read(find_sources(str(folder)))


@pytest.mark.parametrize(
    ("place", "found"),
    [
        (lambda path: path.mkdir(), "a folder without data files"),
        (lambda path: path.symlink_to("nowhere"), "a broken link"),
        (os.mkfifo, "not a regular file"),
        (lambda _: None, "missing"),
    ],
    ids=["folder", "link", "pipe", "nothing"],
)
def test_what_is_there_instead_of_a_file_is_said(tmp_path, place, found):
    sources = find_sources(str(_delivery(tmp_path)))
    (tmp_path / "c.json").unlink()
    place(tmp_path / "c.json")
    with pytest.raises(InputError) as caught:
        Delivery.read(sources)
    assert f"is {found}; expected a file" in str(caught.value)


@pytest.fixture
def readable_by_nobody(tmp_path):
    """Files that this process can't read, whichever user it runs as."""
    folder = _delivery(tmp_path / "delivery")
    above = [parent for parent in folder.parents if parent.stat().st_uid == os.geteuid()]
    modes = {parent: parent.stat().st_mode for parent in above}
    root = os.geteuid() == 0
    if root:
        for parent in above:
            parent.chmod(modes[parent] | 0o111)
        os.seteuid(65534)
    yield folder
    if root:
        os.seteuid(0)
    for parent in above:
        parent.chmod(modes[parent])


def test_a_file_that_may_not_be_read_is_refused_by_name(readable_by_nobody):
    sources = find_sources(str(readable_by_nobody))
    _as_owner((readable_by_nobody / "c.csv").chmod, 0)
    with pytest.raises(InputError, match=r"c\.csv: Permission denied; expected a file that"):
        Delivery.read(sources)


def test_a_folder_that_may_not_be_read_is_never_taken_for_an_empty_one(readable_by_nobody):
    parts = readable_by_nobody / "c.csv"

    def hide():
        parts.unlink()
        (parts / "deep").mkdir(parents=True)
        (parts / "part-1").write_bytes(b"a|b\n")
        (parts / "deep" / "part-2").write_bytes(b"a|b\n")
        (parts / "deep").chmod(0)

    _as_owner(hide)
    try:
        with pytest.raises(InputError, match="Permission denied"):
            Delivery.read(find_sources(str(readable_by_nobody)))
    finally:
        _as_owner((parts / "deep").chmod, 0o700)


def _as_owner(act, *arguments):
    nobody = os.geteuid()
    if os.getuid() == 0:
        os.seteuid(0)
    act(*arguments)
    os.seteuid(nobody)


def test_a_source_that_is_gone_is_refused_by_name(tmp_path):
    sources = find_sources(str(_delivery(tmp_path)))
    (tmp_path / "c.json").unlink()
    with pytest.raises(InputError, match="source json has no file"):
        Delivery.read(sources)
