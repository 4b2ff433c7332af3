"""Fixtures for all kinds of tests."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from threading import Event

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

# How fast the machine is decides nothing.
_UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("unhurried", _UNHURRIED)
settings.load_profile("unhurried")

# Tests run for seconds on small data, so Java's optimizing compiler costs more than it saves.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Tests in the background inherit that Ctrl-C is ignored, and pass this on to their children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
ROOT = Path(__file__).resolve().parent.parent
# Tests that use one of these fixtures, directly or not, wait for a JVM or another process.
SLOW_FIXTURES = {"spark", "emulator_environment", "sam_environment", "glue_python", "python_shell"}

# These files share something that is slow to start, and run in one process: a Spark driver; a
# service with a session; warm sessions; a service behind an endpoint; an emulator of AWS.
SHARED = {
    "spark": {
        *(
            "test_anonymous",
            "test_data_files",
            "test_lake",
            "test_maintenance",
            "test_parcels",
            "test_pieces",
        ),
        *("test_quality", "test_queries_spark", "test_selection", "test_stage", "test_worker"),
        *("test_erasing", "test_records", "test_rekeying", "test_resubmission"),
        *("test_stage_rules", "test_suppression"),
    },
    "session": {
        *("test_local_service", "test_local_sessions", "test_local_signature"),
        *("test_local_statements", "test_official_kernel"),
        *("test_strict_kernel", "test_strict_nbval", "test_strict_runner"),
    },
    "warm": {
        *("test_bad_input", "test_erase", "test_maintain"),
        *("test_official_kernel_run", "test_oracle", "test_run", "test_rules_run"),
    },
    "endpoint": {"test_job", "test_nbval", "test_plain"},
    "emulator": {
        *("test_claim", "test_def_lambda", "test_erase_raw", "test_erase_s3"),
        *("test_restore_s3", "test_storage_s3"),
    },
    "smoke": {"test_smoke", "test_smoke_removal"},
}
# The longest groups start first. The others start in the order of their names; short ones come
# last.
FIRST = {"session", "spark", "warm", "test_seams"}


def group(path: str) -> str:
    """Return the group of a test file: the file itself, or the files that share something."""
    stem = Path(path).stem
    return next((name for name, files in SHARED.items() if stem in files), stem)


class Groups(LoadScopeScheduling):
    """Gives each process one group of files at a time."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid.partition("::")[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Groups:
    """Schedule by groups."""
    return Groups(config, log)  # type: ignore[arg-type]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--fast``."""
    parser.addoption(
        "--fast", action="store_true", help="leave out what needs Spark, the emulator or a host"
    )


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector from walking thousands of collected tests again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest tests first; with ``--fast``, deselect slow tests and fixtures."""
    items.sort(key=lambda item: group(item.path.name) not in FIRST)
    if not config.getoption("--fast"):
        return
    slow = [
        item
        for item in items
        if item.get_closest_marker("slow") or SLOW_FIXTURES & set(getattr(item, "fixturenames", ()))
    ]
    left_out = set(slow)
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=slow)


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the project's root."""
    return ROOT


@pytest.fixture(scope="session")
def emulator_environment(root: Path) -> None:
    """Create the environment that the AWS emulator runs in, unless it exists."""
    made = [sys.executable, str(root / "tools" / "side_environment.py"), "emulator"]
    subprocess.run(made, check=True)


@pytest.fixture(scope="session")
def sam_environment(root: Path) -> None:
    """Create the environment with the SAM CLI, unless it exists."""
    made = [sys.executable, str(root / "tools" / "side_environment.py"), "sam"]
    subprocess.run(made, check=True)


@pytest.fixture(scope="session")
def glue_python(root: Path) -> Path:
    """Create the environment with AWS Glue 5.1's packages; return its interpreter."""
    made = [sys.executable, str(root / "tools" / "side_environment.py"), "glue"]
    subprocess.run(made, check=True)
    return root / ".venv-glue" / "bin" / "python"


@pytest.fixture(scope="session")
def python_shell() -> Path:
    """Return a root folder like AWS Glue's Python Shell; skip if it can't be created."""
    from tools import python_shell as tool

    try:
        return tool.make()
    except tool.NotMadeError as error:
        if os.environ.get("PYTHON_SHELL_REQUIRED") == "1":
            pytest.fail(f"PYTHON_SHELL_REQUIRED=1, but no Python Shell can be made: {error}")
        pytest.skip(f"no Python Shell: {error}")


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """Return a Spark session with Iceberg, like a Glue session's."""
    from client_health.publish.lake import Lake
    from client_health.spark_session import configure
    from glue_local.sessions.arguments import SessionArguments
    from glue_local.sessions.provision import provision
    from glue_local.settings import ServiceSettings
    from glue_local.spark import driver

    conf = {
        "spark.master": "local[2]",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.shuffle.partitions": "2",
        "spark.python.daemon.module": "tests.support.worker_daemon",
    }
    folder = tmp_path_factory.mktemp("spark")
    asked = SessionArguments(conf, formats=("iceberg",))
    provision(asked, ServiceSettings(driver_memory="2g"), folder, Event())
    os.environ["PYSPARK_PYTHON"] = sys.executable
    description = json.loads((folder / driver.SETTINGS_FILE).read_text(encoding="utf-8"))
    started = driver.launch(description, folder)
    session = driver.connect(started)
    configure(session)
    session.sparkContext.environment["PYTHONPATH"] = str(ROOT)
    # The first lake's catalog is the session's own. No test's lake is this one, so each is opened
    # in a new session, and its files may be replaced between tests.
    Lake.open(session, str(folder / "lake"))
    yield session
    gateway = session.sparkContext._gateway
    session.stop()
    # Otherwise, objects that are garbage-collected later would call a JVM that is gone.
    gateway.shutdown()
    assert started.process.stdin is not None
    started.process.stdin.close()
    started.process.wait()
