"""A run does exactly the work that `benchmarks/counts.json` lists."""

from __future__ import annotations

from pathlib import Path

from benchmarks import check


def test_a_run_does_the_work_that_is_committed(tmp_path: Path) -> None:
    different = check.differences(check.read_figures(check.FIGURES), check.count(tmp_path))
    assert not different, "\n" + check.report(different)
