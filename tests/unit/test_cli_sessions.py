"""`client-health sessions serve` and `notebook`: real processes, started and stopped."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from client_health_cli import laboratory
from client_health_cli.commands.sessions import environment_lines

COMMAND = [sys.executable, "-c", "from client_health_cli.main import main; main()"]
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

pytestmark = pytest.mark.slow


@contextmanager
def started(*arguments, **options):
    process = subprocess.Popen(
        [*COMMAND, *arguments], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "AWS_PROFILE": "production", "PYTHONUNBUFFERED": "1"}, **options,
    )  # fmt: skip
    try:
        yield process
    finally:
        # A process that a failed test leaves running would keep the pipe open.
        family = children_of(process) if process.poll() is None else []
        for member in [process, *family]:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        process.communicate(timeout=30)


def read_until(process, pattern):
    """Read a process's lines up to one that matches."""
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if re.search(pattern, line):
            return lines
    raise AssertionError(f"ended before {pattern!r}:\n" + "\n".join(lines))


def children_of(process):
    return psutil.Process(process.pid).children(recursive=True)


def all_gone(processes):
    _, alive = psutil.wait_procs(processes, timeout=30)
    return not alive


def test_lines_can_be_read_by_a_shell_whatever_is_in_the_values():
    values = {"A": "it's", "B": 'a "b" $HOME `x`', "C": "", "D": "two\nlines"}
    script = "\n".join(environment_lines(values, ("GONE", "LOST")))
    show = f"{sys.executable} -c 'import os, json; print(json.dumps(dict(os.environ)))'"
    out = subprocess.run(
        ["sh", "-c", f"{script}\n{show}"],
        env={"GONE": "1", "LOST": "2", "PATH": os.environ["PATH"]},
        check=True,
        capture_output=True,
        text=True,
    )
    seen = json.loads(out.stdout)
    assert {name: seen[name] for name in values} == values
    assert not {"GONE", "LOST"} & set(seen)


