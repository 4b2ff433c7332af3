"""Build the virtual environment of the project: ``make setup``.

Only the standard library is needed to start. uv is installed first, with a locked hash, because it
installs the rest in seconds. All versions and hashes come from ``locks/``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WANTED = (3, 11)


def _run(step: str, command: list[str], **environment: str) -> None:
    print(f"  {step} ...", flush=True)
    started = time.monotonic()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"{done.stdout}\nsetup stopped at: {step}")
    print(f"  {step}: {time.monotonic() - started:.0f} s", flush=True)


def _packages() -> list[Path]:
    """List the packages of the workspace."""
    return [*(path.parent for path in ROOT.glob("lib/*/pyproject.toml")), ROOT / "jobs"]


def main() -> None:
    """Create or refresh the environment, then mark it ready."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, required=True)
    home = parser.parse_args().venv.absolute()
    if sys.version_info[:2] != WANTED:
        sys.exit(
            f"Python {WANTED[0]}.{WANTED[1]} is needed (AWS Glue 5.1 runs it); this is "
            f"{sys.version.split()[0]}. Try: make PYTHON=python3.11 ..."
        )
    java = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "java_home.py")],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if java.returncode != 0:
        sys.exit(java.returncode)
    print("setting up .venv (a minute or two the first time)", flush=True)
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home)
    _run("pip", [str(python), "-m", "ensurepip"])
    installer = [str(python), "-m", "pip", "install", "--quiet", "--require-hashes"]
    _run("installer", [*installer, "-r", "locks/bootstrap.txt"])
    uv = [str(python), "-m", "uv", "pip"]
    # Like pip, trust the certificates that this machine trusts.
    at = ["--python", str(python), "--quiet", "--system-certs"]
    _run(
        "Python packages",
        [
            *(*uv, "sync", *at, "--require-hashes", "--build-constraints", "locks/build.txt"),
            *("locks/bootstrap.txt", "locks/dev.txt"),
        ],
    )
    # If bytecode is not written on import, every start would compile everything again. Nobody
    # imports the packages' own tests.
    _run(
        "bytecode",
        [
            *(str(python), "-m", "compileall", "-q", str(home / "lib"), "-j", "0"),
            *("-x", "site-packages/(.*/)?tests?/"),
        ],
    )
    ours = [word for path in sorted(_packages()) for word in ("-e", str(path))]
    _run("this project", [*uv, "install", *at, "--no-deps", "--no-build-isolation", *ours])
    _run("Spark's jars", [str(python), "-m", "glue_local.prepare"], JAVA_HOME=java.stdout.strip())
    (home / ".ready").touch()


if __name__ == "__main__":
    main()
