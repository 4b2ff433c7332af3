"""Erased people are gone from every table and file, whatever dies when, and stay out."""

from __future__ import annotations

import bz2
import errno
import gzip
import hashlib
import hmac
import io
import json
import lzma
import os
import stat
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from test_stage import AS_OF, Run, branches, write_key
from tests.support import bare_scan, canaries

from client_health import stages
from client_health.publish import anonymous, erasure, publishing, records
from client_health.publish.lake import Lake
from client_health_cli.erasing import cpfs, forget, keeping, zones
from client_health_cli.erasing.search import Values
from client_health_cli.errors import SettingsError
from register_contract import erasures
from register_contract.contract import Limits
from register_contract.tables import ERASURES, REJECTED, SUPPRESSIONS, WITHOUT_PERSONS

KEY = b"k" * 32
# In all three sources; the last rows of CSV and JSON, which also come rejected, one of them with
# another person's mark for a CPF.
NUMBERS = (45, 88, 89, 99)
GONE = tuple(sorted(canaries.cpf(number) for number in NUMBERS))
OTHER = canaries.cpf(51)
AFTER_DELETE = 4


def person_id(cpf: str) -> str:
    """Return an id as the documents say: a UUID of version 8 from HMAC-SHA256."""
    digits = hmac.new(KEY, cpf.encode(), hashlib.sha256).hexdigest()
    variant = "89ab"[int(digits[16], 16) % 4]
    return f"{digits[:8]}-{digits[8:12]}-8{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def traces(*, with_ids: bool = True) -> list[str]:
    """Return everything that the sources and the table say of the people."""
    found = []
    for number in NUMBERS:
        person = canaries._person(number)
        cpf = person.pop("cpf")
        person.pop("convenio")
        found += [cpf, canaries._punctuated(cpf), *person.values()]
        found += [person_id(cpf), person_id(cpf)[:15]] if with_ids else []
    return found


VERSIONS = cpfs.versions(KEY, b"")


def people(cpf: tuple[str, ...] = GONE) -> Values:
    return cpfs.values(cpf, KEY)


def ids(run: Run) -> set[str]:
    return {row.id for row in run.table.spark.table(run.table.table).collect()}


def publish(run: Run) -> None:
    run.ingest()
    run.transform()
    run.publish(limits=Limits(rejected_share=0.9))


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = canaries.write_delivery(tmp_path_factory.mktemp("raw") / "raw")
    return {f"{source}_path": str(folder / name) for source, name in canaries.NAMES.items()}


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path, raw: dict[str, str]) -> Run:
    """Return a published run whose lake has the people in every zone."""
    key = write_key(tmp_path / "id.key", "k")
    run = Run(str(tmp_path / "lake"), key, raw)
    publish(run)
    publish(replace(run, run_id="r2"))
    left = replace(run, run_id="r3")  # never published, its branch stays
    left.ingest()
    left.transform()
    folder = tmp_path / "lake"
    said = json.dumps({"name": canaries._person(45)["nome"], "id": person_id(GONE[0])})
    (folder / "runs" / "r1" / "03_quality.ipynb").write_text(said)
    (folder / "runs" / "r1" / "events.gz").write_bytes(gzip.compress(said.encode()))
    (folder / "runs" / "r1" / "events.bz2").write_bytes(bz2.compress(GONE[1].encode()))
    copy = folder / "deliveries" / "csv" / "delivery_id=d1"
    copy.mkdir(parents=True)
    (copy / "cadastro.csv").write_text("\n".join(canaries.csv_lines()))
    data = next((folder / "clientoutput").rglob("*.parquet"))
    (data.parent / "stray.parquet").write_bytes(data.read_bytes())
    (data.parent / f".{data.name}.4711").write_bytes(data.read_bytes()[:-99])
    return run


def erase(run: Run, session: Callable[[], object] | None = None) -> forget.Report:
    """Erase the people as the command does."""
    folder = Path(run.lake)
    state, found = forget.plan(
        folder, people(), ground="art. 18", by="dpo-1", held=0, id_keys=VERSIONS
    )
    report = None
    work = session or (lambda: erasure.erase(run.lake))
    for step in forget.steps(folder, state, found, work):
        report = step() or report
    assert report is not None
    return report


class KilledError(Exception):
    """Stands for the death of a process."""


