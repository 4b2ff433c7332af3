"""A complete and true receipt is accepted; any other is refused with all reasons."""

import copy
import hashlib
from dataclasses import replace

import pytest

from register_contract import manifest
from register_run import receipt, runner
from register_run.delivery import Delivery
from register_run.errors import ReceiptError
from register_run.listener import Listener
from register_run.receipt import Expected
from register_run.request import PublishedTable, RunRequest, Stage
from register_run.stage_run import Run

BASE = {
    "receipt": 1,
    "stage": "02_second",
    "run_id": "r1",
    "delivery_id": "d1",
    "attempt": "a1",
    "as_of": "2024-05-01",
    "library_version": "1.0",
    "rules": "f00",
    "started_at": "2024-05-01T00:00:00Z",
    "duration_seconds": 1.5,
    "inputs": [{"source": "csv", "name": "x", "size": 3, "version": "v"}],
    "rows": {
        "csv": {
            "in": 10,
            "resubmitted": 0,
            "out": 7,
            "rejected": 2,
            "duplicates": 1,
            "suppressed": 0,
        },
        "json": {
            "in": 5,
            "resubmitted": 0,
            "out": 5,
            "rejected": 0,
            "duplicates": 0,
            "suppressed": 0,
        },
    },
    "rejections": {"cpf_formato": 2},
    "warnings": {},
    "handover": {"path": "staging/r1/accepted", "rows": 12, "fingerprint": ""},
}
BEFORE = {
    "stage": "01_first",
    "rows": {
        "csv": {"in": 10, "resubmitted": 0, "out": 10},
        "json": {"in": 5, "resubmitted": 0, "out": 5},
    },
}
EXPECTED = Expected("02_second", "r1", "d1", "1.0", "f00", attempt="a1", before=BEFORE)


@pytest.fixture
def lake(tmp_path):
    folder = tmp_path / "staging" / "r1" / "accepted" / "convenio=A"
    folder.mkdir(parents=True)
    (folder / "part-0.parquet").write_bytes(b"12345")
    (folder.parent / "part-1.parquet").write_bytes(b"1")
    (folder.parent / "_SUCCESS").write_bytes(b"")
    (folder / ".part-0.parquet.crc").write_bytes(b"1")
    return str(tmp_path)


@pytest.fixture
def good(lake):
    found = copy.deepcopy(BASE)
    found["handover"]["fingerprint"] = receipt.handover_fingerprint(lake, "staging/r1/accepted")
    return found


def _refused(found, lake, expected=EXPECTED):
    with pytest.raises(ReceiptError) as caught:
        receipt.verify(found, expected, lake)
    assert caught.value.exit_code == 4
    return caught.value.message


def test_a_true_receipt_is_accepted(good, lake):
    receipt.verify(good, EXPECTED, lake)


def test_the_fingerprint_is_over_names_and_sizes_of_data_files(lake):
    lines = "convenio=A/part-0.parquet 5\npart-1.parquet 1\n"
    expected = "sha256:" + hashlib.sha256(lines.encode()).hexdigest()
    assert receipt.handover_fingerprint(lake, "staging/r1/accepted") == expected


@pytest.mark.parametrize(
    "field", ["stage", "run_id", "delivery_id", "attempt", "library_version", "rules"]
)
def test_a_receipt_of_something_else_is_refused(good, lake, field):
    good[field] = "other"
    assert f"{field} is 'other'" in _refused(good, lake)


def test_an_earlier_starts_receipt_is_accepted_when_any_start_will_do(good, lake):
    good["attempt"] = "earlier"
    expected = Expected("02_second", "r1", "d1", "1.0", "f00", before=BEFORE)
    receipt.verify(good, expected, lake)


def test_a_receipt_of_another_day_than_the_asked_one_is_refused(good, lake):
    receipt.verify(good, replace(EXPECTED, as_of="2024-05-01"), lake)
    told = _refused(good, lake, replace(EXPECTED, as_of="2024-05-02"))
    assert "as_of is '2024-05-01', expected '2024-05-02'" in told


