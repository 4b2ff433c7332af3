"""The start script of the Python Shell job."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from infra.archives import pack
from infra.start_job import split_arguments
from tests.support.built import build_once

from glue_local.emulator import Emulator

SAYS = b"import sys, helper\nprint(helper.NAME, sys.argv[1:])\nsys.exit(3)\n"
# signal.pause() would wait forever if the signal arrived just before it.
WAITS = b"""import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(4))
print("waiting", flush=True)
while True:
    time.sleep(0.1)
"""
DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


@pytest.fixture(scope="module")
def cloud(
    emulator_environment: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Emulator]:
    with Emulator(log=tmp_path_factory.mktemp("emulator") / "emulator.log") as emulator:
        emulator.client("s3").create_bucket(Bucket="artifacts")
        yield emulator


def start(
    cloud: Emulator, root: Path, folder: Path, *arguments: str, **environment: str
) -> subprocess.Popen[str]:
    script = folder / "start_job.py"
    script.write_bytes((root / "infra" / "start_job.py").read_bytes())
    return subprocess.Popen(
        [sys.executable, str(script), *arguments],
        env={**os.environ, **cloud.environment, **environment},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def put(cloud: Emulator, name: str, files: dict[str, bytes]) -> str:
    cloud.client("s3").put_object(Bucket="artifacts", Key=name, Body=pack(files))
    return f"s3://artifacts/{name}"


def test_the_job_finds_its_packages_and_its_arguments_and_its_exit_code_is_told(
    cloud: Emulator, root: Path, tmp_path: Path
) -> None:
    packages = put(cloud, "packages.zip", {"helper.py": b"NAME = 'a package'\n"})
    job = put(cloud, "job.zip", {"job_client_health.py": SAYS})
    process = start(
        cloud,
        root,
        tmp_path,
        "--LAKE",
        "s3://lake",
        "--PACKAGES",
        f"{packages},{job}",
        "--RAW",
        "r",
    )
    out, error = process.communicate(timeout=60)
    assert out.strip() == "a package ['--LAKE', 's3://lake', '--RAW', 'r']", error
    assert process.returncode == 3


def test_a_host_without_boto3_is_enough(cloud: Emulator, root: Path, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "boto3.py").write_text("raise ModuleNotFoundError('there is no boto3')")
    job = put(cloud, "alone.zip", {"job_client_health.py": b"print('started')"})
    process = start(cloud, root, tmp_path, "--PACKAGES", job, PYTHONPATH=str(hidden))
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out, error) == (0, "started\n", "")


def test_a_missing_archive_is_named_in_one_line(
    cloud: Emulator, root: Path, tmp_path: Path
) -> None:
    process = start(cloud, root, tmp_path, "--PACKAGES", "s3://artifacts/none.zip")
    _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert error == (
        "start_job: s3://artifacts/none.zip does not exist (NoSuchKey): "
        "deploy again, which uploads what is missing\n"
    )


def test_what_is_no_archive_is_named_in_one_line(
    cloud: Emulator, root: Path, tmp_path: Path
) -> None:
    cloud.client("s3").put_object(Bucket="artifacts", Key="text.zip", Body=b"no zip")
    process = start(cloud, root, tmp_path, "--PACKAGES", "s3://artifacts/text.zip")
    _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert error.startswith("start_job: s3://artifacts/text.zip isn't a zip archive (")
    assert error.count("\n") == 1


@contextmanager
def answering(status: int, body: bytes, length: int) -> Iterator[str]:
    """Yield the URL of an S3 that answers every request in the same way, then hangs up."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "length", "code", "said"),
    [
        (403, DENIED, len(DENIED), 2, "may not be read (AccessDenied): let the job's role read it"),
        (200, b"half", 8, 4, "did not arrive ("),
    ],
    ids=["denied", "cut"],
)
def test_an_archive_that_can_not_be_had_is_named_in_one_line(
    cloud: Emulator,
    root: Path,
    tmp_path: Path,
    status: int,
    body: bytes,
    length: int,
    code: int,
    said: str,
) -> None:
    with answering(status, body, length) as url:
        process = start(
            cloud, root, tmp_path, "--PACKAGES", "s3://artifacts/x.zip", AWS_ENDPOINT_URL=url
        )
        _, error = process.communicate(timeout=60)
    assert process.returncode == code
    assert error.startswith(f"start_job: s3://artifacts/x.zip {said}")
    assert error.count("\n") == 1


def test_a_job_that_is_told_to_stop_stops_its_own_way(
    cloud: Emulator, root: Path, tmp_path: Path
) -> None:
    job = put(cloud, "waits.zip", {"job_client_health.py": WAITS})
    process = start(cloud, root, tmp_path, "--PACKAGES", job)
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 4


def test_the_real_job_starts_from_its_archive(cloud: Emulator, root: Path, tmp_path: Path) -> None:
    cloud.client("s3").put_object(
        Bucket="artifacts", Key="real.zip", Body=build_once().files["job.zip"]
    )
    process = start(cloud, root, tmp_path, "--PACKAGES", "s3://artifacts/real.zip")
    _, error = process.communicate(timeout=60)
    assert process.returncode == 2, error
    assert "neither --LAKE nor --OUTPUT_PATH is given" in error


@pytest.mark.parametrize("known", [True, False])
def test_the_job_has_a_region_also_where_the_host_names_none(
    cloud: Emulator, root: Path, tmp_path: Path, known: bool
) -> None:
    says = b"import os\nprint(os.environ['AWS_REGION'], os.environ['AWS_DEFAULT_REGION'])\n"
    job = put(cloud, "job.zip", {"job_client_health.py": says})
    host = dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), "us-east-1" if known else "")
    process = start(cloud, root, tmp_path, "--PACKAGES", job, "--REGION", "sa-east-1", **host)
    out, error = process.communicate(timeout=60)
    assert out.split() == ["us-east-1" if known else "sa-east-1"] * 2, error


def test_without_archives_every_argument_is_the_jobs() -> None:
    assert split_arguments(["--LAKE", "x"]) == ([], ["--LAKE", "x"])
    assert split_arguments(["--PACKAGES", "", "--LAKE", "x"]) == ([], ["--LAKE", "x"])
