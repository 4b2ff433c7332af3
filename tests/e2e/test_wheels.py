"""A wheel of each package can be installed and imported alone, in an empty environment."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tools.build_wheels import CARRIED, EXTRAS, build

IMPORTED = {
    "client_health": ["client_health", "register_contract.contract"],
    # In papermill's order: papermill itself is imported first.
    "strict_glue": ["papermill.engines", "strict_glue.engine", "strict_glue.kernel"],
    "register_run": ["register_run.runner"],
    "glue_local": ["glue_local.launch", "glue_local.api.server"],
    "client_health_cli": ["client_health_cli.main", "client_health_cli.sample_data"],
}
# Its names need Spark, which AWS Glue brings and the wheel doesn't ask for.
NEEDS_GLUE = {"client_health"}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("wheels")
    return {package: build(package, out) for package in EXTRAS}


@pytest.mark.parametrize("package", list(EXTRAS))
def test_a_package_imports_without_the_others(
    wheels: dict[str, Path], package: str, root: Path, tmp_path: Path
) -> None:
    home = tmp_path / "empty"
    uv = [sys.executable, "-m", "uv", "--quiet"]
    subprocess.run([*uv, "venv", "--python", sys.executable, str(home)], check=True)
    python = home / "bin" / "python"
    locked = tmp_path / "constraints.txt"
    lines = (root / "locks" / "dev.txt").read_text().splitlines()
    locked.write_text("\n".join(line.rstrip(" \\") for line in lines if "==" in line))
    installed = subprocess.run(
        [*uv, "pip", "install", "--python", str(python), "-c", str(locked), str(wheels[package])],
        capture_output=True,
        text=True,
        check=False,
    )
    assert installed.returncode == 0, installed.stderr
    brought = {package, *CARRIED.get(package, {}).values()}
    others = set(EXTRAS) - brought
    stated = brought & {*EXTRAS, "register_contract"} - NEEDS_GLUE
    code = "\n".join(
        [
            "import importlib, importlib.util",
            f"[importlib.import_module(name) for name in {IMPORTED[package]!r}]",
            f"for one in map(importlib.import_module, {sorted(stated)!r}):",
            "    [getattr(one, name) for name in one.__all__]",
            f"assert not any(map(importlib.util.find_spec, {sorted(others)!r}))",
        ]
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [str(python), "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_same_commit_gives_the_same_bytes(wheels: dict[str, Path], tmp_path: Path) -> None:
    again = build("client_health", tmp_path)
    digests = [hashlib.sha256(w.read_bytes()).digest() for w in (again, wheels["client_health"])]
    assert digests[0] == digests[1]
