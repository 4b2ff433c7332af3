"""Reads and checks a session's ``DefaultArguments``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from glue_local.errors import ApiError
from glue_local.spark import cluster
from glue_local.spark.jars import FORMATS

_NEXT_CONF = re.compile(r"\s+--conf\s+")
_LOCAL_MASTER = re.compile(r"local(\[[\d*, ]+\])?")
_OPTIONS = "--python-modules-installer-option"
_CATALOG = "--enable-glue-datacatalog"
_JAVA_OPTIONS = ("spark.driver.defaultJavaOptions", "spark.driver.extraJavaOptions")


@dataclass(frozen=True)
class SessionArguments:
    """The arguments that change how a session is started.

    Parameters
    ----------
    conf : dict of str to str
        Spark configuration, from ``--conf``.
    formats : tuple of str
        From ``--datalake-formats``.
    python_files, jars, python_modules : tuple of str
        From ``--extra-py-files``, ``--extra-jars``, and ``--additional-python-modules``.
    installer_options : tuple of str
        From ``--python-modules-installer-option``: the installer's options before the modules.
    data_catalog : bool
        From ``--enable-glue-datacatalog``: whether Spark's own catalog is Glue's.
    """

    conf: dict[str, str]
    formats: tuple[str, ...] = ()
    python_files: tuple[str, ...] = ()
    jars: tuple[str, ...] = ()
    python_modules: tuple[str, ...] = ()
    installer_options: tuple[str, ...] = ()
    data_catalog: bool = False

    @classmethod
    def read(
        cls, arguments: Mapping[str, str], *, first_conf_only: bool = False
    ) -> SessionArguments:
        """Read ``DefaultArguments``; arguments without a meaning here are ignored.

        Parameters
        ----------
        arguments : Mapping of str to str
        first_conf_only : bool
            Whether only the first setting of ``--conf`` is applied.

        Raises
        ------
        ApiError
            If a value is invalid, or asks for a format that isn't supported.
        """
        formats = _items(arguments.get("--datalake-formats", ""))
        for name in formats:
            if name not in FORMATS:
                raise ApiError.invalid(
                    f"--datalake-formats names {name!r}; the local service has "
                    f"{', '.join(sorted(FORMATS))}."
                )
        conf = read_conf(arguments.get("--conf", ""))
        return cls(
            conf=dict([*conf.items()][:1]) if first_conf_only else conf,
            formats=formats,
            python_files=_items(arguments.get("--extra-py-files", "")),
            jars=_items(arguments.get("--extra-jars", "")),
            python_modules=_items(arguments.get("--additional-python-modules", "")),
            installer_options=_words(_OPTIONS, arguments.get(_OPTIONS, "")),
            # It is documented with the value true; older pages show it empty.
            data_catalog=arguments.get(_CATALOG, "false").strip().lower() in ("true", ""),
        )


def _items(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def _words(name: str, text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise ApiError.invalid(f"{name} has {str(error).lower()}.") from None


def read_conf(text: str) -> dict[str, str]:
    """Return the settings in one argument: ``a=b --conf c=d --conf e=f``.

    Parameters
    ----------
    text : str
        As AWS Glue accepts it. A leading ``--conf`` is allowed; a later setting of the same name
        wins, as with spark-submit.

    Raises
    ------
    ApiError
        If a part isn't ``name=value``.
    """
    conf: dict[str, str] = {}
    text = text.strip().removeprefix("--conf ")
    for part in _NEXT_CONF.split(text) if text.strip() else ():
        name, equals, value = part.strip().partition("=")
        if not equals or not name.strip() or any(sign.isspace() for sign in name.strip()):
            raise ApiError.invalid(
                f"--conf has {part.strip()[:80]!r} where name=value was expected. Chain several "
                "settings as 'a=b --conf c=d'."
            )
        conf[name.strip()] = value.strip()
    _check_conf(conf)
    return conf


def _check_conf(conf: Mapping[str, str]) -> None:
    master = conf.get("spark.master", "local")
    if not _LOCAL_MASTER.fullmatch(master) and not cluster.MASTER.fullmatch(master):
        raise ApiError.invalid(
            f"--conf sets spark.master to {master[:80]!r}; the local service runs Spark on this "
            "machine: local, local[2], local[*], or with executors local-cluster[2,1,1024]."
        )
    for name in _JAVA_OPTIONS:
        try:
            shlex.split(conf.get(name, ""))
        except ValueError as error:
            raise ApiError.invalid(
                f"--conf sets {name} to a value that has {str(error).lower()}."
            ) from None
