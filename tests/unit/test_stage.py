"""The stages of a run: settings, handovers, receipts, and the publication."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from test_lake import add, branches, values
from tests.support.frames import clients

import client_health
from client_health import ingestion, stages, storage, transformation
from client_health.clean import identity, register
from client_health.errors import (
    HandoverError,
    InputError,
    MainMovedError,
    QualityGateError,
    SettingsError,
)
from client_health.gate import quality
from client_health.publish import data_files, publishing, records
from client_health.publish.lake import Lake, branch_name
from client_health.spark_session import CONF_PREFIX, setting
from register_contract import contract, manifest, publications, tables
from register_contract.contract import Gate, Limits
from register_contract.refusals import FOLDER, Refusal
from register_contract.rule_set import RuleSet
from register_run import publication_record as record
from register_run import receipt as receipts
from register_run import team_rules
from register_run.errors import ReceiptError
from register_run.request import PublishedTable

AS_OF = date(2026, 1, 31)
GOOD_CPF, OTHER_CPF, THIRD_CPF = "52998224725", "11144477735", "98765432100"
NAMES = (stages.INGEST, stages.TRANSFORM, stages.QUALITY)
ATTEMPTS = {name: str(number) * 32 for number, name in enumerate(NAMES, start=1)}
PUBLISHED = PublishedTable(contract.TABLE, contract.LOG_TABLE)
HALF = Limits(rejected_share=0.5)


def a_delivery(folder: Path) -> dict[str, str]:
    """Write two rows per source, with one CPF twice among them, and a malformed line."""
    folder.mkdir()
    paths = {f"{source.name}_path": str(folder / source.file) for source in contract.SOURCES}
    moments = ["2019-11-27T11:12:02", "2020-11-27T11:12:02"]
    rows = {name: ["x", "x"] for name in contract.SOURCES[0].columns}
    rows |= {"documento_cpf": [GOOD_CPF, OTHER_CPF], "data_cadastro": moments}
    pq.write_table(pa.table(rows), paths["parquet_path"])
    header = "|".join(contract.SOURCES[1].columns)
    line = THIRD_CPF + "|Ana|Gold||||||||2018-01-01 00:00:00"
    Path(paths["csv_path"]).write_text(f"{header}\n{line}\nbroken|line\n", encoding="utf-8")
    plain = dict.fromkeys(contract.SOURCES[2].columns, "x")
    cpfs = ("11111111111", GOOD_CPF)
    lines = [json.dumps(plain | {"cpf": cpf, "data_cadastro": "1574853122001"}) for cpf in cpfs]
    Path(paths["json_path"]).write_text("\n".join(lines), encoding="utf-8")
    return paths


@dataclass(frozen=True)
class Run:
    """A run through the stages, as the notebooks perform it."""

    lake: str
    key: str
    paths: dict[str, str]
    run_id: str = "r1"
    resubmissions: tuple[str, ...] = ()

    def begin(self, name: str, attempt: str | None = None) -> stages.Stage:
        given = ATTEMPTS[name] if attempt is None else attempt
        return stages.begin(name, run_id=self.run_id, lake=self.lake, attempt=given)

    def ingest(self) -> dict[str, Any]:
        stage = self.begin(stages.INGEST)
        today = ingestion.read_delivery(
            stage,
            **self.paths,
            as_of=AS_OF.isoformat(),
            resubmissions=",".join(self.resubmissions),
        )
        staged = ingestion.ingest(stage, today)
        rows = ingestion.accounting(staged)
        return stage.finish(
            rows,
            stage.hand_over(staged),
            delivery_id=today.delivery_id,
            as_of=today.as_of,
            inputs=today.as_receipt(),
        )

    def transform(self, attempt: str | None = None, *, previous_key: str = "") -> dict[str, Any]:
        stage = self.begin(stages.TRANSFORM, attempt)
        before = stage.receipt_before()
        done = transformation.transform(stage, self.key, previous_key)
        return stage.finish(
            done.rows,
            done.handover,
            delivery_id=before.delivery_id,
            as_of=before.as_of,
            profile=done.profile,
        )

    def publish(
        self, *, accept_older: str = "", accept_drift: str = "", limits: Limits = HALF
    ) -> dict[str, Any]:
        stage = self.begin(stages.QUALITY)
        branch = publishing.branch(stage)
        branch.checked(quality.validar_esquema)
        held_against = publishing.expectations(stage, True, accept_older, accept_drift)
        report = branch.checked(
            quality.validar_qualidade_dados, branch.shares, replace(held_against, limits=limits)
        )
        return publishing.publish(stage, branch, report, accept_older)

    @property
    def table(self) -> Lake:
        return Lake.open(SparkSession.builder.getOrCreate(), self.lake)

    def stored(self, name: str) -> Any:
        return receipts.load(self.lake, self.run_id, name)

    def verify(self, name: str, before: str | None = None) -> None:
        """Accept the stored receipt of a stage, as the runner does."""
        first = self.stored(stages.INGEST)
        expected = receipts.Expected(
            stage=name,
            run_id=self.run_id,
            delivery_id=first["delivery_id"],
            library_version=client_health.__version__,
            rules=contract.rules_fingerprint(),
            attempt=ATTEMPTS[name],
            before=self.stored(before) if before else None,
            resubmissions=self.resubmissions,
        )
        metadata = record.metadata(self.lake, PUBLISHED)
        receipts.verify(self.stored(name), expected, self.lake, metadata)


def write_key(path: Path, text: str) -> str:
    path.write_text(text * 32)
    path.chmod(0o600)
    return str(path)


def a_run(folder: Path) -> Run:
    return Run(str(folder / "lake"), write_key(folder / "id.key", "k"), a_delivery(folder / "raw"))


@pytest.fixture
def configured(spark: SparkSession) -> Iterator[Callable[[str, str], None]]:
    """Yield a function that sets a parameter from outside the notebook."""
    session = SparkSession.builder.getOrCreate()
    given: list[str] = []

    def configure(name: str, value: str) -> None:
        session.conf.set(CONF_PREFIX + name, value)
        given.append(CONF_PREFIX + name)

    yield configure
    for key in given:
        session.conf.unset(key)


def others_publish(run: Run) -> None:
    """Publish somebody else's rows."""
    lake = run.table
    branch = branch_name("other", "e" * 32)
    files = data_files.write(clients("SUS"), lake.data_folder, lake.field_ids(), "other")
    lake.write_branch(branch, files, {publications.RUN_ID: "other"})
    lake.publish(branch)
    lake.drop_branch(branch)


