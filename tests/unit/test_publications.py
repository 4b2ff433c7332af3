"""What is published is read from two tables, one of which loses its history."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from register_contract import publications
from register_contract.publications import Erasure, History, OldLakeError, Publication

UUID = "5c7a"


def snapshot(number: int, parent: int | None, run_id: str = "", day: str = "") -> dict[str, Any]:
    """Return a commit of the published table, with or without a run's record."""
    summary: dict[str, str] = {"operation": "overwrite"}
    if run_id:
        summary |= {
            publications.RUN_ID: run_id,
            publications.DELIVERY_ID: f"d-{run_id}",
            publications.KEY_CHECK: "k1",
            publications.RECEIPT: json.dumps({"as_of": day, "rows": {"csv": {"out": number}}}),
        }
    made = {"snapshot-id": number, "sequence-number": number, "summary": summary}
    return made if parent is None else {**made, "parent-snapshot-id": parent}


def table(*snapshots: dict[str, Any], head: int | None, uuid: str = UUID) -> dict[str, Any]:
    refs = {} if head is None else {"main": {"snapshot-id": head}}
    return {"table-uuid": uuid, "snapshots": list(snapshots), "refs": refs}


def log(*records: tuple[Publication, bool]) -> dict[str, Any]:
    """Return the log after an append for each record; true means that it is a withdrawal."""
    made = [
        {
            "snapshot-id": 100 + number,
            "parent-snapshot-id": 99 + number,
            "summary": record.log_properties(withdrawn=withdrawn),
        }
        for number, (record, withdrawn) in enumerate(records)
    ]
    return {"snapshots": made, "refs": {"main": {"snapshot-id": 99 + len(made)}}}


def runs(history: History) -> list[str]:
    return [one.run_id for one in history.published]


TWO = table(snapshot(1, None, "r1", "2026-01-01"), snapshot(2, 1, "r2", "2026-01-02"), head=2)
BOTH = log(*((one, False) for one in publications.read(TWO, None).published))


def test_a_record_outlives_its_snapshot() -> None:
    expired = table(snapshot(2, 1, "r2", "2026-01-02"), head=2)
    assert runs(publications.read(expired, None)) == ["r2"]
    found = publications.read(expired, BOTH)
    assert runs(found) == ["r1", "r2"]
    assert found == publications.read(TWO, BOTH)
    assert found.of_run("r1") == found.of_delivery("d-r1") == found.published[0]
    assert not found.unlogged


def test_the_last_publication_is_known_however_the_table_was_changed_since() -> None:
    deleted = table(snapshot(2, 1, "r2", "2026-01-02"), snapshot(3, 2), head=3)
    for records in (None, BOTH):
        last = publications.read(deleted, records).last
        assert last is not None
        assert (last.run_id, last.day, last.rows, last.key_check) == ("r2", "2026-01-02", 2, "k1")
    only_the_delete = table(snapshot(3, 2), head=3)
    assert publications.read(only_the_delete, BOTH).last == publications.read(TWO, None).last


def test_a_commit_that_died_before_the_log_is_published_and_waits_for_it() -> None:
    first = log((publications.read(TWO, None).published[0], False))
    found = publications.read(TWO, first)
    assert runs(found) == ["r1", "r2"]
    assert [one.run_id for one in found.unlogged] == ["r2"]


def test_a_record_that_was_logged_late_keeps_its_place() -> None:
    first, second = publications.read(TWO, None).published
    assert runs(publications.read(TWO, log((second, False), (first, False)))) == ["r1", "r2"]


def test_a_run_that_was_rolled_back_is_published_no_more() -> None:
    back = table(*TWO["snapshots"], head=1)
    found = publications.read(back, BOTH)
    assert runs(found) == ["r1"]
    assert [one.run_id for one in found.rolled_back] == ["r2"]
    # The log records it, so that it is still known after the snapshot expires.
    first, second = publications.read(TWO, None).published
    told = log((first, False), (second, False), (second, True))
    expired = table(snapshot(1, None, "r1", "2026-01-01"), head=1)
    assert runs(publications.read(expired, told)) == ["r1"]
    assert runs(publications.read(TWO, told)) == ["r1", "r2"], "and rolled forward again"


