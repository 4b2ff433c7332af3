"""A run is published if and only if a snapshot in main's history contains its id."""

import gzip
import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.rule_files import EXAMPLE

from register_contract import resubmissions
from register_contract.refusals import FOLDER, Refusal
from register_run import publication_record
from register_run.delivery import Delivery
from register_run.errors import GateStopped
from register_run.request import PublishedTable, RunRequest, Stage
from register_run.runner import run_pipeline
from strict_glue.errors import ConfigurationError, StrictGlueError

WHERE = PublishedTable("db.table", "db.log")


def _snapshot(number, parent, run_id=None, record=None):
    summary = {"operation": "overwrite"}
    if run_id:
        summary |= {"pipeline.run-id": run_id, "pipeline.delivery-id": f"d-{run_id}"}
    if record:
        summary["pipeline.receipt"] = json.dumps(record)
    found = {"snapshot-id": number, "summary": summary}
    return found if parent is None else {**found, "parent-snapshot-id": parent}


def _lake(folder, metadata, *, compressed=False, scheme="file:"):
    folder.mkdir(exist_ok=True)
    name = "00001.gz.metadata.json" if compressed else "00001.metadata.json"
    content = json.dumps(metadata).encode()
    (folder / name).write_bytes(gzip.compress(content) if compressed else content)
    with sqlite3.connect(folder / "catalog.db") as catalog:
        catalog.execute(
            "CREATE TABLE iceberg_tables (catalog_name, table_namespace, table_name,"
            " metadata_location, previous_metadata_location, iceberg_type)"
        )
        catalog.execute(
            "INSERT INTO iceberg_tables VALUES ('glue_catalog', 'db', 'table', ?, NULL, 'TABLE')",
            (f"{scheme}{folder / name}",),
        )
    catalog.close()
    return str(folder)


def _metadata(*snapshots, head):
    return {
        "current-snapshot-id": head,
        "snapshots": list(snapshots),
        "refs": {"main": {"snapshot-id": head, "type": "branch"}} if head else {},
    }


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("scheme", ["file:", "file://", ""])
def test_the_head_of_main_is_published(tmp_path, compressed, scheme):
    metadata = _metadata(_snapshot(7, None, "r1"), head=7)
    lake = _lake(tmp_path / "l", metadata, compressed=compressed, scheme=scheme)
    found = publication_record.history(lake, WHERE).of_run("r1")
    assert (found.snapshot_id, found.delivery_id) == ("7", "d-r1")


def test_an_ancestor_of_main_is_published(tmp_path):
    metadata = _metadata(_snapshot(1, None, "r1"), _snapshot(2, 1), _snapshot(3, 2, "r3"), head=3)
    assert (
        publication_record.history(_lake(tmp_path, metadata), WHERE).of_run("r1").snapshot_id == "1"
    )


def test_a_snapshot_on_an_audit_branch_alone_is_not_published(tmp_path):
    metadata = _metadata(_snapshot(1, None, "r1"), _snapshot(2, 1, "r2"), head=1)
    metadata["refs"]["audit_r2"] = {"snapshot-id": 2, "type": "branch"}
    assert publication_record.history(_lake(tmp_path, metadata), WHERE).of_run("r2") is None


def test_a_run_that_was_rolled_back_is_not_published(tmp_path):
    metadata = _metadata(_snapshot(1, None), _snapshot(2, 1, "r2"), head=1)
    assert publication_record.history(_lake(tmp_path, metadata), WHERE).of_run("r2") is None


def test_the_newest_of_two_snapshots_of_a_run_counts(tmp_path):
    metadata = _metadata(_snapshot(1, None, "r1"), _snapshot(2, 1, "r1"), head=2)
    assert (
        publication_record.history(_lake(tmp_path, metadata), WHERE).of_run("r1").snapshot_id == "2"
    )


