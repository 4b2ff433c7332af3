"""Allowed imports, the Python version of each part, and the length of modules."""

from __future__ import annotations

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from types import ModuleType

import pytest

from register_contract import runs
from strict_glue import errors

ROOT = Path(__file__).resolve().parents[2]
LIB, JOBS = ROOT / "lib", ROOT / "jobs"
LIBRARIES = ("client_health", "glue_local", "register_contract", "register_run", "strict_glue")
OURS = {"client_health_cli", *LIBRARIES}
# The protocol between all parts; see test_the_protocol_needs_nothing_but_python.
PROTOCOL = {"register_contract"}
SPARKS = {"pyspark", "py4j", "pandas", "pyarrow"}
# Module names that several layers may use: each has its own, or one declares what another does.
SAME_FOR_ANOTHER_LAYER = {
    *("__init__", "errors", "settings", "storage", "listeners"),
    *("rules", "sources", "maintenance"),
}


def modules(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.py"))
    assert found, f"no modules in {folder}"
    return found


def imports(path: Path) -> Iterator[str]:
    """Yield every imported name with its module, wherever in the file the import is."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.name} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def loaded_with(path: Path) -> Iterator[str]:
    """Yield the full names of modules and packages that are loaded with a module."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield f"{node.module}.{alias.name}"
                yield str(node.module)


def packages(*paths: Path) -> set[str]:
    return {name.partition(".")[0] for path in paths for name in imports(path)}


def from_39() -> list[Path]:
    """Return the modules that run on Python 3.9."""
    libraries = ("register_contract", "register_run", "strict_glue")
    return [*(path for name in libraries for path in modules(LIB / name)), *modules(JOBS)]


def interpreter_39() -> str | None:
    """Return a Python 3.9 that starts, if this machine has one."""
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    known = [shutil.which("python3.9"), *sorted(map(str, versions.glob("3.9*/bin/python")))]
    for candidate in filter(None, known):
        ran = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=False)
        if ran.stdout.startswith("Python 3.9."):
            return candidate
    return None


def test_the_local_service_knows_none_of_the_others() -> None:
    assert packages(*modules(LIB / "glue_local")) & OURS == {"glue_local"}


def test_strict_sessions_know_nothing_of_the_register() -> None:
    found = packages(*modules(LIB / "strict_glue"))
    assert found & OURS == {"strict_glue"}
    assert not found & SPARKS
    words = re.compile(
        r"client_health|register_contract|register_run|convenio|delivery|receipt|quality",
        re.IGNORECASE,
    )
    named = [
        f"{path.name}: {found.group()}"
        for path in modules(LIB / "strict_glue")
        for found in words.finditer(path.read_text(encoding="utf-8"))
    ]
    assert named == []


def test_a_run_knows_neither_the_session_s_library_nor_spark() -> None:
    found = packages(*modules(LIB / "register_run"))
    assert found & OURS == {"register_run", "strict_glue", *PROTOCOL}
    assert not found & SPARKS


