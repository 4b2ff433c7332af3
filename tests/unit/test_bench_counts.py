"""What `make bench-check` counts in a run's logs, and what it reports about differences."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from benchmarks import check, counts
from benchmarks.counts import CountError, Event
from benchmarks.ways import STAGES

INGEST, TRANSFORM, QUALITY = STAGES
# Start times of the notebooks, in milliseconds.
STARTS = {INGEST: 1_000.0, TRANSFORM: 2_000.0, QUALITY: 3_000.0}
MASTER = "local[2]"
TABLE = "glue_catalog.db_client_insurance.clientoutput"
SQL = "org.apache.spark.sql.execution.ui."

# -- synthetic events --------------------------------------------------------------------------


def began(master: str = MASTER) -> Event:
    return {"Event": "SparkListenerEnvironmentUpdate", "Spark Properties": {"spark.master": master}}


ENDED: Event = {"Event": "SparkListenerApplicationEnd", "Timestamp": 9_000}


def task(
    stage: int, at: int, read: Sequence[int] = (0, 0), shuffled: Sequence[int] = (0, 0)
) -> Event:
    metrics = {
        "Input Metrics": {"Records Read": read[0], "Bytes Read": read[1]},
        "Shuffle Write Metrics": {
            "Shuffle Records Written": shuffled[0],
            "Shuffle Bytes Written": shuffled[1],
        },
    }
    return {
        "Event": "SparkListenerTaskEnd",
        "Stage ID": stage,
        "Task Info": {"Launch Time": at},
        "Task Metrics": metrics,
    }


def stage(number: int, at: int, *tasks: Event, scope: str = "Exchange") -> list[Event]:
    scopes = [json.dumps({"id": "1", "name": scope}), None]
    info = {
        "Stage ID": number,
        "Submission Time": at,
        "RDD Info": [{"Scope": one} if one else {} for one in scopes],
    }
    return [
        {"Event": "SparkListenerStageSubmitted", "Stage Info": info},
        *tasks,
        {"Event": "SparkListenerStageCompleted", "Stage Info": info},
    ]


def job(at: int, *stages: list[Event]) -> list[Event]:
    return [
        {"Event": "SparkListenerJobStart", "Submission Time": at},
        *(event for one in stages for event in one),
    ]


def node(name: str, *children: dict[str, Any]) -> dict[str, Any]:
    return {"nodeName": name, "children": list(children)}


def execution(number: int, at: int, *plans: Mapping[str, Any]) -> list[Event]:
    first, *better = plans
    update = f"{SQL}SparkListenerSQLAdaptiveExecutionUpdate"
    return [
        {
            "Event": f"{SQL}SparkListenerSQLExecutionStart",
            "executionId": number,
            "time": at,
            "sparkPlanInfo": first,
        },
        *({"Event": update, "executionId": number, "sparkPlanInfo": one} for one in better),
    ]


def counted(*events: Event) -> dict[str, int]:
    """Return the counts of some events, without zeros."""
    return {name: number for name, number in counts.of_spark(events, STARTS).items() if number}


def written(folder: Path, *events: Event, name: str = "local-1") -> Path:
    lines = "".join(json.dumps(event) + "\n" for event in events)
    (folder / name).write_text(lines, "utf-8")
    return folder


# -- Spark's event log -------------------------------------------------------------------------


def test_jobs_stages_and_tasks_count_for_the_notebook_that_they_run_in() -> None:
    found = counted(
        *job(1_000, stage(0, 1_001, task(0, 1_002))),
        *job(2_500, stage(1, 2_501, task(1, 2_502), task(1, 2_999)), stage(2, 2_600)),
        *job(2_999),
    )
    assert found == {
        f"{INGEST}: jobs": 1,
        f"{INGEST}: stages": 1,
        f"{INGEST}: tasks": 1,
        f"{TRANSFORM}: jobs": 2,
        f"{TRANSFORM}: stages": 2,
        f"{TRANSFORM}: tasks": 2,
    }


def test_what_a_notebook_does_not_do_is_counted_as_nothing() -> None:
    found = counts.of_spark([], STARTS)
    assert found[f"{QUALITY}: jobs"] == found[f"{TRANSFORM}: scans of the table"] == 0
    assert len(found) == 3 * len({name.partition(": ")[2] for name in found})


def test_work_before_the_first_notebook_is_not_lost() -> None:
    assert counted(*job(999)) == {"before: jobs": 1}


def test_what_is_shuffled_is_added_up_and_failed_attempts_are_work() -> None:
    reason = {"Reason": "ExceptionFailure", "Class Name": "java.io.IOException"}
    failed = {**task(1, 2_020, shuffled=(10, 100)), "Task End Reason": reason}
    lost = {"Event": "SparkListenerTaskEnd", "Stage ID": 1, "Task Info": {"Launch Time": 2_030}}
    found = counted(failed, lost, task(1, 2_040, shuffled=(30, 300)))
    assert found == {
        f"{TRANSFORM}: tasks": 3,
        f"{TRANSFORM}: rows shuffled": 40,
        f"{TRANSFORM}: shuffle bytes": 400,
    }


def test_only_stages_that_scan_the_table_count_as_reading_it() -> None:
    found = counted(
        *stage(7, 3_000, task(7, 3_001, read=(5, 50)), scope=f"BatchScan {TABLE}"),
        *stage(8, 3_000, task(8, 3_001, read=(1, 999)), scope=f"BatchScan {TABLE}.files"),
        *stage(9, 3_000, task(9, 3_001, read=(1, 0)), scope="WholeStageCodegen (1)"),
    )
    assert found[f"{QUALITY}: rows scanned"] == 5
    assert found[f"{QUALITY}: scanned bytes"] == 50


def test_scans_of_the_table_of_its_metadata_and_of_others_are_told_apart() -> None:
    scans = [f"BatchScan {TABLE}{more}" for more in ("", "", ".files", ".snapshots", "_old")]
    found = counted(*execution(0, 3_000, node("Union", *map(node, scans))))
    assert found == {
        f"{QUALITY}: SQL executions": 1,
        f"{QUALITY}: scans of the table": 2,
        f"{QUALITY}: scans of its metadata": 2,
    }


def test_of_a_plan_counts_what_adaptive_execution_made_of_it_in_the_end() -> None:
    scan = node(f"BatchScan {TABLE}")
    first = node("AdaptiveSparkPlan", node("SortMergeJoin", node("Sort", node("Exchange", scan))))
    last = node("AdaptiveSparkPlan", node("BroadcastQueryStage", node("BroadcastExchange", scan)))
    found = counted(*execution(4, 2_999, first, first, last))
    assert found == {
        f"{TRANSFORM}: SQL executions": 1,
        f"{TRANSFORM}: scans of the table": 1,
        f"{TRANSFORM}: broadcasts": 1,
    }


@pytest.mark.parametrize(
    "name",
    [
        "PythonMapInArrow",
        "MapInArrow",
        "BatchEvalPython",
        "ArrowEvalPython",
        "FlatMapGroupsInPandas",
    ],
)
def test_rows_that_go_through_python_are_noticed_by_the_plans_node(name: str) -> None:
    assert counted(*execution(0, 1_500, node("Project", node(name)))) == {
        f"{INGEST}: SQL executions": 1,
        f"{INGEST}: passes through Python": 1,
    }


def test_a_whole_event_log_is_read(tmp_path: Path) -> None:
    events = [began(), *job(1_000), ENDED]
    assert counts.read_events(written(tmp_path, *events), MASTER) == events


@pytest.mark.parametrize("events", [[], [began(), *job(1_000)]], ids=["empty", "without its end"])
def test_a_log_that_is_cut_off_is_refused(tmp_path: Path, events: list[Event]) -> None:
    with pytest.raises(CountError, match="cut off"):
        counts.read_events(written(tmp_path, *events, name="local-1.inprogress"), MASTER)


def test_a_log_that_ends_within_a_line_is_refused(tmp_path: Path) -> None:
    log = written(tmp_path, began(), *job(1_000), ENDED) / "local-1"
    log.write_text(log.read_text("utf-8")[:-10], "utf-8")
    with pytest.raises(CountError, match="cut off"):
        counts.read_events(tmp_path, MASTER)


def test_other_cores_than_asked_for_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CountError, match=r"local\[\*\]; expected local\[2\]"):
        counts.read_events(written(tmp_path, began("local[*]"), ENDED), MASTER)


def test_another_number_of_sessions_than_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CountError, match="0 event logs"):
        counts.read_events(tmp_path, MASTER)
    written(tmp_path, began(), ENDED)
    written(tmp_path, began(), ENDED, name="local-2")
    with pytest.raises(CountError, match="2 event logs"):
        counts.read_events(tmp_path, MASTER)


# -- calls and files ---------------------------------------------------------------------------


def test_calls_count_by_name_and_polling_does_not() -> None:
    actions = ("RunStatement", "GetStatement", "GetSession", "CreateSession", "RunStatement")
    lines = [json.dumps({"action": action, "agent": "x", "name": "y"}) for action in actions]
    assert counts.of_calls(lines) == {"calls of CreateSession": 1, "calls of RunStatement": 2}


def put(lake: Path, path: str, content: str) -> None:
    (lake / path).parent.mkdir(parents=True, exist_ok=True)
    (lake / path).write_text(content, "utf-8")


def test_files_of_the_lake_count_by_what_they_hold(tmp_path: Path) -> None:
    warehouse = "warehouse/db_client_insurance"
    for path, content in {
        "clientoutput/convenio=A/1.parquet": "12345",
        "clientoutput/convenio=A/.1.parquet.crc": "checksum",
        "clientoutput/convenio=B/2.parquet": "123",
        "staging/r1/ingested/csv-0.parquet": "1234567",
        "staging/r1/ingested/_manifest.jsonl": "{}",
        "staging/r1/rejected/csv-0.parquet": "1",
        f"{warehouse}/clientoutput/metadata/0.metadata.json": "{}",
        f"{warehouse}/clientoutput/metadata/1.metadata.json": "{}",
        f"{warehouse}/clientoutput/metadata/snap-1.avro": "avro",
        f"{warehouse}/publications/metadata/0.metadata.json": "{}",
        f"{warehouse}/publications/data/0.parquet": "1234",
    }.items():
        put(tmp_path, path, content)
    assert counts.of_lake(tmp_path) == {
        "lake: data files": 2,
        "lake: data files, bytes": 8,
        "lake: staged files": 1,
        "lake: staged files, bytes": 7,
        "lake: files of rejected rows": 1,
        "lake: files of rejected rows, bytes": 1,
        "lake: commits to clientoutput": 2,
        "lake: manifests and lists of clientoutput": 1,
        "lake: commits to publications": 1,
        "lake: manifests and lists of publications": 0,
    }


def test_rows_and_the_notebooks_starts_come_from_what_the_run_left(tmp_path: Path) -> None:
    one = {"in": 10, "out": 6, "rejected": 1, "duplicates": 3, "suppressed": 0}
    put(tmp_path, f"runs/r1/{TRANSFORM}.json", json.dumps({"rows": {"csv": one, "json": one}}))
    for number, name in enumerate(STAGES):
        papermill = {"start_time": f"1970-01-01T01:00:0{number}.500000+01:00"}
        put(tmp_path, f"runs/r1/{name}.ipynb", json.dumps({"metadata": {"papermill": papermill}}))
    assert counts.of_rows(tmp_path) == {
        "rows: in": 20,
        "rows: rejected": 2,
        "rows: duplicates": 6,
        "rows: out": 12,
    }
    assert counts.read_starts(tmp_path) == {INGEST: 500.0, TRANSFORM: 1_500.0, QUALITY: 2_500.0}


# -- comparing ---------------------------------------------------------------------------------

JOBS, SHUFFLED = f"{QUALITY}: jobs", f"{TRANSFORM}: shuffle bytes"
COMMITTED = {"rows: in": 45_000, JOBS: 5, SHUFFLED: 1_000_000, "calls of StopSession": 1}


def told(**changed: int) -> list[tuple[str, str]]:
    """Return name and meaning of each count that differs."""
    names = {"jobs": JOBS, "shuffled": SHUFFLED, "rows": "rows: in"}
    found = COMMITTED | {names[name]: number for name, number in changed.items()}
    return [(one.name, one.meaning) for one in check.differences(COMMITTED, found)]


def test_the_same_counts_differ_in_nothing() -> None:
    assert told() == []


def test_one_job_more_of_a_run_is_a_difference() -> None:
    run = [event for at in range(3_000, 3_005) for event in job(at)]
    committed = counts.of_spark(run, STARTS)
    found = counts.of_spark([*run, *job(3_005)], STARTS)
    assert check.differences(committed, found) == [check.Difference(JOBS, 5, 6)]


def test_more_work_and_less_work_are_both_told() -> None:
    assert told(jobs=6) == [(JOBS, "more work")]
    assert told(jobs=4) == [(JOBS, "less work")]
    assert told(rows=45_001) == [("rows: in", "other rows")]


def test_only_bytes_may_differ_a_little() -> None:
    assert told(shuffled=1_020_000) == told(shuffled=980_000) == []
    assert told(shuffled=1_020_001) == [(SHUFFLED, "more work")]
    assert told(shuffled=979_999) == [(SHUFFLED, "less work")]
    assert told(rows=45_001) != []


def test_a_count_on_one_side_alone_is_a_difference_even_of_zero() -> None:
    found = {name: number for name, number in COMMITTED.items() if name != JOBS}
    assert check.differences(COMMITTED, found) == [check.Difference(JOBS, 5, None)]
    assert check.differences(found, COMMITTED) == [check.Difference(JOBS, None, 5)]
    assert check.differences({}, {JOBS: 0})[0].meaning == "more work"
    assert check.differences({JOBS: 0}, {})[0].meaning == "less work"


def test_the_report_is_one_table_and_says_what_to_do() -> None:
    found = {**COMMITTED, JOBS: 6, SHUFFLED: 900_000, "calls of TagResource": 1}
    table, _, steps = check.report(check.differences(COMMITTED, found)).partition("\n\n")
    assert table.splitlines() == [
        "count                        committed    found",
        "03_quality: jobs                     5        6  more work",
        "02_transform: shuffle bytes  1,000,000  900,000  less work",
        "calls of TagResource                 -        1  more work",
    ]
    assert "find out why" in steps
    assert "lower the figures" in steps
    assert "make bench-check WRITE=1" in steps
    assert "Other rows" not in steps


def test_a_difference_fails_until_it_is_committed_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "counts.json"
    assert not check.agrees(COMMITTED, figures, write=False)
    assert not figures.exists()
    assert check.agrees(COMMITTED, figures, write=True)
    assert check.agrees(COMMITTED, figures, write=False)
    assert "4 counts are as committed" in capsys.readouterr().out
    assert not check.agrees({**COMMITTED, JOBS: 6}, figures, write=False)
    assert JOBS in capsys.readouterr().out
    assert check.read_figures(figures) == COMMITTED


def test_the_committed_delivery_has_rejected_rows_and_duplicates_and_two_shuffle_tasks() -> None:
    figures = check.read_figures(check.FIGURES)
    assert figures["rows: in"] == 3 * check.ROWS
    assert figures["rows: rejected"] > 0
    assert figures["rows: duplicates"] > 0
    # Three tasks that read, two that write parts of the shuffle, and others.
    assert figures[f"{TRANSFORM}: tasks"] >= 5
