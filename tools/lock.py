"""Resolve the locked versions again: ``make lock``.

The files in ``locks/`` contain versions and hashes but no index host, so that every machine uses
the index that it is configured for.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMON = ["--generate-hashes", "--no-emit-index-url", "--no-header", "--no-annotate", "-q"]
# jsonschema uses it to check addresses, which this project doesn't need. If it is installed, every
# process that reads a notebook builds its grammar, which takes a second of processor time.
WITHOUT = ["--no-emit-package", "rfc3987-syntax", "--no-emit-package", "lark"]
LIBRARY, JOB = "lib/client_health/pyproject.toml", "jobs/pyproject.toml"
PACKAGES = [*sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("lib/*/pyproject.toml")), JOB]
# The workspace's own packages need each other, and come from here.
OWN = [
    word
    for path in PACKAGES
    for word in (
        "--no-emit-package",
        tomllib.loads((ROOT / path).read_text(encoding="utf-8"))["project"]["name"],
    )
]
LOCKS: dict[str, list[str]] = {
    "bootstrap.txt": ["--python-version", "3.11", "--universal", "locks/bootstrap.in"],
    "build.txt": ["--python-version", "3.11", "--universal", "locks/build.in"],
    "dev.txt": [
        *("--python-version", "3.11", "--universal", "--all-extras", "--group", "dev"),
        *(*WITHOUT, *OWN, *PACKAGES),
    ],
    "emulator.txt": ["--python-version", "3.11", "--universal", "locks/emulator.in"],
    # AWS's list is complete: a package that it does not name is not there.
    "glue-5.1.txt": ["--python-version", "3.11", "--universal", "--no-deps", "locks/glue-5.1.in"],
    # What the library needs beside what AWS Glue brings; infra/library.py ships it.
    "session.txt": [
        *("--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_28"),
        *("--constraint", "locks/glue-5.1.in", *OWN, LIBRARY),
    ],
    "contract.txt": ["--python-version", "3.11", "--universal", "locks/contract.in"],
    "scan.txt": ["--python-version", "3.11", "--universal", "locks/scan.in"],
    "sam.txt": ["--python-version", "3.11", "--universal", "locks/sam.in"],
    # AWS Glue's own two packages contradict each other, so dependencies are listed, not resolved.
    "python-shell.txt": ["--python-version", "3.9", "--no-deps", "locks/python-shell.in"],
    "runner-py39.txt": ["--python-version", "3.9", *WITHOUT, *OWN, JOB],
}


def main() -> None:
    """Write every lock file; extra arguments (``--upgrade``) go to the resolver."""
    for name, arguments in LOCKS.items():
        output = ROOT / "locks" / name
        print(f"locking {output.relative_to(ROOT)}", flush=True)
        subprocess.run(
            [
                *(sys.executable, "-m", "uv", "pip", "compile", *COMMON, *arguments),
                *("--output-file", str(output), *sys.argv[1:]),
            ],
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
        )


if __name__ == "__main__":
    main()
