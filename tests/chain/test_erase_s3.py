"""People are erased from a lake in S3 with all object versions, and runs at work are stopped."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.support import bare_scan, canaries, commands, misbehaving
from tests.support.deployed import Deployed
from tests.support.policy import Permissions, document_allows, documented
from tests.support.recorder import Call, Recorder
from tests.support.warm import Warm, shared

from client_health_cli.erasing import cpfs, forget, keeping
from client_health_cli.erasing.places import Prefix
from client_health_cli.errors import SettingsError
from client_health_cli.remote import glue_catalog
from glue_local.emulator import Emulator
from glue_local.launch import LocalService
from glue_local.spark.s3 import REGION
from register_contract import contract, erasures, runs
from register_contract.erasures import Zone

GONE = [canaries.cpf(number) for number in (45, 52)]
HELD = canaries.cpf(47)
KEY = b"k" * 32
PEOPLE = cpfs.values(tuple(sorted(GONE)), KEY)
ORDER: dict[str, Any] = {"ground": "x", "by": "y", "held": 0, "id_keys": cpfs.versions(KEY, b"")}
# The fixture runs three stages, a hold, and an erasure in sessions, beside other workers in CI.
pytestmark = pytest.mark.timeout(1200)


def new_bucket(emulator: Emulator) -> str:
    name, s3 = f"lake-{uuid.uuid4().hex[:12]}", emulator.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def every_version(emulator: Emulator, bucket: str, folder: Path) -> Path:
    """Write every object version of a bucket into a folder, for a scan that isn't ours."""
    s3 = emulator.client("s3")
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    for at, one in enumerate(one for page in pages for one in page.get("Versions", [])):
        place = {"Bucket": bucket, "Key": one["Key"], "VersionId": one["VersionId"]}
        path = folder / str(at) / one["Key"]
        path.parent.mkdir(parents=True)
        path.write_bytes(s3.get_object(**place)["Body"].read())
    return folder


# Without a session: what the command does itself