# -- a run through all stages ------------------------------------------------------------------


def test_both_sides_know_a_handover_by_the_same_fingerprint(done: Run) -> None:
    handover = done.stored(stages.INGEST)["handover"]
    assert receipts.handover_fingerprint(done.lake, handover["path"]) == handover["fingerprint"]


def test_unmasked_rows_are_closed_to_other_accounts(done: Run) -> None:
    staging = Path(done.lake, "staging")
    found = [
        (path.is_dir(), path.stat().st_mode & 0o777) for path in (staging, *staging.rglob("*"))
    ]
    assert set(found) == {(True, 0o700), (False, 0o600)}


def test_receipts_account_for_every_row(done: Run) -> None:
    first, second, third = (done.stored(name) for name in NAMES)
    counts = ("in", "out", "rejected", "duplicates", "suppressed")
    assert {name: row["out"] for name, row in first["rows"].items()} == dict.fromkeys(
        contract.SOURCE_NAMES, 2
    )
    assert {name: [row[c] for c in counts] for name, row in second["rows"].items()} == {
        "parquet": [2, 1, 0, 1, 0],
        "csv": [2, 1, 1, 0, 0],
        "json": [2, 2, 0, 0, 0],
    }
    assert {name: row["in"] for name, row in third["rows"].items()} == {
        "parquet": 1, "csv": 1, "json": 2,
    }  # fmt: skip
    assert second["rejections"] == {"linha_malformada": 1, "cpf_ausente": 0, "cpf_formato": 0}
    assert second["warnings"]["cpf_digito_verificador"] == 1
    assert third["shares"] == {"x": 3, "Gold": 1}


def test_rejected_rows_are_kept_as_they_came_with_their_reasons(done: Run) -> None:
    folder = Path(done.lake, "staging", "r1", "rejected")
    kept = pl.concat(pl.read_parquet(file) for file in folder.glob("*.parquet"))
    assert kept.select("source", "malformed_line").rows() == [("csv", "broken|line")]
    assert kept["reasons"].to_list() == [["linha_malformada"]]


def test_no_unmasked_copy_is_left_beside_ingested_and_rejected(done: Run) -> None:
    assert sorted(path.name for path in Path(done.lake, "staging", "r1").iterdir()) == [
        "ingested", "rejected",
    ]  # fmt: skip
    data = [file.read_bytes() for file in Path(done.lake, "clientoutput").rglob("*.parquet")]
    assert data
    assert not any(cpf.encode() in content for cpf in (GOOD_CPF, OTHER_CPF) for content in data)


