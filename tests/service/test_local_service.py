"""The service as a process: what it prints, and that nothing is left when it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import psutil
import pytest
from tests.support.local_api import Api, gone, listening

from glue_local.errors import ServiceStartError
from glue_local.launch import LocalService
from strict_glue.api import glue_client

PARENT = """
import json, sys
from glue_local.launch import LocalService
service = LocalService(driver_memory="512m").start()
described = {"pid": service.pid, "endpoint": service.endpoint, "environment": service.environment}
print(json.dumps(described), flush=True)
sys.stdin.read()
"""


def everything(api: Api) -> list[psutil.Process]:
    """Start a session; return the processes of the service and of the session."""
    session = api.ready()
    return [psutil.Process(api.service.pid), *api.processes(session)]


def session_folder(api: Api) -> Path:
    session = api.client.list_sessions()["Ids"][0]
    return Path(api.text(session, "print(sc.getConf().get('spark.local.dir'))")).parent


def test_readiness_is_one_line_of_json_and_sigterm_ends_all_with_0() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "glue_local", "--region", "sa-east-1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    assert ready["endpoint"].startswith("http://127.0.0.1:")
    assert ready["environment"]["AWS_ENDPOINT_URL_GLUE"] == ready["endpoint"]
    assert ready["environment"]["glue_endpoint_url"] == ready["endpoint"]
    assert ready["environment"]["AWS_REGION"] == "sa-east-1"
    assert {"AWS_PROFILE", "glue_profile"} <= set(ready["removed_variables"])
    secret = ready["environment"]["AWS_SECRET_ACCESS_KEY"]
    assert not [part for part in psutil.Process(process.pid).cmdline() if secret in part]
    process.send_signal(signal.SIGTERM)
    rest, log = process.communicate(timeout=30)
    assert (process.returncode, rest) == (0, "")
    assert secret not in log


def test_stopping_the_service_leaves_neither_process_nor_file() -> None:
    with LocalService(driver_memory="512m") as service:
        api = Api(service)
        processes = everything(api)
        folder = session_folder(api)
        assert folder.stat().st_mode & 0o777 == 0o700
        secret = service.environment["AWS_SECRET_ACCESS_KEY"]
        for process in processes:
            assert secret not in " ".join(process.cmdline())
        assert set(listening(processes)) == {"127.0.0.1"}
    assert gone(processes, seconds=0)
    assert not folder.exists()


def test_what_a_provisioning_session_fetches_ends_with_the_service(tmp_path: Path) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    java.chmod(0o755)
    outer = {"JAVA_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    with LocalService(environment={**os.environ, **outer}) as service:
        Api(service).create(DefaultArguments={"--datalake-formats": "iceberg"})
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.02)
        fetching = psutil.Process(int((tmp_path / "pid").read_text()))
    assert gone([fetching], seconds=0)


def test_the_service_and_its_sessions_end_when_its_parent_is_killed() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    described = json.loads(parent.stdout.readline())
    api = Api(cast(LocalService, SimpleNamespace(**described)))
    processes = everything(api)
    folder = session_folder(api)
    parent.kill()
    parent.communicate()
    assert gone(processes)
    assert not folder.exists()


def test_the_launcher_says_why_the_service_did_not_start(api: Api) -> None:
    taken = int(api.service.endpoint.rsplit(":", 1)[1])
    with pytest.raises(ServiceStartError) as failed:
        LocalService(port=taken).start()
    assert failed.value.exit_code == 1
    assert f"127.0.0.1:{taken}" in failed.value.last_words


def test_a_clients_environment_keeps_ours_without_what_leads_elsewhere(
    local_service: LocalService,
) -> None:
    outer = {"PATH": "/bin", "AWS_PROFILE": "prod", "glue_profile": "prod", "AWS_REGION": "x"}
    environment = local_service.client_environment(outer)
    assert environment == {"PATH": "/bin", **local_service.environment}


def test_a_proxy_that_the_environment_names_is_not_asked_for_this_machine(
    local_service: LocalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert glue_client(local_service.environment).list_sessions()["ResponseMetadata"]
