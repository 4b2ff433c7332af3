"""The real notebooks on a marked delivery: crashes around the commit, and no personal data."""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell
from tests.support import canaries
from tests.support.ways import ROOT, STAGES, Ended, Started, job, run

from glue_local.launch import LocalService
from strict_glue import api

INGEST, TRANSFORM, QUALITY = STAGES
KILL = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
_ENDED = {"STOPPED", "FAILED", "TIMEOUT"}
# Replaces the receipt, so that the commit exists without a receipt.
INSTEAD_OF_THE_RECEIPT = "def _instead(*_, **__):\n{}\ntype(stage).finish = _instead"


class Real:
    """A marked delivery, a lake, and the real notebooks, with or without an extra cell."""

    def __init__(self, folder: Path, service: LocalService) -> None:
        self.folder, self.service = folder, service
        self.raw = canaries.write_delivery(folder / "raw")
        self.lake, self.notebooks = folder / "lake", folder / "notebooks"
        self.events, self.mark = folder / "events", folder / "mark"
        # The place where a cell of the other scenarios would write.
        self.after = folder / "after"
        self.said = ""
        self.more: tuple[str, ...] = ()
        self.key = secrets.token_hex(32)
        self.key_file = folder / "id-key"
        self.key_file.write_text(self.key)
        self.key_file.chmod(0o600)

    def run(
        self,
        stage: str = "",
        code: str = "",
        *,
        before: str = "",
        does: Callable[[Started], None] | None = None,
    ) -> Ended:
        """Run the job with an extra cell in a stage: before the cell with a given text, or last."""
        self._write(stage, code, before)
        self.mark.unlink(missing_ok=True)
        ended = run(
            self._job,
            self,  # type: ignore[arg-type]
            {**self.service.environment, "GLUE_PAPERMILL_RETRIES_SECONDS": "5"},
            self.service.endpoint,
            does=does,
            struck=self,
            patience=400.0,
            removed=self.service.removed_variables,
        )
        self.said += ended.said
        self._settle()
        return ended

    def _settle(self) -> None:
        """Wait until no session is running; one whose runner is killed still writes and commits."""
        given = {**os.environ, **self.service.environment}
        client = api.glue_client(given)
        deadline = time.monotonic() + 300
        while True:
            found = client.list_sessions()["Sessions"]
            living = [one["Id"] for one in found if one["Status"] not in _ENDED]
            if not living:
                return
            assert time.monotonic() < deadline, living
            time.sleep(0.1)

    def _job(self, *place: Any) -> list[str]:
        return [*job(*place), "--ID_KEY", str(self.key_file), *self.more]

    def wait(self, seconds: float) -> bool:
        """Wait for the mark, like an event's wait."""
        deadline = time.monotonic() + seconds
        while not self.mark.exists():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def pause(self) -> str:
        """Return code that sets the mark, and then takes a long time."""
        return f"open({str(self.mark)!r}, 'w').close()\nimport time\ntime.sleep(600)"

    def _write(self, stage: str, code: str, before: str) -> None:
        self.notebooks.mkdir(exist_ok=True)
        for name in STAGES:
            notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
            if name == stage:
                places = [
                    number for number, cell in enumerate(notebook.cells) if before in cell.source
                ]
                where = places[0] if before else len(notebook.cells)
                notebook.cells.insert(where, new_code_cell(code))
            nbformat.write(notebook, self.notebooks / f"{name}.ipynb")

    def went_on(self) -> tuple[bool, bool]:
        """Return that no later cell ran; nothing here checks it."""
        return False, False

    def publications(self) -> list[str]:
        """Return the runs on the table's main branch, newest first."""
        # Close the connection at once: if this process then read the file in another way, as tests
        # do, it would release the connection's locks, and others could lose their last commits.
        with closing(sqlite3.connect(self.lake / "catalog.db")) as catalog:
            row = catalog.execute(
                "SELECT metadata_location FROM iceberg_tables WHERE table_name = 'clientoutput'"
            ).fetchone()
        if row is None:
            return []
        metadata: dict[str, Any] = json.loads(Path(row[0].removeprefix("file:")).read_text())
        snapshots = {found["snapshot-id"]: found for found in metadata["snapshots"]}
        found, head = [], metadata["refs"].get("main", {}).get("snapshot-id")
        while head in snapshots:
            found.append(snapshots[head]["summary"].get("pipeline.run-id", "none"))
            head = snapshots[head].get("parent-snapshot-id")
        return [run_id for run_id in found if run_id != "none"]

    def receipt(self, stage: str, run_id: str = "r????????????????") -> Path:
        """Return the path of a receipt."""
        (folder,) = (self.lake / "runs").glob(run_id)
        return folder / f"{stage}.json"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    """Return a place whose sessions write Spark's event logs, the most detailed logs that exist."""
    folder = tmp_path_factory.mktemp("real")
    events = folder / "events"
    events.mkdir()
    settings = ("spark.eventLog.enabled=true", f"spark.eventLog.dir={events.as_uri()}")
    arguments = [part for setting in settings for part in ("--spark-conf", setting)]
    with LocalService(driver_memory="1g", arguments=tuple(arguments)) as service:
        yield Real(folder, service)