def test_receipts_name_the_deliveries_files_without_their_folders(done: Run) -> None:
    inputs = done.stored(stages.INGEST)["inputs"]
    assert [given["name"] for given in inputs] == [source.file for source in contract.SOURCES]
    assert all(given["size"] > 0 and given["version"].endswith("+00:00") for given in inputs)
    assert done.lake not in json.dumps([done.stored(name) for name in NAMES])


def test_the_snapshots_summary_carries_the_record_of_the_stage_that_wrote_it(done: Run) -> None:
    snapshot = done.table.snapshot()
    assert snapshot is not None
    second = done.stored(stages.TRANSFORM)
    assert snapshot.snapshot_id == second["handover"]["snapshot_id"]
    kept = json.loads(snapshot.summary[publications.RECEIPT])
    for only_in_the_receipt in ("handover", "findings", "profile", "id_key"):
        del second[only_in_the_receipt]
    assert kept.pop("shares") == {"x": 3, "Gold": 1}
    assert kept | {"duration_seconds": 0} == second | {"duration_seconds": 0}
    assert snapshot.summary[publications.RUN_ID] == "r1"
    assert snapshot.summary[publications.DELIVERY_ID] == second["delivery_id"]
    assert branches(done.table) == ["main"]


def test_the_published_run_is_found_without_spark_and_its_receipt_rebuilt(done: Run) -> None:
    found = record.history(done.lake, PUBLISHED).of_run("r1")
    assert found is not None
    receipt = done.stored(stages.QUALITY)
    rebuilt = record.receipt_of(found, contract.TABLE, stages.QUALITY, ATTEMPTS[stages.QUALITY])
    assert rebuilt is not None
    differing = {"duration_seconds": 0, "started_at": ""}
    assert dict(rebuilt) | differing == receipt | differing


def test_the_last_stage_of_a_published_run_audits_its_snapshot_and_writes_its_receipt(
    done: Run,
) -> None:
    receipt = done.stored(stages.QUALITY)
    before = done.table.snapshot(), done.table.history()
    done.publish()
    again = done.stored(stages.QUALITY)
    times = {"duration_seconds": 0, "started_at": ""}
    assert again | times == receipt | times
    assert (done.table.snapshot(), done.table.history()) == before
    # A gate that stops the run leaves the published table unchanged.
    with pytest.raises(QualityGateError, match="rejeitados_demais"):
        done.publish(limits=Limits(rejected_share=0.0))
    assert done.stored(stages.QUALITY) is None
    assert done.table.snapshot() == before[0]
    done.publish()


def test_a_published_run_is_one_whoever_has_published_since(done: Run) -> None:
    snapshot = done.stored(stages.QUALITY)["handover"]["snapshot_id"]
    others_publish(done)
    newest = done.table.snapshot()
    assert done.publish()["handover"]["snapshot_id"] == snapshot
    assert done.table.snapshot() == newest


def test_a_run_that_is_done_again_gives_the_same_ids(done: Run) -> None:
    lake = done.table
    before, ids = lake.snapshot(), sorted(values(lake.spark.table(lake.table), "id"))
    done.ingest()
    done.transform("f" * 32)
    done.publish()
    assert lake.snapshot() != before
    assert sorted(values(lake.spark.table(lake.table), "id")) == ids


def test_the_result_of_every_rule_is_kept_by_source(done: Run) -> None:
    rows = records.read(done.table, tables.QUALITY_RESULTS, ["r1"])
    assert set(rows["rule"]) == {rule.name for rule in contract.RULES if not rule.of_run} - {
        Gate.COLUNAS_DE_ENTRADA, Gate.CODIFICACAO_DE_ENTRADA, Gate.ESQUEMA_DIFERENTE,
    }  # fmt: skip
    malformed = rows.filter(pl.col("rule") == "linha_malformada").sort("source")
    described = malformed.select("source", "stage", "criticality", "rows_checked", "rows_failed")
    assert described.rows() == [
        ("csv", "02_transform", "error", 2, 1),
        ("json", "02_transform", "error", 2, 0),
        ("parquet", "02_transform", "error", 2, 0),
    ]
    rejected = rows.row(by_predicate=pl.col("rule") == Gate.REJEITADOS_DEMAIS, named=True)
    assert (rejected["stage"], rejected["source"], rejected["passed"]) == ("03_quality", None, True)
    assert (rejected["rows_failed"], rejected["rows_checked"]) == (1, 6)
    assert (rejected["share"], rejected["limit"]) == (pytest.approx(1 / 6), 0.5)
    assert set(rows["day"]) == {AS_OF}
    assert set(rows["rules"]) == {contract.rules_fingerprint()}


