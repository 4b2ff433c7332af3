"""Counts a run's work in what it leaves: Spark's event log, the call log, the lake.

Each count has a name, such as `02_transform: tasks`. Names that end in `bytes` are sizes, all
others are numbers of things. The work of native code in workers only shows in what they read and
write.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.ways import STAGES
from register_contract import contract

Event = Mapping[str, Any]
Counts = Mapping[str, int]

# Counts of rows: a difference means that the work was different, not that it took more or less.
ROWS = "rows"
# Calls that poll until something has happened: their number depends on time.
POLLING = frozenset({"GetSession", "GetStatement"})
_TABLE = f"{contract.CATALOG}.{contract.TABLE}"
_SCAN = "BatchScan "
_KINDS = (
    *("SQL executions", "jobs", "stages", "tasks"),
    *("scans of the table", "rows scanned", "scanned bytes", "scans of its metadata"),
    *("passes through Python", "sorts", "broadcasts", "shuffles"),
    *("rows shuffled", "shuffle bytes"),
)
_NODES = {"Sort": "sorts", "BroadcastExchange": "broadcasts", "Exchange": "shuffles"}
# PythonMapInArrow, ArrowEvalPython, BatchEvalPython, MapInPandas, and others.
_PYTHON = re.compile("Python|InArrow|InPandas")
# Zones of the lake, each with its files that are counted.
_FILES = {
    "data files": "clientoutput/**/*.parquet",
    "staged files": "staging/*/ingested/*.parquet",
    "files of rejected rows": "staging/*/rejected/*.parquet",
}
_METADATA = {
    "commits to {}": "*.metadata.json",
    "manifests and lists of {}": "*.avro",
}


class CountError(Exception):
    """There is nothing to count, or only part of it."""


def read_events(folder: Path, master: str) -> list[Event]:
    """Return the event log of the only Spark application that wrote to a folder.

    Parameters
    ----------
    folder : Path
        The folder in `spark.eventLog.dir`.
    master : str
        The expected `spark.master`.

    Raises
    ------
    CountError
        If there is not exactly one log, the log is cut off, or Spark had another master.
    """
    logs = sorted(folder.iterdir())
    if len(logs) != 1:
        raise CountError(f"{len(logs)} event logs were written; a run has one session, and so one")
    with logs[0].open(encoding="utf-8") as file:
        events: list[Event] = [json.loads(line) for line in file if line.endswith("\n")]
    if not events or _kind(events[-1]) != "SparkListenerApplicationEnd":
        raise CountError("the event log is cut off: Spark was killed before it ended")
    found = [
        one["Spark Properties"]["spark.master"]
        for one in events
        if _kind(one) == "SparkListenerEnvironmentUpdate"
    ]
    if found != [master]:
        raise CountError(f"the master of Spark was {', '.join(found)}; expected {master}")
    return events


def read_starts(lake: Path) -> dict[str, float]:
    """Return the start of each notebook of the lake's only run, in milliseconds like Spark's."""
    starts = {}
    for stage in STAGES:
        (path,) = lake.glob(f"runs/*/{stage}.ipynb")
        began = json.loads(path.read_text("utf-8"))["metadata"]["papermill"]["start_time"]
        starts[stage] = datetime.fromisoformat(began).timestamp() * 1000
    return starts


def of_spark(events: Iterable[Event], starts: Mapping[str, float]) -> Counts:
    """Return the counts of Spark's work, by notebook.

    Parameters
    ----------
    events : iterable of mapping
        Events of the log.
    starts : mapping of str to float
        Start of each notebook, in milliseconds.

    Returns
    -------
    mapping of str to int
        Failed attempts count as well, because they are work. Plans are counted in their final form,
        after adaptive execution.
    """
    counts = Counter({f"{stage}: {kind}": 0 for stage in starts for kind in _KINDS})

    def add(when: float, kind: str, number: int = 1) -> None:
        begun = [stage for stage, start in starts.items() if start <= when]
        counts[f"{begun[-1] if begun else 'before'}: {kind}"] += number

    began: dict[int, float] = {}
    plans: dict[int, Event] = {}
    scanning: set[int] = set()
    for event in events:
        kind = _kind(event)
        if kind == "SparkListenerJobStart":
            add(event["Submission Time"], "jobs")
        elif kind == "SparkListenerStageSubmitted":
            if _SCAN + _TABLE in _scopes(event["Stage Info"]):
                scanning.add(event["Stage Info"]["Stage ID"])
        elif kind == "SparkListenerStageCompleted":
            add(event["Stage Info"]["Submission Time"], "stages")
        elif kind == "SparkListenerTaskEnd":
            when = event["Task Info"]["Launch Time"]
            add(when, "tasks")
            for name, number in _task(event, event["Stage ID"] in scanning):
                add(when, name, number)
        elif kind == "SparkListenerSQLExecutionStart":
            began[event["executionId"]] = event["time"]
            add(event["time"], "SQL executions")
        if "sparkPlanInfo" in event:
            plans[event["executionId"]] = event["sparkPlanInfo"]
    for execution, plan in plans.items():
        for node in _nodes(plan):
            if counted := _node(node):
                add(began[execution], counted)
    return counts


def of_rows(lake: Path) -> Counts:
    """Return the counts of rows of the lake's only run, from the receipt of `02_transform`."""
    (path,) = lake.glob(f"runs/*/{STAGES[1]}.json")
    sources = json.loads(path.read_text("utf-8"))["rows"].values()
    return {
        f"{ROWS}: {name}": sum(one[name] for one in sources)
        for name in ("in", "rejected", "duplicates", "out")
    }


