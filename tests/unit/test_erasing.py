"""Erased people are gone from every table, and what is published stays known."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from test_stage import AS_OF, GOOD_CPF, OTHER_CPF, Run, a_run, branches

from client_health import stages
from client_health.clean import identity
from client_health.publish import anonymous, erasure, publishing, records
from register_contract import erasures
from register_contract.tables import CLIENTOUTPUT_ANONIMA

KEY = b"k" * 32
IDS = tuple(identity.client_id(KEY, cpf) for cpf in (GOOD_CPF, OTHER_CPF))


def ask(run: Run, *ids: str) -> erasures.Request:
    """Write the request to the session, as the command does."""
    zones = (erasures.Zone("clientoutput", len(ids), 1),)
    asked = erasures.Request("e1", ids, "LGPD art. 18", "dpo-1", "2026-02-01T03:00:00", 0, zones)
    path = Path(run.lake, erasures.REQUEST)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(asked.dump())
    return asked


def ids(run: Run) -> list[str]:
    return sorted(row.id for row in run.table.spark.table(run.table.table).collect())


@pytest.fixture
def published(spark: SparkSession, tmp_path: Path) -> Run:
    run = a_run(tmp_path)
    for step in (run.ingest, run.transform, run.publish):
        step()
    return run


def test_the_tables_forget_people_and_know_what_is_published(published: Run) -> None:
    lake = published.table
    before, last = ids(published), lake.history().last
    lake.spark.sql(f"ALTER TABLE {lake.table} CREATE BRANCH left")
    counted = anonymous.follow(lake)
    ask(published, *IDS)
    erasure.erase(published.lake)

    assert ids(published) == sorted(set(before) - set(IDS))
    assert branches(lake) == ["main"]
    metadata = lake.metadata()
    (head,) = metadata["snapshots"]
    history = lake.history()
    assert history.last is not None
    assert last is not None
    assert history.last.snapshot_id == str(head["snapshot-id"])
    assert (history.last.run_id, history.last.rows) == (last.run_id, last.rows)
    assert [one.snapshot_id for one in history.published] == [
        last.snapshot_id,
        history.last.snapshot_id,
    ]
    assert history.erased_after(last) == history.erasures[-1]
    assert history.erased_after(history.last) is None
    expected = publishing.expectations(published.begin(stages.QUALITY))
    assert (expected.published_rows, expected.published_day) == (4, AS_OF.isoformat())
    # The anonymous table has none of the counts that they were in.
    recounted = anonymous.follow(lake)
    assert counted is not None
    assert recounted is not None
    assert counted.measured[0].clients - recounted.measured[0].clients == len(IDS)
    name = records.name(CLIENTOUTPUT_ANONIMA)
    assert lake.spark.table(f"{name}.snapshots").count() == 1
    files = sorted(path for path in Path(published.lake).rglob("*") if path.is_file())
    for path in files:
        if "suppressions" not in path.parts and path.name != "request.json":
            content = path.read_bytes()
            assert not any(one[:12].encode() in content for one in IDS), path