def test_what_the_columns_contain_is_kept(done: Run) -> None:
    rows = records.read(done.table, tables.COLUMN_PROFILES, ["r1"])
    plans = rows.filter(pl.col("column_name") == "convenio", pl.col("category").is_not_null())
    assert sorted(plans.select("category", "rows", "share").rows()) == [
        ("Gold", 1, 0.25), ("x", 3, 0.75),
    ]  # fmt: skip
    whole = rows.filter(pl.col("category").is_null())
    assert set(whole["column_name"]) == set(register.MISSING)
    name = whole.row(by_predicate=pl.col("column_name") == "nome_completo", named=True)
    assert (name["rows"], name["nulls"], name["distinct_count"]) == (4, 0, 2)


def test_a_stopped_run_is_remembered_with_what_stopped_it_and_leaves_no_branch(
    written: Run,
) -> None:
    with pytest.raises(QualityGateError):
        written.publish(limits=Limits(rejected_share=0.1))
    rows = records.read(written.table, tables.QUALITY_RESULTS, ["r1"])
    [stopped] = rows.filter(~pl.col("passed")).rows(named=True)
    assert stopped["rule"] == Gate.REJEITADOS_DEMAIS
    assert (stopped["share"], stopped["limit"]) == (pytest.approx(1 / 6), 0.1)
    assert "1 of 6 rows rejected" in stopped["finding"]
    assert rows.height > len(contract.rules(contract.Criticality.ERROR)) * 3
    assert branches(written.table) == []
    assert records.read(written.table, tables.COLUMN_PROFILES).is_empty()

    # The run is done again, with a limit that lets it pass: its rows take the place of these.
    written.transform("e" * 32)
    written.publish()
    again = records.read(written.table, tables.QUALITY_RESULTS, ["r1"])
    assert again["passed"].all()
    assert again.height == rows.height


def test_a_run_that_never_had_a_session_is_remembered_by_the_next(written: Run) -> None:
    fields = {"delivery_id": "d9", "day": "2026-01-30", "rule": str(Gate.REMESSA_ANTIGA)}
    rest = {"finding": "older", "rules": "f", "recorded_at": "2026-02-01T03:00:00"}
    refused = Refusal(run_id="r9", **fields, **rest)
    mine = Refusal(run_id=written.run_id, **fields, **rest)
    for note in (refused, mine):
        storage.write_text(f"{written.lake}/{note.path}", note.dump())
    storage.write_text(f"{written.lake}/{FOLDER}/other.json", "[]")
    written.publish()
    [row] = records.read(written.table, tables.QUALITY_RESULTS, ["r9"]).rows(named=True)
    assert (row["stage"], row["rule"], row["passed"]) == ("01_ingest", "remessa_antiga", False)
    assert (row["delivery_id"], row["day"].isoformat()) == ("d9", "2026-01-30")
    assert (row["finding"], row["recorded_at"].isoformat()) == ("older", "2026-02-01T03:00:00")
    own = records.read(written.table, tables.QUALITY_RESULTS, [written.run_id])
    assert Gate.REMESSA_ANTIGA not in own.filter(~pl.col("passed"))["rule"].to_list()
    assert [file.relative for file in storage.files(f"{written.lake}/{FOLDER}")] == ["other.json"]


def test_a_gate_of_the_first_stage_is_remembered_too(written: Run) -> None:
    Path(written.paths["csv_path"]).write_text("cpf|nome\n", encoding="utf-8")
    run = replace(written, run_id="r2")
    with pytest.raises(QualityGateError):
        run.ingest()
    [row] = records.read(run.table, tables.QUALITY_RESULTS, ["r2"]).rows(named=True)
    assert (row["stage"], row["rule"], row["passed"]) == (
        "01_ingest", Gate.COLUNAS_DE_ENTRADA, False,
    )  # fmt: skip
    assert row["finding"]


