"""Fixtures that every kind of test may use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Tests run for seconds on small data: Java's optimising compiler would cost more than it gives.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Tests started in the background are deaf to Ctrl-C, and so is everything that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
ROOT = Path(__file__).resolve().parent.parent
# What asks for one of these, or for a fixture that does, waits for a JVM or another process.
SLOW_FIXTURES = {"spark", "emulator_environment", "glue_python", "python_shell"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--fast``."""
    parser.addoption(
        "--fast", action="store_true", help="leave out what needs Spark, the emulator or a host"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With ``--fast``, deselect what is marked slow or asks for a slow fixture."""
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
    """Make the environment that the emulator of AWS runs from, unless it is there."""
    made = [sys.executable, str(root / "tools" / "side_environment.py"), "emulator"]
    subprocess.run(made, check=True)


@pytest.fixture(scope="session")
def glue_python(root: Path) -> Path:
    """Make the environment with what AWS Glue 5.1 has; return its interpreter."""
    made = [sys.executable, str(root / "tools" / "side_environment.py"), "glue"]
    subprocess.run(made, check=True)
    return root / ".venv-glue" / "bin" / "python"


@pytest.fixture(scope="session")
def python_shell() -> Path:
    """Return a root as AWS Glue's Python Shell has it; skip where none can be made."""
    from tools import python_shell as tool

    try:
        return tool.make()
    except tool.NotMadeError as error:
        if os.environ.get("PYTHON_SHELL_REQUIRED") == "1":
            pytest.fail(f"PYTHON_SHELL_REQUIRED=1, but no Python Shell can be made: {error}")
        pytest.skip(f"no Python Shell: {error}")


@pytest.fixture(scope="session")
def spark() -> Iterator[object]:
    """Return a Spark session with Iceberg, as a Glue session has it."""
    from pyspark.sql import SparkSession

    from client_health.session import configure
    from glue_local import jars

    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.jars", ",".join(str(jar) for jar in jars.ensure(*jars.every_jar())))
        .config(
            "spark.sql.extensions",
            "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        )
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.memory", "2g")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "4")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    configure(session)
    yield session
    session.stop()
