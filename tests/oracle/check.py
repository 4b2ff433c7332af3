"""Compare the pipeline with the oracle on many generated deliveries.

    python -m tests.oracle.check --seeds 1-20 --rows 3000
    python -m tests.oracle.check --seeds 7 --rows 300 --parts --keep folder

Each seed gives a new delivery, which the real ``client-health run`` publishes into a new lake. One
line per seed shows whether every published row, rejected row, and count is as expected; otherwise,
the differences follow. ``--parts`` writes each source in several files, compressed and with other
types. ``--keep`` keeps deliveries and lakes for inspection. The exit code is 1 if a seed differs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from . import compare, dirty
from .register import expect

KEY = "5eed" * 16


def check(folder: Path, seed: int, rows: int, **how: bool) -> list[str]:
    """Run one seed's delivery and return the differences."""
    key = folder / "id.key"
    key.write_text(KEY)
    key.chmod(0o600)
    delivery = dirty.write(folder / "raw", rows, seed, **how)
    expected = expect(delivery.sources, KEY.encode(), delivery.as_of)
    done = compare.run(delivery, folder / "lake", key)
    if done.returncode:
        return [f"exit code {done.returncode}: {done.stderr[-2000:]}"]
    return compare.differences(expected, compare.look(folder / "lake"))


def main() -> int:
    """Check the requested seeds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", default="1-5", help="one, or first-last")
    parser.add_argument("--rows", type=int, default=1500, help="of each source")
    parser.add_argument("--parts", action="store_true", help="each source in several files")
    parser.add_argument("--disputed", action="store_true", help="what Spark takes otherwise, too")
    parser.add_argument("--ancient", action="store_true", help="dates before 1582, too")
    parser.add_argument("--keep", type=Path, help="a folder for deliveries and lakes")
    asked = parser.parse_args()
    how = {"parts": asked.parts, "disputed": asked.disputed, "ancient": asked.ancient}
    first, _, last = asked.seeds.partition("-")
    differ = 0
    with tempfile.TemporaryDirectory() as scratch:
        for seed in range(int(first), int(last or first) + 1):
            folder = (asked.keep or Path(scratch)) / str(seed)
            folder.mkdir(parents=True)
            began = time.monotonic()
            found = check(folder, seed, asked.rows, **how)
            ended = "agree" if not found else "DIFFER"
            print(f"seed {seed}: {ended}, {time.monotonic() - began:.0f} s", flush=True)
            if found:
                differ += 1
                print(compare.shown(found, 60), flush=True)
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
