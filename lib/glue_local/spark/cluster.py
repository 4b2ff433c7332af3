"""Spark's settings for sessions with executors: processes of their own, as on AWS Glue.

The master ``local-cluster[executors,cores,MiB]`` is Spark's own standalone cluster on one machine:
the driver's JVM is master and workers as well, and each executor is a further JVM with Python
workers of its own. Spark made it for its tests, so a few things that an installation would have
are made here, in the session's folder.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

MASTER = re.compile(r"local-cluster\[([1-9]\d?),([1-9]\d?),(\d{3,6})\]")
# What PySpark's jars are built for; Spark's scripts would find it out.
_SCALA = "2.12"
# Lets no request through. The pages of master and workers can't be switched off, ask nobody who he
# is, and show what executors print.
_NO_PAGES = "org.sparkproject.jetty.servlets.QoSFilter"


def spark_conf(master: str, folder: Path, java_options: Sequence[str]) -> dict[str, str]:
    """Return the settings of a session whose master is a local cluster; none of another.

    Parameters
    ----------
    master : str
        The session's.
    folder : Path
        The session's own.
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
        # Master and workers listen on loopback, where others of this machine could send them work.
        "spark.authenticate": "true",
        "spark.authenticate.secret": secrets.token_hex(32),
        "spark.ui.filters": _NO_PAGES,
        f"spark.{_NO_PAGES}.param.maxRequests": "0",
        f"spark.{_NO_PAGES}.param.waitMs": "1",
        f"spark.{_NO_PAGES}.param.suspendMs": "1",
    }


def executor_class_path(conf: Mapping[str, str], class_path: Sequence[str]) -> dict[str, str]:
    """Return the setting that gives executors the driver's jars; none without executors."""
    if not MASTER.fullmatch(conf["spark.master"]):
        return {}
    name = "spark.executor.extraClassPath"
    own = [conf[name]] if conf.get(name) else []
    return {name: os.pathsep.join([*own, *class_path])}


def environment(conf: Mapping[str, str], folder: Path, spark_home: Path) -> dict[str, str]:
    """Return the variables that the workers start executors with; none without executors.

    A worker writes the logs of its executors below ``SPARK_HOME``: it gets a home of the session's,
    with the jars of the real one.
    """
    if not MASTER.fullmatch(conf["spark.master"]):
        return {}
    home = folder / "home"
    home.mkdir()
    (home / "jars").symlink_to(spark_home / "jars")
    return {"SPARK_HOME": str(home), "SPARK_SCALA_VERSION": _SCALA}
