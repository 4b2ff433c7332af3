"""Build a wheel of each package: ``make wheels``.

One ``pyproject.toml`` describes the project; each package is installed alone where it runs, so each
gets a wheel with the dependencies of its extra. The same commit gives the same bytes: file times
come from the commit.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# AWS Glue brings what the session needs, so the library asks for nothing.
EXTRAS: dict[str, str | None] = {
    "client_health": None,
    "strict_glue": "runner",
    "register_run": "runner",
    "glue_local": "local",
    "client_health_cli": "cli",
}
# What wheels carry besides their package: what both sides of a session agree on, the run's
# engine, and for the command the job that it shares a run with, and the notebooks.
_AGREED = {"lib/register_contract": "register_contract"}
CARRIED: dict[str, dict[str, str]] = {
    "client_health": _AGREED,
    "register_run": {**_AGREED, "lib/strict_glue": "strict_glue"},
    "client_health_cli": {
        **_AGREED,
        "jobs/job_client_health.py": "job_client_health.py",
        "notebooks": "client_health_notebooks",
    },
}


def _pyproject(package: str) -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = EXTRAS[package]
    command = package == "client_health_cli"
    included = [package, *CARRIED.get(package, {}).values()]
    described = {
        "name": package.replace("_", "-"),
        "version": project["version"],
        "description": project["description"],
        "license": project["license"],
        "requires-python": ">=3.11" if package in ("glue_local", "client_health_cli") else ">=3.9",
        "dependencies": project["optional-dependencies"][extra] if extra else [],
    }
    lines = ["[build-system]", 'requires = ["hatchling"]', 'build-backend = "hatchling.build"']
    lines += ["[project]", *(f"{key} = {json.dumps(value)}" for key, value in described.items())]
    if command:
        lines += ["[project.scripts]", *(f'{k} = "{v}"' for k, v in project["scripts"].items())]
    if package in ("strict_glue", "register_run"):
        engines = project["entry-points"]["papermill.engine"]
        lines += ['[project.entry-points."papermill.engine"]']
        lines += [f'{name} = "{target}"' for name, target in engines.items()]
    lines += ["[tool.hatch.build.targets.wheel]", f"only-include = {json.dumps(included)}"]
    return "\n".join(lines) + "\n"


def build(package: str, out: Path) -> Path:
    """Build one wheel.

    Parameters
    ----------
    package : str
        Name of a folder of ``lib/``.
    out : Path
        Where the wheel goes.
    """
    ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    commit = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        shutil.copytree(ROOT / "lib" / package, tree / package, ignore=ignored)
        for source, target in CARRIED.get(package, {}).items():
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, tree / target, ignore=ignored)
            else:
                shutil.copy(ROOT / source, tree / target)
        (tree / "pyproject.toml").write_text(_pyproject(package))
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out.absolute())],
            cwd=tree,
            env={**os.environ, "SOURCE_DATE_EPOCH": commit.stdout.strip() or "315532800"},
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    return next(out.glob(f"{package}-*.whl"))


def main() -> None:
    """Build all wheels."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for package in EXTRAS:
        print(build(package, out).name)


if __name__ == "__main__":
    main()