def test_what_was_withdrawn_is_remembered_until_readers_see_it_again() -> None:
    first, second = publications.read(TWO, None).published
    back = table(*TWO["snapshots"], head=1)
    assert publications.read(back, BOTH).withdrawn == (second,)
    told = log((first, False), (second, False), (second, True))
    expired = table(snapshot(1, None, "r1", "2026-01-01"), head=1)
    assert publications.read(expired, told).withdrawn == (second,)
    assert publications.read(TWO, told).withdrawn == ()


def test_no_absence_is_concluded_from_a_walk_that_ends_early() -> None:
    # Somebody expired the middle snapshot by its id: the first is neither an ancestor nor a fork.
    gap = table(snapshot(1, None, "r1"), snapshot(3, 2, "r3"), head=3)
    assert runs(publications.read(gap, BOTH)) == ["r1", "r2", "r3"]


def test_an_audit_branch_publishes_nothing() -> None:
    branched = table(*TWO["snapshots"], snapshot(3, 2, "r3"), head=2)
    branched["refs"]["audit_r3"] = {"snapshot-id": 3}
    assert runs(publications.read(branched, BOTH)) == ["r1", "r2"]


@pytest.mark.parametrize("records", [None, BOTH])
def test_an_empty_or_absent_table_has_published_nothing(records: dict[str, Any] | None) -> None:
    assert publications.read(None, records) == History()
    assert publications.read(table(head=None), records) == History()


def test_the_log_of_another_table_says_nothing_of_this_one() -> None:
    new = table(snapshot(1, None, "new"), head=1, uuid="another")
    assert runs(publications.read(new, BOTH)) == ["new"]


def test_the_names_of_an_earlier_version_are_refused() -> None:
    old = snapshot(1, None)
    old["summary"]["pipeline.drop-id"] = "d1"
    with pytest.raises(OldLakeError):
        publications.read(table(old, head=1), None)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_metadata_is_read_compressed_or_not(pack: Any) -> None:
    assert publications.parse(pack(json.dumps(TWO).encode())) == TWO


# -- erasures ----------------------------------------------------------------------------------


def erasure_log(*erasures: Erasure) -> dict[str, Any]:
    """Return the log of both publications, with erasures after them."""
    found = json.loads(json.dumps(BOTH))
    for erasure in erasures:
        head = found["refs"]["main"]["snapshot-id"]
        found["snapshots"].append(
            {
                "snapshot-id": head + 1,
                "parent-snapshot-id": head,
                "timestamp-ms": 1_769_904_000_000,
                "summary": erasure.log_properties(),
            }
        )
        found["refs"]["main"]["snapshot-id"] = head + 1
    return found


def test_an_erasure_leaves_what_is_published_and_closes_what_was_before_it() -> None:
    deleted = table(snapshot(4, 3), head=4)
    found = publications.read(deleted, erasure_log(Erasure("e1", 2, UUID)))
    assert runs(found) == ["r1", "r2"]
    assert found.last is not None
    assert (found.last.rows, found.last.day) == (2, "2026-01-02")
    assert [one.erasure_id for one in found.erasures] == ["e1"]
    assert found.erasures[0].recorded_at is not None
    assert [found.erased_after(one) is not None for one in found.published] == [True, True]


def test_a_publication_after_an_erasure_is_open_and_the_last_erasure_is_named() -> None:
    later = table(snapshot(4, 3), snapshot(5, 4, "r3", "2026-01-03"), head=5)
    log_ = erasure_log(Erasure("e1", 1, UUID), Erasure("e2", 2, UUID), Erasure("e3", 9, "other"))
    found = publications.read(later, log_)
    assert runs(found) == ["r1", "r2", "r3"]
    closed = [found.erased_after(one) for one in found.published]
    assert [one and one.erasure_id for one in closed] == ["e2", "e2", None]


def test_the_record_that_an_erasure_puts_on_main_is_the_run_s_own() -> None:
    last = publications.read(TWO, BOTH).last
    assert last is not None
    kept = {"snapshot-id": 4, "sequence-number": 4, "summary": last.summary(1)}
    found = publications.read(table(kept, head=4), erasure_log(Erasure("e1", 3, UUID)))
    newest = found.of_run("r2")
    assert newest is found.last
    assert newest is not None
    assert (newest.snapshot_id, newest.delivery_id, newest.rows) == ("4", "d-r2", 2)
    assert newest.rows_seen == 1
    logged = publications.read(TWO, log((newest, False)))
    assert [one.rows_seen for one in logged.published] == [1, 2, 1]
    assert found.erased_after(newest) is None
