"""The service treats everything that it receives as data, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.support.local_api import CREATE, Api, answer, gone, listening

from glue_local.launch import LocalService

# Text that a shell, a properties file, a path, a format string, or a log could misinterpret.
HOSTILE = (
    "../../../../tmp/x $(touch pwned) `touch pwned` ; touch pwned | tee pwned & ' \" \\ {0} %s "
    "${spark.master} =:#! ç 𝄞 \x85 \u202e"
)
TWO_LINES = f"{HOSTILE}\r\nspark.driver.bindAddress=0.0.0.0\n\t\\u000aspark.ui.port=1"
CANARY = "canary-1c9f"
# A process that leaves the session's process group and POSIX session, and a temporary file.
ESCAPE = (
    "import subprocess, tempfile\n"
    "open(tempfile.mkstemp()[1], 'w').write('left');\n"
    "subprocess.Popen(['sleep', '600'], start_new_session=True).pid"
)


@dataclass(frozen=True)
class Place:
    """A service with known folders for temporary files and work, and a known log."""

    api: Api
    temporary: Path
    work: Path
    log: Path

    def left(self) -> list[str]:
        """Return all files in the folders."""
        return [str(path) for folder in (self.temporary, self.work) for path in folder.rglob("*")]

    def touched(self) -> list[Path]:
        """Return what a shell would have created from the hostile text."""
        return [*self.work.iterdir(), *(path for path in [Path("pwned")] if path.exists())]


@contextlib.contextmanager
def opened(root: Path) -> Iterator[Place]:
    temporary, work, log = root / "t", root / "w", root / "log"
    temporary.mkdir()
    work.mkdir()
    outer = {**os.environ, "TMPDIR": str(temporary)}
    with (
        log.open("wb") as file,
        LocalService(
            driver_memory="512m",
            working_directory=work,
            environment=outer,
            log=file,
            arguments=("--session-limit", "5"),
        ) as service,
    ):
        yield Place(Api(service), temporary, work, log)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with opened(tmp_path_factory.mktemp("c")) as place:
        yield place


@pytest.fixture(scope="module")
def hostile(place: Place, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a session in which every argument is hostile."""
    packed = tmp_path_factory.mktemp("h") / "it's $(touch pwned) & `x`.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("hostile_module.py", "NAME = 'imported'\n")
    # The test of sessions that will not end ends it.
    return place.api.ready(
        Id=HOSTILE,
        Description=TWO_LINES,
        Tags={HOSTILE[:128]: TWO_LINES[:256], "nul": "\0\n"},
        DefaultArguments={
            "--conf": f"spark.client_health.value={TWO_LINES} --conf spark.ui.enabled=true"
            " --conf spark.ui.port=0 --conf spark.driver.bindAddress=0.0.0.0"
            " --conf spark.driver.host=0.0.0.0",
            "--extra-py-files": str(packed),
            "--unknown": TWO_LINES,
        },
    )


def test_hostile_text_is_data(place: Place, hostile: str) -> None:
    api = place.api
    described = api.client.get_session(Id=hostile)["Session"]
    assert described["Description"] == TWO_LINES
    assert described["DefaultArguments"]["--unknown"] == TWO_LINES
    assert hostile in api.client.list_sessions(Tags={"nul": "\0\n"})["Ids"]
    value = api.text(hostile, "ascii(spark.conf.get('spark.client_health.value'))")
    assert value == repr(ascii(TWO_LINES))
    assert api.text(hostile, "import hostile_module\nhostile_module.NAME") == "'imported'"
    assert place.touched() == []


def test_a_session_cannot_be_talked_into_listening_beyond_loopback(
    place: Place, hostile: str
) -> None:
    api = place.api
    assert api.text(hostile, "sc.uiWebUrl").startswith("'http://127.0.0.1:")
    addresses = listening([psutil.Process(api.service.pid), *api.processes(hostile)])
    assert set(addresses) == {"127.0.0.1"}
    # Service, block manager, driver, gateway, accumulators, web page.
    assert len(addresses) >= 6


