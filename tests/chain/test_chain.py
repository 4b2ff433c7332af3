"""One day of the whole chain: real events, Lambda, job, papermill, sessions, commits.

All tests check the same sequence, because a session takes seconds: a dated delivery and one with
fixed names are uploaded together; a file is uploaded again during the first run; the job of the
second run is killed in its third stage; the next day, one new file arrives beside two old ones.
Nobody intervenes. (In a smoke run, a job is stopped in its second stage.)
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Self

import psutil
import pytest
from infra.local_chain import Claimed, LocalChain
from infra.show_chain import published_rows
from infra.terminal import TerminalListener
from rich.console import Console
from tests.oracle import compare
from tests.oracle.compare import Left
from tests.oracle.register import expect
from tests.support.deployed import Deployed
from tests.support.policy import Permissions
from tests.support.recorder import Recorder, glue_calls
from tools import python_shell

from client_health_cli import maintenance
from client_health_cli.sample_data import write
from glue_local.jobs.python_shell import UID
from glue_local.settings import ACCOUNT
from register_contract import contract
from register_contract.retention import Retention
from register_run import publication_record
from register_run.request import PublishedTable
from register_run.storage import s3_parts
from strict_glue.settings import Limits

ROWS = 300
KEY = "5a" * 32
ACTIVE = {"STARTING", "RUNNING", "STOPPING"}
FIRST, FIXED = "2026-01-01", ""
STAGES = ("01_ingest", "02_transform", "03_quality")
# The stage that publishes.
KILLED = STAGES[-1]
PATIENCE = 600.0
# The processes in a Python Shell: the start, the job, and the kernel that papermill starts.
PROGRAMS = {"/tmp/runscript.py", "job_client_health", "strict_glue.kernel"}
# The memory limit at a sixteenth of a DPU is 1 GB.
MEMORY = 2**30
_PSS = re.compile(r"^Pss:\s+(\d+) kB$", re.MULTILINE)
# The setup of the first test runs the whole sequence, beside four other workers in CI.
pytestmark = pytest.mark.timeout(1200)


@dataclass
class Host:
    """Measures the memory of job runs' processes; a shared page is divided among its processes."""

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
        while not self._ending.wait(0.5):
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


@dataclass
class Day:
    """The results of the sequence."""

    chain: LocalChain
    recorder: Recorder
    host: Host
    raws: dict[str, Path]
    killed_in: str
    claims_while_running: list[Claimed]
    claims_after_one_file: list[Claimed]
    claims: list[Claimed]


def files(raw: Path, group: str) -> dict[str, Path]:
    start = f"{group}/" if group else ""
    return {start + path.name: path for path in sorted(raw.glob("dados_*"))}


def claim_of(claims: list[Claimed], group: str) -> list[Claimed]:
    return [claim for claim in claims if claim.group == (group or "-")]


def stages_with(chain: LocalChain, run_id: str, ending: str) -> set[str]:
    """Return the stages that have a file with this ending: a receipt, or an executed notebook."""
    bucket, prefix = s3_parts(f"{chain.lake}/runs/{run_id}/")
    found = chain.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())
    names = {item["Key"].rpartition("/")[2] for item in found}
    return {stage for stage in STAGES if f"{stage}{ending}" in names}


def run_id_of(chain: LocalChain, delivery_id: str) -> str:
    """Return the run id of a delivery from the job's own log."""
    for log in (chain.folder / "jobs").glob("*.log"):
        for line in log.read_text(errors="replace").splitlines():
            if f": delivery {delivery_id}," in line:
                return line.split(" run ")[1].split(":")[0]
    return ""


def kill_the_job(chain: LocalChain) -> None:
    """Kill the job's processes at once, as a lost host would."""
    assert chain.service.pid is not None
    for process in psutil.Process(chain.service.pid).children(recursive=True):
        try:
            line = " ".join(process.cmdline())
            if "start_job" in line or "job_client_health" in line:
                process.kill()
        except psutil.NoSuchProcess:
            continue


def until(what: str, holds: Callable[[], object], every: float = 0.5) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(every)


@pytest.fixture(scope="module")
def day(
    tmp_path_factory: pytest.TempPathFactory, emulator_environment: None, sam_environment: None
) -> Iterator[Day]:
    folder = tmp_path_factory.mktemp("chain")
    raws = {}
    for seed, group in enumerate((FIRST, FIXED)):
        raws[group] = folder / f"raw-{seed}"
        write(raws[group], ROWS, seed)
    # If the Python Shell can't be made, the job runs in this environment.
    with contextlib.suppress(python_shell.NotMadeError):
        python_shell.make()
    console = Console(file=(folder / "deploy.log").open("w"))
    parameters = {"RetrySeconds": "0", "MaxAttempts": "5"}
    with Recorder() as recorder:
        chain = LocalChain(
            folder, TerminalListener(console, yes=True), parameters, recorder.endpoint
        )
        recorder.upstream = chain.emulator.endpoint
        with chain, chain.id_key(KEY):
            yield play(chain, recorder, raws)