def test_a_lake_or_table_that_does_not_exist_yet_has_published_nothing(tmp_path):
    assert publication_record.history(str(tmp_path / "new"), WHERE).of_run("r1") is None
    lake = _lake(tmp_path, _metadata(_snapshot(1, None, "r1"), head=1))
    assert (
        publication_record.history(lake, PublishedTable("db.other", "db.log")).of_run("r1") is None
    )
    sqlite3.connect(tmp_path / "empty.db").close()
    (tmp_path / "empty.db").rename(tmp_path / "catalog.db")
    assert publication_record.history(lake, WHERE).of_run("r1") is None


def test_an_empty_table_has_published_nothing(tmp_path):
    assert (
        publication_record.history(_lake(tmp_path, _metadata(head=None)), WHERE).of_run("r1")
        is None
    )


def test_metadata_that_is_gone_is_an_error_and_not_an_unpublished_run(tmp_path):
    lake = _lake(tmp_path, _metadata(_snapshot(1, None, "r1"), head=1))
    (tmp_path / "00001.metadata.json").unlink()
    with pytest.raises(StrictGlueError, match="no such file"):
        publication_record.history(lake, WHERE).of_run("r1")


def test_a_lost_receipt_is_rebuilt_from_the_record_of_the_stage_that_wrote_the_rows(tmp_path):
    counts = {"in": 3, "resubmitted": 0, "out": 2, "rejected": 1, "duplicates": 0, "suppressed": 0}
    record = {"stage": "02", "run_id": "r1", "attempt": "a", "rows": {"csv": counts}}
    record |= {"rejections": {"x": 1}, "warnings": {"y": 2}}
    lake = _lake(tmp_path, _metadata(_snapshot(5, None, "r1", record), head=5))
    found = publication_record.history(lake, WHERE).of_run("r1")
    assert found.attempt == "a"
    assert publication_record.receipt_of(found, "db.table", "03", "b") == {
        **record,
        "stage": "03",
        "attempt": "b",
        "rows": {
            "csv": {
                "in": 2,
                "resubmitted": 0,
                "out": 2,
                "rejected": 0,
                "duplicates": 0,
                "suppressed": 0,
            }
        },
        "handover": {"table": "db.table", "snapshot_id": "5", "rows": 2},
    }
    # If an earlier start published, it's unknown which one.
    assert publication_record.receipt_of(found, "db.table", "03")["attempt"] == ""


def test_a_snapshot_without_a_record_gives_no_receipt(tmp_path):
    lake = _lake(tmp_path, _metadata(_snapshot(5, None, "r1"), head=5))
    found = publication_record.history(lake, WHERE).of_run("r1")
    assert publication_record.receipt_of(found, "db.table", "03") is None


def test_the_tables_metadata_tells_its_branches(tmp_path):
    assert publication_record.metadata(str(tmp_path / "none"), WHERE) is None
    metadata = _metadata(_snapshot(1, None, "r1"), _snapshot(2, 1, "r2"), head=1)
    metadata["refs"]["audit_r2"] = {"snapshot-id": 2, "type": "branch"}
    found = publication_record.metadata(_lake(tmp_path / "lake", metadata), WHERE)
    assert found["refs"]["audit_r2"]["snapshot-id"] == 2


def test_a_lake_with_the_names_of_an_earlier_version_is_refused_in_one_line(tmp_path):
    old = {"snapshot-id": 1, "summary": {"pipeline.run-id": "r1", "pipeline.drop-id": "d1"}}
    with pytest.raises(ConfigurationError, match="earlier version") as refused:
        publication_record.history(_lake(tmp_path, _metadata(old, head=1)), WHERE)
    assert refused.value.next_step == "start a new lake: name another folder or prefix"
    assert "\n" not in refused.value.message


def an_older_one(folder):
    """Return the request to publish a delivery of the day before the published one's."""
    record = {"as_of": "2026-02-02", "rows": {}}
    (folder / "clients.csv").write_text("a|b\n1|2\n")
    return RunRequest(
        sources={"csv": str(folder / "clients.csv")},
        lake=_lake(folder / "lake", _metadata(_snapshot(1, None, "r1", record), head=1)),
        stages=(Stage("01_first", str(folder / "none.ipynb")),),
        library_version="1",
        rules="r",
        published=PublishedTable("db.table", "db.log", older_gate="remessa_antiga"),
        as_of="2026-02-01",
    )