def test_rows_that_do_not_add_up_are_refused_by_source(good, lake):
    good["rows"]["csv"]["rejected"] = 1
    assert "csv: 10 rows in, 9 accounted for" in _refused(good, lake)


def test_rows_in_must_be_the_rows_out_of_the_stage_before(good, lake):
    good["rows"]["json"].update({"in": 4, "resubmitted": 0, "out": 4})
    good["handover"]["rows"] = 11
    assert "json: 4 rows in, 01_first handed over 5" in _refused(good, lake)


def test_a_source_that_got_lost_between_stages_is_refused(good, lake):
    del good["rows"]["json"]
    good["handover"]["rows"] = 7
    assert "json: 0 rows in, 01_first handed over 5" in _refused(good, lake)


def test_changed_handover_files_are_refused(good, lake, tmp_path):
    (tmp_path / "staging/r1/accepted/part-1.parquet").write_bytes(b"12")
    assert "are not those that the stage handed over" in _refused(good, lake)


@pytest.fixture
def named(lake, tmp_path, good):
    """A handover with a manifest that names one of two files."""
    folder = tmp_path / "staging/r1/accepted"
    lines = [manifest.Line(file="part-1.parquet", source="csv", rows=12, size=1)]
    (folder / manifest.NAME).write_text(manifest.dump(lines))
    good["handover"]["fingerprint"] = receipt.handover_fingerprint(lake, "staging/r1/accepted")
    return good


def test_of_a_handover_with_a_manifest_only_the_files_that_it_names_count(named, lake, tmp_path):
    receipt.verify(named, EXPECTED, lake)
    folder = tmp_path / "staging/r1/accepted"
    (folder / "left-by-a-task-that-ran-twice.parquet").write_bytes(b"x")
    receipt.verify(named, EXPECTED, lake)
    (folder / "part-1.parquet").write_bytes(b"12")
    assert "are not those that the stage handed over" in _refused(named, lake)
    (folder / "part-1.parquet").unlink()
    assert "are not those that the stage handed over" in _refused(named, lake)


def test_a_manifest_that_changed_or_went_is_refused(named, lake, tmp_path):
    file = tmp_path / "staging/r1/accepted" / manifest.NAME
    told = file.read_text()
    file.write_text(told.replace('"rows": 12', '"rows": 120'))
    assert "are not those that the stage handed over" in _refused(named, lake)
    file.write_text("torn {")
    assert "the manifest of staging/r1/accepted cannot be read" in _refused(named, lake)
    file.write_text('{"another": 1}')
    assert "the manifest of staging/r1/accepted cannot be read" in _refused(named, lake)
    file.unlink()
    assert "are not those that the stage handed over" in _refused(named, lake)
    # Removing the extra file changes nothing.
    (file.parent / "convenio=A" / "part-0.parquet").unlink()
    assert "are not those that the stage handed over" in _refused(named, lake)


def _table(*parents, **heads):
    """Return a table's metadata: the parent of each snapshot, numbered from 1, and the branches."""
    snapshots = [
        {"snapshot-id": at, **({} if parent is None else {"parent-snapshot-id": parent})}
        for at, parent in enumerate(parents, start=1)
    ]
    return {"snapshots": snapshots, "refs": {n: {"snapshot-id": at} for n, at in heads.items()}}


@pytest.fixture
def branched(good):
    good["handover"] = {"table": "t", "branch": "audit_r1_a", "snapshot_id": "3", "rows": 12}
    return good


@pytest.mark.parametrize(
    "table",
    [
        _table(None, 1, 2, main=1, audit_r1_a=3),
        _table(None, None, 2, audit_r1_a=3),
        _table(None, 1, 2, main=1, audit_r1_a=3, audit_r10_a=2),
    ],
    ids=["from main", "before the first publication", "beside another run's"],
)
def test_a_branch_that_descends_from_main_is_accepted(branched, lake, table):
    receipt.verify(branched, EXPECTED, lake, table)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (None, "the branch audit_r1_a is gone"),
        (_table(None, 1, 2, main=1), "the branch audit_r1_a is gone"),
        (_table(None, 1, 2, 3, main=1, audit_r1_a=4), "not the one that the stage wrote"),
        (_table(None, 1, 2, 1, main=4, audit_r1_a=3), "others have published since"),
        (_table(None, None, 2, main=1, audit_r1_a=3), "others have published since"),
    ],
    ids=["no table", "gone", "written to", "main moved", "main got its first rows"],
)
def test_a_branch_that_cannot_be_published_is_refused(branched, lake, table, told):
    with pytest.raises(ReceiptError) as caught:
        receipt.verify(branched, EXPECTED, lake, table)
    assert told in caught.value.message