def killed_after(step: int, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    """Begin an erasure, and die after one of its steps, here or in the session."""
    own = 2  # before the session

    def die(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        done = max(0, step - own)
        # Earlier starts did the steps before; one start, after rows were deleted, repeats them.
        inside = erasure.STEPS[:done] if done == AFTER_DELETE else erasure.STEPS[:done][-1:]
        patched.setattr(erasure, "STEPS", (*inside, die))
        if step < own:
            plan = forget.plan(
                Path(run.lake), people(), ground="art. 18", by="dpo-1", held=0, id_keys=VERSIONS
            )
            begun = forget.steps(Path(run.lake), *plan, die)
            for _ in range(step):
                next(begun)()
            return
        with pytest.raises(KilledError):
            erase(run)


def test_killed_after_any_step_the_same_command_ends_the_same(
    lake: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, history = ids(lake), lake.table.history()
    classes = anonymous.follow(lake.table)
    folder = Path(lake.lake)
    everywhere = bare_scan.found(folder, traces())
    for zone in ("staging", "deliveries", "runs", "clientoutput"):
        assert any(name.startswith(zone) for name in everywhere), zone

    erasure_ids = set()
    for step in range(1, 2 + len(erasure.STEPS) + 1):
        killed_after(step, monkeypatch, lake)
        state = folder / erasures.STATE
        assert stat.S_IMODE(state.stat().st_mode) == 0o600
        assert stat.S_IMODE(state.parent.stat().st_mode) == 0o700
        erasure_ids.add(json.loads(state.read_text())["request"]["erasure_id"])
    assert len(erasure_ids) == 1
    with pytest.raises(SettingsError, match="4 others has begun"):
        forget.plan(folder, people((OTHER,)), ground="x", by="y", held=0, id_keys=VERSIONS)
    assert erase(lake).is_clean
    keeping.finish(folder)

    # A scan that is not ours finds nothing but ids on the list of the suppressed.
    assert bare_scan.found(folder, traces(with_ids=False)) == {}
    left = bare_scan.found(folder, traces())
    assert left
    assert all(name.startswith("restricted/suppressions/") for name in left)
    assert not (folder / erasures.FOLDER).exists()

    # Readers miss nobody else, and everything that was published is known.
    table = lake.table
    assert ids(lake) == before - set(people().ids)
    assert branches(table) == ["main"]
    (head,) = table.metadata()["snapshots"]
    after = table.history()
    assert after.last is not None
    assert history.last is not None
    assert after.last.snapshot_id == str(head["snapshot-id"])
    assert (after.last.run_id, after.last.rows) == ("r2", history.last.rows)
    assert history.last.rows is not None
    seen = history.last.rows - len(NUMBERS)
    assert after.last.rows_seen == seen
    assert all(after.erased_after(one) for one in history.published)
    assert after.erased_after(after.last) is None
    expected = publishing.expectations(lake.begin(stages.QUALITY))
    assert (expected.published_rows, expected.published_day) == (
        seen,
        AS_OF.isoformat(),
    )
    # The audit record has the counts of the first start.
    audit = records.read(table, ERASURES)
    assert audit["people"].unique().to_list() == [len(NUMBERS)]
    counted = {row["zone"]: row["rows"] for row in audit.iter_rows(named=True)}
    assert counted["clientoutput"] == len(NUMBERS)
    assert {"staging", "deliveries", "runs", "unfinished files"} < set(counted)
    assert set(records.read(table, SUPPRESSIONS)["id"]) == set(people().ids)
    # The tables without persons have none of the counts that they were in.
    recounted = anonymous.follow(table)
    assert classes is not None
    assert recounted is not None
    assert classes.measured[0].clients - recounted.measured[0].clients == len(NUMBERS)
    for one in WITHOUT_PERSONS:
        assert table.spark.table(f"{records.name(table, one)}.snapshots").count() == 1
        assert records.read(table, one)["clientes"].sum() == seen

    # The same delivery again and a rollback bring nobody back.
    lake.ingest()
    suppressed = sum(row["suppressed"] for row in lake.transform()["rows"].values())
    assert suppressed == 3 + 2 + 3 + 2  # two of them malformed
    lake.publish(limits=Limits(rejected_share=0.9))
    assert ids(lake) == before - set(people().ids)
    for one in history.published:
        with pytest.raises(Exception, match="unknown snapshot"):
            table.rollback(one.snapshot_id)


@pytest.mark.parametrize("stages_done", [1, 2])
def test_a_lake_that_has_published_nothing_forgets_people(
    spark: SparkSession, tmp_path: Path, raw: dict[str, str], stages_done: int
) -> None:
    run = Run(str(tmp_path / "lake"), write_key(tmp_path / "id.key", "k"), raw)
    for step in (run.ingest, run.transform)[:stages_done]:
        step()
    assert erase(run).is_clean
    keeping.finish(Path(run.lake))
    assert bare_scan.found(Path(run.lake), traces(with_ids=False)) == {}
    assert run.table.history().last is None
    run.ingest()
    assert sum(row["suppressed"] for row in run.transform()["rows"].values()) == 3 + 2 + 3 + 2


def test_what_an_erasure_leaves_of_a_run_can_still_be_replaced(empty_lake: Lake) -> None:
    kept, every = records.schema(REJECTED).to_frame(), ("a1", "c1", "e1")
    for run_id in every:
        named = [f"{run_id}-{name}" for name in ("gone", "left")]
        rows = pl.DataFrame({"run_id": [run_id] * 2, "rejection_id": named})
        records.replace(
            empty_lake, REJECTED, run_id, pl.concat([kept, rows], how="diagonal_relaxed")
        )
    gone = tuple(f"{run_id}-gone" for run_id in every)
    request = erasures.Request("e1", (), "x", "y", "2026-01-31T00:00:00", rejections=gone)
    erasure.delete_rows(empty_lake, request)

    # One that has no rows yet, with a name between theirs, and one of them.
    for run_id in ("b1", "c1"):
        records.replace(empty_lake, REJECTED, run_id, kept)
    left = records.read(empty_lake, REJECTED)["rejection_id"]
    assert sorted(left) == ["a1-left", "e1-left"]


def test_of_people_who_are_not_there_only_unfinished_files_go(tmp_path: Path) -> None:
    folder = tmp_path / "clientoutput"
    folder.mkdir()
    (folder / ".a.parquet.4711").write_bytes(b"PAR1")
    (folder / ".a.parquet.crc").write_bytes(b"crc")
    state, found = forget.plan(
        tmp_path, people(), ground="art. 18", by="dpo-1", held=0, id_keys=VERSIONS
    )
    assert state.request.zones == (erasures.Zone("unfinished files", None, 1),)
    assert found.files == (folder / ".a.parquet.4711",)
    assert state.values == people()


def test_names_and_streets_that_others_have_prove_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "staging" / "r1" / "ingested"
    folder.mkdir(parents=True)
    rows = {
        "cpf": [GONE[0], OTHER, None, f"{GONE[0]}7", "1234"],
        "nome_completo": [
            "Ana Lima Souza",
            "Maria Ana Lima Souza",
            None,
            "Anna L Souza",
            "Own Name",
        ],
        "logradouro": ["Rua da Paz 17", "Rua do Sol 18", None, "Fernandopolis", None],
        "malformed_line": [None, None, f"x|{GONE[1][:3]}.{GONE[1][3:]}|y", None, None],
    }
    pl.DataFrame(rows).write_parquet(folder / "a.parquet")
    found = zones.find(tmp_path, people())
    # "Ana Lima Souza" is within "Maria Ana Lima Souza".
    assert found.values.names == ("Anna L Souza",)
    assert found.values.streets == ("Rua da Paz 17",)
    assert found.shared == 2  # one more is a single word
    assert found.zones == (erasures.Zone("staging", 3, 1),)


def test_a_second_finding_never_lowers_a_count() -> None:
    first = (erasures.Zone("clientoutput", 5, 2), erasures.Zone("runs", None, 3))
    second = (erasures.Zone("clientoutput", 0, 0), erasures.Zone("staging", 1, 1))
    assert zones.larger(first, second) == (
        erasures.Zone("clientoutput", 5, 2),
        erasures.Zone("runs", None, 3),
        erasures.Zone("staging", 1, 1),
    )


VALUES = Values(("52998224725",), ("0123456789ab-cdef",), ("Ana Élida de Souza",), ("Rua da Paz",))
TABLE = pa.table({"a": ["52998224725", "other"], "b": ["x", "Ana Élida  de Souza"], "n": [1, 2]})
HIDDEN = {
    "plain.txt": b"the CPF 529.982.247-25 of a person",
    "escaped.ipynb": json.dumps({"a": "Ana Élida de Souza"}).encode(),
    "packed.gz": gzip.compress(b"RUA, Rua da Paz"),
    "packed.bz2": bz2.compress(b"0123456789ab-cde"),
}
WRITTEN = {
    "snappy": {},
    "plain": {"use_dictionary": False, "compression": "none"},
    "zstd, second version": {"compression": "zstd", "data_page_version": "2.0"},
    "lz4": {"compression": "lz4"},
    "delta": {
        "use_dictionary": False,
        "column_encoding": {"a": "DELTA_BYTE_ARRAY", "b": "DELTA_LENGTH_BYTE_ARRAY", "n": "PLAIN"},
    },
}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_value_is_found_however_a_file_holds_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(HIDDEN[name])
    report = forget.prove(tmp_path, VALUES)
    assert [path for path, _ in report.found] == [path]
    assert not forget.prove(tmp_path, people()).found


@pytest.mark.parametrize("how", WRITTEN)
def test_a_value_is_found_in_pages_of_every_kind(tmp_path: Path, how: str) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet", **WRITTEN[how])  # type: ignore[arg-type]
    report = forget.prove(tmp_path, VALUES)
    assert {kind for _, kind in report.found} == {"CPF", "name"}
    assert not report.unsearchable


def test_a_file_name_and_a_footer_are_searched(tmp_path: Path) -> None:
    (tmp_path / "529.982.247-25.txt").write_text("nothing")
    table = pa.table({"a": ["x"]}).replace_schema_metadata({"who": "Rua da Paz"})
    pq.write_table(table, tmp_path / "a.parquet")
    found = forget.prove(tmp_path, VALUES).found
    assert {(path.name, kind) for path, kind in found} == {
        ("529.982.247-25.txt", "CPF"),
        ("a.parquet", "street"),
    }


def zipped(content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("inside", content)
    return target.getvalue()


def with_password(content: bytes) -> bytes:
    """Return an archive whose member says that it needs a password, as its flags do."""
    packed = bytearray(zipped(content))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.index(mark) + offset] |= 1
    return bytes(packed)


@pytest.mark.parametrize(
    "hiding",
    [
        b"PAR1 and nothing of Parquet",
        b"Obj\x01\x02",
        b"\x1f\x8b\x08",
        lzma.compress(b"52998224725"),
        "52998224725".encode("utf-16"),
        zipped(gzip.compress(b"52998224725")),
        gzip.compress(zipped(b"52998224725")),
        with_password(b"52998224725"),
    ],
)
def test_what_cannot_be_searched_is_no_proof(tmp_path: Path, hiding: bytes) -> None:
    (tmp_path / "a").write_bytes(hiding)
    report = forget.prove(tmp_path, VALUES)
    assert not report.is_clean
    assert list(report.unsearchable) == [tmp_path / "a"]


def test_a_folder_that_cannot_be_searched_is_no_proof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, elsewhere = tmp_path / "lake", tmp_path / "elsewhere"
    for folder in (lake / "staging", elsewhere):
        folder.mkdir(parents=True)
        (folder / "a").write_bytes(b"52998224725")
    (lake / "deliveries").symlink_to(elsewhere, target_is_directory=True)
    with pytest.raises(SettingsError, match="deliveries is a link to a folder"):
        forget.prove(lake, VALUES)
    (lake / "deliveries").unlink()

    # The tests may run as an account that may read everything.
    scan = os.scandir

    def closed(path: str | os.PathLike[str]) -> object:
        if Path(path).name == "staging":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", closed)
        with pytest.raises(SettingsError, match="staging: Permission denied"):
            forget.prove(lake, VALUES)

    def unreadable(path: Path, *_: object) -> object:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", unreadable)
    report = forget.prove(lake, VALUES)
    assert report.unsearchable == {lake / "staging" / "a": "it can't be read (Permission denied)"}
    assert not report.is_clean


def test_a_value_across_two_reads_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from client_health_cli.erasing import contents

    monkeypatch.setattr(contents, "_BLOCK", 64)
    monkeypatch.setattr(contents, "_OVERLAP", 32)
    (tmp_path / "a").write_bytes(b"." * 58 + b"52998224725" + b"." * 40)
    assert len(forget.prove(tmp_path, VALUES).found) == 1


def test_cpfs_are_read_with_and_without_punctuation_and_a_bad_line_is_not_shown(
    tmp_path: Path,
) -> None:
    file = tmp_path / "people.txt"
    file.write_text("529.982.247-25\n\n11144477735\r\n52998224725\n")
    assert cpfs.read(str(file)) == ("11144477735", "52998224725")
    file.write_text("52998224725\n5299822472\n")
    with pytest.raises(SettingsError, match="line 2") as raised:
        cpfs.read(str(file))
    assert "5299822472" not in str(raised.value)
    file.write_text("\n")
    with pytest.raises(SettingsError, match="no CPF"):
        cpfs.read(str(file))