def test_a_gate_stops_the_run_even_if_its_history_cannot_be_written(
    written: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(records, "replace", fails)
    with pytest.raises(QualityGateError, match="rejeitados_demais"):
        written.publish(limits=Limits(rejected_share=0.1))


def test_a_run_unlike_the_last_published_ones_is_stopped_unless_a_person_accepts_it(
    done: Run,
) -> None:
    second = replace(done, run_id="r2")
    second.ingest()
    second.transform()
    second.publish()
    limits = replace(HALF, drift_least_rows=2, drift_least_runs=2)
    team_rules.hand_over(done.lake, "other", RuleSet(limits=limits))
    plain = dict.fromkeys(contract.SOURCES[2].columns, "x") | {"convenio": "New"}
    lines = [json.dumps(plain | {"cpf": f"{at:011}"}) for at in range(9)]
    Path(done.paths["json_path"]).write_text("\n".join(lines), encoding="utf-8")
    other = replace(done, run_id="other")
    other.ingest()
    other.transform("9" * 32)
    with pytest.raises(QualityGateError) as stopped:
        other.publish(limits=limits)
    found = dict(stopped.value.failures)[Gate.DISTRIBUICAO_DIFERENTE]
    assert "the median of 2 publications, 2026-01-31 to 2026-01-31; the limit is 10" in found

    other.transform("8" * 32)
    receipt = other.publish(limits=limits, accept_drift="true")
    assert receipt["drift"]["convenios_diferentes"].startswith("1 new: New (compared with")
    rows = records.read(other.table, tables.QUALITY_RESULTS, ["other"])
    moved = rows.row(by_predicate=pl.col("rule") == Gate.DISTRIBUICAO_DIFERENTE, named=True)
    assert moved["passed"]
    assert "New" in moved["finding"]
    warned = rows.row(by_predicate=pl.col("rule") == "convenios_diferentes", named=True)
    assert (warned["criticality"], warned["stage"]) == ("warn", "03_quality")


def test_another_id_key_is_refused_before_anything_is_written(done: Run, tmp_path: Path) -> None:
    before = done.table.snapshot()
    other = replace(done, key=write_key(tmp_path / "new.key", "n"))
    with pytest.raises(SettingsError, match="another id key"):
        other.transform()
    assert done.table.snapshot() == before
    assert branches(done.table) == ["main"]
    assert done.stored(stages.TRANSFORM) is None


def test_the_keys_version_stands_in_receipt_and_table_and_costs_one_commit(done: Run) -> None:
    check = identity.key_check(b"k" * 32)
    assert done.stored(stages.TRANSFORM)["id_key"] == check
    table = done.table.loaded(done.table.table)
    assert table.properties().get(publications.ID_KEY) == check
    before = table.operations().current().metadataFileLocation()
    done.table.show_id_key()
    again = done.table.loaded(done.table.table)
    assert again.operations().current().metadataFileLocation() == before


def test_a_delete_hides_neither_key_nor_rows_nor_day(done: Run, tmp_path: Path) -> None:
    lake = done.table
    lake.spark.sql(f"DELETE FROM {lake.table} WHERE convenio = 'Gold'")
    expected = publishing.expectations(done.begin(stages.QUALITY))
    assert (expected.published_rows, expected.published_day) == (4, AS_OF.isoformat())
    other = replace(done, key=write_key(tmp_path / "new.key", "n"))
    with pytest.raises(SettingsError, match="another id key"):
        other.transform()


# -- the branch between 02 and 03 --------------------------------------------------------------


def test_a_branch_is_what_the_second_stage_hands_over(written: Run) -> None:
    written.verify(stages.TRANSFORM, stages.INGEST)
    handover = written.stored(stages.TRANSFORM)["handover"]
    name = branch_name("r1", ATTEMPTS[stages.TRANSFORM])
    assert handover["branch"] == name
    assert branches(written.table) == [name]
    assert record.history(written.lake, PUBLISHED).of_run("r1") is None
    head = written.table.snapshot(name)
    assert head is not None
    assert (handover["snapshot_id"], handover["rows"]) == (head.snapshot_id, 4)


def test_a_stage_by_hand_has_a_branch_of_its_own(written: Run) -> None:
    written.transform(attempt="")
    [name] = branches(written.table)
    token = name.removeprefix("audit_r1_")
    assert len(token) == 32
    assert int(token, 16)
    written.publish()


def test_the_next_attempt_takes_the_runs_other_branches_away(written: Run) -> None:
    first = written.stored(stages.TRANSFORM)
    others = [branch_name(run_id, "a" * 32) for run_id in ("r10", "r1_2")]
    for name in others:
        written.table.spark.sql(f"ALTER TABLE {written.table.table} CREATE BRANCH `{name}`")
    written.transform("d" * 32)
    assert branches(written.table) == sorted([*others, branch_name("r1", "d" * 32)])
    # The receipt of the first attempt is no longer true.
    receipts.save(written.lake, first)
    with pytest.raises(ReceiptError, match="is gone, or not the one that the stage wrote"):
        written.verify(stages.TRANSFORM, stages.INGEST)
    with pytest.raises(HandoverError, match="Run 02_transform again"):
        written.publish()


def test_a_branch_that_somebody_wrote_to_is_refused(written: Run) -> None:
    lake, name = written.table, branches(written.table)[0]
    add(lake, name, "SUS")
    with pytest.raises(ReceiptError, match="not the one that the stage wrote"):
        written.verify(stages.TRANSFORM, stages.INGEST)
    with pytest.raises(HandoverError, match="is not the one that 02_transform handed over"):
        written.publish()


def test_a_gate_that_stops_the_run_leaves_no_branch(written: Run) -> None:
    with pytest.raises(QualityGateError, match="rejeitados_demais"):
        written.publish(limits=Limits(rejected_share=0.0))
    assert branches(written.table) == []
    assert written.table.snapshot() is None
    assert written.stored(stages.QUALITY) is None


def test_another_schema_stops_before_anything_is_written(
    written: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = register.published
    monkeypatch.setattr(register, "published", lambda kept: right(kept).drop("sexo"))
    with pytest.raises(QualityGateError, match="esquema_diferente: missing column sexo"):
        written.transform("d" * 32)
    assert branches(written.table) == []


def test_rejected_rows_are_counted_and_kept_the_same_however_many_are_read_at_once(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(tmp_path)
    raw = Path(run.paths["csv_path"])
    raw.write_text(raw.read_text() + "another|line\n" + f"1234{'|' * 10}\n")
    run.ingest()
    found = []
    for rows in (transformation.BLOCK_ROWS, 1):
        monkeypatch.setattr(transformation, "BLOCK_ROWS", rows)
        receipt = run.transform()
        kept = records.read(run.table, tables.REJECTED).drop("recorded_at").sort("rejection_id")
        found.append((receipt["rows"], receipt["rejections"], kept.rows()))
    assert found[0] == found[1]
    assert len(found[0][2]) == 3


def test_rows_that_others_have_overtaken_are_not_published(written: Run) -> None:
    others_publish(written)
    newest = written.table.snapshot()
    with pytest.raises(ReceiptError, match="others have published since"):
        written.verify(stages.TRANSFORM, stages.INGEST)
    with pytest.raises(MainMovedError, match="Run 02_transform and 03_quality again"):
        written.publish()
    assert written.table.snapshot() == newest
    assert branches(written.table) == ["main"]
    # After both stages run again, the rows are published.
    written.transform("d" * 32)
    written.publish()
    assert written.table.history().of_run("r1") is not None


def test_rows_that_others_overtake_at_the_last_moment_are_not_published(written: Run) -> None:
    stage = written.begin(stages.QUALITY)
    branch = publishing.branch(stage)
    report = quality.measure(branch.rows, branch.shares)
    others_publish(written)
    newest = written.table.snapshot()
    with pytest.raises(MainMovedError):
        publishing.publish(stage, branch, report)
    assert written.table.snapshot() == newest
    assert written.stored(stages.QUALITY) is None


def test_a_delivery_that_became_older_meanwhile_is_not_published(done: Run, tmp_path: Path) -> None:
    run = replace(done, run_id="older")
    run.ingest()
    earlier = AS_OF - timedelta(days=1)
    file = Path(run.lake, "runs", "older", "01_ingest.json")
    file.write_text(file.read_text().replace(AS_OF.isoformat(), earlier.isoformat()))
    run.transform()
    stage = run.begin(stages.QUALITY)
    branch = publishing.branch(stage)
    expected = publishing.expectations(stage)
    assert (expected.day, expected.published_day) == (earlier.isoformat(), AS_OF.isoformat())
    report = quality.measure(branch.rows, branch.shares)
    before = run.table.history()
    with pytest.raises(QualityGateError, match=f"remessa_antiga: the delivery is of {earlier}"):
        publishing.publish(stage, branch, report)
    assert run.table.history() == before
    assert branches(run.table) == ["main"]
    run.transform()
    run.publish(accept_older="True")
    last = run.table.history().last
    assert last is not None
    assert (last.run_id, last.day) == ("older", earlier.isoformat())


def test_a_run_of_nothing_but_rejected_rows_is_stopped_by_its_gate(
    spark: SparkSession, tmp_path: Path
) -> None:
    run = a_run(tmp_path)
    for path in run.paths.values():
        file = Path(path)
        if file.suffix == ".parquet":
            rows = pq.read_table(file).to_pydict() | {"documento_cpf": ["x", "x"]}
            pq.write_table(pa.table(rows), file)
        else:
            content = file.read_text()
            for cpf in (GOOD_CPF, THIRD_CPF, "11111111111"):
                content = content.replace(cpf, "x")
            file.write_text(content)
    run.ingest()
    receipt = run.transform()
    assert sum(receipt["rejections"].values()) == 6
    with pytest.raises(QualityGateError, match="saida_vazia") as stopped:
        run.publish()
    assert Gate.REJEITADOS_DEMAIS in dict(stopped.value.failures)
    assert branches(run.table) == []


def test_rejected_rows_are_kept_with_the_same_names_in_every_run(written: Run) -> None:
    kept = records.read(written.table, tables.REJECTED)
    assert kept.select("run_id", "source", "reasons", "record").rows() == [
        (written.run_id, "csv", "linha_malformada", "broken|line")
    ]
    assert kept["day"].to_list() == [AS_OF]
    with pytest.raises(QualityGateError):
        written.publish(limits=Limits(rejected_share=0.0))
    # Another run of the same delivery, and the same run again.
    other = replace(written, run_id="r2")
    other.ingest()
    for _ in range(2):
        other.transform()
    again = records.read(written.table, tables.REJECTED).sort("run_id")
    assert again["run_id"].to_list() == ["r1", "r2"]
    assert again["rejection_id"].unique().to_list() == kept["rejection_id"].to_list()


# -- files between 01 and 02 -------------------------------------------------------------------


def staged(run: Run) -> list[Path]:
    return sorted(Path(run.lake, "staging", run.run_id, "ingested").glob("*.parquet"))


def test_a_stage_begun_again_has_not_happened(ingested: Run) -> None:
    assert ingested.stored(stages.INGEST) is not None
    replace(ingested, run_id="r2").begin(stages.INGEST)
    assert ingested.stored(stages.INGEST) is not None
    ingested.begin(stages.INGEST)
    assert ingested.stored(stages.INGEST) is None


def test_a_stage_that_is_not_finished_is_named(spark: SparkSession, tmp_path: Path) -> None:
    run = Run(str(tmp_path), "", {})
    with pytest.raises(HandoverError, match=r"Stage 01_ingest of run r1 .* Run its notebook"):
        run.begin(stages.TRANSFORM).receipt_before()
    with pytest.raises(HandoverError, match="Stage 02_transform of run r1"):
        run.begin(stages.QUALITY).receipt_before()


@pytest.mark.parametrize("change", ["removed", "cut", "renamed", "manifest", "no manifest"])
def test_changed_staging_files_are_refused(ingested: Run, change: str) -> None:
    stage = ingested.begin(stages.TRANSFORM)
    assert sum(line.rows for line in stage.files()) == 6
    file = staged(ingested)[0]
    named = file.with_name(manifest.NAME)
    if change == "removed":
        file.unlink()
    elif change == "cut":
        file.write_bytes(file.read_bytes()[:-1])
    elif change == "renamed":
        file.rename(file.with_name("other.parquet"))
    elif change == "manifest":
        named.write_text(named.read_text().partition("\n")[2])
    else:
        named.unlink()
    with pytest.raises(HandoverError, match=r"staging/r1/ingested are not the ones .* Run that"):
        stage.files()
    with pytest.raises(ReceiptError, match="are not those that the stage handed over"):
        ingested.verify(stages.INGEST)


def test_a_manifest_that_is_none_is_refused(ingested: Run) -> None:
    staged(ingested)[0].with_name(manifest.NAME).write_text("torn {")
    with pytest.raises(HandoverError, match="Run that stage again"):
        ingested.begin(stages.TRANSFORM).files()


def test_a_file_that_no_manifest_names_does_not_exist(ingested: Run) -> None:
    for file in staged(ingested):
        file.with_name("more-" + file.name).write_bytes(file.read_bytes())
    ingested.verify(stages.INGEST)
    assert sum(row["in"] for row in ingested.transform()["rows"].values()) == 6


def test_ingesting_again_replaces_what_was_there(ingested: Run) -> None:
    before = ingested.stored(stages.INGEST)
    staged(ingested)[0].with_name("left-by-a-dead-task.parquet").write_bytes(b"x")
    csv = Path(ingested.paths["csv_path"])
    csv.write_text(csv.read_text() + "another|broken|line\n")
    again = ingested.ingest()
    assert again["rows"]["csv"]["in"] == before["rows"]["csv"]["in"] + 1
    assert again["handover"]["rows"] == 7
    named = {line.file for line in ingested.begin(stages.TRANSFORM).files()}
    assert {file.name for file in staged(ingested)} == named


def test_the_first_row_of_each_source_is_shown_from_the_staged_files(ingested: Run) -> None:
    stage = ingested.begin(stages.TRANSFORM)
    firsts = ingestion.first_rows(stage, stage.files())
    assert firsts["source"].to_list() == list(contract.SOURCE_NAMES)


def test_a_file_that_cannot_be_read_is_named_and_not_tried_again(
    spark: SparkSession, tmp_path: Path
) -> None:
    run = a_run(tmp_path)
    file = Path(run.paths["parquet_path"])
    content = bytearray(file.read_bytes())
    content[4:40] = b"\xff" * 36
    file.write_bytes(bytes(content))
    with pytest.raises(InputError, match=f"{file.name}: it cannot be read"):
        run.ingest()
    assert run.stored(stages.INGEST) is None


def test_a_file_that_is_no_utf_8_is_named_with_its_line(
    spark: SparkSession, tmp_path: Path
) -> None:
    run = a_run(tmp_path)
    file = Path(run.paths["csv_path"])
    file.write_bytes(file.read_text().replace("Ana", "Inês").encode("latin-1"))
    with pytest.raises(QualityGateError, match=f"{file.name} is not UTF-8 from line 2 on"):
        run.ingest()


def test_small_pieces_go_to_a_task_together_and_large_ones_first() -> None:
    from client_health.read.readers import PIECE_BYTES, Input, Piece

    def given(name: str, *sizes: int) -> Input:
        source = next(source for source in contract.SOURCES if source.name == name)
        pieces = tuple(Piece(name, str(at), str(at), 0, size) for at, size in enumerate(sizes))
        return Input(source, (), pieces, ())

    half = PIECE_BYTES // 2
    inputs = {"csv": given("csv", 1, half, half, PIECE_BYTES + 1), "json": given("json", 5, 7)}
    tasks = ingestion.split(ingestion.Delivery("d", AS_OF, inputs))
    assert [[(piece.source, piece.size) for piece in task] for task in tasks] == [
        [("csv", PIECE_BYTES + 1)],
        [("csv", 1), ("csv", half)],
        [("csv", half)],
        [("json", 5), ("json", 7)],
    ]


# -- settings ----------------------------------------------------------------------------------


def test_a_parameter_comes_before_the_session_and_the_session_before_the_default(
    spark: SparkSession, tmp_path: Path, configured: Callable[[str, str], None]
) -> None:
    configured("as_of", "2026-01-30")
    assert setting(spark, "as_of", "2026-01-31", "2026-01-01") == "2026-01-31"
    assert setting(spark, "as_of", "", "2026-01-01") == "2026-01-30"
    assert setting(spark, "delivery_id", "", "d0") == "d0"
    configured("lake", str(tmp_path / "configured"))
    stage = stages.begin(stages.INGEST)
    assert stage.lake.uri == str(tmp_path / "configured")
    assert (stage.run_id, stage.attempt) == ("manual", "")
    configured("run_id", "from-outside")
    given = stages.begin(stages.INGEST, lake=str(tmp_path / "given"), attempt="a7")
    assert given.lake.uri == str(tmp_path / "given")
    assert (given.run_id, given.attempt) == ("from-outside", "a7")


def test_a_parameter_that_is_nowhere_is_named_with_what_to_do(spark: SparkSession) -> None:
    with pytest.raises(SettingsError, match=r"'lake' is empty.*--conf spark\.client_health\.lake="):
        stages.begin(stages.INGEST)


def test_there_are_three_stages(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no stage '04_more'"):
        stages.begin("04_more", lake=str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_the_day_of_a_delivery_is_a_date(spark: SparkSession, tmp_path: Path) -> None:
    paths = a_delivery(tmp_path / "raw")
    stage = stages.begin(stages.INGEST, lake=str(tmp_path / "lake"))
    with pytest.raises(SettingsError, match="as_of is '31/01/2026'"):
        ingestion.read_delivery(stage, **paths, as_of="31/01/2026")


def test_a_source_without_a_row_stops_the_first_stage(spark: SparkSession, tmp_path: Path) -> None:
    run = a_run(tmp_path)
    csv = Path(run.paths["csv_path"])
    csv.write_text(csv.read_text().partition("\n")[0] + "\n")
    with pytest.raises(QualityGateError, match="fonte_vazia: no row in dados_cadastro_2"):
        run.ingest()
    assert run.stored(stages.INGEST) is None
