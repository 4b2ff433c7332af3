"""The script that the Python Shell job starts with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from infra.archives import pack
from infra.artifacts import build_artifacts
from infra.start_job import split_arguments

from glue_local.emulator import Emulator

SAYS = b"import sys, helper\nprint(helper.NAME, sys.argv[1:])\nsys.exit(3)\n"
WAITS = b"""import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(4))
print("waiting", flush=True)
signal.pause()
"""


@pytest.fixture(scope="module")
def cloud(
    emulator_environment: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Emulator]:
    with Emulator(log=tmp_path_factory.mktemp("emulator") / "emulator.log") as emulator:
        emulator.client("s3").create_bucket(Bucket="artifacts")
        yield emulator


def start(cloud: Emulator, root: Path, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    script = folder / "start_job.py"
    script.write_bytes((root / "infra" / "start_job.py").read_bytes())
    return subprocess.Popen(
        [sys.executable, str(script), *arguments],
        env={**os.environ, **cloud.environment},
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
        Bucket="artifacts", Key="real.zip", Body=build_artifacts().files["job.zip"]
    )
    process = start(cloud, root, tmp_path, "--PACKAGES", "s3://artifacts/real.zip")
    _, error = process.communicate(timeout=60)
    assert process.returncode == 2, error
    assert "neither --LAKE nor --OUTPUT_PATH is given" in error


def test_without_archives_every_argument_is_the_jobs() -> None:
    assert split_arguments(["--LAKE", "x"]) == ([], ["--LAKE", "x"])
    assert split_arguments(["--PACKAGES", "", "--LAKE", "x"]) == ([], ["--LAKE", "x"])
