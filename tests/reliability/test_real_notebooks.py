"""The real notebooks on a marked delivery: crashes around the commit, and no personal data."""

from __future__ import annotations

import base64
import json
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
from tests.support.local_api import Api
from tests.support.misbehaving import Endpoint
from tests.support.warm import arguments_of_the_notebooks
from tests.support.ways import ROOT, STAGES, Ended, Started, job, run

from glue_local.launch import LocalService

INGEST, TRANSFORM, QUALITY = STAGES
KILL = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"


def instead(of: str, name: str, value: str) -> str:
    """Return code that gives one object another attribute; later runs share the session."""
    return (
        f"object.__setattr__({of}, '__class__', type('Own', (type({of}),), {{{name!r}: {value}}}))"
    )


def instead_of_the_receipt(code: str) -> str:
    """Return code that replaces the receipt, so that the commit exists without a receipt."""
    body = "".join(f"    {line}\n" for line in code.splitlines())
    return f"def _instead(*_, **__):\n{body}" + instead("stage", "finish", "_instead")


class Real:
    """A marked delivery, a lake, and the real notebooks, with or without extra cells.

    Runs share a session until one of them ends its processes; the next run gets a new one.
    """

    def __init__(self, folder: Path, service: LocalService, endpoint: Endpoint) -> None:
        self.folder, self.service, self.endpoint = folder, service, endpoint
        self.api, self.session = Api(service), ""
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
        *cells: tuple[str, str],
        does: Callable[[Started], None] | None = None,
        run_id: str = "",
    ) -> Ended:
        """Run the job with extra cells in the last stage.

        Parameters
        ----------
        *cells : tuple of str
            The text of the cell that the extra cell precedes, or nothing for the notebook's end;
            and the extra cell's code.
        does : callable, optional
            What to do to the job once a cell has set the mark.
        run_id : str
            By default, the name that the delivery gives to the run.
        """
        return self._run(cells, does, run_id, self._ready())

    def again(self, run_id: str = "") -> Ended:
        """Run the job again, for a run that is published and needs no session."""
        ended = self._run((), None, run_id, self.session)
        assert self.endpoint.calls["CreateSession"] == 0
        return ended

    def _run(
        self,
        cells: tuple[tuple[str, str], ...],
        does: Callable[[Started], None] | None,
        run_id: str,
        session: str,
    ) -> Ended:
        self._write(*cells)
        self.more = ("--RUN_ID", run_id) if run_id else ()
        self.mark.unlink(missing_ok=True)
        self.endpoint.start(share=session)
        ended = run(
            self._job,
            self,  # type: ignore[arg-type]
            {**self.endpoint.environment, "GLUE_PAPERMILL_RETRIES_SECONDS": "5"},
            self.endpoint.url,
            does=does,
            struck=self,
            patience=400.0,
            removed=self.service.removed_variables,
        )
        self.said += ended.said
        self._settle()
        return ended

    def _ready(self) -> str:
        """Return the shared session; create one if there is none, or it has died."""
        sessions = self.api.client.list_sessions()["Sessions"]
        if self.session not in [one["Id"] for one in sessions if one["Status"] == "READY"]:
            given = arguments_of_the_notebooks()
            self.session = self.api.ready(DefaultArguments=given, IdleTimeout=60)
        return self.session

    def _settle(self) -> None:
        """Wait until no session is running; one whose runner is killed still writes and commits."""
        deadline = time.monotonic() + 300
        while living := self.endpoint.living():
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

    def _write(self, *cells: tuple[str, str]) -> None:
        self.notebooks.mkdir(exist_ok=True)
        for name in STAGES:
            notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
            for before, code in cells if name == QUALITY else ():
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
    with (
        LocalService(driver_memory="1g", arguments=tuple(arguments)) as service,
        closing(Endpoint(service)) as endpoint,
    ):
        yield Real(folder, service, endpoint)


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
    twice = "property(lambda self: self.stage.lake.at(self.snapshot_id).unionByName(rows))"
    code = "rows = branch.rows\n" + instead("branch", "rows", twice)
    ended = real.run(("validar_esquema", code))
    assert ended.exit_code == 3, ended.said
    assert "cpf_duplicado" in ended.said
    assert real.publications() == []


def test_a_start_goes_on_from_the_branch_and_death_before_the_commit_publishes_nothing(
    real: Real,
) -> None:
    # The runner is killed between branch and audit.
    ended = real.run(
        ("publishing.branch(", real.pause()), does=lambda started: started.signal(signal.SIGKILL)
    )
    assert ended.exit_code == -signal.SIGKILL
    assert real.publications() == []
    branch = json.loads(real.receipt(TRANSFORM).read_text())["handover"]["branch"]

    # This session dies before the commit, which publishes nothing.
    die = f"def _die(*_):\n    {KILL.replace(chr(10), '; ')}\n"
    ended = real.run(
        ("validar_esquema", f"assert branch.name == {branch!r}"),
        ("publishing.publish(", die + instead("stage.lake", "publish", "_die")),
    )
    assert ended.exit_code == 4, ended.said
    assert "SIGKILL" in ended.said
    assert real.publications() == []
    assert json.loads(real.receipt(TRANSFORM).read_text())["handover"]["branch"] == branch


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
    ended = real.run(("validar_esquema", code))
    assert ended.exit_code == 4, ended.said
    assert "JVM" in ended.said
    assert real.publications() == []


def test_a_runner_killed_between_commit_and_receipt_has_published(real: Real) -> None:
    ended = real.run(
        ("publishing.publish(", instead_of_the_receipt(real.pause())),
        does=lambda started: started.signal(signal.SIGKILL),
    )
    assert ended.exit_code == -signal.SIGKILL
    assert len(real.publications()) == 1
    assert not real.receipt(QUALITY).exists()

    again = real.again()
    assert again.exit_code == 0, again.said
    assert "rebuilt" in again.said
    assert json.loads(real.receipt(QUALITY).read_text())["shares"]
    assert len(real.publications()) == 1, "readers see exactly one publication"


def test_rows_are_written_again_where_others_published_meanwhile_and_published_once(
    real: Real,
) -> None:
    once = real.folder / "others-published"
    others = (
        "from pathlib import Path\n"
        f"if not Path({str(once)!r}).exists():\n"
        f"    Path({str(once)!r}).touch()\n"
        "    stage.lake.loaded(stage.lake.table).newAppend().commit()"
    )
    before = real.publications()
    # The runner is killed between the receipt of the second attempt and its own end.
    ended = real.run(
        ("publishing.publish(", others),
        ("", real.pause()),
        does=lambda started: started.signal(signal.SIGKILL),
        run_id="moved",
    )
    assert ended.exit_code == -signal.SIGKILL
    assert "others have published meanwhile" in ended.said
    assert real.receipt(QUALITY, "moved").exists()
    assert real.publications() == ["moved", *before]

    again = real.again("moved")
    assert again.exit_code == 0, again.said
    assert real.publications() == ["moved", *before], "readers see exactly one publication more"


def test_a_session_that_dies_between_commit_and_receipt_has_published(real: Real) -> None:
    before = real.publications()
    ended = real.run(("publishing.publish(", instead_of_the_receipt(KILL)), run_id="last")
    assert ended.exit_code == 0, ended.said
    assert "after its commit" in ended.said
    assert real.receipt(QUALITY, "last").exists()
    assert real.publications() == ["last", *before]
    assert real.again("last").exit_code == 0
    assert real.publications() == ["last", *before]
