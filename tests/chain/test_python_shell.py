"""The production job in a Python Shell that is one: no packages of ours, no name, no home.

The real ``start_job.py`` brings the real archives, as the template says, and publishes a delivery.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil
import pytest
from infra.local_chain import Claimed, LocalChain
from infra.show_chain import published_rows
from infra.terminal import TerminalListener
from rich.console import Console

from client_health_cli.sample_data import write
from glue_local.python_shell import UID

ROWS = 300
KEY = "5a" * 32
PATIENCE = 600.0
# A run of the whole chain sets up the first test, beside four other workers in CI.
pytestmark = pytest.mark.timeout(1200)
# A sixteenth of a DPU has 1 GB.
MEMORY = 2**30
_PSS = re.compile(r"^Pss:\s+(\d+) kB$", re.MULTILINE)


@dataclass
class Host:
    """Watches the processes of job runs; shared pages count once, divided among who shares them."""

    service: int
    peak: int = 0
    programs: set[str] = field(default_factory=set)
    users: set[tuple[int, ...]] = field(default_factory=set)
    _ending: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ending.wait(0.1):
            self.peak = max(self.peak, sum(self._sizes()))

    def _sizes(self) -> Iterator[int]:
        for process in psutil.Process(self.service).children(recursive=True):
            try:
                if process.uids().real != UID:
                    continue
                size = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
                words = process.cmdline()
            except (psutil.Error, OSError):
                continue
            self.users.add(tuple(process.uids()))
            self.programs.update(word for word in words if word in PROGRAMS)
            yield sum(map(int, _PSS.findall(size))) * 1024


# The start, the job, and the kernel that papermill starts.
PROGRAMS = {"/tmp/runscript.py", "job_client_health", "glue_papermill.kernel"}


@dataclass
class Published:
    """What the run left."""

    chain: LocalChain
    claim: Claimed
    host: Host
    raw: Path


@pytest.fixture(scope="module")
def published(
    python_shell: Path, emulator_environment: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Published]:
    folder = tmp_path_factory.mktemp("python-shell")
    raw = folder / "raw"
    write(raw, ROWS, 3)
    console = Console(file=(folder / "deploy.log").open("w"))
    chain = LocalChain(folder, TerminalListener(console, yes=True), python_shell=python_shell)
    with chain, chain.id_key(KEY), Host(chain.service.pid or 0) as host:
        chain.upload({path.name: path for path in sorted(raw.glob("dados_*"))})
        (claim,) = chain.wait(1, PATIENCE)
        yield Published(chain, claim, host, raw)


def test_the_job_publishes_what_a_local_run_does(published: Published, tmp_path: Path) -> None:
    chain, claim = published.chain, published.claim
    logs = "\n".join(path.read_text() for path in (chain.folder / "jobs").glob("*.error.log"))
    assert claim.end == "published", logs[-3000:]
    assert [run["JobRunState"] for run in chain.runs()] == ["SUCCEEDED"]
    key = tmp_path / "id.key"
    key.write_text(KEY)
    key.chmod(0o600)
    command = [Path(sys.executable).with_name("client-health"), "run", "--raw", published.raw]
    command += ["--lake", tmp_path / "lake", "--as-of", chain.claim(claim)["as_of"]]
    subprocess.run([*map(str, command), "--id-key", str(key)], check=True, capture_output=True)
    with chain.at_the_chain():
        ours = published_rows(chain.lake)
    assert ours.num_rows > 2 * ROWS
    assert ours.equals(published_rows(str(tmp_path / "lake")))


def test_the_job_brought_its_packages_by_the_archives_that_the_template_names(
    published: Published,
) -> None:
    glue = published.chain.client("glue")
    job = glue.get_job(JobName=published.chain.outputs["JobName"])["Job"]
    archives = job["DefaultArguments"]["--PACKAGES"].split(",")
    assert [uri.rpartition("/")[2] for uri in archives][1:] == ["job.zip"]
    assert "/packages/" in archives[0]


def test_start_job_kernel_and_papermill_run_as_nobody_and_fit_into_the_hosts_memory(
    published: Published,
) -> None:
    host = published.host
    assert host.programs == PROGRAMS
    assert host.users == {(UID, UID, UID)}
    assert 50 * 2**20 < host.peak < MEMORY


def test_the_outcome_names_the_run_of_the_job(published: Published) -> None:
    chain, claim = published.chain, published.claim
    outcome = json.loads(chain.read(claim.uri.replace(".json", ".outcome.json")))
    assert outcome["job_run_id"] == chain.runs()[0]["Id"]
