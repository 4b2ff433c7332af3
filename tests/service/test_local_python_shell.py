"""Job runs in a root folder like AWS Glue's Python Shell, which is as strict as on AWS."""

from __future__ import annotations

import io
import json
import os
import signal
import time
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.support.local_api import Api, gone

from glue_local.emulator import Emulator
from glue_local.launch import LocalService

BUCKET = "job-files"
ROLE = "arn:aws:iam::000000000000:role/job"
REPORT = """
import importlib.metadata, json, os, pathlib, pwd, sys
def tried(what, *arguments):
    try:
        return str(what(*arguments))
    except Exception as error:
        return type(error).__name__
print(json.dumps({
    "python": sys.version_info[:2],
    "packages": sorted(found.metadata["Name"] for found in importlib.metadata.distributions()),
    "boto3": tried(__import__, "boto3"),
    "botocore": tried(lambda: __import__("botocore").__version__),
    "environment": dict(os.environ),
    "ids": [os.getuid(), os.getgid(), os.getgroups()],
    "name": tried(pwd.getpwuid, os.getuid()),
    "home": tried(pathlib.Path.home),
    "argv": sys.argv,
    "cwd": os.getcwd(),
    "files": sorted(os.listdir("/tmp")),
    "elsewhere": [tried(open, f"{at}/x", "w") for at in ("", "/var/tmp", "/dev/shm", "/root")],
    "here": tried(lambda: open("/tmp/x", "w").write("x")),
    "become_root": tried(os.setuid, 0),
    "brought": tried(lambda: __import__("brought_along").ANSWER),
}))
"""
# Reports in its own file that it is running, and exits cleanly on SIGTERM.
POLITE = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("left in good order", flush=True), sys.exit(0)))
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                         start_new_session=True)
print("up", flush=True)
time.sleep(600)
"""


@dataclass
class Shell:
    """A service that starts job runs in the root folder."""

    service: LocalService
    emulator: Emulator
    logs: Path

    def start(self, script: str, **arguments: str) -> tuple[str, str]:
        """Create a job for a script and start it; return the names of job and run."""
        name = f"job-{uuid.uuid4()}"
        s3, glue = self.emulator.client("s3"), self.glue
        s3.put_object(Bucket=BUCKET, Key=f"{name}.py", Body=script.encode())
        place = f"s3://{BUCKET}/{name}.py"
        command = {"Name": "pythonshell", "ScriptLocation": place, "PythonVersion": "3.9"}
        given = {name.replace("_", "-"): value for name, value in arguments.items()}
        glue.create_job(Name=name, Role=ROLE, Command=command, DefaultArguments=given)
        return name, glue.start_job_run(JobName=name)["JobRunId"]

    @property
    def glue(self) -> Any:
        return Api(self.service).client

    def end(self, job: str, run: str) -> dict[str, Any]:
        ended = {"SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT"}
        while True:
            found = dict(self.glue.get_job_run(JobName=job, RunId=run)["JobRun"])
            if found["JobRunState"] in ended:
                return found
            time.sleep(0.05)

    def said(self, run: str, stream: str = "output") -> str:
        path = self.logs / f"{run}.{stream}.log"
        return path.read_text() if path.exists() else ""

    def until_up(self, run: str) -> list[psutil.Process]:
        """Wait until the script is running; return the run's processes."""
        while "up" not in self.said(run):
            time.sleep(0.02)
        return psutil.Process(self.service.pid).children(recursive=True)


@pytest.fixture(scope="module")
def shell(
    python_shell: Path, emulator_environment: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shell]:
    logs = tmp_path_factory.mktemp("logs")
    outer = {**os.environ, "PYTHONPATH": "/nowhere", "AWS_PROFILE": "x", "glue_role_arn": "y"}
    with (
        Emulator() as emulator,
        LocalService(
            upstream=emulator.environment,
            job_log_folder=logs,
            environment=outer,
            python_shell=python_shell,
        ) as service,
    ):
        emulator.client("s3").create_bucket(Bucket=BUCKET)
        yield Shell(service, emulator, logs)


@pytest.fixture(scope="module")
def report(shell: Shell) -> dict[str, Any]:
    """Return a script's description of its environment."""
    job, run = shell.start(REPORT, __LAKE="s3://lake", library_set="none")
    ended = shell.end(job, run)
    assert ended["JobRunState"] == "SUCCEEDED", shell.said(run, "error")
    return {**json.loads(shell.said(run)), "job": job}