def play(chain: LocalChain, recorder: Recorder, raws: dict[str, Path]) -> Day:
    # Upload in any order: the second delivery is complete before the first has its last file.
    everything = [item for group, raw in raws.items() for item in files(raw, group).items()]
    last = f"{FIRST}/dados_cadastro_3.json"
    for name, path in everything:
        if "/" in name and name != last:
            chain.upload({name: path})
    chain.upload({last: files(raws[FIRST], FIRST)[last]})
    with Host(chain.service.pid or 0) as host:
        until("the first run starts", lambda: claim_of(chain.claims(), FIRST) and chain.runs())
        (first,) = claim_of(chain.claims(), FIRST)
        until("it has its name", lambda: run_id_of(chain, first.delivery_id))
        chain.upload({f"{FIRST}/dados_cadastro_2.csv": b"cpf|nome\n"})
        chain.upload(files(raws[FIXED], FIXED))
        until("the first is published", lambda: claim_of(chain.claims(), FIRST)[0].end)
    while_running = chain.claims()

    until("the second is claimed", lambda: claim_of(chain.claims(), FIXED))
    (second,) = claim_of(chain.claims(), FIXED)
    until("its run starts", lambda: run_id_of(chain, second.delivery_id))
    run_id = run_id_of(chain, second.delivery_id)
    until(
        f"{KILLED} of the second run",
        lambda: KILLED in stages_with(chain, run_id, ".ipynb"),
        every=0.1,  # a stage takes seconds; don't miss it
    )
    kill_the_job(chain)
    killed = "" if KILLED in stages_with(chain, run_id, ".json") else KILLED
    until("the second is published", lambda: claim_of(chain.claims(), FIXED)[0].end)

    # The next day: one new file, and two from yesterday.
    chain.upload({"dados_cadastro_3.json": b'{"cpf": "1"}\n'})
    chain.reconcile()
    after_one = claim_of(chain.claims(), FIXED)
    return Day(chain, recorder, host, raws, killed, while_running, after_one, chain.claims())


def all_done(chain: LocalChain) -> bool:
    return all(claim.end for claim in chain.claims())


def test_each_delivery_is_published_once_in_the_order_of_its_claim(day: Day) -> None:
    assert [(claim.group, claim.end) for claim in day.claims] == [
        ("-", "published"),
        (FIRST, "published"),
    ]
    runs = [
        run_id_of(day.chain, claim_of(day.claims, group)[0].delivery_id) for group in (FIRST, FIXED)
    ]
    with day.chain.at_the_chain():
        from client_health_cli.published import published_table

        published = [snapshot.run_id for snapshot in published_table(day.chain.lake).published]
    assert published == runs


def test_the_published_rows_are_those_that_the_contract_says(day: Day) -> None:
    (claim,) = claim_of(day.claims, FIXED)
    as_of = date.fromisoformat(day.chain.claim(claim)["as_of"])
    sources = {path.suffix[1:]: path for path in files(day.raws[FIXED], "").values()}
    with day.chain.at_the_chain():
        ours = published_rows(day.chain.lake)
    assert ours.num_rows > 2 * ROWS
    expected = expect(sources, KEY.encode(), as_of)
    assert list(compare.published(expected, Left(ours.to_pylist(), [], {}))) == []


def test_a_job_killed_in_a_stage_is_started_again_until_it_has_published(day: Day) -> None:
    assert day.killed_in == KILLED
    (second,) = claim_of(day.claims, FIXED)
    runs = [run for run in day.chain.runs() if run["Arguments"]["--CLAIM"] == second.uri]
    states = [run["JobRunState"] for run in reversed(runs)]
    assert states == ["FAILED", "SUCCEEDED"]


def test_each_outcome_names_its_run_of_the_job(day: Day) -> None:
    succeeded = {
        run["Arguments"]["--CLAIM"]: run["Id"]
        for run in day.chain.runs()
        if run["JobRunState"] == "SUCCEEDED"
    }
    outcomes = {
        claim.uri: json.loads(day.chain.read(claim.uri.replace(".json", ".outcome.json")))
        for claim in day.claims
    }
    assert {uri: outcome["job_run_id"] for uri, outcome in outcomes.items()} == succeeded


@pytest.mark.usefixtures("python_shell")
def test_the_job_brought_its_packages_by_the_archives_that_the_template_names(day: Day) -> None:
    job = day.chain.client("glue").get_job(JobName=day.chain.outputs["JobName"])["Job"]
    archives = job["DefaultArguments"]["--PACKAGES"].split(",")
    assert [uri.rpartition("/")[2] for uri in archives][1:] == ["job.zip"]
    assert "/packages/" in archives[0]


