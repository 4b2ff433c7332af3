"""Who may import whom, which Python each part runs on, and how long a module may be."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIB, JOBS = ROOT / "lib", ROOT / "jobs"
OURS = {
    "client_health", "client_health_cli", "glue_local", "glue_papermill", "register_contract"
}  # fmt: skip
LIBRARIES = ("client_health", "glue_local", "glue_papermill", "register_contract")
# What every side agrees on; see test_the_protocol_needs_nothing_but_python.
PROTOCOL = {"register_contract"}
CONTRACT = LIB / "client_health" / "contract.py"


def modules(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.py"))
    assert found, f"no modules in {folder}"
    return found


def imports(path: Path) -> Iterator[str]:
    """Every imported name with its module, wherever in the file it is imported."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.name} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def packages(*paths: Path) -> set[str]:
    return {name.partition(".")[0] for path in paths for name in imports(path)}


def from_39() -> list[Path]:
    """What runs where Python is 3.9."""
    protocol = modules(LIB / "register_contract")
    return [*protocol, *modules(LIB / "glue_papermill"), *modules(JOBS), CONTRACT]


def interpreter_39() -> str | None:
    """A Python 3.9 that starts, if this machine has one."""
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    known = [shutil.which("python3.9"), *sorted(map(str, versions.glob("3.9*/bin/python")))]
    for candidate in filter(None, known):
        ran = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=False)
        if ran.stdout.startswith("Python 3.9."):
            return candidate
    return None


def test_the_local_service_knows_none_of_the_others() -> None:
    assert packages(*modules(LIB / "glue_local")) & OURS == {"glue_local"}


def test_the_runner_knows_neither_the_domain_nor_spark() -> None:
    found = packages(*modules(LIB / "glue_papermill"))
    assert found & OURS == {"glue_papermill", *PROTOCOL}
    assert not found & {"pyspark", "py4j", "pandas", "pyarrow"}


def test_nothing_that_reads_a_notebook_builds_a_grammar_of_internet_addresses() -> None:
    code = "import sys, jsonschema, nbformat, papermill\nprint('lark' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n", "locks/dev.txt holds a package that costs each start a second"


def test_the_domain_knows_none_of_the_others() -> None:
    found = packages(*modules(LIB / "client_health"))
    assert found & OURS == {"client_health", *PROTOCOL}
    assert not found & {"papermill", "nbclient", "nbformat", "ipykernel"}


def test_the_protocol_needs_nothing_but_python() -> None:
    found = packages(*modules(LIB / "register_contract"))
    assert found <= {*sys.stdlib_module_names, *PROTOCOL}


def test_the_contract_needs_nothing_but_python() -> None:
    assert packages(CONTRACT) <= {*sys.stdlib_module_names, *PROTOCOL}
    assert packages(CONTRACT.with_name("__init__.py")) == set()


def test_jobs_know_the_runner_and_of_the_domain_only_the_contract() -> None:
    found = {name for path in modules(JOBS) for name in imports(path)}
    ours = {name for name in found if name.partition(".")[0] in OURS}
    domain = {name for name in ours if name.partition(".")[0] not in {"glue_papermill", *PROTOCOL}}
    assert domain <= {"client_health.contract", "client_health.__version__"}
    assert ours - domain


def test_notebooks_know_of_ours_only_the_domain() -> None:
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        text = notebook.read_text(encoding="utf-8")
        assert "client_health" in text
        assert not any(
            f"{verb} {name}" in text
            for name in OURS - {"client_health"}
            for verb in ("import", "from")
        )


@pytest.mark.parametrize("path", from_39(), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_runs_on_python_39_is_written_for_it(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))


def test_what_runs_on_python_39_compiles_there() -> None:
    python = interpreter_39()
    if python is None:
        pytest.skip("this machine has no Python 3.9")
    code = "import sys\nfor path in sys.argv[1:]: compile(open(path, 'rb').read(), path, 'exec')"
    ran = subprocess.run(
        [python, "-c", code, *map(str, from_39())], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


def test_the_contract_is_imported_by_a_bare_python_39() -> None:
    python = interpreter_39()
    if python is None:
        pytest.skip("this machine has no Python 3.9")
    code = (
        f"import sys; sys.path.insert(0, {str(LIB)!r})\n"
        "from client_health import __version__, contract\n"
        "print(__version__, contract.rules_fingerprint())"
    )
    expected = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    # Isolated and without site-packages: the standard library is all there is.
    found = subprocess.run([python, "-I", "-S", "-B", "-c", code], capture_output=True, check=False)
    assert found.returncode == 0, found.stderr
    assert found.stdout == expected.stdout


@pytest.mark.parametrize("package", LIBRARIES)
def test_libraries_do_not_print(package: str) -> None:
    printing = [
        f"{path.relative_to(LIB)}:{node.lineno}"
        for path in modules(LIB / package)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert printing == []