def test_a_run_has_python_39_with_awscli_and_botocore_alone(report: dict[str, Any]) -> None:
    assert report["python"] == [3, 9]
    assert (report["boto3"], report["botocore"]) == ("ModuleNotFoundError", "1.23.5")
    needed = {"awscli", "botocore", "PyYAML", "colorama", "docutils", "jmespath", "pyasn1"}
    needed |= {"python-dateutil", "rsa", "s3transfer", "six", "urllib3"}
    assert set(report["packages"]) == needed


def test_a_run_is_nobody_and_has_no_home(report: dict[str, Any]) -> None:
    assert report["ids"] == [10_000, 10_000, []]
    assert (report["name"], report["home"]) == ("KeyError", "KeyError")
    assert report["become_root"] == "PermissionError"


def test_of_our_variables_a_run_has_those_of_its_role(shell: Shell, report: dict[str, Any]) -> None:
    ours = {k: v for k, v in shell.service.environment.items() if k.startswith("AWS_")}
    found = {k: v for k, v in report["environment"].items() if k not in ("PATH", "LC_CTYPE")}
    mark = found.pop("GLUE_LOCAL_SESSION")
    assert found == ours
    assert not Path(mark).exists()


def test_a_run_gets_its_arguments_as_glue_hands_them_on(report: dict[str, Any]) -> None:
    script, *given = report["argv"]
    assert script == f"/tmp/glue-python-scripts-local/{report['job']}.py"
    location = f"s3://{BUCKET}/{report['job']}.py"
    assert given == ["--LAKE", "s3://lake", "library-set", "none", "--scriptLocation", location]


def test_a_run_writes_to_its_own_tmp_and_nowhere_else(report: dict[str, Any]) -> None:
    assert report["cwd"] == "/tmp"
    assert report["files"] == ["glue-python-scripts-local", "runscript.py"]
    assert report["here"] == "1"
    assert set(report["elsewhere"]) <= {"OSError", "PermissionError"}


def test_what_a_run_leaves_is_in_no_later_run(shell: Shell, report: dict[str, Any]) -> None:
    job, run = shell.start(REPORT)
    shell.end(job, run)
    assert json.loads(shell.said(run))["files"] == report["files"]


def test_extra_py_files_are_found(shell: Shell, report: dict[str, Any]) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("brought_along.py", "ANSWER = 42")
    key = "brought-1-py3-none-any.whl"
    shell.emulator.client("s3").put_object(Bucket=BUCKET, Key=key, Body=archive.getvalue())
    job, run = shell.start(REPORT, __extra_py_files=f"s3://{BUCKET}/{key}")
    shell.end(job, run)
    assert (report["brought"], json.loads(shell.said(run))["brought"]) == (
        "ModuleNotFoundError",
        "42",
    )


def test_the_exit_code_of_a_script_is_told(shell: Shell) -> None:
    ended = shell.end(*shell.start("import sys; sys.exit(3)"))
    assert (ended["JobRunState"], ended["ErrorMessage"]) == (
        "FAILED",
        "Command failed with exit code 3",
    )


def test_a_stopped_runs_script_ends_in_good_order_and_its_processes_with_it(shell: Shell) -> None:
    job, run = shell.start(POLITE)
    processes = shell.until_up(run)
    shell.glue.batch_stop_job_run(JobName=job, JobRunIds=[run])
    assert shell.end(job, run)["JobRunState"] == "STOPPED"
    assert "left in good order" in shell.said(run)
    assert len(processes) > 2
    assert gone(processes, seconds=0)


def test_a_killed_service_takes_its_runs_with_it(
    shell: Shell, python_shell: Path, tmp_path: Path
) -> None:
    service = LocalService(
        upstream=shell.emulator.environment, job_log_folder=tmp_path, python_shell=python_shell
    ).start()
    own = Shell(service, shell.emulator, tmp_path)
    processes = own.until_up(own.start(POLITE)[1])
    assert service.pid is not None
    os.kill(service.pid, signal.SIGKILL)
    service.stop()
    assert gone(processes)


def test_a_root_that_is_none_fails_the_run_and_says_so(shell: Shell, tmp_path: Path) -> None:
    with LocalService(
        upstream=shell.emulator.environment, job_log_folder=tmp_path, python_shell=tmp_path
    ) as service:
        own = Shell(service, shell.emulator, tmp_path)
        ended = own.end(*own.start("print('never')"))
    assert ended["JobRunState"] == "FAILED"
    assert f"{tmp_path} is not a Python Shell" in ended["ErrorMessage"]
