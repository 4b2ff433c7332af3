"""The notebooks' copies for Glue Studio."""

from __future__ import annotations

import ast
import json
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from infra.errors import SettingsError
from infra.studio import Places, studio_copy
from jupyter_client.manager import KernelManager
from tests.support.deployed import Deployed
from tests.support.policy import Permissions

from strict_glue.kernels import reachable_here_alone

PLACES = Places(
    role="arn:aws:iam::123456789012:role/client-health-session",
    library="s3://artifacts/1/client_health-1.gluewheels.zip",
    lake="s3://lake/lake",
    id_key="arn:aws:secretsmanager:sa-east-1:123456789012:secret:client-health/id-key-AbCdEf",
    conf="spark.hadoop.fs.s3a.endpoint.region=sa-east-1",
)
NOTEBOOKS = ("01_ingest", "02_transform", "03_quality")
STUDIO_ID = "01234567-89ab-cdef-0123-456789abcdef"


def load(root: Path, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    content = (root / "notebooks" / f"{name}.ipynb").read_bytes()
    return json.loads(content), json.loads(studio_copy(content, PLACES))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_other_cell_is_identical(root: Path, name: str) -> None:
    original, copy = load(root, name)
    assert copy["cells"][2:] == original["cells"]
    assert {k: v for k, v in copy.items() if k != "cells"} == {
        k: v for k, v in original.items() if k != "cells"
    }


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_copy_is_a_valid_notebook_and_made_again_the_same(root: Path, name: str) -> None:
    import nbformat

    content = (root / "notebooks" / f"{name}.ipynb").read_bytes()
    copy = studio_copy(content, PLACES)
    nbformat.validate(nbformat.reads(copy.decode(), as_version=4))
    assert copy == studio_copy(content, PLACES)


@pytest.mark.parametrize("prefix", ["", "dev-"])
def test_sessions_have_the_tag_by_which_the_notebooks_role_may_use_them(
    root: Path, prefix: str
) -> None:
    content = (root / "notebooks" / "01_ingest.ipynb").read_bytes()
    copy = json.loads(studio_copy(content, replace(PLACES, prefix=prefix)))
    places, arguments = ("".join(cell["source"]) for cell in copy["cells"][:2])
    first, _, settings = arguments.partition("\n")
    assert first == "%%configure"
    tags = ast.literal_eval(settings)["tags"]
    assert tags == {"project": f"{prefix}client-health-studio"}
    # Glue Studio doesn't support it.
    assert "%session_id_prefix" not in places
    role = Permissions(Deployed(parameters={"Prefix": prefix}))
    assert role.allows("NotebookRole", "glue:CreateSession", request_tags=tags)


def test_a_notebook_that_asks_for_no_session_is_refused() -> None:
    cell = {"cell_type": "code", "source": ["print(1)\n"]}
    with pytest.raises(SettingsError, match="no cell that begins with %%configure"):
        studio_copy(json.dumps({"cells": [cell]}).encode(), PLACES)


def test_settings_that_a_session_would_not_take_are_refused() -> None:
    cell = {"cell_type": "code", "source": ["%%configure\n", f"{{'--conf': 'a={'x' * 4096}'}}"]}
    with pytest.raises(SettingsError, match="a session allows 4096"):
        studio_copy(json.dumps({"cells": [cell]}).encode(), PLACES)


class Service(BaseHTTPRequestHandler):
    """Records the requests for sessions, and creates none."""

    asked: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["X-Amz-Target"] == "AWSGlue.CreateSession":
            self.asked.append(body)
        answer = json.dumps({"__type": "AccessDeniedException", "Message": "none here"}).encode()
        self.send_response(400)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    asked: list[dict[str, Any]] = []
    handler = type("Handler", (Service,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_the_official_kernel_asks_for_the_session_that_both_cells_describe(
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    service: tuple[str, list[dict[str, Any]]],
) -> None:
    endpoint, asked = service
    for key, value in {
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "glue_endpoint_url": endpoint,
        "glue_region": "sa-east-1",
        "request_origin": "GlueStudioNotebook",
        "userId": "somebody",
        # Glue Studio's own id, which the kernel takes before any magic runs.
        "session_id": STUDIO_ID,
    }.items():
        monkeypatch.setenv(key, value)
    kernels = tmp_path / "kernels" / "glue_pyspark"
    kernels.mkdir(parents=True)
    module = "aws_glue_interactive_sessions_kernel.glue_pyspark.GlueKernel"
    argv = [sys.executable, "-m", module, "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Glue PySpark", "language": "python"}
    (kernels / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))

    original, copy = load(root, "03_quality")
    code = ["".join(cell["source"]) for cell in copy["cells"] if cell["cell_type"] == "code"]
    with tempfile.TemporaryDirectory() as sockets:
        manager = KernelManager(kernel_name="glue_pyspark")
        # Another program may take a free port that Jupyter found before the kernel binds it.
        reachable_here_alone(manager, Path(sockets))
        manager.start_kernel()
        client = manager.client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=60)
            for cell in code[:4]:
                client.execute_interactive(cell, timeout=60, output_hook=lambda _: None)
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)

    arguments = asked[0]["DefaultArguments"]
    own = next(c for c in original["cells"] if "".join(c["source"]).startswith("%%configure"))
    extensions = "spark.sql.extensions=org.apache.iceberg"
    assert extensions in "".join(own["source"])
    assert arguments["--conf"].startswith(extensions)
    assert f"--conf spark.client_health.lake={PLACES.lake}" in arguments["--conf"]
    assert f"--conf spark.client_health.id_key={PLACES.id_key}" in arguments["--conf"]
    assert f"--conf {PLACES.conf}" in arguments["--conf"]
    assert arguments["--additional-python-modules"] == PLACES.library
    assert arguments["--python-modules-installer-option"] == "--no-index"
    assert arguments["--enable-glue-datacatalog"] == "false"
    assert "--extra-py-files" not in arguments
    assert arguments["--datalake-formats"] == "iceberg"
    assert asked[0]["Role"] == PLACES.role
    assert asked[0]["Id"] == STUDIO_ID
    # Glue Studio's user becomes a tag too, which needs its own permission.
    tags = asked[0]["Tags"]
    assert tags == {"owner": "somebody", "project": "client-health-studio"}
    session = f"arn:aws:glue:sa-east-1:123456789012:session/{asked[0]['Id']}"
    permissions = Permissions(Deployed())
    given = {
        "glue:CreateSession": {"request_tags": tags},
        "glue:TagResource": {"request_tags": tags, "resource_tags": tags},
        "glue:RunStatement": {"resource_tags": tags},
    }
    for action, of_the_call in given.items():
        assert permissions.allows("NotebookRole", action, session, **of_the_call)
    assert asked[0]["GlueVersion"] == "5.1"
    assert asked[0]["NumberOfWorkers"] == 3
    assert asked[0]["IdleTimeout"] == 15