@pytest.fixture(autouse=True)
def nothing_personal(real: Real) -> Iterator[None]:
    """After each of these runs, check that marks and key appear only where they belong."""
    yield
    assert canaries.found_in(real.said) == []
    assert canaries.leaks([real.lake / "runs", real.events]) == {}
    names = "\n".join(str(path) for path in real.folder.rglob("*"))
    assert canaries.found_in(names) == []
    key, raw = real.key.encode(), bytes.fromhex(real.key)
    forms = (key, raw, key.hex().encode(), base64.b64encode(raw), base64.b64encode(key))
    files = (path for path in real.folder.rglob("*") if path.is_file() and path != real.key_file)
    for path in files:
        content = path.read_bytes()
        assert not [form for form in forms if form in content], path


def test_a_gate_that_stops_the_run_tells_nothing_of_anybody(real: Real) -> None:
    twice = "lambda self: self.stage.lake.at(self.snapshot_id).unionByName(rows)"
    code = f"rows = branch.rows\ntype(branch).rows = property({twice})"
    ended = real.run(QUALITY, code, before="validar_esquema")
    assert ended.exit_code == 3, ended.said
    assert "cpf_duplicado" in ended.said
    assert real.publications() == []


def test_a_driver_that_dies_while_it_works_on_rows_tells_nothing_of_them(real: Real) -> None:
    code = (
        "import os, signal, subprocess, threading\n"
        "def _kill():\n"
        "    jvm = subprocess.run(['pgrep', '-P', str(os.getpid()), 'java'],"
        " capture_output=True, text=True).stdout.split()[0]\n"
        "    os.kill(int(jvm), signal.SIGKILL)\n"
        "threading.Timer(0.3, _kill).start()\n"
        "for _ in range(200): branch.rows.orderBy('nome_completo').collect()"
    )
    ended = real.run(QUALITY, code, before="validar_esquema")
    assert ended.exit_code == 4, ended.said
    assert "JVM" in ended.said
    assert real.publications() == []


def test_death_before_the_commit_publishes_nothing(real: Real) -> None:
    code = f"def _die(*_):\n    {KILL.replace(chr(10), '; ')}\n"
    code += "import client_health.publish.lake\nclient_health.publish.lake.Lake.publish = _die"
    ended = real.run(QUALITY, code, before="publishing.publish(")
    assert ended.exit_code == 4, ended.said
    assert real.publications() == []


def test_a_runner_killed_between_branch_and_audit_goes_on_from_the_branch(real: Real) -> None:
    ended = real.run(
        QUALITY,
        real.pause(),
        before="publishing.branch(",
        does=lambda started: started.signal(signal.SIGKILL),
    )
    assert ended.exit_code == -signal.SIGKILL
    assert real.publications() == []
    branch = json.loads(real.receipt(TRANSFORM).read_text())["handover"]["branch"]
    ended = real.run(QUALITY, f"assert branch.name == {branch!r}\n{KILL}", before="validar_esquema")
    assert ended.exit_code == 4, ended.said
    assert json.loads(real.receipt(TRANSFORM).read_text())["handover"]["branch"] == branch


def test_rows_are_written_again_where_others_published_meanwhile(real: Real) -> None:
    once = real.folder / "others-published"
    code = (
        "from pathlib import Path\n"
        f"if not Path({str(once)!r}).exists():\n"
        f"    Path({str(once)!r}).touch()\n"
        "    stage.lake.loaded(stage.lake.table).newAppend().commit()"
    )
    real.more = ("--RUN_ID", "moved")
    ended = real.run(QUALITY, code, before="publishing.publish(")
    real.more = ()
    assert ended.exit_code == 0, ended.said
    assert "others have published meanwhile" in ended.said
    assert real.publications() == ["moved"]


def test_a_runner_killed_between_commit_and_receipt_has_published(real: Real) -> None:
    pause = "\n".join(f"    {line}" for line in real.pause().splitlines())
    ended = real.run(
        QUALITY,
        INSTEAD_OF_THE_RECEIPT.format(pause),
        before="publishing.publish(",
        does=lambda started: started.signal(signal.SIGKILL),
    )
    assert ended.exit_code == -signal.SIGKILL
    assert len(real.publications()) == 2
    assert not real.receipt(QUALITY).exists()

    again = real.run()
    assert again.exit_code == 0, again.said
    assert "rebuilt" in again.said
    assert json.loads(real.receipt(QUALITY).read_text())["shares"]
    assert len(real.publications()) == 2, "readers see exactly one publication more"


def test_a_runner_killed_between_receipt_and_exit_has_published(real: Real) -> None:
    real.more = ("--RUN_ID", "second")
    ended = real.run(QUALITY, real.pause(), does=lambda started: started.signal(signal.SIGKILL))
    assert ended.exit_code == -signal.SIGKILL
    assert real.receipt(QUALITY, "second").exists()
    before = real.publications()
    assert before[0] == "second"

    again = real.run()
    real.more = ()
    assert again.exit_code == 0, again.said
    assert real.publications() == before, "readers see exactly one publication"


def test_a_session_that_dies_between_commit_and_receipt_has_published(
    real: Real, tmp_path: Path
) -> None:
    other = Real(tmp_path, real.service)
    kill = "\n".join(f"    {line}" for line in KILL.splitlines())
    ended = other.run(QUALITY, INSTEAD_OF_THE_RECEIPT.format(kill), before="publishing.publish(")
    assert ended.exit_code == 0, ended.said
    assert "after its commit" in ended.said
    assert other.receipt(QUALITY).exists()
    assert len(other.publications()) == 1
    assert other.run().exit_code == 0
    assert len(other.publications()) == 1
