"""A wheel of each package can be installed and imported alone, in an empty environment."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.wheels import asks_for
from tools.build_wheels import build

IMPORTED = {
    "client_health": ["client_health", "register_contract.contract"],
    # In papermill's order: papermill itself is imported first.
    "strict_glue": ["papermill.engines", "strict_glue.engine", "strict_glue.kernel"],
    "register_contract": ["register_contract.contract"],
    "register_run": ["register_run.runner"],
    "glue_local": ["glue_local.launch", "glue_local.api.server"],
    "client_health_cli": ["client_health_cli.main", "client_health_cli.sample_data"],
    "job_client_health": ["job_client_health"],
}
# AWS Glue brings what the library's names need, so it asks for that only on demand.
EXTRAS = {"client_health": "[session]"}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return build(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for one environment after the other, and for what Python compiles there."""
    return tmp_path_factory.mktemp("environments")


def brought(wheels: dict[str, Path], package: str) -> set[str]:
    """A package with those of ours that it asks for, or that they ask for."""
    own = asks_for(wheels[package]) & set(wheels)
    return {package}.union(*(brought(wheels, one) for one in own))


def test_each_package_is_tried(wheels: dict[str, Path]) -> None:
    assert set(wheels) == set(IMPORTED)


@pytest.mark.parametrize("package", IMPORTED)
def test_a_package_imports_without_the_others(
    wheels: dict[str, Path], package: str, root: Path, folder: Path, tmp_path: Path
) -> None:
    home = folder / "empty"
    uv = [sys.executable, "-m", "uv", "--quiet"]
    subprocess.run([*uv, "venv", "--clear", "--python", sys.executable, str(home)], check=True)
    python = home / "bin" / "python"
    locked = tmp_path / "constraints.txt"
    lines = (root / "locks" / "dev.txt").read_text().splitlines()
    locked.write_text("\n".join(line.rstrip(" \\") for line in lines if "==" in line))
    own = brought(wheels, package)
    given = [f"{wheels[name]}{EXTRAS.get(name, '')}" for name in sorted(own)]
    install = [*uv, "pip", "install", "--python", str(python), "-c", str(locked), *given]
    # `make setup` has fetched and built the locked versions. Asked again, the index may make uv
    # build Spark's package anew, which takes longer than everything else here.
    for how in (["--offline"], []):
        installed = subprocess.run([*install, *how], capture_output=True, text=True, check=False)
        if installed.returncode == 0:
            break
    assert installed.returncode == 0, installed.stderr
    code = "\n".join(
        [
            "import importlib, importlib.util",
            f"[importlib.import_module(name) for name in {IMPORTED[package]!r}]",
            f"for one in map(importlib.import_module, {sorted(own)!r}):",
            "    [getattr(one, name) for name in getattr(one, '__all__', ())]",
            f"assert not any(map(importlib.util.find_spec, {sorted(set(wheels) - own)!r}))",
        ]
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    # Dependencies that the environments have in common are compiled once.
    environment["PYTHONPYCACHEPREFIX"] = str(folder / "compiled")
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
    again = build(tmp_path)
    digests = [
        {name: hashlib.sha256(path.read_bytes()).digest() for name, path in made.items()}
        for made in (again, wheels)
    ]
    assert digests[0] == digests[1]
