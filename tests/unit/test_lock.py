"""A run has one process, and an erasure has the lake to itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from register_run import RunInProgress, lock

WORK: dict[str, Callable[[str], AbstractContextManager[None]]] = {
    "a run": lambda lake: lock.held(lake, "r1"),
    "upkeep": lock.shared,
    "an erasure": lock.alone,
}


@pytest.mark.parametrize("first", WORK)
@pytest.mark.parametrize("second", WORK)
def test_an_erasure_keeps_others_away_and_others_keep_it_away(
    tmp_path: Path, first: str, second: str
) -> None:
    lake = str(tmp_path)
    with WORK[first](lake):
        if "an erasure" in {first, second} or first == second == "a run":
            with pytest.raises(RunInProgress), WORK[second](lake):
                pass
        else:
            with WORK[second](lake):
                pass
    with WORK[second](lake):
        pass


def test_two_runs_of_a_lake_do_not_wait_for_each_other(tmp_path: Path) -> None:
    with lock.held(str(tmp_path), "r1"), lock.held(str(tmp_path), "r2"):
        pass


def test_there_is_no_lock_in_s3() -> None:
    with lock.held("s3://bucket/lake", "r1"), lock.shared("s3://bucket/lake"):
        pass