@pytest.mark.usefixtures("python_shell")
def test_start_job_kernel_and_papermill_run_as_nobody_and_fit_into_the_hosts_memory(
    day: Day,
) -> None:
    assert day.host.programs == PROGRAMS
    assert day.host.users == {(UID, UID, UID)}
    assert 50 * 2**20 < day.host.peak < MEMORY


def test_a_file_that_is_uploaded_again_while_its_run_works_changes_nothing(day: Day) -> None:
    (first,) = claim_of(day.claims_while_running, FIRST)
    assert first.end == "published"
    claim = day.chain.claim(first)
    s3 = day.chain.client("s3")
    for item in claim["objects"]:
        name = item["key"].rpartition("/")[2]
        bucket, key = s3_parts(
            f"{day.chain.lake}/deliveries/{item['source']}/delivery_id={first.delivery_id}/{name}"
        )
        copy = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        assert copy == files(day.raws[FIRST], "")[name].read_bytes()
    assert claim_of(day.claims, FIRST) == [first]


def test_one_new_file_beside_two_old_ones_starts_nothing(day: Day) -> None:
    assert len(day.claims_after_one_file) == 1


def test_no_session_and_no_process_of_a_job_is_left(day: Day) -> None:
    sessions = day.chain.client("glue").list_sessions()["Sessions"]
    assert sessions
    assert {session["Status"] for session in sessions} <= {"STOPPED", "TIMEOUT", "FAILED"}
    left = [" ".join(p.cmdline()) for p in psutil.Process(day.chain.service.pid).children(True)]
    assert [line for line in left if "job_client_health" in line or "kernel_main" in line] == []


def test_the_crawler_was_started_over_the_copies(day: Day) -> None:
    crawler = day.chain.client("glue").get_crawler(Name="crawler_clients")["Crawler"]
    targets = [target["Path"] for target in crawler["Targets"]["S3Targets"]]
    assert all(target.startswith(f"{day.chain.lake}/deliveries/") for target in targets)
    assert crawler["LastCrawl"]["Status"] == "SUCCEEDED"


def test_metrics_of_each_start_stand_in_the_jobs_log(day: Day) -> None:
    lines = [
        json.loads(line)
        for log in (day.chain.folder / "jobs").glob("*.output.log")
        for line in log.read_text().splitlines()
        if line.startswith("{")
    ]
    succeeded = [line for line in lines if line["RunSucceeded"]]
    assert len(succeeded) == 2
    for line in succeeded:
        rows = line["RowsPublished"] + line["RowsRejected"] + line["RowsDuplicate"]
        assert rows == line["RowsIn"] > 3 * ROWS - 1
        assert line["SessionDpuSeconds"] > 0
        assert line["JobDpuSeconds"] > 0


def test_what_a_run_cost_is_in_its_folder_by_session_and_job(day: Day) -> None:
    s3 = day.chain.client("s3")
    run_id = run_id_of(day.chain, claim_of(day.claims, FIRST)[0].delivery_id)
    bucket, prefix = s3_parts(f"{day.chain.lake}/runs/{run_id}/costs/")
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    bodies = [s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in listed]
    assert sorted(json.loads(body)["kind"] for body in bodies) == ["job", "session"]


def test_secrets_and_personal_data_are_in_no_log_of_the_chain(day: Day) -> None:
    logs = [path for path in day.chain.folder.rglob("*.log") if path.is_file()]
    assert len(logs) > 5
    text = "".join(path.read_text(errors="replace") for path in logs)
    assert KEY not in text
    for line in files(day.raws[FIXED], "")["dados_cadastro_2.csv"].read_text().splitlines()[1:40]:
        cpf, name = line.split("|")[:2]
        assert cpf not in text
        assert name not in text or len(name) < 6


