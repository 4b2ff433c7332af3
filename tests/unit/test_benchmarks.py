"""The benchmarks' calculations, which processes count for a command, and the page."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from benchmarks.figures import Ratio, Round, Run, median, quietest, ratio
from benchmarks.measure import Measurement, measure
from benchmarks.page import Result, page
from benchmarks.run import sizes
from benchmarks.ways import FIRST_VERSION, LIMIT, OURS, STAGES

MEBIBYTE = 2**20


def run(seconds: float, stages: tuple[float, ...] = (), others: float = 0.01) -> Run:
    took = Measurement(0, seconds, 2 * seconds, 512 * MEBIBYTE, others)
    return Run(took, 1_234, dict(zip(STAGES, stages, strict=False)))


def one_round(first: float, ours: float, limit: float) -> Round:
    stages = (ours / 4, ours / 4, ours / 4)
    return {
        FIRST_VERSION.name: run(first),
        OURS.name: run(ours, stages),
        LIMIT.name: run(limit),
    }


# The machine was slow during the second round.
ROUNDS = (one_round(100, 40, 5), one_round(300, 150, 10), one_round(110, 55, 5))


def test_a_median_is_of_one_way_over_all_rounds() -> None:
    assert median(ROUNDS, OURS.name, lambda one: one.took.wall_seconds) == 55
    assert median(ROUNDS, FIRST_VERSION.name, lambda one: one.took.processor_seconds) == 220


def test_a_ratio_compares_within_each_round_and_not_the_medians() -> None:
    rounds = (one_round(100, 40, 5), one_round(200, 120, 5), one_round(110, 50, 5))
    # The medians' ratio would be 50 / 110.
    assert ratio(rounds, OURS.name, FIRST_VERSION.name) == Ratio(50 / 110, 0.4, 0.6)
    assert ratio(ROUNDS, OURS.name, FIRST_VERSION.name) == Ratio(0.5, 0.4, 0.5)
    assert ratio(ROUNDS, OURS.name, LIMIT.name) == Ratio(11, 8, 15)


def test_what_the_stages_leave_of_the_wall_time_is_outside() -> None:
    assert run(10, (1, 2, 3)).outside_seconds == 4


def test_the_rounds_that_others_disturb_least_are_kept_in_their_order() -> None:
    rounds = [{"way": run(10, others=share), "other": run(1)} for share in (0.2, 0.3, 0.02, 0.1)]
    assert quietest(rounds, 3) == [rounds[0], rounds[2], rounds[3]]
    assert quietest(rounds, 1) == [rounds[2]]


def test_a_scale_adds_a_delivery_and_keeps_the_usual_ones() -> None:
    assert sizes(1) == (30_000, 850_000)
    assert sizes(10) == (30_000, 850_000, 8_500_000)


def test_the_page_has_each_deliverys_ratios_memory_and_stages() -> None:
    text = page([Result(30_000, ROUNDS), Result(850_000, ROUNDS)], seed=7, warm_up=1_000)
    assert re.findall("^## (.*)$", text, re.MULTILINE)[:2] == [
        "3 x 30,000 rows",
        "3 x 850,000 rows",
    ]
    row = (
        "| `client-health run` | 55.0 s | **0.50** (0.40 to 0.50) | **11.00** (8.00 to 15.00) "
        "| 110.0 s | 0.50 GiB |"
    )
    assert text.count(row) == 2
    assert "| first version | 110.0 s | 1 | " in text
    assert text.count("| `02_transform` | 13.8 s |") == 2
    assert text.count("| outside the stages | 13.8 s |") == 2
    assert "1,234 rows published" in text
    assert "$" not in text


ORPHAN = """
import os, subprocess, sys, time
if len(sys.argv) == 1:
    # Ends at once: what it starts has no parent of its own any more, and a session of its own.
    child = [sys.executable, __file__, "orphan"]
    middle = f"import subprocess; subprocess.Popen({child!r}, start_new_session=True)"
    read, write = os.pipe()
    os.set_inheritable(write, True)
    subprocess.run([sys.executable, "-c", middle.replace("True)", "True, close_fds=False)")],
                   close_fds=False, check=True)
    os.close(write)
    os.read(read, 1)  # until the orphan has ended
    sys.exit(7)
held = bytearray(os.urandom(1 << 20) * 96)
while time.process_time() < 1:
    pass
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="measured on Linux only")
def test_processes_that_left_their_parent_and_session_are_counted(tmp_path: Path) -> None:
    script = tmp_path / "orphan.py"
    script.write_text(ORPHAN, "utf-8")
    took = measure([sys.executable, str(script)], tmp_path / "log", environment=dict(os.environ))
    assert (took.exit_code, (tmp_path / "log").read_text("utf-8")) == (7, "")
    assert took.processor_seconds >= 1
    assert took.peak_bytes >= 96 * MEBIBYTE
    assert took.wall_seconds > 0


CARELESS = """
import os, signal, subprocess, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
read, write = os.pipe()
burn = "import time\\nwhile time.process_time() < 2: pass"
subprocess.Popen([sys.executable, "-c", burn], pass_fds=[write])
os.close(write)
os.read(read, 1)  # until the child has ended
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="measured on Linux only")
def test_processor_time_counts_where_a_parent_ignores_its_childrens_ends(tmp_path: Path) -> None:
    took = measure([sys.executable, "-c", CARELESS], tmp_path / "log", environment=dict(os.environ))
    assert (took.exit_code, (tmp_path / "log").read_text("utf-8")) == (0, "")
    # The time after the last sample of such a child isn't measured.
    assert took.processor_seconds > 1
