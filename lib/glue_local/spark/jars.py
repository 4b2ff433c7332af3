"""The jars that Spark needs in addition to its own: fetched once, pinned by hash, kept.

PySpark's Ivy fetches missing jars into the user's cache folder. If all are there, the network is
not used. ``python -m glue_local.prepare`` fetches them beforehand.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from glue_local.errors import JarError, SessionStartError
from glue_local.processes import child


@dataclass(frozen=True)
class Jar:
    """One pinned jar.

    Parameters
    ----------
    group, artifact, version : str
        Its coordinates.
    sha256 : str
        Hex digest of the file.
    """

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def coordinates(self) -> str:
        """``group:artifact:version``."""
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def file_name(self) -> str:
        """Name of the file in the cache folder."""
        return f"{self.artifact}-{self.version}.jar"


ICEBERG = Jar(
    "org.apache.iceberg",
    "iceberg-spark-runtime-3.5_2.12",
    "1.10.0",
    "70f9471870b2d456167d703c829f098a446b86bb1379eee338c0efa03a341026",
)
SQLITE = Jar(
    "org.xerial",
    "sqlite-jdbc",
    "3.50.3.0",
    "a3f53a2aa15ae9425a9e793bbe9c8e5288febeb4b65ef5c1a4e80d4c2045cf08",
)
# Spark's own Hadoop is 3.3.4: its S3 client must have the same version, with the matching SDK.
_S3_JARS = (
    Jar(
        "org.apache.hadoop",
        "hadoop-aws",
        "3.3.4",
        "53f9ae03c681a30a50aa17524bd9790ab596b28481858e54efd989a826ed3a4a",
    ),
    Jar(
        "com.amazonaws",
        "aws-java-sdk-bundle",
        "1.12.262",
        "873fe7cf495126619997bec21c44de5d992544aea7e632fdc77adb1a0915bae5",
    ),
    Jar(
        "org.apache.iceberg",
        "iceberg-aws-bundle",
        "1.10.0",
        "172370cfc32a5f1ae5399b210e86fc04a366dc29a112d97ac8ffc74df7525596",
    ),
)
# What each value of --datalake-formats adds to the driver's class path.
FORMATS: dict[str, tuple[Jar, ...]] = {"iceberg": (ICEBERG, SQLITE)}
# What sessions also need if the service has an S3 endpoint: 340 MB, fetched on demand.
S3 = "s3"
SETS: dict[str, tuple[Jar, ...]] = {**FORMATS, S3: _S3_JARS}


def cache_folder() -> Path:
    """Return the folder for the jars: under ``XDG_CACHE_HOME``, or ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "client-health" / "jars"


def java() -> str:
    """Return the path of the ``java`` to run.

    Raises
    ------
    SessionStartError
        If neither ``JAVA_HOME`` nor the path has one.
    """
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").exists():
        return str(Path(home) / "bin" / "java")
    found = shutil.which("java")
    if found is None:
        raise SessionStartError(
            "No Java was found in JAVA_HOME or on the path. Spark needs Java 17: install it, "
            "or set JAVA_HOME to it."
        )
    return found


def archive_path(formats: Sequence[str] = ()) -> Path:
    """Return the path of the class archive for this Java, this Spark, and some formats.

    The file may be missing; see :mod:`glue_local.spark.class_data`. The JVM refuses an archive of
    other files, so the name depends on them.

    Parameters
    ----------
    formats : sequence of str, optional
        From :data:`FORMATS`: what a session has on its class path before Spark.
    """
    more = [cache_folder() / jar.file_name for name in formats for jar in FORMATS[name]]
    java_path = Path(java()).resolve()
    made_of = [java_path, *sorted((spark_home() / "jars").glob("*.jar")), *more]
    facts = [f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in made_of]
    digest = hashlib.sha256("\n".join(facts).encode()).hexdigest()
    return cache_folder().parent / "class-data" / f"{digest[:16]}.jsa"


