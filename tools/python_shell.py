"""Create a root folder like AWS Glue's Python Shell: ``python tools/python_shell.py``.

It has Debian 11's Python 3.9, the two packages that AWS documents for ``library-set: none``, and
their dependencies (``locks/python-shell.txt``). It is created once per machine, in the user's cache
folder, from apt's configured mirror or ``PYTHON_SHELL_MIRROR``. Job runs of the local service start
in it (``--python-shell``). Only root can create it and start programs in it: for other users, this
prints one line about what is not run.
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
# Package folder of Debian's own Python, after the standard library.
_PACKAGES = f"usr/local/lib/python{PYTHON}/dist-packages"
# Not needed at run time: a quarter of the size.
_UNUSED = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale")
# Change this when the same lock must give a different root.
_LAYOUT = "1"


class NotMadeError(Exception):
    """The root can't be created here."""


def location() -> Path:
    """Return the path of this lock's root, whether it exists or not."""
    base = os.environ.get("XDG_CACHE_HOME")
    cache = (Path(base) if base else Path.home() / ".cache") / "client-health"
    facts = "\n".join([_LAYOUT, SUITE, PYTHON, *_UNUSED]).encode()
    stamp = hashlib.sha256(facts + LOCK.read_bytes()).hexdigest()[:16]
    return cache / "python-shell" / stamp


def find() -> Path | None:
    """Return the root, if it exists and this process can start programs in it."""
    root = location()
    return root if root.exists() and not obstacle() else None


def obstacle() -> str:
    """Return why no program can be started in such a root; empty if one can."""
    if (sys.platform, platform.machine()) != ("linux", _MACHINE):
        return f"it needs Linux on {_MACHINE}"
    if os.geteuid() != 0:
        return "it needs root"
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    if shutil.which(command[0]) is None or subprocess.run(command, check=False).returncode != 0:
        return "this root may not mount anything"
    return ""


def make() -> Path:
    """Create the root, unless it exists.

    Returns
    -------
    Path
        The root.

    Raises
    ------
    NotMadeError
        The root can't be created here.
    """
    if reason := obstacle():
        raise NotMadeError(reason)
    root = location()
    root.parent.mkdir(parents=True, exist_ok=True)
    with (root.parent / ".lock").open("w") as lock:
        # If two start at once, as in parallel tests, the second waits for the first.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            print(f"  Python Shell's Python {PYTHON} ...", flush=True)
            started = time.monotonic()
            # Next to it, so that the last step is a rename: nothing uses half a root.
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
        # Until its lists exist, apt names no mirror.
        _run(["apt-get", "update", "-qq"])
        mirrors = mirrors or _mirrors()
    if shutil.which("debootstrap") is None:
        needed = ("debootstrap", "debian-archive-keyring")
        _run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *needed])
    # It mounts /proc there, so it runs in its own namespace, which removes the mount.
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
        why = failures[-1] if failures else "apt has no mirror of Debian configured"
        raise NotMadeError(f"{why}; {MIRROR} names another mirror")
    for unused in _UNUSED:
        shutil.rmtree(root / unused, ignore_errors=True)
    (root / "etc" / "hosts").write_text("127.0.0.1 localhost\n", encoding="ascii")


def _mirrors() -> list[str]:
    """Return the mirrors to try: the requested one, or those of apt."""
    if asked := os.environ.get(MIRROR):
        return [asked]
    command = ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"]
    sites = _run([*command, "Origin: Debian"]).split()
    return [site for site in dict.fromkeys(sites) if "security" not in site]


def _install(root: Path) -> None:
    # From outside: the root has no installer, nor the distutils that an installer needs.
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
    """Create the root, or print one line about what is not run without it."""
    try:
        make()
    except NotMadeError as error:
        print(f"  no Python Shell ({error}): the tests of the job in it are not run")


if __name__ == "__main__":
    main()