@pytest.fixture
def lake(emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Prefix:
    """Return a lake of a run that has published nothing, with older versions of its files."""
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    bucket, s3 = new_bucket(emulator), emulator.client("s3")
    row = {"cpf": [GONE[0]], "nome_completo": ["Zyxa Umbelina"], "logradouro": ["Rua Dois"]}
    rows = pl.DataFrame(row).with_columns(malformed_line=pl.lit(None, pl.String))
    rows.write_parquet(tmp_path / "a.parquet")
    said = json.dumps({"name": "Zyxa Umbelina"}).encode()
    for key, body in {
        "staging/r1/ingested/a.parquet": (tmp_path / "a.parquet").read_bytes(),
        "deliveries/csv/delivery_id=d1/a.csv": "\n".join(canaries.csv_lines()).encode(),
        "runs/r1/events.gz": gzip.compress(said),
        "clientoutput/.a.parquet.4711": b"PAR1",
        "claims/-/d1.json": b"{}",
    }.items():
        s3.put_object(Bucket=bucket, Key=f"lake/{key}", Body=body)
    s3.put_object(Bucket=bucket, Key="lake/runs/r1/03_quality.ipynb", Body=said)
    s3.put_object(Bucket=bucket, Key="lake/runs/r1/03_quality.ipynb", Body=b"{}")
    s3.put_object(Bucket=bucket, Key="lake/clientoutput/old.parquet", Body=said)
    s3.delete_object(Bucket=bucket, Key="lake/clientoutput/old.parquet")
    s3.put_object(Bucket=bucket, Key="beside/it.csv", Body=GONE[0].encode())
    return Prefix(f"s3://{bucket}/lake")


class KilledError(Exception):
    """Stands for the death of the process."""


def test_killed_after_any_step_the_same_command_ends_the_same(
    lake: Prefix, emulator: Emulator, tmp_path: Path
) -> None:
    bucket = lake.uri.split("/")[2]
    ids, asked = set(), ""

    def session() -> None:
        nonlocal asked
        text = emulator.client("s3").get_object(Bucket=bucket, Key=f"lake/{erasures.REQUEST}")
        asked = text["Body"].read().decode()

    for done in range(1, 6):
        state, found = forget.plan(lake, PEOPLE, **ORDER)
        ids.add(state.request.erasure_id)
        steps = forget.steps(lake, state, found, session)
        report = [step() for _, step in zip(range(done), steps, strict=False)][-1]
    assert len(ids) == 1
    assert report is not None
    assert report.is_clean
    assert {zone.name: (zone.rows, zone.files) for zone in state.request.zones} == {
        "staging": (1, 1),
        "deliveries": (None, 1),
        "runs": (None, 1),
        "unfinished files": (None, 1),
        "older object versions": (None, 2),
    }
    # CPFs, names, and streets are on this machine alone.
    kept = keeping.state_path(lake)
    assert kept.is_relative_to(tmp_path / "state" / "client-health" / "erasures")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert GONE[0] in kept.read_text()
    assert "Zyxa Umbelina" in kept.read_text()
    assert json.loads(asked)["ids"] == list(PEOPLE.ids)
    assert not any(value in asked for value in (*GONE, "Zyxa Umbelina", "Rua Dois"))

    keeping.finish(lake)
    assert not kept.exists()
    left = every_version(emulator, bucket, tmp_path / "left")
    names = {path.name for path in left.rglob("*") if path.is_file()}
    assert names == {"d1.json", "03_quality.ipynb", "it.csv"}
    assert set(bare_scan.found(left, [*GONE, "Zyxa Umbelina", *PEOPLE.ids])) == {
        str(path.relative_to(left)) for path in left.rglob("it.csv")
    }


def test_an_erasure_that_another_machine_has_begun_goes_on_with_the_same_people_only(
    lake: Prefix, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    state, found = forget.plan(lake, PEOPLE, **ORDER)
    next(forget.steps(lake, state, found, lambda: None))()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
    assert keeping.load(lake) is None
    again, _ = forget.plan(lake, PEOPLE, **ORDER)
    assert again.request.erasure_id == state.request.erasure_id
    with pytest.raises(SettingsError, match="2 others has begun in this lake"):
        forget.plan(lake, cpfs.values((HELD,), KEY), **ORDER)


def test_what_a_bucket_keeps_of_replaced_objects_is_no_clean_lake(lake: Prefix) -> None:
    state, found = forget.plan(lake, PEOPLE, **ORDER)
    assert Zone("older object versions", None, 2) in found.zones
    report = forget.prove(lake, state.values)
    older = [(file.name, kind) for file, kind in report.found if not file.latest]  # type: ignore[union-attr]
    assert sorted(older) == [("03_quality.ipynb", "name"), ("old.parquet", "name")]


# The command, with real sessions


class Erased:
    """A lake in S3 whose people were erased while a run's branch was there."""

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        self._folder = folder
        self._environment = {
            **os.environ,
            **emulator.environment,
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_STATE_HOME": str(folder / "state"),
        }
        s3 = emulator.client("s3")
        self.bucket, self.uploads = new_bucket(emulator), new_bucket(emulator)
        self.raw, self.lake = f"s3://{self.uploads}/upload", f"s3://{self.bucket}/lake"
        for path in canaries.write_delivery(folder / "raw").iterdir():
            for _ in range(2):
                s3.upload_file(str(path), self.uploads, f"upload/{path.name}")
        for name, people in {"all": [*GONE, HELD], "gone": GONE, "held": [HELD]}.items():
            (folder / name).write_text("\n".join(people))
        on = ("--lake", self.lake, "--cpf-file")
        hold = ("--reason", "lawsuit 17", "--until", "9999-12-31", "--by", "legal-2")
        self.published = commands.start(
            *("run", "--raw", self.raw, *on[:2], "--keep-staging"),
            environment=self._environment,
            folder=folder,
        )
        self.confs: list[str] = []
        with Recorder() as recorder:
            recorder.upstream = emulator.endpoint
            with self._sessions(recorder.endpoint) as warm:
                add = ("hold", "add", *on, folder / "held", *hold)
                self.held = self._recorded(warm, recorder, *add)
                self.listed = self.here("hold", "list", *on[:2])
                table = glue_catalog().load_table(contract.TABLE)
                head = table.current_snapshot()
                assert head is not None
                table.manage_snapshots().create_branch(head.snapshot_id, "run_r1").commit()
                order = ("--ground", "LGPD art. 18, VI", "--by", "dpo-7", "--yes")
                raw = ("--raw", self.raw)
                erase = ("erase", *on, folder / "all", *order, *raw, "--rewrite")
                recorder.calls.clear()
                self.erased = self._recorded(warm, recorder, *erase)
        self.calls, self.refused = set(recorder.calls), recorder.refused
        self.branches = set(glue_catalog().load_table(contract.TABLE).refs())
        self.verified = self.here("erase", *on, folder / "gone", "--verify", *raw)
        self.searched = self.here("erase", *on, folder / "held", "--verify")
        audit = "SELECT zone, rows, files, held FROM erasures"
        self.audit = self.here("query", *on[:2], "--format", "csv", audit)
        self.left = {
            "lake": every_version(emulator, self.bucket, folder / "left in the lake"),
            "raw": every_version(emulator, self.uploads, folder / "left in raw"),
        }

    def here(self, *arguments: object, **variables: str) -> commands.Done:
        """Run the command in this process."""
        environment = {**self._environment, **variables}
        return commands.call(*arguments, environment=environment, folder=self._folder)

    @contextlib.contextmanager
    def _sessions(self, endpoint: str) -> Iterator[Warm]:
        """Yield sessions that find S3 and the Data Catalog at an endpoint, like a command's own."""
        service = LocalService(
            environment={**self._environment, "AWS_ENDPOINT_URL": endpoint},
            working_directory=self._folder,
            # What each command asks for, and the shared session must have from its start.
            spark_conf={REGION: self._environment["AWS_REGION"]},
        )
        with service, shared(service) as warm:
            warm.endpoint.rules = [misbehaving.Rule("CreateSession", self._note)]
            yield warm

    def _note(self, call: misbehaving.Call) -> misbehaving.Answer:
        self.confs.append(call.parameters["DefaultArguments"]["--conf"])
        return misbehaving.Answer.of(*call.pass_on())

    def _recorded(self, warm: Warm, recorder: Recorder, *arguments: object) -> commands.Done:
        role = warm.endpoint.environment["glue_role_arn"]
        endpoint = recorder.endpoint
        return self.here(*arguments, *warm.options, AWS_ENDPOINT_URL=endpoint, glue_role_arn=role)


@pytest.fixture(scope="module")
def erased(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Erased]:
    with pytest.MonkeyPatch.context() as patched:
        for name, value in emulator.environment.items():
            patched.setenv(name, value)
        yield Erased(emulator, tmp_path_factory.mktemp("erased"))


def test_the_command_erases_from_s3_and_proves_it(erased: Erased) -> None:
    assert erased.published.returncode == 0, erased.published.stderr
    assert erased.erased.returncode == 0, erased.erased.stderr
    assert "Nothing of them was found." in erased.erased.stdout
    assert erased.verified.returncode == 0, erased.verified.stderr
    for left in erased.left.values():
        assert bare_scan.found(left, [*GONE, *map(canaries._punctuated, GONE)]) == {}
    done = [erased.erased, erased.verified, erased.held, erased.searched]
    assert [canaries.found_in(one.stdout + one.stderr) for one in done] == [[]] * len(done)


def test_the_sessions_of_hold_and_erasure_are_told_the_lakes_region(
    erased: Erased, emulator: Emulator
) -> None:
    told = f"{REGION}={emulator.environment['AWS_REGION']}"
    assert [told in conf for conf in erased.confs] == [True, True]


def test_people_on_hold_are_left_in_s3(erased: Erased) -> None:
    assert erased.held.returncode == 0, erased.held.stderr
    assert "until 9999-12-31: 1 person, lawsuit 17" in erased.listed.stdout
    said = "Left because of a legal hold until 9999-12-31 (lawsuit 17): 1"
    assert said in erased.erased.stdout
    assert erased.searched.returncode == 1
    assert "clientoutput/" in erased.searched.stderr


def test_raw_files_are_written_again_and_noted_for_the_reconciler(
    erased: Erased, emulator: Emulator
) -> None:
    s3 = emulator.client("s3")
    for name in canaries.NAMES.values():
        key = f"upload/{name}"
        size = s3.head_object(Bucket=erased.uploads, Key=key)["ContentLength"]
        s3.head_object(Bucket=erased.bucket, Key=f"lake/claims/{runs.rewritten_name(key, size)}")
    left = bare_scan.found(erased.left["raw"], [HELD, canaries._punctuated(HELD)])
    assert len(left) == len(canaries.NAMES)


def test_the_documented_policy_and_the_sessions_role_allow_every_call(
    erased: Erased, root: Path
) -> None:
    own = documented(root, RAW_BUCKET=erased.uploads, LAKE_BUCKET=erased.bucket)
    deployed = Deployed()
    session, bucket = Permissions(deployed), str(deployed.ref("LakeBucket"))

    def allowed(call: Call) -> bool:
        there = call.resource.replace(erased.bucket, bucket, 1)
        return document_allows(own, call.action, call.resource) or session.allows(
            "session", call.action, there
        )

    assert erased.refused == []
    made = {call.action for call in erased.calls}
    assert {"s3:ListBucketVersions", "s3:DeleteObjectVersion", "glue:UpdateTable"} <= made
    assert [call for call in erased.calls if not allowed(call)] == []


def test_runs_at_work_are_named_and_their_branches_dropped(erased: Erased) -> None:
    assert "the branch run_r1: if its run is at work, it fails" in erased.erased.stdout
    assert erased.branches == {"main"}


def test_the_audit_record_has_raw_files_and_versions(erased: Erased) -> None:
    rows = {line.rpartition(",")[0] for line in erased.audit.stdout.splitlines()}
    assert "raw files,12,3" in rows
    assert '"raw files, object versions",,6' in rows
    assert "clientoutput,2,2" in rows
    assert any(row.startswith("older object versions,,") for row in rows)
