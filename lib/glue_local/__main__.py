"""``python -m glue_local``: run the service until it is stopped."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil

from glue_local.api.forward import upstream_url
from glue_local.api.server import Server
from glue_local.settings import REMOVED_VARIABLES, Credentials, ServiceSettings


def _conf(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} isn't key=value")
    return name, value


def _upstream(text: str) -> str:
    try:
        return upstream_url(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m glue_local",
        description="A local AWS Glue Interactive Sessions service. When it listens, it prints one "
        "line of JSON: the endpoint and the environment for its clients. Logs go to stderr.",
    )
    add = parser.add_argument
    add("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    add("--region", default=os.environ.get("AWS_REGION") or "us-east-1")
    add("--working-directory", type=Path, default=Path.cwd(), help="where sessions' code runs")
    add("--driver-memory", default="3g", help="heap of each session's Spark driver")
    add(
        "--spark-conf",
        type=_conf,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="Spark setting of every session, before its own; repeatable",
    )
    add(
        "--first-conf-only",
        action="store_true",
        help="of several settings in one --conf, sessions get only the first, as has been reported "
        "of AWS Glue",
    )
    add("--session-limit", type=int, default=4, help="maximum number of sessions at once")
    add(
        "--upstream",
        type=_upstream,
        metavar="URL",
        help="emulator of the rest of AWS: knows the jobs, gets every action not supported here",
    )
    add(
        "--environment-credentials",
        action="store_true",
        help="accept the key pair in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of this "
        "environment, which an emulator's Lambda functions use; otherwise, a new key pair",
    )
    add(
        "--s3-endpoint",
        default=os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"),
        metavar="URL",
        help="where sessions and job runs find S3; AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL",
    )
    add(
        "--session-python",
        default=sys.executable,
        metavar="PATH",
        help="interpreter of sessions' drivers and workers, with the same Python and PySpark",
    )
    add("--job-log-folder", type=Path, metavar="FOLDER", help="keeps the output of job runs")
    add(
        "--python-shell",
        type=Path,
        metavar="ROOT",
        help="root folder for job runs, as in AWS Glue's Python Shell (needs root); otherwise, "
        "they use the service's own Python",
    )
    add("--call-log", type=Path, metavar="FILE", help="file for a line per call: action and caller")
    add("--parent-pid", type=int, help="stop when this process ends")
    add("--until-stdin-closes", action="store_true", help="stop when stdin is closed")
    add("--stop-seconds", type=float, default=3.0, help=argparse.SUPPRESS)
    add("--job-stop-seconds", type=float, default=20.0, help=argparse.SUPPRESS)
    add("--minute-seconds", type=float, default=60.0, help=argparse.SUPPRESS)
    return parser


def _watch_parent(pid: int, gone: Callable[[], None]) -> None:
    with contextlib.suppress(psutil.Error):
        psutil.Process(pid).wait()
    gone()


def _watch_stdin(gone: Callable[[], None]) -> None:
    # Not through sys.stdin: this thread would hold its lock when the interpreter ends.
    while os.read(0, 1024):
        pass
    gone()


def _in_background(work: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=work, args=arguments, name=work.__name__, daemon=True).start()


async def _serve(options: argparse.Namespace) -> None:
    settings = ServiceSettings(
        port=options.port,
        region=options.region,
        working_directory=options.working_directory.absolute(),
        driver_memory=options.driver_memory,
        spark_conf=dict(options.spark_conf),
        first_conf_only=options.first_conf_only,
        session_limit=options.session_limit,
        minute_seconds=options.minute_seconds,
        stop_seconds=options.stop_seconds,
        upstream=options.upstream,
        s3_endpoint=options.s3_endpoint,
        job_stop_seconds=options.job_stop_seconds,
        # Not resolved: an environment's interpreter is a link, and its path identifies it.
        session_python=os.path.abspath(options.session_python),  # noqa: PTH100
        job_log_folder=options.job_log_folder and options.job_log_folder.absolute(),
        python_shell=options.python_shell and options.python_shell.absolute(),
        call_log=options.call_log and options.call_log.absolute(),
    )
    own = Credentials.of(os.environ)
    credentials = (own if options.environment_credentials else None) or Credentials.generate()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def gone() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has already ended
            loop.call_soon_threadsafe(stop.set)

    if options.parent_pid is not None:
        _in_background(_watch_parent, options.parent_pid, gone)
    if options.until_stdin_closes:
        _in_background(_watch_stdin, gone)
    server = Server(settings, credentials, own)
    try:
        ready = {
            "endpoint": server.endpoint,
            "environment": server.environment,
            "removed_variables": list(REMOVED_VARIABLES),
        }
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.write(json.dumps(ready) + "\n")
            sys.stdout.flush()
        await stop.wait()
    finally:
        await server.close()


def main() -> int:
    """Run the service; return 0 if it was asked to stop, 1 if it could not listen."""
    options = _parser().parse_args()
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s"
    )
    # It quotes requests that it can't read, which may contain a statement's code.
    logging.getLogger("tornado").setLevel(logging.ERROR)
    try:
        asyncio.run(_serve(options))
    except OSError as error:
        sys.stderr.write(f"The service can't listen on 127.0.0.1:{options.port}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
