"""Build environments next to ``.venv``: ``python tools/side_environment.py emulator scan``.

The emulator of AWS pins its own botocore; the template scanners, the SAM CLI, and the reader of
data contracts pin 50 to 90 packages each; and sessions like Glue's need only what AWS documents. So
each has its own ``.venv-<name>``, with the versions and hashes of its lock. If a lock is unchanged
since the last time, nothing is done.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMES = {"glue": "glue-5.1"} | {name: name for name in ("contract", "emulator", "sam", "scan")}


def main() -> None:
    """Create or refresh environments, then mark which lock each was built from."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", choices=NAMES)
    for name in parser.parse_args().names:
        lock, home = ROOT / "locks" / f"{NAMES[name]}.txt", ROOT / f".venv-{name}"
        mark = home / ".ready"
        with lock.open("rb") as file:
            # If two start at once, as in parallel tests, the second waits for the first.
            fcntl.flock(file, fcntl.LOCK_EX)
            wanted = hashlib.file_digest(file, "sha256").hexdigest()
            if not mark.exists() or mark.read_text(encoding="ascii") != wanted:
                _make(home, lock)
                mark.write_text(wanted, encoding="ascii")


def _make(home: Path, lock: Path) -> None:
    started = time.monotonic()
    print(f"  {home.name} ...", flush=True)
    # From scratch: packages of an interrupted or older attempt would stay.
    shutil.rmtree(home, ignore_errors=True)
    _run("venv", "--python", sys.executable, str(home))
    _run(
        *("pip", "sync", "--python", str(home / "bin" / "python"), "--system-certs"),
        *("--require-hashes", "--compile-bytecode", str(lock)),
    )
    print(f"  {home.name}: {time.monotonic() - started:.0f} s", flush=True)


def _run(*arguments: str) -> None:
    command = [sys.executable, "-m", "uv", *arguments, "--quiet"]
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{done.stdout}\nthis stopped: uv {' '.join(arguments)}")


if __name__ == "__main__":
    main()