@pytest.mark.parametrize("path", ["/etc", "../other", "a/../../b", "s3://bucket/x"])
def test_a_handover_outside_the_lake_is_refused(good, lake, path):
    good["handover"]["path"] = path
    assert "is not inside the lake" in _refused(good, lake)


def test_all_problems_are_named_at_once(good, lake):
    good["run_id"] = "r2"
    good["rows"]["csv"]["duplicates"] = 0
    good["handover"]["rows"] = 99
    message = _refused(good, lake)
    assert "run_id" in message
    assert "csv: 10 rows in" in message
    assert "99 rows handed over" in message


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda r: r.pop("rows"), "'rows' is a required property"),
        (lambda r: r.update(extra=1), "extra"),
        (lambda r: r["rows"]["csv"].update(out=-1), "$.rows.csv.out"),
        (lambda r: r.update(rows={}), "$.rows"),
        (lambda r: r.update(as_of="yesterday"), "$.as_of"),
        (lambda r: r.update(handover={"path": "x"}), "$.handover"),
        (lambda r: r.update(receipt=2), "$.receipt"),
    ],
)
def test_an_invalid_receipt_is_refused_with_the_place(good, lake, change, named):
    change(good)
    assert named in _refused(good, lake)


def test_a_torn_receipt_is_refused(lake, tmp_path):
    (tmp_path / "runs" / "r1").mkdir(parents=True)
    (tmp_path / "runs" / "r1" / "02_second.json").write_text('{"receipt": 1, ')
    with pytest.raises(ReceiptError, match="not JSON"):
        receipt.load(lake, "r1", "02_second")


def test_a_saved_receipt_is_loaded_as_it_was(good, lake):
    receipt.save(lake, good)
    assert receipt.load(lake, "r1", "02_second") == good
    assert receipt.load(lake, "r1", "01_first") is None


@pytest.mark.parametrize(
    ("previous", "kept"), [("", ["01_first", "02_second"]), ("old.key", ["01_first"])]
)
def test_rows_are_written_again_if_their_ids_key_may_have_changed(monkeypatch, previous, kept):
    monkeypatch.setattr(runner.receipt, "load", lambda *_: BASE)
    monkeypatch.setattr(runner.receipt, "verify", lambda *_: None)
    monkeypatch.setattr(runner.publication_record, "metadata", lambda *_: None)
    stages = (
        Stage("01_first", "1"),
        Stage("02_second", "2", ("run_id", "previous_id_key")),
        Stage("03_publish", "3"),
    )
    request = RunRequest(
        {}, "lake", stages, "1.0", "f00", PublishedTable("t", "l"),
        parameters={"previous_id_key": previous},
    )  # fmt: skip
    run = Run(request, Delivery("d1", "2024-05-01", {}, ()), "r1", "lake", Listener())
    assert list(runner._verified_receipts(run)) == kept


@pytest.mark.parametrize(
    ("asked", "kept"),
    [(None, ["01_first"]), ("2024-05-01", ["01_first"]), ("2024-05-02", [])],
    ids=["none", "the same", "another"],
)
def test_a_run_that_goes_on_with_another_day_starts_over(good, lake, asked, kept):
    receipt.save(lake, {**good, "stage": "01_first"})
    stages = (Stage("01_first", "1"), Stage("02_second", "2"))
    request = RunRequest({}, lake, stages, "1.0", "f00", PublishedTable("t", "l"), as_of=asked)
    # The delivery's own day may change, such as that of a copy; only an asked one counts.
    run = Run(request, Delivery("d1", "2024-05-03", {}, ()), "r1", lake, Listener())
    assert list(runner._verified_receipts(run)) == kept
