"""Sessions like AWS Glue's: separate executors, and only the packages that Glue installs."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.support.built import build_once
from tests.support.local_api import Api, gone, listening

from glue_local.launch import LocalService

# In each executor: the interpreter, the owner of the process, and where a module comes from.
ASK = """
import os, sys
def of_module(name):
    try:
        return __import__(name).__file__
    except ModuleNotFoundError as error:
        return str(error)
def ask(rows):
    yield os.getppid(), sys.executable, of_module("client_health"), of_module("ipykernel")
def everywhere():
    import time
    for _ in range(100):
        found = set(sc.parallelize(range(8), 8).mapPartitions(ask).collect())
        if len({row[0] for row in found}) > 1:
            return sorted(found)
        time.sleep(0.1)
"""
ABSENT = "No module named {!r}"


@pytest.fixture(scope="module")
def service(glue_python: Path) -> Iterator[LocalService]:
    with LocalService(
        driver_memory="512m",
        spark_conf={"spark.master": "local-cluster[2,1,512]"},
        arguments=("--session-python", str(glue_python)),
    ) as found:
        yield found


@pytest.fixture(scope="module")
def api(service: LocalService) -> Api:
    return Api(service)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the arguments that ship the library, as the job passes them."""
    built = build_once()
    path = tmp_path_factory.mktemp("library") / built.library
    path.write_bytes(built.files[built.library])
    return {
        "--additional-python-modules": str(path),
        "--python-modules-installer-option": "--no-index",
    }


@pytest.fixture(scope="module")
def session(api: Api, library: dict[str, str]) -> str:
    """A session that has the library."""
    name = api.ready(DefaultArguments=library)
    api.text(name, ASK)
    return name


@pytest.fixture
def bare(glue_python: Path) -> Iterator[tuple[Api, str]]:
    """A session that was given nothing, and whose executor is its driver."""
    arguments = ("--session-python", str(glue_python))
    with LocalService(driver_memory="512m", arguments=arguments) as service:
        own = Api(service)
        name = own.ready()
        own.text(name, ASK)
        yield own, name


def test_the_environment_holds_what_glue_documents_and_sparks_stand_in(
    root: Path, glue_python: Path
) -> None:
    command = [sys.executable, "-m", "uv", "pip", "freeze", "--python", str(glue_python)]
    frozen = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    documented = (root / "locks" / "glue-5.1.in").read_text().splitlines()
    expected = {line for line in documented if not line.startswith("#")}
    assert set(map(plain, frozen)) == set(map(plain, expected))


def plain(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", requirement.partition("==")[0]).lower() + (
        "==" + requirement.partition("==")[2]
    )


def test_the_library_is_imported_from_what_was_shipped_on_driver_and_executors(
    api: Api, session: str, glue_python: Path
) -> None:
    scratch = api.text(session, "print(sc.getConf().get('spark.local.dir'))")
    shipped = str(Path(scratch).parent / "modules" / "client_health" / "__init__.py")
    assert api.text(session, "print(of_module('client_health'))") == shipped
    found = eval(api.text(session, "print(everywhere())"))
    assert len(found) >= 2
    assert {row[1:] for row in found} == {(str(glue_python), shipped, ABSENT.format("ipykernel"))}


def test_what_was_not_shipped_is_nowhere(bare: tuple[Api, str], glue_python: Path) -> None:
    api, session = bare
    absent = ABSENT.format("client_health")
    assert api.text(session, "print(of_module('client_health'))") == absent
    for name in ("strict_glue", "register_run", "client_health_cli", "papermill", "duckdb"):
        assert api.text(session, f"print(of_module({name!r}))") == ABSENT.format(name)
    found = eval(api.text(session, "print(sc.parallelize([1], 1).mapPartitions(ask).collect())"))
    assert [row[1:] for row in found] == [(str(glue_python), absent, ABSENT.format("ipykernel"))]
    assert api.text(session, "import os; print('PYTHONPATH' in os.environ)") == "True"
    assert api.text(session, "print(os.environ['PYTHONPATH'])") == ""


def test_functions_of_the_library_travel_to_the_executors(api: Api, session: str) -> None:
    code = (
        "from client_health.clean import identity\n"
        "people = spark.createDataFrame([('12345678909',), ('98765432100',)], ['cpf'])\n"
        "def ids(batches):\n"
        "    import polars as pl\n"
        "    for batch in batches:\n"
        "        given = identity.ids(pl.col('cpf'), b'k' * 32)\n"
        "        frame = pl.from_arrow(batch).select('cpf', id=given)\n"
        "        yield from frame.to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches()\n"
        "rows = people.mapInArrow(ids, 'cpf string, id string').collect()\n"
        "print(all(row.id == identity.client_id(b'k' * 32, row.cpf) for row in rows), len(rows))"
    )
    assert api.text(session, code) == "True 2"


def test_executors_are_processes_on_loopback_whose_pages_show_nothing(
    api: Api, session: str
) -> None:
    api.text(session, "everywhere()")
    processes = api.processes(session)
    javas = [process for process in processes if process.name() == "java"]
    assert len(javas) == 3
    assert set(listening(processes)) == {"127.0.0.1"}
    secret = api.text(session, "print(sc.getConf().get('spark.authenticate.secret'))")
    assert len(secret) == 64
    assert not [p for p in javas if secret in " ".join(p.cmdline())]
    ports = {c.laddr.port for p in javas for c in p.net_connections() if c.status == "LISTEN"}
    answers = [found for found in map(first_line, sorted(ports)) if found.startswith("HTTP/")]
    # Answers of the master and two workers; on a busy machine, one may not answer in time.
    assert {found.split()[1] for found in answers} == {"503"}


def first_line(port: int) -> str:
    """Return the first line of the answer to a request for a page."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        try:
            return connection.recv(1000).decode(errors="replace").partition("\r\n")[0]
        except OSError:
            return ""


@pytest.mark.parametrize(
    ("python", "words"), [("/bin/false", "not a working Python"), ("/absent", "/absent")]
)
def test_another_interpreter_must_have_the_same_python_and_spark(python: str, words: str) -> None:
    with LocalService(arguments=("--session-python", python)) as service:
        api = Api(service)
        described = api.wait(api.create())
        assert described["Status"] == "FAILED"
        assert words in described["ErrorMessage"]


# The last one ends the session of the tests before it.


def test_executors_end_when_the_service_is_killed_and_leave_no_file(
    service: LocalService, api: Api, session: str
) -> None:
    api.text(session, "everywhere()")
    folder = Path(api.text(session, "print(sc.getConf().get('spark.local.dir'))")).parent
    assert list(folder.glob("home/work/*/0/stderr"))
    processes = api.processes(session)
    assert len([process for process in processes if process.name() == "java"]) == 3
    assert service.pid is not None
    psutil.Process(service.pid).kill()
    assert gone(processes)
    assert not folder.exists()
