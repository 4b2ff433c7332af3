"""Compare the three ways and write the page: `python -m benchmarks.run`, behind `make bench`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from benchmarks import deliveries
from benchmarks.deliveries import SEED
from benchmarks.figures import DISTURBED, Round, Run, disturbance, quietest
from benchmarks.measure import MeasureError, measure
from benchmarks.page import Result, page
from benchmarks.ways import WAYS, Way

ROOT = Path(__file__).resolve().parent.parent
DAY = 850_000
SIZES = (30_000, DAY)
WARM_UP = 1_000
_QUIET_SECONDS = 10.0


class BenchmarkError(Exception):
    """The comparison would be meaningless."""


@dataclasses.dataclass(frozen=True)
class Bench:
    """The benchmark's folder of deliveries and results.

    Parameters
    ----------
    folder : Path
        Folder for deliveries, published data, and the commands' output.
    """

    folder: Path

    def delivery(self, rows: int) -> Path:
        """Return the folder of a delivery without rejected rows; create it if it is missing."""
        raw = self.folder / f"raw-{rows}-{SEED}"
        complete = raw / ".complete"
        if not complete.exists():
            deliveries.write(raw, rows, "--defects", "all=0", "--force")
            complete.touch()
        for path in raw.iterdir():
            with path.open("rb") as file:
                while file.read(1 << 24):
                    pass
        return raw

    def once(self, way: Way, raw: Path) -> Run:
        """Run one way on a delivery, and remove what it published.

        Raises
        ------
        BenchmarkError
            If it fails.
        """
        out, log = self.folder / "published", self.folder / f"{way.name.replace(' ', '-')}.log"
        shutil.rmtree(out, ignore_errors=True)
        # Pending writes of the previous run must not slow this one.
        os.sync()
        environment = {
            **os.environ,
            # As in an activated environment: Spark starts its workers with the first `python3`.
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
            # The benchmark has its own id key, created on first use.
            "XDG_CONFIG_HOME": str(self.folder / "config"),
        }
        took = measure(way.command(raw, out), log, environment=environment)
        if took.exit_code:
            raise BenchmarkError(f"{way.name} ended with exit code {took.exit_code}: see {log}")
        run = Run(took, way.rows(out), way.stages(out))
        shutil.rmtree(out)
        return run

    def round(self, raw: Path) -> Round:
        """Run each way once, one after the other.

        Raises
        ------
        BenchmarkError
            If a way fails, or the ways do not publish the same number of rows.
        """
        runs: dict[str, Run] = {}
        for way in WAYS:
            runs[way.name] = run = self.once(way, raw)
            say(
                f"  {way.name}: {run.took.wall_seconds:.1f} s, "
                f"{run.took.processor_seconds:.1f} s of processor time, "
                f"{run.took.peak_bytes / 2**30:.2f} GiB, {run.rows:,} rows, "
                f"others {run.took.others_share:.0%}"
            )
        if len({run.rows for run in runs.values()}) != 1:
            counts = ", ".join(f"{name} {run.rows:,}" for name, run in runs.items())
            raise BenchmarkError(f"the ways publish different numbers of rows: {counts}")
        return runs

    def compare(self, rows: int, rounds: int, *, wait: float) -> Iterator[Result]:
        """Run all rounds on a delivery with `rows` rows per source; yield the result after each.

        A round that other programs disturb is repeated. At most three times the requested number of
        rounds are run, and the quietest are kept.
        """
        raw = self.delivery(rows)
        found: list[Round] = []
        quiet = 0
        while quiet < rounds and len(found) < 3 * rounds:
            wait_until_quiet(wait)
            say(f"3 x {rows:,} rows, round {len(found) + 1}")
            found.append(self.round(raw))
            if disturbance(found[-1]) <= DISTURBED:
                quiet += 1
            else:
                say(f"  other programs used {disturbance(found[-1]):.0%} of the processors")
            yield Result(rows, quietest(found, rounds))


def wait_until_quiet(seconds: float) -> None:
    """Wait at most this many seconds until other programs use few processors."""
    deadline = time.monotonic() + seconds
    while (busy := psutil.cpu_percent(_QUIET_SECONDS) / 100) > DISTURBED:
        if time.monotonic() > deadline:
            say(f"continuing, although other programs use {busy:.0%} of the processors")
            return


def say(line: str) -> None:
    """Report progress."""
    print(line, file=sys.stderr, flush=True)


def sizes(scale: int) -> tuple[int, ...]:
    """Return the rows per source of all deliveries: a small one, a day's, and a multiple of it."""
    return SIZES if scale == 1 else (*SIZES, DAY * scale)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write the page, and keep the single measurements next to the deliveries."""
    parser = argparse.ArgumentParser(prog="benchmarks.run", description=main.__doc__)
    parser.add_argument(
        "--scale", type=int, default=1, help="also run a delivery this many times a day's"
    )
    parser.add_argument("--rows", type=int, nargs="+", help="rows per source, not the usual ones")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each delivery")
    parser.add_argument("--wait", type=float, default=0, help="seconds to wait for a quiet machine")
    parser.add_argument("--folder", type=Path, default=ROOT / "data" / "bench")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "performance.md")
    given = parser.parse_args(arguments)
    if given.scale < 1 or given.rounds < 1:
        parser.error("--scale and --rounds must be 1 or more")
    bench = Bench(given.folder.resolve())
    results: list[Result] = []
    try:
        bench.folder.mkdir(parents=True, exist_ok=True)
        say(f"3 x {WARM_UP:,} rows, not counted")
        bench.round(bench.delivery(WARM_UP))
        for rows in given.rows or sizes(given.scale):
            done = tuple(results)
            for result in bench.compare(rows, given.rounds, wait=given.wait):
                results = [*done, result]
                # Written after each round, so that an interruption loses nothing.
                given.page.write_text(page(results, seed=SEED, warm_up=WARM_UP), "utf-8")
                kept = json.dumps([dataclasses.asdict(one) for one in results], indent=2)
                (bench.folder / "results.json").write_text(kept + "\n", "utf-8")
    except (BenchmarkError, MeasureError, subprocess.CalledProcessError) as problem:
        sys.exit(f"benchmarks: {problem}")
    say(f"written: {given.page}")


if __name__ == "__main__":
    main()
