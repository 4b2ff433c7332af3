"""Build an environment beside ``.venv``: ``python tools/side_environment.py emulator scan glue``.

The emulator of AWS pins its own botocore, the scanners of templates half a hundred packages, and
sessions that are to be like Glue's need what AWS documents and nothing else: each lives in
``.venv-<name>``, with the versions and hashes of its lock. When a lock is unchanged since the last
time, nothing is done.
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
NAMES = {"emulator": "emulator", "scan": "scan", "glue": "glue-5.1"}


def main() -> None:
    """Create or refresh environments, then mark which lock each was made from."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", choices=NAMES)
    for name in parser.parse_args().names:
        lock, home = ROOT / "locks" / f"{NAMES[name]}.txt", ROOT / f".venv-{name}"
        mark = home / ".ready"
        with lock.open("rb") as file:
            # Whoever comes second, as parallel tests do, waits for the first.
            fcntl.flock(file, fcntl.LOCK_EX)
            wanted = hashlib.file_digest(file, "sha256").hexdigest()
            if not mark.exists() or mark.read_text(encoding="ascii") != wanted:
                _make(home, lock)
                mark.write_text(wanted, encoding="ascii")


def _make(home: Path, lock: Path) -> None:
    started = time.monotonic()
    print(f"  {home.name} ...", flush=True)
    # From nothing: what an interrupted or older attempt left would stay beside the locked versions.
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
