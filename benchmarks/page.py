"""The page of figures, `docs/performance.md`."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from string import Template

import psutil

from benchmarks.check import TOLERANCE
from benchmarks.figures import DISTURBED, Ratio, Round, Run, disturbance, median, ratio
from benchmarks.ways import FIRST_VERSION, LIMIT, OURS, STAGES, WAYS

_TEXT = Path(__file__).with_suffix(".md")
_TABLE = """\
| way | wall time | of the first version's | of the limit's | processor time | peak memory |
| --- | --- | --- | --- | --- | --- |
"""


@dataclass(frozen=True)
class Result:
    """Measurements on one delivery.

    Parameters
    ----------
    rows : int
        Rows of each source.
    rounds : sequence of Round
        Rounds with one run of each way.
    """

    rows: int
    rounds: Sequence[Round]


def page(results: Sequence[Result], *, seed: int, warm_up: int) -> str:
    """Return the complete page.

    Parameters
    ----------
    results : sequence of Result
        Results by size of the delivery; at least one.
    seed : int
        Seed of the deliveries.
    warm_up : int
        Rows of each source in the unmeasured first run.
    """
    return Template(_TEXT.read_text("utf-8")).substitute(
        first=FIRST_VERSION.name,
        ours=OURS.name,
        limit=LIMIT.name,
        warm_up=f"3 x {warm_up:,}",
        circumstances=_circumstances(results, seed),
        results="\n".join(map(_delivery, results)),
        rounds=_in_words(len(results[0].rounds)),
        disturbed=f"{DISTURBED:.0%}",
        tolerance=f"{TOLERANCE:.0%}",
    )


def _circumstances(results: Sequence[Result], seed: int) -> str:
    memory = psutil.virtual_memory().total / 2**30
    versions = [f"this project {metadata.version('client-health')}"]
    versions += [f"{name} {metadata.version(name)}" for name in ("pyspark", "duckdb", "papermill")]
    taken = [disturbance(one) for result in results for one in result.rounds]
    return (
        f"- **Date**: {datetime.now(tz=UTC):%Y-%m-%d}\n"
        f"- **Machine**: {psutil.cpu_count()} cores, {memory:.0f} GiB of memory, "
        f"{platform.system()}\n"
        f"- **Versions**: Python {platform.python_version()}, {_java()}, {', '.join(versions)}\n"
        f"- **Deliveries**: seed {seed}\n"
        f"- **Other programs** took at most {max(taken):.0%} of the processors during a run\n"
    )


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else "java"
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    words = answer.stderr.split('"')
    return f"Java {words[1]}" if len(words) > 1 else "Java unknown"


def _delivery(result: Result) -> str:
    published = result.rounds[0][OURS.name].rows
    rows = "".join(_row(result.rounds, way.name) for way in WAYS)
    count = len(result.rounds)
    rounds = "one round" if count == 1 else f"{_in_words(count)} rounds, medians"
    return (
        f"## 3 x {result.rows:,} rows\n\n"
        f"{published:,} rows published, {rounds}.\n\n"
        f"{_TABLE}{rows}\n{_breakdown(result.rounds)}"
    )


def _row(rounds: Sequence[Round], way: str) -> str:
    def found(value: Callable[[Run], float]) -> float:
        return median(rounds, way, value)

    cells = [
        f"`{way}`" if way == OURS.name else way,
        f"{found(lambda run: run.took.wall_seconds):.1f} s",
        _ratio(ratio(rounds, way, FIRST_VERSION.name)),
        _ratio(ratio(rounds, way, LIMIT.name)),
        f"{found(lambda run: run.took.processor_seconds):.1f} s",
        f"{found(lambda run: run.took.peak_bytes) / 2**30:.2f} GiB",
    ]
    return f"| {' | '.join(cells)} |\n"


def _ratio(given: Ratio) -> str:
    if given.lowest == given.highest == 1:
        return "1"
    return f"**{given.median:.2f}** ({given.lowest:.2f} to {given.highest:.2f})"


def _breakdown(rounds: Sequence[Round]) -> str:
    parts: Mapping[str, float] = {
        **{f"`{stage}`": _stage(rounds, stage) for stage in STAGES},
        "outside the stages": median(rounds, OURS.name, lambda run: run.outside_seconds),
    }
    rows = "".join(f"| {name} | {seconds:.1f} s |\n" for name, seconds in parts.items())
    return f"| `{OURS.name}`, by stage | wall time |\n| --- | --- |\n{rows}"


def _stage(rounds: Sequence[Round], stage: str) -> float:
    return median(rounds, OURS.name, lambda run: run.stages[stage])


def _in_words(count: int) -> str:
    return {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"}.get(count, str(count))
