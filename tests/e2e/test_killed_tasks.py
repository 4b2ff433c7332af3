"""A delivery gives the same table even if processes of its executors are killed during the run.

All runs share a session with two executors, and Spark repeats the tasks that die with a Python
worker or with a whole executor, as on AWS Glue. ``KILLED_RUNS`` sets the number of disturbed runs
(1 by default), ``KILLED_EXECUTORS`` how many executors may die in each.

Each run is compared with the oracle. Of rows that are tied, the oracle takes any, so the choice
between them, and what is counted on it, is compared with the library's own, made without Spark from
all rows at once. Executors that nobody disturbs are a test of the chain (test_chain_executors.py).
"""

from __future__ import annotations

import json
import os
import random
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest
from tests.oracle import compare, dirty
from tests.oracle.reading import Came
from tests.oracle.register import ERRORS, Expected, expect, typed
from tests.support import commands
from tests.support.frames import ingested
from tests.support.warm import Warm, sessions

from client_health.clean import register, rules
from client_health.read import sources

RUNS = int(os.environ.get("KILLED_RUNS", "1"))
EXECUTORS = int(os.environ.get("KILLED_EXECUTORS", "1"))
ROWS, SEED = 2000, 41
KEY = "d1ed" * 16
# Spark fails a job if one of its tasks fails four times. No task outlives its stage, so with at
# most three kills per stage this can't happen, however slow the machine is.
A_STAGE, APART_SECONDS = 3, 1.5
WORKER, EXECUTOR = "pyspark.daemon", "CoarseGrainedExecutorBackend"
# A run takes a minute, beside other tests in CI.
pytestmark = pytest.mark.timeout(300 * (RUNS + 1))


@dataclass
class Killer:
    """Kills Python workers, and sometimes an executor, below one process.

    Parameters
    ----------
    root : psutil.Process
        The service that this test started; only its descendants are killed.
    lake : Path
        Has a receipt for each finished stage.
    chance : random.Random
        Chooses what to kill, and when.
    """

    root: psutil.Process
    lake: Path
    chance: random.Random
    killed: Counter[str] = field(default_factory=Counter)
    by_stage: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._kill, daemon=True)

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _kill(self) -> None:
        while not self._ended.wait(self.chance.uniform(0.0, 0.3)):
            if self._strike():
                self._ended.wait(APART_SECONDS + self.chance.uniform(0.0, 2.0))

    def _strike(self) -> bool:
        below = _processes(self.root)
        workers = [found for found in below if _is_worker(found)]
        executors = [found for found in below if EXECUTOR in _words(found)]
        # An executor with workers has more to lose.
        likely = 0.1 if workers else 0.01
        kind, found = "worker", workers
        if self.killed["executor"] < EXECUTORS and self.chance.random() < likely:
            kind, found = "executor", executors
        if not found:
            return False
        chosen = self.chance.choice(found)
        # Read this last, so that no task of the next stage is counted for this one.
        stage = len(list(self.lake.glob("runs/*/0*.json")))
        if self.by_stage[stage] == A_STAGE:
            return False
        try:
            chosen.kill()
        except psutil.NoSuchProcess:
            return False
        self.by_stage[stage] += 1
        self.killed[kind] += 1
        return True