def find_archive(formats: Sequence[str] = ()) -> Path | None:
    """Return the class archive for some formats, and mark it as used; None if there is none.

    Only the archives used last are kept, see :func:`glue_local.spark.class_data.drop_old`.

    Parameters
    ----------
    formats : sequence of str, optional
        As for :func:`archive_path`.
    """
    path = archive_path(formats)
    if not path.exists():
        return None
    # A cache of another user can't be marked, but its archives can be mapped.
    with contextlib.suppress(OSError):
        os.utime(path)
    return path


def spark_home() -> Path:
    """Return the folder of the installed PySpark, without importing it."""
    from importlib.util import find_spec  # noqa: PLC0415 - only the Spark side needs it

    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise SessionStartError("pyspark is not in the service's environment; install it.")
    return Path(spec.origin).parent


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _retrieve(jar: Jar, folder: Path, cancelled: Event | None) -> Path:
    """Let Ivy write the jar into an empty folder."""
    ivy = next(iter(sorted((spark_home() / "jars").glob("ivy-*.jar"))), None)
    if ivy is None:
        raise JarError(jar.coordinates, "PySpark has no Ivy to fetch it with; reinstall PySpark.")
    command = [java(), "-jar", str(ivy), "-cache", str(folder / "ivy")]
    command += ["-dependency", jar.group, jar.artifact, jar.version]
    command += ["-notransitive", "-types", "jar"]
    command += ["-retrieve", str(folder / "[artifact]-[revision].[ext]")]
    code, output = child.run(command, cwd=folder, cancelled=cancelled)
    path = folder / jar.file_name
    if code != 0 or not path.exists():
        lines = [line.strip() for line in output.splitlines() if line.strip()]
        reason = lines[-1] if lines else f"exit code {code}"
        raise JarError(
            jar.coordinates,
            f"it is not in {cache_folder()} and could not be fetched ({reason}). "
            "Connect to the network once and run 'python -m glue_local.prepare'.",
        )
    return path


def _fetch(jar: Jar, target: Path, cancelled: Event | None) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # Next to the target, so that the last step is a rename: nothing reads half a jar.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as folder:
        path = _retrieve(jar, Path(folder), cancelled)
        found = _digest(path)
        if found != jar.sha256:
            raise JarError(
                jar.coordinates,
                f"the fetched file has sha256 {found}, expected {jar.sha256}. It was deleted; "
                "find out which server answered instead of the registry.",
            )
        path.replace(target)


def ensure(
    *jars: Jar, folder: Path | None = None, cancelled: Event | None = None
) -> tuple[Path, ...]:
    """Return the paths of the jars; fetch those that are missing.

    Parameters
    ----------
    *jars : Jar
        The jars.
    folder : Path, optional
        Folder for them (default: the user's cache folder).
    cancelled : Event, optional
        When set, fetching stops.

    Returns
    -------
    tuple of Path
        In the order of the arguments.

    Raises
    ------
    JarError
        If a jar can't be fetched, or is not the pinned one.
    """
    folder = folder or cache_folder()
    paths = []
    for jar in jars:
        path = folder / jar.file_name
        if not path.exists():
            _fetch(jar, path, cancelled)
        paths.append(path)
    return tuple(paths)


def verify(*jars: Jar, folder: Path | None = None) -> None:
    """Compare the cached jars with their pins; delete a damaged one and fetch it again.

    Reading 60 MB takes time, so sessions trust the cache, and only this function checks it.
    """
    folder = folder or cache_folder()
    for jar in jars:
        path = folder / jar.file_name
        if path.exists() and _digest(path) != jar.sha256:
            path.unlink()
    ensure(*jars, folder=folder)


def every_jar() -> tuple[Jar, ...]:
    """Return each jar once, even if several formats need it."""
    return tuple(dict.fromkeys(jar for jars in FORMATS.values() for jar in jars))