# Permissions that these tests don't use. Every other permission must have been used.
ELSEWHERE = {
    "def_lambda": {
        "sns:Publish",  # for a late delivery
        "glue:StopSession",  # for a session that outlives its job, unless the job's guard is faster
    },
    "job_client_health": {
        # Needed only in a Python Shell; elsewhere the packages are installed.
        "s3:GetObject packages/",
        "s3:GetObject upload/",  # deliveries in a bucket without versioning
        "s3:ListBucket upload",  # a manual run, which looks for the three sources itself
        "s3:AbortMultipartUpload deliveries/",  # a copy that fails halfway
        "glue:CancelStatement",  # stopped in the middle of a cell
        "sns:Publish",  # a run that fails
    },
    "session": {
        "s3:GetObject library",  # Glue fetches it with the role; here the service does
        "s3:GetBucketLocation",  # Glue's own S3 client asks; Hadoop's has the region
        "s3:DeleteObject clientoutput/",  # Iceberg, after a failed write
        "s3:DeleteObject warehouse/",  # Iceberg, metadata older than its last 50 versions
        "s3:DeleteObject runs/",  # the receipt of an earlier attempt
        "s3:DeleteObject staging/",  # staging files of an earlier attempt
        "s3:DeleteObject restricted/",  # Iceberg, data files of rows whose time is over
        "s3:GetObject rules.yaml",  # a notebook that is run by hand; the runner has read it
        "s3:ListBucketMultipartUploads lake",  # S3A's committers, after a task that died
        *(
            f"s3:{action} {zone}/"
            for action in ("AbortMultipartUpload", "ListMultipartUploadParts")
            for zone in ("clientoutput", "warehouse", "staging", "runs", "restricted")
        ),
    },
}


def test_each_role_can_do_what_its_code_calls_and_no_more(day: Day) -> None:
    glue = glue_calls(day.chain.folder / "glue-calls.jsonl", ACCOUNT, "us-east-1")
    seen = glue | {call for call in day.recorder.calls if not call.action.startswith("glue:")}
    version = day.chain.artifacts_version
    deployed = Deployed(
        account=ACCOUNT, region="us-east-1", parameters={"ArtifactsVersion": version}
    )
    permissions = Permissions(deployed)
    forbidden, unused = [], {}
    for role, elsewhere in ELSEWHERE.items():
        calls = {(call.action, call.resource) for call in seen if call.role == role}
        assert len(calls) > 8, role
        forbidden += [call for call in sorted(calls) if not permissions.allows(role, *call)]
        found = {short(*grant, version) for grant in permissions.unused(role, calls)}
        unused[role] = found ^ elsewhere
    assert forbidden == []
    unused["def_lambda"].discard("glue:StopSession")
    if day.chain.python_shell is not None:
        unused["job_client_health"].remove("s3:GetObject packages/")
    assert unused == {role: set() for role in ELSEWHERE}


def test_every_call_is_signed_for_the_region_of_the_chain(day: Day) -> None:
    assert day.recorder.refused == []
    assert len(day.recorder.calls) > 20


def short(action: str, resource: str, version: str) -> str:
    """Shorten a grant to what distinguishes it from the role's others."""
    if not action.startswith("s3:") or action == "s3:GetBucketLocation":
        return action
    bucket, _, key = resource.partition(":::")[2].partition("/")
    if f"/{version}/" in resource:
        return f"{action} library"
    place = key.removeprefix("lake/").removesuffix("*")
    return f"{action} {place or ('upload' if '-raw-' in bucket else 'lake')}"


def test_after_everything_old_has_expired_no_earlier_delivery_is_published_again(
    day: Day, root: Path
) -> None:
    chain = day.chain
    tables = PublishedTable(contract.TABLE, contract.LOG_TABLE, contract.CATALOG)
    with chain.at_the_chain():
        before, rows = publication_record.history(chain.lake, tables), published_rows(chain.lake)
        upkeep = maintenance.Upkeep(
            chain.lake, chain.service.endpoint, root / "notebooks", Limits(), lambda text: None
        )
        done = maintenance.maintain(upkeep, Retention(snapshot_days=0, snapshots_kept=1))
    assert done is not None
    assert (done.publications, done.snapshots_after) == (2, 1)
    assert done.snapshots_before > done.snapshots_after

    # Simulate that each event comes again, and that no marker says that its delivery is published.
    bucket, _ = s3_parts(chain.lake)
    for claim in chain.claims():
        key = s3_parts(claim.uri)[1].replace(".json", ".published")
        chain.client("s3").delete_object(Bucket=bucket, Key=key)
    assert not any(claim.end for claim in chain.claims())
    runs = len(chain.runs())
    chain.reconcile()
    until("every claim has ended again", lambda: all_done(chain))
    # The record alone shows that they are published, without another run.
    assert len(chain.runs()) == runs

    # If the job is started manually, it also finds the one published whose snapshot has expired.
    (claim,) = claim_of(chain.claims(), FIRST)
    chain.client("glue").start_job_run(
        JobName=chain.outputs["JobName"], Arguments={"--CLAIM": claim.uri}
    )
    until("the run by hand has ended", lambda: chain.runs()[0]["JobRunState"] not in ACTIVE)
    assert chain.runs()[0]["JobRunState"] == "SUCCEEDED"
    outcome = json.loads(chain.read(claim.uri.replace(".json", ".outcome.json")))
    assert outcome["status"] == "already_published"
    with chain.at_the_chain():
        assert publication_record.history(chain.lake, tables).published == before.published
        assert published_rows(chain.lake).equals(rows)