def _processes(root: psutil.Process) -> list[psutil.Process]:
    try:
        return root.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _words(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _is_worker(process: psutil.Process) -> bool:
    """Return whether this is a worker, not the daemon of the same name that forks it."""
    try:
        parent = process.parent()
    except psutil.Error:
        return False
    return WORKER in _words(process) and parent is not None and WORKER in _words(parent)


@dataclass
class Runs:
    """One delivery, its expected result, and the results of runs with it.

    Parameters
    ----------
    folder : Path
    warm : Warm
    delivery : dirty.Delivery
    expected : Expected
        What the oracle expects.
    kept : DataFrame
        The row of each person, as a candidate.
    """

    folder: Path
    warm: Warm
    delivery: dirty.Delivery
    expected: Expected
    kept: pl.DataFrame
    killed: Counter[str] = field(default_factory=Counter)

    def run(self, name: str) -> compare.Left:
        """Run the delivery into a new lake."""
        environment = {
            **os.environ,
            **self.warm.endpoint.environment,
            "XDG_CONFIG_HOME": str(self.folder / "config"),
        }
        command = partial(commands.call, environment=environment, folder=self.folder)
        lake, key = self.folder / name, self.folder / "id.key"
        done = compare.run(self.delivery, lake, key, *self.warm.options, command=command)
        assert done.returncode == 0, done.stdout + done.stderr
        return compare.look(lake, command=command)

    def disturbed(self, number: int) -> compare.Left:
        """Run it while its processes are killed."""
        assert self.warm.service.pid is not None
        root, name = psutil.Process(self.warm.service.pid), f"disturbed-{number}"
        with Killer(root, self.folder / name, random.Random(number)) as killer:
            left = self.run(name)
        assert sum(killer.killed.values()) > 0
        self.killed += killer.killed
        return left

    def failed_tasks(self) -> int:
        """Count the attempts of tasks that failed, in the session's event log."""
        ends = (
            json.loads(line)
            for path in (self.folder / "events").iterdir()
            for line in path.read_text().splitlines()
            if '"SparkListenerTaskEnd"' in line
        )
        return sum(end["Task Info"]["Failed"] for end in ends)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """A dirty delivery, and a session with two executors."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "events").mkdir()
    key = folder / "id.key"
    key.write_text(KEY)
    key.chmod(0o600)
    delivery = dirty.write(folder / "raw", ROWS, SEED, parts=True)
    expected = expect(delivery.sources, KEY.encode(), delivery.as_of)
    settings = {
        "spark.master": "local-cluster[2,1,768]",
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": (folder / "events").as_uri(),
    }
    with sessions(dict(os.environ), driver_memory="1g", spark_conf=settings) as warm:
        yield Runs(folder, warm, delivery, expected, one_row_a_person(expected, delivery.as_of))


def one_row_a_person(expected: Expected, as_of: date) -> pl.DataFrame:
    """Choose between the rows that are tied for a person, as the library does."""
    tied = (client.came for clients in expected.clients.values() for client in clients)
    normalised = register.normalise(ingested(*map(as_ingested, tied)))
    return register.one_row_a_person(register.candidates(normalised, as_of, KEY.encode()))


def as_ingested(came: Came) -> dict[str, Any]:
    """Return a row as ``01_ingest`` hands it over."""
    read = typed(came)
    return {
        **came.values,
        "source": came.source,
        "data_nascimento": read.birth,
        "data_cadastro": read.time,
        "numero": read.number,
        sources.UNREADABLE_BIRTH: "data_nascimento" in read.unreadable,
        sources.UNREADABLE_REGISTRATION: "data_cadastro" in read.unreadable,
        sources.UNREADABLE_NUMBER: "numero" in read.unreadable,
    }


def by_rule(left: compare.Left, counted: str) -> list[dict[str, int]]:
    """Return what the receipts of the three stages count by rule."""
    return [left.receipts[stage][counted] for stage in compare.STAGES]


@pytest.mark.parametrize("number", range(RUNS))
def test_killed_tasks_change_no_row_and_no_count(runs: Runs, number: int) -> None:
    left = runs.disturbed(number)
    found = compare.differences(runs.expected, left)
    assert not found, compare.shown(found)
    assert left.published == register.published(runs.kept).rows(named=True)
    bits = runs.kept[register.WARNINGS].to_list()
    warned = {name: sum(row >> at & 1 for row in bits) for at, name in enumerate(rules.WARNINGS)}
    assert by_rule(left, "warnings") == [{}, warned, warned]
    refused = {rule: runs.expected.rejections[rule] for rule in ERRORS}
    assert by_rule(left, "rejections") == [{}, refused, refused]


def test_the_delivery_has_ties_that_the_oracle_leaves_open(runs: Runs) -> None:
    tied = runs.expected.clients.values()
    assert any(rows[0].published != other.published for rows in tied for other in rows)


def test_tasks_failed_by_it_and_were_repeated(runs: Runs) -> None:
    assert runs.failed_tasks() > 0, runs.killed
