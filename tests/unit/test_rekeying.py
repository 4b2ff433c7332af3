"""The key of the ids changes: everybody gets a new id, and who is on a list stays on it."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pyspark.sql import SparkSession
from test_stage import GOOD_CPF, OTHER_CPF, THIRD_CPF, Run, write_key
from tests.support.frames import ingested

from client_health import parcels, transformation
from client_health.clean import identity, register, rekeying
from client_health.errors import SettingsError
from client_health.publish import records
from client_health.worker import Transformation
from register_contract import erasures, publications, receipts
from register_contract.tables import LEGAL_HOLDS, SUPPRESSIONS, Table

OLD, NEW, OTHER = b"k" * 32, b"n" * 32, b"o" * 32
K1, K2, K3 = (identity.key_check(key) for key in (OLD, NEW, OTHER))
AS_OF = date(2026, 1, 31)
PAST, AHEAD = date(2026, 1, 30), date(2027, 1, 1)
SINCE = datetime(2026, 1, 2, 3, 4, 5)
# In no delivery of these tests.
ABSENT_CPF = "12345678909"


def entry(table: Table, of: str, person: str, id_key: str, **values: Any) -> dict[str, Any]:
    common = {table.key: of, "id": person, "id_key": id_key, "ordered_by": "dpo-1"}
    plain = {"since": SINCE, "ground": "LGPD art. 18, VI"}
    if table is LEGAL_HOLDS:
        plain = {"reason": "lawsuit", "until": AHEAD, "recorded_at": SINCE}
    return common | plain | values


def frame(table: Table, *rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=records.schema(table))


def listed(table: Table, of: str, people: str, id_key: str, **values: Any) -> list[dict[str, Any]]:
    """Return an entry for each letter."""
    return [entry(table, of, f"{person}-{id_key}", id_key, **values) for person in people]


# -- who waits ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "count"),
    [
        ([], 0),
        (listed(SUPPRESSIONS, "e1", "abc", K2), 0),
        (listed(SUPPRESSIONS, "e1", "abc", K1), 3),
        (listed(SUPPRESSIONS, "e1", "abc", K1) + listed(SUPPRESSIONS, "e1", "ab", K2), 1),
        # Another erasure's new entries are other people's.
        (listed(SUPPRESSIONS, "e1", "a", K1) + listed(SUPPRESSIONS, "e2", "xyz", K2), 1),
        # The same people under two earlier keys are counted once.
        (listed(SUPPRESSIONS, "e1", "abc", K1) + listed(SUPPRESSIONS, "e1", "ab", K3), 3),
    ],
)
def test_entries_of_an_earlier_key_wait_until_the_same_erasure_has_as_many_new_ones(
    rows: list[dict[str, Any]], count: int
) -> None:
    assert rekeying.waiting(frame(SUPPRESSIONS, *rows), SUPPRESSIONS, K2, AS_OF) == count


def test_holds_wait_only_while_they_are_active() -> None:
    active = listed(LEGAL_HOLDS, "h1", "ab", K1)
    over = listed(LEGAL_HOLDS, "h2", "c", K1, until=PAST)
    ended = listed(LEGAL_HOLDS, "h3", "b", K1, until=PAST, recorded_at=datetime(2026, 1, 9))
    for rows, count in (([*active, *over], 2), ([*active, *over, *ended], 1)):
        assert rekeying.waiting(frame(LEGAL_HOLDS, *rows), LEGAL_HOLDS, K2, AS_OF) == count
    # Ended under the new key alone: nothing of the earlier one is missing.
    moved = listed(LEGAL_HOLDS, "h1", "ab", K2)
    later = listed(LEGAL_HOLDS, "h4", "a", K2, until=PAST, recorded_at=datetime(2026, 1, 9))
    rows = [*active, *moved, *later]
    assert rekeying.waiting(frame(LEGAL_HOLDS, *rows), LEGAL_HOLDS, K2, AS_OF) == 0


@pytest.mark.parametrize("table", rekeying.LISTS, ids=lambda table: table.name)
def test_an_entry_is_written_again_with_nothing_changed_but_id_and_key(table: Table) -> None:
    rows = frame(table, *listed(table, "x1", "ab", K1), *listed(table, "x2", "a", K1))
    moved = pl.DataFrame(
        {"previous_id": [f"a-{K1}", f"a-{K1}", f"z-{K1}"], "id": [f"a-{K2}", f"a-{K2}", f"z-{K2}"]},
        schema=rekeying.MOVED,
    )
    added = rekeying.again(rows, table, moved, K1, K2)
    expected = frame(table, *listed(table, "x1", "a", K2), *listed(table, "x2", "a", K2))
    assert added.sort(table.key).equals(expected)
    assert rekeying.again(pl.concat([rows, added]), table, moved, K1, K2).is_empty()
    # And back again, where the earlier rows still are.
    back = moved.rename({"previous_id": "id", "id": "previous_id"}).select(rekeying.MOVED.names())
    assert rekeying.again(pl.concat([rows, added]), table, back, K2, K1).is_empty()


# -- in the workers ----------------------------------------------------------------------------


def test_candidates_have_both_ids_only_while_the_key_changes() -> None:
    accepted = register.normalise(ingested({"cpf": GOOD_CPF}, {"cpf": OTHER_CPF}))
    assert register.candidates(accepted, AS_OF, NEW).columns == register.CANDIDATE_SCHEMA.names()
    both = register.candidates(accepted, AS_OF, NEW, previous_key=OLD)
    assert both.select("previous_id", "id").rows() == [
        (identity.client_id(OLD, cpf), identity.client_id(NEW, cpf))
        for cpf in (GOOD_CPF, OTHER_CPF)
    ]
    for key in (OLD, NEW):
        kept = register.without(both, {identity.client_id(key, GOOD_CPF)})
        assert kept.columns == register.CANDIDATE_SCHEMA.names()
        assert kept["id"].to_list() == [identity.client_id(NEW, OTHER_CPF)]


def test_a_task_that_runs_twice_tells_new_ids_once_and_without_the_earlier_ones(
    tmp_path: Path,
) -> None:
    for folder in ("in", "out", "moved"):
        (tmp_path / folder).mkdir()
    rows = ingested(
        {"cpf": GOOD_CPF}, {"cpf": OTHER_CPF}, {"cpf": GOOD_CPF}, {"cpf": f"x{THIRD_CPF}"}
    )
    rows.write_parquet(tmp_path / "in" / "a.parquet")
    # The first is nobody of the delivery; the third is held, not erased; the last is rejected.
    people = (ABSENT_CPF, GOOD_CPF, OTHER_CPF, THIRD_CPF)
    work = Transformation(
        ("a.parquet",),
        *(str(tmp_path / folder) for folder in ("in", "out")),
        AS_OF,
        (1,),
        frozenset(identity.client_id(OLD, cpf) for cpf in (GOOD_CPF, THIRD_CPF)),
        listed=tuple(identity.client_id(OLD, cpf) for cpf in people),
        moved=str(tmp_path / "moved"),
    )
    for _ in range(2):
        (kept,) = work._candidates("a.parquet", NEW, OLD)
        assert kept["id"].to_list() == [identity.client_id(NEW, OTHER_CPF)]
        assert pl.read_parquet(tmp_path / "out" / "a.parquet").is_empty()
        (file,) = (tmp_path / "moved").iterdir()
        assert pl.read_parquet(file).sort("position").rows() == [
            (at, identity.client_id(NEW, people[at])) for at in (1, 2, 3)
        ]
        assert not any(identity.client_id(OLD, c).encode() in file.read_bytes() for c in people)
        assert file.stat().st_mode & 0o777 == 0o600


def test_both_keys_come_to_the_workers_and_are_in_no_plan(spark: SparkSession) -> None:
    keys = (b"the new secret key of many letters", bytes(range(128, 168)))
    numbers = transformation.numbered(spark, 2, *keys)
    assert [tuple(map(bytes, row[1:])) for row in numbers.collect()] == [keys] * 2
    work = Transformation((), "in", "out", AS_OF, (1,))
    frame = numbers.mapInArrow(work.run, parcels.SCHEMA)
    text = frame._jdf.queryExecution().toString().lower()
    assert "previous_id_key" in text
    for key in keys:
        for written in (key.decode("latin-1"), key.hex(), base64.b64encode(key).decode()):
            assert written[:12].lower() not in text
        assert ", ".join(map(str, key[:6])) not in text


# -- through the stages ------------------------------------------------------------------------


@pytest.fixture
def published(done: Run) -> Run:
    """Return a run published with the old key, whose lake has an erased and a held person."""
    run = done
    gone = [entry(SUPPRESSIONS, "e1", identity.client_id(OLD, GOOD_CPF), K1)]
    gone += [entry(SUPPRESSIONS, "e2", identity.client_id(OLD, c), K1) for c in (ABSENT_CPF,)]
    held = entry(LEGAL_HOLDS, "h1", identity.client_id(OLD, OTHER_CPF), K1)
    records.append(run.table, SUPPRESSIONS, frame(SUPPRESSIONS, *gone))
    records.append(run.table, LEGAL_HOLDS, frame(LEGAL_HOLDS, held))
    return run


def rotated(run: Run, folder: Path) -> tuple[Run, str]:
    """Return the run with a new key, and the location of the old one."""
    return replace(run, run_id="r2", key=write_key(folder / "new.key", "n")), run.key


def ids(run: Run) -> list[str]:
    return sorted(row.id for row in run.table.spark.table(run.table.table).collect())


def of(cpfs: tuple[str, ...], key: bytes) -> list[str]:
    return sorted(identity.client_id(key, cpf) for cpf in cpfs)


LEFT = (OTHER_CPF, THIRD_CPF, "1" * 11)


@pytest.fixture
def every_log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG):
        yield caplog


def test_after_a_rotation_all_ids_are_new_and_the_erased_stay_out(
    published: Run, tmp_path: Path, every_log: pytest.LogCaptureFixture
) -> None:
    assert ids(published) == of((*LEFT, GOOD_CPF), OLD)
    run, old = rotated(published, tmp_path)
    run.ingest()
    receipts_of = []
    for attempt in ("a" * 32, "b" * 32):
        receipts_of.append(run.transform(attempt, previous_key=old))
    first, second = receipts_of
    assert first["rows"] == second["rows"]
    assert first["rows"]["parquet"]["suppressed"] == first["rows"]["json"]["suppressed"] == 1
    assert second["id_key"] == K2
    # The person whom no delivery shows keeps an id of the old key.
    assert first["earlier_ids"] == second["earlier_ids"] == {"suppressions": 1}
    (notice,) = receipts.notices(second)
    assert "earlier key only: 1;" in notice
    run.publish()
    assert ids(run) == of(LEFT, NEW)
    table = run.table.loaded(run.table.table)
    assert table.properties().get(publications.ID_KEY) == K2

    suppressed = records.read(run.table, SUPPRESSIONS).sort("erasure_id", "id_key")
    assert set(suppressed.select("erasure_id", "id", "id_key").rows()) == {
        ("e1", identity.client_id(OLD, GOOD_CPF), K1),
        ("e1", identity.client_id(NEW, GOOD_CPF), K2),
        ("e2", identity.client_id(OLD, ABSENT_CPF), K1),
    }
    assert suppressed.height == 3
    assert set(suppressed["since"]) == {SINCE}
    holds = records.read(run.table, LEGAL_HOLDS)
    assert set(holds.select("hold_id", "id", "until").rows()) == {
        ("h1", identity.client_id(key, OTHER_CPF), AHEAD) for key in (OLD, NEW)
    }

    # The next run has the new key alone.
    alone = replace(run, run_id="r3")
    alone.ingest()
    third = alone.transform("c" * 32)
    assert third["rows"] == second["rows"]
    assert third["earlier_ids"] == {"suppressions": 1}
    alone.publish()
    assert ids(alone) == of(LEFT, NEW)

    assert_no_key_and_no_pair(run, tmp_path, every_log.text)


def assert_no_key_and_no_pair(run: Run, folder: Path, log: str) -> None:
    """Assert that no file of the lake has a key, or new ids next to old ones; nor has the log."""
    texts = [key.decode() for key in (OLD, NEW)]
    people = (GOOD_CPF, OTHER_CPF, THIRD_CPF)
    assert not any(text in log for text in texts)
    assert not any(one in log for key in (OLD, NEW) for one in of(people, key))
    assert not list(Path(run.lake).rglob("moved"))
    files = [file for file in Path(run.lake).rglob("*") if file.is_file()]
    assert files
    for file in files:
        if file.suffix == ".parquet":
            content = pl.read_parquet(file, hive_partitioning=False).write_json()
        else:
            content = file.read_bytes().decode("latin-1")
        assert not any(text in content for text in texts), file
        for cpf in people:
            both = [identity.client_id(key, cpf) in content for key in (OLD, NEW)]
            assert not all(both), file


def test_a_rotation_needs_the_key_of_the_last_publication(published: Run, tmp_path: Path) -> None:
    run, old = rotated(published, tmp_path)
    run.ingest()
    with pytest.raises(SettingsError, match="give that key as 'previous_id_key'"):
        run.transform()
    wrong = write_key(tmp_path / "other.key", "o")
    with pytest.raises(SettingsError, match="than 'id_key' and 'previous_id_key'"):
        run.transform(previous_key=wrong)
    with pytest.raises(SettingsError, match="name the same key"):
        replace(run, key=old).transform(previous_key=old)
    assert ids(run) == of((*LEFT, GOOD_CPF), OLD)
    assert records.read(run.table, SUPPRESSIONS).height == 2


def test_the_key_does_not_change_while_an_erasure_is_not_finished(
    published: Run, tmp_path: Path
) -> None:
    run, old = rotated(published, tmp_path)
    run.ingest()
    state = Path(run.lake, erasures.STATE)
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    with pytest.raises(SettingsError, match="An erasure has begun"):
        run.transform(previous_key=old)


def test_who_comes_later_is_written_again_later(published: Run, tmp_path: Path) -> None:
    run, old = rotated(published, tmp_path)
    run.ingest()
    run.transform(previous_key=old)
    run.publish()
    # The next delivery shows the person, in a row that the rules refuse.
    raw = Path(run.paths["csv_path"])
    raw.write_text(raw.read_text() + f"x|{ABSENT_CPF}\n")
    later = replace(run, run_id="r3")
    later.ingest()
    receipt = later.transform(previous_key=old)
    assert "earlier_ids" not in receipt
    assert receipts.notices(receipt) == []
    assert receipt["rows"]["csv"]["suppressed"] == 1
    later.publish()
    found = records.read(run.table, SUPPRESSIONS).filter(pl.col("id_key") == K2)
    assert sorted(found["id"]) == of((GOOD_CPF, ABSENT_CPF), NEW)
