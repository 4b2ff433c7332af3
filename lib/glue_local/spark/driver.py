"""Starts the Spark driver's JVM and the Spark session, in a session's process.

PySpark itself uses two shell scripts and a second JVM that computes the command. This module
starts the driver directly with the same command while Python still imports, which saves about a
second of every session's start.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glue_local.errors import GlueLocalError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# In the session's folder: what `launch` takes. Here, so that the session's process, which reads it,
# imports nothing of what writes it.
SETTINGS_FILE = "session.json"
# What Spark's launcher adds for Java 17.
_MODULE_OPTIONS = (
    "-XX:+IgnoreUnrecognizedVMOptions",
    *(
        f"--add-opens=java.base/{package}=ALL-UNNAMED"
        for package in (
            *("java.lang", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net"),
            *("java.nio", "java.util", "java.util.concurrent", "java.util.concurrent.atomic"),
            *("jdk.internal.ref", "sun.nio.ch", "sun.nio.cs", "sun.security.action"),
            "sun.util.calendar",
        )
    ),
    "--add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
    "-Djdk.reflect.useDirectMethodHandle=false",
)


class DriverError(GlueLocalError):
    """The JVM ended before it accepted connections.

    Why: a Spark setting of the session is invalid, the heap is larger than the machine's memory,
    or Java is not version 17.
    What to do: the message ends with the JVM's last output: fix the setting that it names, then run
    again.
    """


@dataclass(frozen=True)
class Driver:
    """A started JVM.

    Parameters
    ----------
    process : Popen
        The JVM. Its stdin is a pipe from this process, so it ends when this process does.
    connection_file : Path
        The JVM writes its port and secret to it when it listens.
    """

    process: subprocess.Popen[bytes]
    connection_file: Path


def command(description: dict[str, Any], properties: Path) -> list[str]:
    """Return the driver's command line, without possible secrets."""
    conf: dict[str, str] = description["conf"]
    home = Path(description["spark_home"])
    class_path = [str(home / "jars" / "*"), *description["class_path"]]
    class_path += filter(None, [conf.get("spark.driver.extraClassPath")])
    archive = description.get("class_archive")
    return [
        description["java"],
        "-cp",
        os.pathsep.join(class_path),
        f"-Xmx{conf['spark.driver.memory']}",
        *([f"-XX:SharedArchiveFile={archive}"] if archive else []),
        *_MODULE_OPTIONS,
        # Folder for native libraries and Spark's scratch files, which a killed JVM leaves behind.
        f"-Djava.io.tmpdir={properties.parent / 'tmp'}",
        "-XX:-UsePerfData",
        *shlex.split(conf.get("spark.driver.defaultJavaOptions", "")),
        *shlex.split(conf.get("spark.driver.extraJavaOptions", "")),
        *("org.apache.spark.deploy.SparkSubmit", "--properties-file", str(properties)),
        "pyspark-shell",
    ]


def _property(text: str) -> str:
    """Escape a key or value for a Java properties file, which uses UTF-16 units."""
    units = memoryview(text.encode("utf-16-le")).cast("H")
    return "".join(
        f"\\{chr(unit)}"
        if chr(unit) in "\\=:#!"
        else chr(unit)
        if 0x21 <= unit <= 0x7E
        else f"\\u{unit:04x}"
        for unit in units
    )


def launch(description: dict[str, Any], folder: Path) -> Driver:
    """Start the JVM and return at once."""
    properties = folder / "spark.properties"
    properties.touch(mode=0o600)
    lines = [f"{_property(k)}={_property(v)}\n" for k, v in description["conf"].items()]
    properties.write_text("".join(lines), encoding="ascii")
    connection_file = folder / "driver"
    process = subprocess.Popen(
        command(description, properties),
        stdin=subprocess.PIPE,
        env={**os.environ, "_PYSPARK_DRIVER_CONN_INFO_PATH": str(connection_file)},
    )
    return Driver(process, connection_file)


def connect(driver: Driver) -> SparkSession:
    """Wait for the JVM and return the Spark session that it runs.

    Raises
    ------
    DriverError
        If the JVM ends before that.
    """
    # Imported here, so that the JVM starts in the meantime.
    import pyspark.sql  # noqa: PLC0415
    from pyspark.serializers import UTF8Deserializer, read_int  # noqa: PLC0415

    while not driver.connection_file.exists():
        if driver.process.poll() is not None:
            raise DriverError(f"the Spark driver ended with code {driver.process.returncode}")
        time.sleep(0.01)
    with driver.connection_file.open("rb") as file:
        # PySpark leaves these without types.
        port: int = read_int(file)  # type: ignore[no-untyped-call]
        secret: str = UTF8Deserializer().loads(file)  # type: ignore[no-untyped-call]
    driver.connection_file.unlink()
    # Removed at once: a statement's child process must not use the gateway.
    os.environ.update(PYSPARK_GATEWAY_PORT=str(port), PYSPARK_GATEWAY_SECRET=secret)
    try:
        return pyspark.sql.SparkSession.builder.getOrCreate()
    finally:
        del os.environ["PYSPARK_GATEWAY_PORT"], os.environ["PYSPARK_GATEWAY_SECRET"]


def exit_reason(driver: Driver) -> str:
    """Wait for the JVM's end, and return how it ended."""
    code = driver.process.wait()
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with code {code}"
