"""Make a root folder as AWS Glue's Python Shell is: ``python tools/python_shell.py``.

Debian 11's Python 3.9 with the two packages that AWS documents for ``library-set: none``, and what
these two need (``locks/python-shell.txt``). Made once a machine, in the user's cache folder, from
the mirror that apt is configured with, or ``PYTHON_SHELL_MIRROR``. Job runs of the local service
start in it (``--python-shell``). Only root can make one and start something in it: for everybody
else this says in one line what is then not run.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "locks" / "python-shell.txt"
SUITE = "bullseye"
PYTHON = "3.9"
MIRROR = "PYTHON_SHELL_MIRROR"
# What the job's packages are for.
_MACHINE = "x86_64"
# Of Debian's own Python, after the standard library.
_PACKAGES = f"usr/local/lib/python{PYTHON}/dist-packages"
# Nothing that runs: a quarter of the size.
_UNUSED = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale")
# Changes when the same lock is to be made into another root.
_LAYOUT = "1"


class NotMadeError(Exception):
    """The root can't be made here."""


def location() -> Path:
    """Return where the root of this lock is kept, whether it is there or not."""
    base = os.environ.get("XDG_CACHE_HOME")
    cache = (Path(base) if base else Path.home() / ".cache") / "client-health"
    facts = "\n".join([_LAYOUT, SUITE, PYTHON, *_UNUSED]).encode()
    stamp = hashlib.sha256(facts + LOCK.read_bytes()).hexdigest()[:16]
    return cache / "python-shell" / stamp


def find() -> Path | None:
    """Return the root, if it was made and this process can start something in it."""
    root = location()
    return root if root.exists() and not obstacle() else None


def obstacle() -> str:
    """Say why nothing can be started in such a root; empty when it can."""
    if (sys.platform, platform.machine()) != ("linux", _MACHINE):
        return f"it needs Linux on {_MACHINE}"
    if os.geteuid() != 0:
        return "it needs root"
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    if shutil.which(command[0]) is None or subprocess.run(command, check=False).returncode != 0:
        return "this root may not mount anything"
    return ""


def make() -> Path:
    """Make the root, unless it is there.

    Returns
    -------
    Path
        The root.

    Raises
    ------
    NotMadeError
        It can't be made here.
    """
    if reason := obstacle():
        raise NotMadeError(reason)
    root = location()
    root.parent.mkdir(parents=True, exist_ok=True)
    with (root.parent / ".lock").open("w") as lock:
        # Whoever comes second, as parallel tests do, waits for the first.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            print(f"  Python Shell's Python {PYTHON} ...", flush=True)
            started = time.monotonic()
            # Beside it, so that the last step is one rename: nobody sees half a root.
            with tempfile.TemporaryDirectory(dir=root.parent, prefix=".make-") as name:
                building = Path(name) / "root"
                _bootstrap(building)
                _install(building)
                building.rename(root)
            print(f"  Python Shell: {time.monotonic() - started:.0f} s", flush=True)
    return root


def _bootstrap(root: Path) -> None:
    mirrors = _mirrors()
    if shutil.which("debootstrap") is None or not mirrors:
        # Until its lists are there, apt names no mirror either.
        _run(["apt-get", "update", "-qq"])
        mirrors = mirrors or _mirrors()
    if shutil.which("debootstrap") is None:
        needed = ("debootstrap", "debian-archive-keyring")
        _run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *needed])
    # It mounts /proc there: in a namespace of its own nothing of that can stay.
    command = ["unshare", "--mount", "debootstrap"]
    command += ["--variant=minbase", f"--include=python{PYTHON}", SUITE, str(root)]
    failures = []
    for mirror in mirrors:
        try:
            _run([*command, mirror])
        except NotMadeError as error:
            failures.append(str(error))
            shutil.rmtree(root, ignore_errors=True)
        else:
            break
    else:
        why = failures[-1] if failures else "apt is configured with no mirror of Debian"
        raise NotMadeError(f"{why}; {MIRROR} names another mirror")
    for unused in _UNUSED:
        shutil.rmtree(root / unused, ignore_errors=True)
    (root / "etc" / "hosts").write_text("127.0.0.1 localhost\n", encoding="ascii")


def _mirrors() -> list[str]:
    """Return the mirrors to try: the one that is asked for, or those of apt."""
    if asked := os.environ.get(MIRROR):
        return [asked]
    command = ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"]
    sites = _run([*command, "Origin: Debian"]).split()
    return [site for site in dict.fromkeys(sites) if "security" not in site]


def _install(root: Path) -> None:
    # From outside: there is no installer in it, as little as the distutils that one would need.
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--system-certs"]
    command += ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--requirement"]
    command += [str(LOCK), "--target", str(root / _PACKAGES), "--python-version", PYTHON]
    _run([*command, "--python-platform", f"{_MACHINE}-unknown-linux-gnu"])
    shutil.rmtree(root / _PACKAGES / "bin", ignore_errors=True)
    places = [f"/usr/lib/python{PYTHON}", f"/{_PACKAGES}"]
    _run(["chroot", str(root), f"python{PYTHON}", "-m", "compileall", "-q", *places])


def _run(command: list[str]) -> str:
    if shutil.which(command[0]) is None:
        raise NotMadeError(f"{command[0]} is not installed")
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"}
    )
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["no reason given"]
        raise NotMadeError(f"{command[0]} said {words[-1]!r}")
    return done.stdout


def main() -> None:
    """Make it, or say in one line what is not run without."""
    try:
        make()
    except NotMadeError as error:
        print(f"  no Python Shell ({error}): the tests of the job in it are not run")


if __name__ == "__main__":
    main()