def of_calls(lines: Iterable[str]) -> Counts:
    """Return the counts of API calls by name, without those that poll.

    Parameters
    ----------
    lines : iterable of str
        Lines of the call log.
    """
    actions = (json.loads(line)["action"] for line in lines)
    found = Counter(action for action in actions if action not in POLLING)
    return {f"calls of {action}": found[action] for action in sorted(found)}


def of_lake(lake: Path) -> Counts:
    """Return the number of files that a run left in a new lake, and the bytes of row files."""
    counts: dict[str, int] = {}
    for name, pattern in _FILES.items():
        sizes = [path.stat().st_size for path in lake.glob(pattern)]
        counts |= {f"lake: {name}": len(sizes), f"lake: {name}, bytes": sum(sizes)}
    for table in (contract.TABLE, contract.LOG_TABLE):
        short = table.rpartition(".")[2]
        for name, pattern in _METADATA.items():
            found = list(lake.glob(f"warehouse/**/{short}/metadata/{pattern}"))
            counts[f"lake: {name.format(short)}"] = len(found)
    return counts


def _kind(event: Event) -> str:
    return str(event["Event"]).rpartition(".")[2]


def _scopes(stage: Event) -> set[str]:
    """Return the names of the plan nodes that a stage works on."""
    scopes = (rdd.get("Scope") for rdd in stage["RDD Info"])
    return {json.loads(scope)["name"] for scope in scopes if scope}


def _task(event: Event, is_scan: bool) -> Iterator[tuple[str, int]]:
    # A lost task has no metrics.
    metrics = event.get("Task Metrics") or {}
    if is_scan:
        read = metrics.get("Input Metrics", {})
        yield "rows scanned", read.get("Records Read", 0)
        yield "scanned bytes", read.get("Bytes Read", 0)
    written = metrics.get("Shuffle Write Metrics", {})
    yield "rows shuffled", written.get("Shuffle Records Written", 0)
    yield "shuffle bytes", written.get("Shuffle Bytes Written", 0)


def _nodes(plan: Event) -> Iterator[str]:
    """Yield the names of a plan's nodes; one that reuses a result is a leaf with another name."""
    yield plan["nodeName"]
    for child in plan["children"]:
        yield from _nodes(child)


def _node(name: str) -> str | None:
    """Return what a plan's node counts as, or None."""
    table = name.removeprefix(_SCAN)
    if table == name:
        return "passes through Python" if _PYTHON.search(name) else _NODES.get(name)
    if table == _TABLE:
        return "scans of the table"
    return "scans of its metadata" if table.startswith(f"{_TABLE}.") else None
