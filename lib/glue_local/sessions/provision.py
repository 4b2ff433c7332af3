"""Prepares a session's own folder: everything that its process needs to start, and its settings.

The settings are passed in a file of mode 0600, never in process arguments: a Spark setting may be a
secret, and every user of the machine can read arguments.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from glue_local.processes.lifeline import MARK
from glue_local.processes.other_interpreter import Interpreter
from glue_local.sessions.arguments import SessionArguments
from glue_local.sessions.modules import install
from glue_local.sessions.shipped_files import local_copy, python_files, search_path
from glue_local.settings import ServiceSettings
from glue_local.spark import cluster, s3
from glue_local.spark.data_catalog import make_sure_of_default
from glue_local.spark.driver import SETTINGS_FILE
from glue_local.spark.jars import S3, SETS, ensure, find_archive, java, spark_home

# Variables of another Spark would send the driver or its files elsewhere. Variables of a Jupyter
# server would make the kernel look for the wrong parent.
_FOREIGN_VARIABLES = ("PYSPARK_", "SPARK_", "JPY_")
# Another interpreter must not use the search path of the service's own.
_FOREIGN_PYTHON = ("PYTHON", "VIRTUAL_ENV")

# A session is short, and each query is new code: on few cores, the optimizing compiler would take
# as long as the work, and the collector's pauses matter less than its throughput.
_JAVA_OPTIONS = (
    "-XX:+UseParallelGC",
    "-XX:Tier4InvocationThreshold=30000",
    "-XX:Tier4MinInvocationThreshold=10000",
    "-XX:Tier4CompileThreshold=60000",
    "-XX:Tier4BackEdgeThreshold=400000",
)


@dataclass(frozen=True)
class ProvisionedSession:
    """A prepared session: what its process is started with.

    Parameters
    ----------
    folder : Path
        The session's own folder.
    environment : dict of str to str
        The process's complete environment.
    command : tuple of str
        Command of the process; the session's folder and connection file follow it.
    """

    folder: Path
    environment: dict[str, str]
    command: tuple[str, ...]


def spark_conf(
    arguments: SessionArguments, settings: ServiceSettings, folder: Path
) -> dict[str, str]:
    """Return the complete Spark configuration of a session.

    Our settings come first, then the service's, then the session's own. The settings that keep
    Spark on loopback come last and can't be overridden. Spark's web page, if a session turns it on,
    uses ``SPARK_LOCAL_IP``, and another master is refused when the session is created. JVM options
    are not restricted: like a statement, they are code, and may open any address.
    """
    given = {**settings.spark_conf, **arguments.conf}
    master = given.get("spark.master", "local[*]")
    return {
        "spark.master": master,
        "spark.app.name": "glue-local",
        "spark.driver.memory": settings.driver_memory,
        "spark.driver.defaultJavaOptions": " ".join(_JAVA_OPTIONS),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": (folder / "warehouse").as_uri(),
        "spark.local.dir": str(folder / "spark"),
        **cluster.spark_conf(master, folder, _JAVA_OPTIONS),
        **(s3.spark_conf(settings, folder, given) if settings.s3_endpoint else {}),
        **given,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
    }


def provision(
    arguments: SessionArguments, settings: ServiceSettings, folder: Path, cancelled: Event
) -> ProvisionedSession:
    """Fill the session's folder. This blocks: it copies files, and may fetch jars and modules.

    Parameters
    ----------
    arguments : SessionArguments
        The session's arguments.
    settings : ServiceSettings
        Settings for every session.
    folder : Path
        The session's own folder, empty.
    cancelled : Event
        When set, nothing more is fetched.

    Raises
    ------
    SessionStartError, JarError
        If something that the arguments name can't be fetched.
    """
    interpreter = Interpreter(settings.session_python)
    interpreter.check()
    (folder / "spark").mkdir()
    (folder / "tmp").mkdir()
    wanted = [*arguments.formats, *([S3] if settings.s3_endpoint else [])]
    jars = [path for name in wanted for path in ensure(*SETS[name], cancelled=cancelled)]
    endpoint = settings.s3_endpoint
    for uri in dict.fromkeys(arguments.jars):
        (folder / "jars").mkdir(exist_ok=True)
        jars.append(local_copy(uri, folder / "jars", (".jar",), s3_endpoint=endpoint))
    files = python_files(arguments.python_files, folder / "python", s3_endpoint=endpoint)
    search = search_path(files, folder / "python")
    if arguments.python_modules:
        search.append(
            str(
                install(
                    arguments,
                    folder,
                    python=interpreter.path,
                    cancelled=cancelled,
                    s3_endpoint=endpoint,
                )
            )
        )
    if arguments.data_catalog and "AWS_ENDPOINT_URL_GLUE" in settings.inherited:
        make_sure_of_default(dict(settings.inherited))
    conf = spark_conf(arguments, settings, folder)
    if files:
        named = [*map(str, files), conf.get("spark.submit.pyFiles", "")]
        conf["spark.submit.pyFiles"] = ",".join(filter(None, named))
    class_path = [str(jar) for jar in jars]
    conf |= cluster.executor_class_path(conf, class_path)
    archive = find_archive(arguments.formats)
    description = {
        "conf": conf,
        "class_path": class_path,
        "java": java(),
        "spark_home": str(spark_home()),
        "class_archive": str(archive) if archive else None,
    }
    path = folder / SETTINGS_FILE
    path.touch(mode=0o600)
    path.write_text(json.dumps(description), encoding="utf-8")
    outer = {**os.environ, **settings.inherited}
    if not interpreter.own:
        outer = {k: v for k, v in outer.items() if not k.startswith(_FOREIGN_PYTHON)}
    environment = {
        **_environment(folder, search, outer, interpreter.path),
        **cluster.environment(conf, folder, spark_home()),
    }
    return ProvisionedSession(folder, environment, tuple(interpreter.command(folder)))


def _environment(
    folder: Path, search: list[str], outer: Mapping[str, str], python: str
) -> dict[str, str]:
    before = [outer["PYTHONPATH"]] if outer.get("PYTHONPATH") else []
    return {
        **{k: v for k, v in outer.items() if not k.startswith(_FOREIGN_VARIABLES)},
        "SPARK_HOME": str(spark_home()),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": python,
        "PYSPARK_DRIVER_PYTHON": python,
        "PYTHONPATH": os.pathsep.join([*search, *before]),
        "PYTHONUNBUFFERED": "1",
        "MPLBACKEND": "agg",
        "IPYTHONDIR": str(folder / "ipython"),
        "TZ": "UTC",
        # Temporary files are removed with the session, and no one else can read them.
        "TMPDIR": str(folder / "tmp"),
        MARK: str(folder),
    }
