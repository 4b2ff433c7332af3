"""The local sessions service, for the duration of a block of code."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from client_health_cli.errors import ServiceFailedError
from glue_local import LocalService, ServiceStartError


@contextlib.contextmanager
def local_service(
    spark_conf: Mapping[str, str] | None = None,
    working_directory: Path | None = None,
    port: int = 0,
    *,
    log: IO[Any] | None = None,
    python: Path | None = None,
    driver_memory: str | None = None,
) -> Iterator[LocalService]:
    """Run a local sessions service during a block of code.

    Parameters
    ----------
    spark_conf
        Spark settings of every session.
    working_directory
        Where sessions' code runs; the current directory if None.
    port
        Port on 127.0.0.1; 0 for a free one.
    log
        File for the service's log; none is kept if None.
    python
        Interpreter of sessions' drivers and workers; this one if None.
    driver_memory
        Heap of each session's driver, such as `6g`; the service's default if None.

    Raises
    ------
    ServiceFailedError
        If the service doesn't start.
    """
    service = LocalService(
        spark_conf=spark_conf,
        working_directory=working_directory,
        driver_memory=driver_memory,
        port=port,
        log=log,
        arguments=("--session-python", str(python)) if python else (),
    )
    try:
        service.start()
    except ServiceStartError as error:
        raise ServiceFailedError(str(error)) from error
    try:
        yield service
    finally:
        service.stop()