@pytest.mark.parametrize(
    ("stop", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_the_printed_lines_lead_boto3_to_the_service_until_it_is_stopped(stop, code):
    with started("sessions", "serve") as process:
        lines = read_until(process, "Ctrl-C stops it")
        script = "\n".join(line for line in lines if line.startswith(("export ", "unset ")))
        call = (
            "import boto3, os; print(boto3.client('glue').list_sessions()['Ids'], "
            "os.environ.get('AWS_PROFILE'))"
        )
        out = subprocess.run(
            ["sh", "-c", f'{script}\n"{sys.executable}" -c "{call}"'],
            env={**os.environ, "AWS_PROFILE": "production"},
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        assert out.stdout == "[] None\n"
        service = children_of(process)
        assert service
        process.send_signal(stop)
        assert process.wait(60) == code
        assert all_gone(service)


def test_sessions_run_in_the_interpreter_that_is_named(tmp_path):
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    with started("sessions", "serve", "--python", str(python)) as process:
        read_until(process, "Ctrl-C stops it")
        (service,) = children_of(process)
        line = service.cmdline()
        assert line[line.index("--session-python") + 1] == str(python)
    with started("sessions", "serve", "--python", str(tmp_path / "absent")) as process:
        assert process.wait(60) == 2


def test_sessions_get_the_memory_that_is_asked_for():
    with started("sessions", "serve", "--driver-memory", "777m") as process:
        read_until(process, "Ctrl-C stops it")
        (service,) = children_of(process)
        line = service.cmdline()
        assert line[line.index("--driver-memory") + 1] == "777m"


def test_a_service_that_ends_by_itself_is_reported_with_exit_code_4():
    with started("sessions", "serve") as process:
        read_until(process, "Ctrl-C stops it")
        (service,) = children_of(process)
        service.kill()
        assert process.wait(60) == 4
        assert "ended unexpectedly" in process.stdout.read()


def test_a_port_in_use_is_reported_with_exit_code_4():
    with started("sessions", "serve") as first:
        line = read_until(first, "Ctrl-C stops it")[-1]
        port = re.search(r":(\d+)\.", line)[1]
        with started("sessions", "serve", "--port", port) as second:
            assert second.wait(60) == 4
            said = second.stdout.read()
        assert "Traceback" not in said
        assert port in said


def test_empty_parameters_find_the_sample_delivery_and_a_lake(tmp_path):
    files = laboratory.sample_delivery(tmp_path)
    assert all(path.is_file() for path in files.values())
    made = {path: path.stat().st_mtime_ns for path in files.values()}
    assert laboratory.sample_delivery(tmp_path) == files
    assert {path: path.stat().st_mtime_ns for path in files.values()} == made
    assert laboratory.session_defaults(tmp_path, files) == {
        "spark.client_health.lake": str(tmp_path / "notebook-lake"),
        "spark.client_health.run_id": "notebook",
        "spark.client_health.parquet_path": str(files["parquet"]),
        "spark.client_health.csv_path": str(files["csv"]),
        "spark.client_health.json_path": str(files["json"]),
    }


def test_the_official_kernel_is_started_by_this_interpreter_before_any_other_one():
    with laboratory.official_kernel() as folder:
        environment = laboratory.jupyter_environment({"JUPYTER_PATH": "/other"}, folder)
        assert environment["JUPYTER_PATH"] == f"{folder}{os.pathsep}/other"
        listed = subprocess.run(
            [sys.executable, "-m", "jupyter", "kernelspec", "list", "--json"],
            env={**os.environ, **environment}, check=True, capture_output=True, text=True,
        )  # fmt: skip
        argv = json.loads(listed.stdout)["kernelspecs"]["glue_pyspark"]["spec"]["argv"]
        assert argv[:3] == [
            sys.executable, "-m", "aws_glue_interactive_sessions_kernel.glue_pyspark.GlueKernel",
        ]  # fmt: skip
    assert not folder.exists()


def test_jupyterlab_serves_the_notebooks_on_loopback_and_stops_with_everything(tmp_path):
    shutil.copytree(NOTEBOOKS, tmp_path / "notebooks")
    with started("notebook", "--no-browser", "--port", "8970",
                 "--notebooks", str(tmp_path / "notebooks"), cwd=tmp_path) as process:  # fmt: skip
        line = read_until(process, r"http://127\.0\.0\.1:\d+/lab\?token=")[-1]
        port, token = re.search(r"127\.0\.0\.1:(\d+)/lab\?token=(\w+)", line).groups()

        def answer(path):
            asked = urllib.request.Request(
                f"http://127.0.0.1:{port}/api/{path}", headers={"Authorization": f"token {token}"}
            )
            while True:
                # The address is printed shortly before the server listens.
                try:
                    with urllib.request.urlopen(asked, timeout=30) as response:
                        return json.load(response)
                except urllib.error.URLError as error:
                    if not isinstance(error.reason, ConnectionRefusedError) or process.poll():
                        raise
                    time.sleep(0.2)

        names = {entry["name"] for entry in answer("contents")["content"]}
        assert {"01_ingest.ipynb", "02_transform.ipynb", "03_quality.ipynb"} <= names
        kernel = answer("kernelspecs")["kernelspecs"]["glue_pyspark"]["spec"]
        assert kernel["argv"][0] == sys.executable
        family = children_of(process)
        listening, environment = [], {}
        for member in family:
            with suppress(psutil.NoSuchProcess):  # JupyterLab starts short-lived processes
                listening += [
                    connection.laddr.ip
                    for connection in member.net_connections("inet")
                    if connection.status == psutil.CONN_LISTEN
                ]
                if "jupyterlab" in member.cmdline():
                    environment = member.environ()
        assert len(listening) >= 2, "JupyterLab and the service"
        assert set(listening) <= {"127.0.0.1", "::1"}
        assert environment["glue_endpoint_url"].startswith("http://127.0.0.1:")
        assert "AWS_PROFILE" not in environment
        process.terminate()
        # Read its output; a full pipe would block JupyterLab.
        process.communicate(timeout=60)
        assert process.returncode == 128 + signal.SIGTERM
        assert all_gone(family)
    assert (tmp_path / "data" / "notebook-raw" / "dados_cadastro_2.csv").is_file()