def test_an_older_delivery_stops_before_a_session_is_paid_for(tmp_path):
    request = an_older_one(tmp_path)
    with pytest.raises(GateStopped, match="remessa_antiga: the delivery is of 2026-02-01") as told:
        run_pipeline(request)
    assert told.value.exit_code == 3
    assert "--accept-older" in told.value.next_step
    # With the option, or if it isn't older, the run continues to the notebooks, which don't exist.
    for passes in (replace(request, accept_older=True), replace(request, as_of="2026-02-02")):
        with pytest.raises(ConfigurationError, match=r"none\.ipynb cannot be read"):
            run_pipeline(passes)
    # `--force` doesn't allow it.
    with pytest.raises(GateStopped):
        run_pipeline(replace(request, force=True))


def test_an_older_delivery_leaves_a_note_for_the_history_of_quality(tmp_path):
    request = replace(an_older_one(tmp_path), run_id="r2")
    with pytest.raises(GateStopped):
        run_pipeline(request)
    (note,) = Path(request.lake, FOLDER).iterdir()
    found = Refusal.parse(note.read_bytes())
    assert (note.name, found.run_id, found.day, found.rule) == (
        "r2.json", "r2", "2026-02-01", "remessa_antiga",
    )  # fmt: skip
    assert found.finding.startswith("the delivery is of 2026-02-01, the published one (")
    assert (found.delivery_id, found.rules) != ("", "")
    note.unlink()
    note.parent.rmdir()
    note.parent.write_text("in the way")
    with pytest.raises(GateStopped, match="remessa_antiga"):
        run_pipeline(request)


def a_published_one(folder, **more):
    """Return the request of a published run whose id a person chose."""
    (folder / "clients.csv").write_text("a|b\n1|2\n")
    sources = {"csv": str(folder / "clients.csv")}
    snapshot = _snapshot(1, None, "r1", {"run_id": "r1", "as_of": "2026-02-02", "rows": {}, **more})
    snapshot["summary"]["pipeline.delivery-id"] = Delivery.read(sources).delivery_id
    return RunRequest(
        sources=sources,
        lake=_lake(folder / "lake", _metadata(snapshot, head=1)),
        stages=(Stage("01_first", str(folder / "none.ipynb")),),
        library_version="1",
        rules="r",
        published=WHERE,
        run_id="r1",
    )


@pytest.mark.parametrize("record", [{"rules": "r"}, {}], ids=["rules", "none"])
def test_a_chosen_run_id_is_published_once(tmp_path, record):
    assert run_pipeline(a_published_one(tmp_path, **record)).status == "already_published"


@pytest.mark.parametrize("taken", [(), ("b" + "1" * 16,)], ids=["none", "another"])
def test_corrected_rows_are_not_dropped_under_a_chosen_run_id(tmp_path, taken):
    request = a_published_one(tmp_path, rules="r", resubmissions=list(taken))
    assert run_pipeline(request).status == "already_published"
    batch = "b" + "2" * 16
    file = Path(request.lake, resubmissions.path_of(batch))
    file.parent.mkdir(parents=True)
    file.touch()
    with pytest.raises(ConfigurationError, match=rf"now it has those of .*{batch}") as refused:
        run_pipeline(request)
    assert f"with corrected rows of {', '.join(taken) or 'no batch'}, " in refused.value.message
    assert "--force" in refused.value.next_step


def test_changed_rules_are_not_dropped_under_a_chosen_run_id(tmp_path):
    request = a_published_one(tmp_path, rules="r")
    Path(request.lake, "rules.yaml").write_text(EXAMPLE)
    with pytest.raises(ConfigurationError, match="by the rules r, now it has") as refused:
        run_pipeline(request)
    assert refused.value.exit_code == 2
    assert "choose another run id" in refused.value.next_step


def test_another_delivery_is_not_dropped_under_a_chosen_run_id(tmp_path):
    request = a_published_one(tmp_path, rules="r")
    (tmp_path / "clients.csv").write_text("a|b\n1|3\n")
    with pytest.raises(ConfigurationError, match="was published from delivery d"):
        run_pipeline(request)
