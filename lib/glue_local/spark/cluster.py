"""Spark's settings for sessions with executors in separate processes, as on AWS Glue.

The master ``local-cluster[executors,cores,MiB]`` is Spark's own standalone cluster on one machine:
the driver's JVM is also master and workers, and each executor is a further JVM with its own Python
workers. Spark has it for its own tests, so this module creates a few things that an installation
would have, in the session's folder.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

MASTER = re.compile(r"local-cluster\[([1-9]\d?),([1-9]\d?),(\d{3,6})\]")
# The Scala version of PySpark's jars, which Spark's scripts would find out.
_SCALA = "2.12"
# Lets no request through. The pages of master and workers can't be turned off, need no
# authentication, and show the output of executors.
_NO_PAGES = "org.sparkproject.jetty.servlets.QoSFilter"


def spark_conf(master: str, folder: Path, java_options: Sequence[str]) -> dict[str, str]:
    """Return the settings of a session whose master is a local cluster; otherwise none.

    Parameters
    ----------
    master : str
        The session's master.
    folder : Path
        The session's own folder.
    java_options : sequence of str
        Options of every JVM.
    """
    found = MASTER.fullmatch(master)
    if not found:
        return {}
    options = [*java_options, f"-Djava.io.tmpdir={folder / 'tmp'}", "-XX:-UsePerfData"]
    return {
        "spark.executor.cores": found[2],
        "spark.executor.memory": f"{found[3]}m",
        "spark.executor.defaultJavaOptions": " ".join(options),
        # Master and workers listen on loopback, where other users could send them work.
        "spark.authenticate": "true",
        "spark.authenticate.secret": secrets.token_hex(32),
        "spark.ui.filters": _NO_PAGES,
        f"spark.{_NO_PAGES}.param.maxRequests": "0",
        f"spark.{_NO_PAGES}.param.waitMs": "1",
        f"spark.{_NO_PAGES}.param.suspendMs": "1",
    }


def executor_class_path(conf: Mapping[str, str], class_path: Sequence[str]) -> dict[str, str]:
    """Return the setting that provides the driver's jars to executors; none without executors."""
    if not MASTER.fullmatch(conf["spark.master"]):
        return {}
    name = "spark.executor.extraClassPath"
    own = [conf[name]] if conf.get(name) else []
    return {name: os.pathsep.join([*own, *class_path])}


def environment(conf: Mapping[str, str], folder: Path, spark_home: Path) -> dict[str, str]:
    """Return the variables that workers start executors with; none without executors.

    A worker writes the logs of its executors below ``SPARK_HOME``, so it gets a home in the
    session's folder, with the jars of the real one.
    """
    if not MASTER.fullmatch(conf["spark.master"]):
        return {}
    home = folder / "home"
    home.mkdir()
    (home / "jars").symlink_to(spark_home / "jars")
    return {"SPARK_HOME": str(home), "SPARK_SCALA_VERSION": _SCALA}