def reachable(edges: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return all pairs that are connected, directly or indirectly."""
    while more := {(a, d) for a, b in edges for c, d in edges if b == c} - edges:
        edges = edges | more
    return edges


def test_the_drawing_of_the_packages_is_that_of_their_imports() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = next(part for part in text.split("```mermaid")[1:] if "client_health_cli" in part)
    drawn = drawn.partition("```")[0]
    names = dict(re.findall(r'(\w+)\["([^"]+)"\]', drawn))
    arrows = re.findall(r'(\w+)(?:\["[^"]+"\])? --> (\w+)', drawn)
    job, function = "jobs/job_client_health.py", "jobs/def_lambda.py"
    sources = {name: modules(LIB / name) for name in OURS}
    sources |= {job: [ROOT / job], function: [ROOT / function, *modules(JOBS / "reconciler")]}
    scripts = {Path(name).stem: name for name in (job, function)}
    found = {
        (name, scripts.get(other, other))
        for name, paths in sources.items()
        for other in packages(*paths) & {*OURS, *scripts} - {name}
    }
    found.add(("notebooks", "client_health"))
    assert reachable({(names[one], names[other]) for one, other in arrows}) == reachable(found)


def test_packages_do_not_import_in_circles() -> None:
    for folder in (*(LIB / name for name in sorted(OURS)), JOBS / "reconciler"):
        graph = {
            ".".join(path.relative_to(folder.parent).with_suffix("").parts): path
            for path in modules(folder)
        }
        graph = {name.removesuffix(".__init__"): path for name, path in graph.items()}
        sorter = TopologicalSorter(
            {
                # A package is already loaded while its modules load.
                name: {
                    one
                    for one in loaded_with(path)
                    if one in graph and not f"{name}.".startswith(f"{one}.")
                }
                for name, path in graph.items()
            }
        )
        sorter.prepare()


def public(package: str) -> dict[str, object]:
    """What a package states as its own, by name."""
    module = importlib.import_module(package)
    return {name: getattr(module, name) for name in module.__all__}


def test_others_use_of_a_package_what_it_states_as_its_own() -> None:
    stated = {f"{package}.{name}" for package in OURS for name in public(package)}
    stated_modules = {
        one.__name__
        for package in OURS
        for one in public(package).values()
        if isinstance(one, ModuleType)
    }
    users = {name: modules(LIB / name) for name in OURS}
    users |= {name: modules(ROOT / name) for name in ("jobs", "infra", "benchmarks")}
    used = [
        (path, name)
        for user, paths in users.items()
        for path in paths
        for name in imports(path)
        if name.partition(".")[0] in OURS - {user}
    ]
    assert used
    private = [
        f"{path.relative_to(ROOT)}: {name}"
        for path, name in used
        if name not in stated and name.rpartition(".")[0] not in stated_modules
    ]
    assert private == []


def test_importing_a_package_loads_nothing_that_takes_long() -> None:
    heavy = {"boto3", "duckdb", "ipykernel", "jsonschema", "papermill", "polars", "typer", *SPARKS}
    code = (
        f"import sys, {', '.join(sorted(OURS))}\n"
        f"print(sorted(set({sorted(heavy)}) & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_no_two_modules_have_the_same_name_but_those_that_do_the_same() -> None:
    counts = Counter(path.stem for path in modules(LIB) if path.parent.name != "commands")
    twice = {name for name, number in counts.items() if number > 1}
    assert twice <= SAME_FOR_ANOTHER_LAYER


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


def test_the_exit_codes_of_sessions_are_those_of_the_protocol() -> None:
    codes = {
        errors.StrictGlueError: runs.EXIT_OTHER,
        errors.ConfigurationError: runs.EXIT_USAGE,
        errors.SessionError: runs.EXIT_SESSION,
        errors.StatementError: runs.EXIT_SESSION,
        errors.ServiceError: runs.EXIT_SESSION,
        errors.KernelDied: runs.EXIT_SESSION,
        errors.StageTimeout: runs.EXIT_SESSION,
    }
    assert {kind: kind.exit_code for kind in codes} == codes
    declared = {kind for kind in vars(errors).values() if isinstance(kind, type)}
    assert {kind for kind in declared if issubclass(kind, Exception)} == set(codes)


def test_jobs_know_the_run_and_nothing_of_the_session_s_library() -> None:
    assert packages(*modules(JOBS)) & OURS == {"register_run", "strict_glue", *PROTOCOL}


def test_no_library_imports_a_script() -> None:
    scripts = {path.relative_to(JOBS).with_suffix("").parts[0] for path in modules(JOBS)}
    for package in LIBRARIES:
        assert not packages(*modules(LIB / package)) & scripts


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
        "from register_contract import __version__, contract\n"
        "print(__version__, contract.rules_fingerprint())"
    )
    expected = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    # Isolated and without site-packages, only the standard library is available.
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
