"""Count what a run does, and compare it with the committed figures: `make bench-check`.

`client-health run` publishes a small delivery, with rejected rows and duplicates, into a new lake.
Its work is counted and compared with `benchmarks/counts.json`, so that more work on the data path
is noticed on any machine, however fast. Spark's work depends on the number of cores, so it always
gets two (`local[2]`).

- **Exact**: rows, SQL executions, jobs, stages, tasks, scans, passes through Python, sorts,
  broadcasts, shuffles, API calls, files, and commits. They are the same for the same input.
- **Within 2%**: sizes in bytes. They are the same in every run, but compressors may work
  differently on another processor.
- **Left out**: GetSession and GetStatement, which poll until something has ended. Their number
  depends on time.

A difference in either direction fails: if the figures were higher than the work of a run, the work
could grow unnoticed. `--write` commits to the new counts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import counts, deliveries
from benchmarks.counts import CountError, Counts
from benchmarks.ways import OURS
from glue_local import LocalService, ServiceStartError

ROOT = Path(__file__).resolve().parent.parent
FIGURES = Path(__file__).with_name("counts.json")
# Enough for two tasks after the shuffle.
ROWS = 15_000
# A fixed day: the files' day is that of the check.
AS_OF = "2026-01-31"
MASTER = "local[2]"
TOLERANCE = 0.02
# Ids, and so the sizes of files with them, depend on the key.
_KEY = "c0de" * 16
# On a busy machine, Spark takes longer than usual to finish its event log.
_STOP_SECONDS = 25
_SHOWN_CHARACTERS = 2_000


@dataclass(frozen=True)
class Difference:
    """A count that differs from the committed figure.

    Parameters
    ----------
    name : str
    committed, found : int or None
        None if the count is missing.
    """

    name: str
    committed: int | None
    found: int | None

    @property
    def is_more(self) -> bool:
        """Whether the count is higher than committed."""
        return self.committed is None or (self.found or 0) > self.committed

    @property
    def meaning(self) -> str:
        """Its meaning, in two words."""
        if self.name.startswith(f"{counts.ROWS}:"):
            return "other rows"
        return "more work" if self.is_more else "less work"


def differences(committed: Counts, found: Counts) -> list[Difference]:
    """Return the counts that differ by more than allowed, those found first.

    Parameters
    ----------
    committed, found : mapping of str to int
        The committed figures, and the new counts.
    """
    names = dict.fromkeys((*found, *committed))
    compared = [Difference(name, committed.get(name), found.get(name)) for name in names]
    return [one for one in compared if not _agree(one)]


def _agree(one: Difference) -> bool:
    if one.committed is None or one.found is None:
        return False
    allowed = TOLERANCE * one.committed if one.name.endswith("bytes") else 0
    return abs(one.found - one.committed) <= allowed


def report(found: Sequence[Difference]) -> str:
    """Return a table of the differences, and what to do about them.

    Parameters
    ----------
    found : sequence of Difference
        At least one.
    """
    rows = [("count", "committed", "found", "")]
    rows += [(one.name, _number(one.committed), _number(one.found), one.meaning) for one in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = [
        f"{name:<{widths[0]}}  {committed:>{widths[1]}}  {number:>{widths[2]}}  {meaning}".rstrip()
        for name, committed, number, meaning in rows
    ]
    meanings = {one.meaning for one in found}
    return "\n".join([*table, "", *(_STEPS[one] for one in _STEPS if one in meanings), _LAST_STEP])


_STEPS = {
    "other rows": "Other rows than committed: the delivery or the rules have changed, and the work "
    "with them.",
    "more work": "More work than committed: find out why. It is a defect unless it is intended.",
    "less work": "Less work than committed: lower the figures, so that they stay true.",
}
_LAST_STEP = (
    "When you know the reason: make bench-check WRITE=1 writes the new counts to "
    "benchmarks/counts.json, for the commit that changes them."
)


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def count(folder: Path) -> Counts:
    """Publish the delivery once, and count the work.

    Parameters
    ----------
    folder : Path
        Empty folder for the delivery, the lake, and the logs.

    Raises
    ------
    CountError
        If the run fails, or its logs are incomplete.
    """
    raw, lake, events = folder / "raw", folder / "lake", folder / "events"
    calls, key = folder / "calls.jsonl", folder / "id.key"
    deliveries.write(raw, ROWS)
    events.mkdir()
    key.touch(mode=0o600)
    key.write_text(_KEY, "ascii")
    settings = {
        "spark.master": MASTER,
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": events.as_uri(),
        "spark.eventLog.compress": "false",
    }
    arguments = ("--call-log", str(calls), "--stop-seconds", str(_STOP_SECONDS))
    with LocalService(spark_conf=settings, arguments=arguments) as service:
        given = {
            "--as-of": AS_OF,
            "--id-key": str(key),
            "--notebooks": str(ROOT / "notebooks"),
            "--sessions": service.endpoint,
        }
        options = [word for option in given.items() for word in option]
        done = subprocess.run(
            [*OURS.command(raw, lake), "--keep-staging", *options],
            env=service.client_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        said = (done.stdout + done.stderr)[-_SHOWN_CHARACTERS:]
        raise CountError(f"client-health run ended with exit code {done.returncode}:\n{said}")
    return {
        **counts.of_rows(lake),
        **counts.of_spark(counts.read_events(events, MASTER), counts.read_starts(lake)),
        **counts.of_calls(calls.read_text("utf-8").splitlines()),
        **counts.of_lake(lake),
    }


def read_figures(path: Path) -> Counts:
    """Return the committed figures; none if there is no file."""
    if not path.exists():
        return {}
    figures: dict[str, int] = json.loads(path.read_text("utf-8"))
    return figures


def write_figures(path: Path, found: Mapping[str, int]) -> None:
    """Write the new counts as the committed figures."""
    path.write_text(json.dumps(found, indent=2) + "\n", "utf-8")


def agrees(found: Counts, figures: Path, *, write: bool) -> bool:
    """Print how the counts differ from the figures; return whether they agree.

    Parameters
    ----------
    found : mapping of str to int
    figures : Path
        File of the committed figures.
    write : bool
        Whether to write the new counts, so that they agree.
    """
    different = differences(read_figures(figures), found)
    if write:
        write_figures(figures, found)
    print(report(different) if different else f"{len(found)} counts are as committed")
    return write or not different


def main(arguments: Sequence[str] | None = None) -> None:
    """Count what a run does; exit with 1 if it differs from the committed figures."""
    parser = argparse.ArgumentParser(prog="benchmarks.check", description=main.__doc__)
    parser.add_argument("--write", action="store_true", help="write the new counts")
    parser.add_argument("--figures", type=Path, default=FIGURES, help="the committed figures")
    given = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-check-") as folder:
            found = count(Path(folder))
    except (CountError, ServiceStartError, subprocess.CalledProcessError) as problem:
        sys.exit(f"benchmarks: {problem}")
    if not agrees(found, given.figures, write=given.write):
        sys.exit(1)


if __name__ == "__main__":
    main()