def test_what_a_session_writes_stands_in_a_folder_that_nobody_else_may_enter(
    place: Place, hostile: str
) -> None:
    api = place.api
    code = "import tempfile\nprint(tempfile.gettempdir(), end='')"
    folder = Path(api.text(hostile, code)).parent
    assert folder.parent == place.temporary
    assert folder.stat().st_mode & 0o777 == 0o700
    assert folder.stat().st_uid == os.getuid()
    jvm = api.text(hostile, "print(sc._jvm.java.lang.System.getProperty('java.io.tmpdir'))")
    assert Path(jvm).parent == folder
    settings = [path for path in folder.rglob("*") if path.suffix in (".json", ".properties")]
    assert settings
    assert {path.stat().st_mode & 0o077 for path in settings} == {0}


def test_the_log_holds_neither_code_nor_output(place: Place, hostile: str) -> None:
    api = place.api
    for code in (
        f"print('{CANARY}')",
        f"raise ValueError('{CANARY}')",
        f"{CANARY} = (",
        f"import sys, logging\nlogging.error('{CANARY}');\nsys.stderr.write('{CANARY}')",
        f"sc._jvm.java.lang.System.err.println('{CANARY}')",
        f"print('{CANARY}' * 400_000)",
        f"spark.sql('select {CANARY}')",
    ):
        assert api.run(hostile, code)["State"] in ("AVAILABLE", "ERROR")
    number = api.client.run_statement(SessionId=hostile, Code=f"while True: '{CANARY}'")["Id"]
    api.client.cancel_statement(SessionId=hostile, Id=number)
    assert api.result(hostile, number)["State"] == "CANCELLED"
    body = f'{{"SessionId": "x", "Code": "{CANARY}"}}'.encode()
    assert api.post("RunStatement", body[:-1])[0] == 400
    # A body longer than announced: the rest is read as a request, and its second line as a header.
    body = f'{{"SessionId": "x", "Code":\n"{CANARY}": 1}}'.encode()
    headers = {**api.signed("RunStatement", body), "Content-Length": "2"}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with api.connection() as connection:
        connection.sendall(f"POST / HTTP/1.1\r\n{head}\r\n".encode() + body + b"\r\n\r\n")
        assert b"400 Bad Request" in answer(connection)
    log = place.log.read_text("utf-8")
    assert "ready after" in log, "there is a log"
    assert CANARY not in log
    assert HOSTILE not in log, "an id is written so that it cannot pass for another line"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"Id": "a\0b"}, "ValidationException"),
        ({"Id": "x" * 10_000}, "ValidationException"),
        ({"Tags": {"k": "x" * 10_000}}, "ValidationException"),
        ({"DefaultArguments": {"--conf": "spark.a=\0"}}, "ValidationException"),
        ({"DefaultArguments": {"--conf": f"spark.a={'x' * 10_000}"}}, "ValidationException"),
        ({"DefaultArguments": {"--extra-py-files": "x" * 10_000}}, "ValidationException"),
        ({"DefaultArguments": {"--a b; touch pwned": ""}}, "ValidationException"),
        ({"IdleTimeout": 10**30}, "ValidationException"),
        ({"Timeout": 2**31}, "ValidationException"),
        ({"DefaultArguments": {"--conf": "spark.a\nspark.b=c"}}, "InvalidInputException"),
        ({"DefaultArguments": {"--conf": "=value"}}, "InvalidInputException"),
        ({"DefaultArguments": {"--conf": "spark.master=spark://a:7077"}}, "InvalidInputException"),
        (
            {"DefaultArguments": {"--conf": "spark.master=local-cluster[0,1,512]"}},
            "InvalidInputException",
        ),
        (
            {"DefaultArguments": {"--conf": "spark.driver.extraJavaOptions=-Da='b"}},
            "InvalidInputException",
        ),
        ({"DefaultArguments": {"--datalake-formats": "../iceberg"}}, "InvalidInputException"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_made(
    place: Place, changed: dict[str, Any], code: str
) -> None:
    before = place.api.client.list_sessions()["Ids"]
    request = {"Id": "refused", "Role": place.api.role, **CREATE, **changed}
    status, told = place.api.post("CreateSession", request)
    assert (status, told["__type"]) == (400, code)
    assert place.api.client.list_sessions()["Ids"] == before


@pytest.mark.parametrize(
    ("argument", "value", "words"),
    [
        ("--extra-py-files", "../../../../../../etc/passwd", "expected a file in .py"),
        ("--extra-py-files", "../../../../../../etc/absent.py", "isn't a file here"),
        ("--extra-py-files", "/", "file name"),
        ("--extra-jars", "/dev/zero", "expected a file in .jar"),
        ("--extra-py-files", "file:///a%00b.py", "file name"),
        ("--extra-py-files", "file:///tmp/a%2Cb.py", "file name"),
        ("--extra-py-files", "s3://bucket/..", "file name"),
        ("--extra-py-files", "//[", "isn't an address"),
        ("--extra-py-files", f"/{'x' * 4000}.py", "File name too long"),
        ("--extra-py-files", "$(touch pwned);`touch pwned`\n&.py", "isn't a file here"),
        ("--extra-jars", "/absent:/tmp/x:y.jar", "file name"),
        ("--additional-python-modules", "--index-url=http://127.0.0.1:9/", "an option"),
        ("--additional-python-modules", "-rrequirements.txt", "an option"),
        ("--additional-python-modules", "x; touch pwned", "could not be installed"),
        ("--additional-python-modules", "$(touch pwned)", "could not be installed"),
        ("--additional-python-modules", "x\n--target=../..", "could not be installed"),
    ],
)
def test_what_cannot_be_had_fails_the_session_and_leaves_nothing(
    place: Place, argument: str, value: str, words: str
) -> None:
    folders = set(place.temporary.iterdir())
    session = place.api.create(DefaultArguments={argument: value})
    described = place.api.wait(session)
    assert described["Status"] == "FAILED"
    assert words in described["ErrorMessage"]
    assert set(place.temporary.iterdir()) == folders
    assert place.touched() == []


def test_a_session_that_will_not_end_is_ended(place: Place, hostile: str) -> None:
    api = place.api
    stubborn, frozen = hostile, api.create()
    endless = (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nstarted = True\n"
        "while True:\n    try:\n        time.sleep(60)\n    except BaseException:\n        pass"
    )
    processes = []
    for session in (stubborn, frozen):
        assert api.wait(session)["Status"] == "READY"
        processes += api.processes(session)
    for process in processes[len(processes) // 2 :]:
        process.suspend()
    running = api.client.run_statement(SessionId=stubborn, Code=endless)["Id"]
    waiting = api.client.run_statement(SessionId=stubborn, Code="1")["Id"]
    api.client.cancel_statement(SessionId=stubborn, Id=waiting)
    while api.client.get_statement(SessionId=stubborn, Id=running)["Statement"]["State"] != (
        "RUNNING"
    ):
        pass
    api.client.cancel_statement(SessionId=stubborn, Id=running)
    state = api.client.get_statement(SessionId=stubborn, Id=running)["Statement"]["State"]
    assert state == "CANCELLING", "never said to be over while it runs"
    hung = api.client.run_statement(SessionId=frozen, Code="1")["Id"]
    for session in (stubborn, frozen):
        api.client.stop_session(Id=session)
    for session in (stubborn, frozen):
        assert api.wait(session, leaves="STOPPING")["Status"] == "STOPPED"
    assert gone(processes, seconds=0)
    for session, number in ((stubborn, running), (stubborn, waiting), (frozen, hung)):
        assert api.result(session, number)["State"] == "CANCELLED"


@pytest.fixture
def untouched(tmp_path: Path) -> Iterator[Place]:
    """Yield a service that hasn't had a session yet."""
    with opened(tmp_path) as place:
        yield place


def test_sessions_opened_and_closed_leave_nothing_behind(untouched: Place) -> None:
    api = untouched.api
    service = psutil.Process(api.service.pid)
    descriptors, threads = [], []
    for _ in range(3):
        session = api.ready()
        escaped = psutil.Process(int(api.text(session, ESCAPE)))
        started = service.children(recursive=True)
        assert len(started) >= 2, "a kernel and a JVM"
        api.stop(session)
        assert gone([*started, escaped], seconds=0)
        descriptors.append(service.num_fds())
        threads.append(service.num_threads())
    assert untouched.left() == []
    assert listening([service]) == ["127.0.0.1"]
    assert descriptors[-1] <= descriptors[0]
    assert threads[-1] - threads[0] < 2, "one thread per session would show"
