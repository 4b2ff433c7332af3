"""Stages of one run: settings, handovers, receipts, and the publication they lead to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from frames import GOOD_CPF, OTHER_CPF, ingested, values
from pyspark.sql import SparkSession

import client_health
from client_health import contract, delivery, publication, quality, register, rules, sources
from client_health import stage as stages
from client_health.accounting import RowCounter, SourceRows, StageRows, count_transformed
from client_health.errors import HandoverError, QualityGateError, SettingsError
from client_health.session import CONF_PREFIX, setting
from glue_papermill import publication as record
from glue_papermill import receipt as receipts
from glue_papermill.settings import PublishedTable

AS_OF = date(2026, 1, 31)
THIRD_CPF = "98765432100"
NAMES = (stages.INGEST, stages.TRANSFORM, stages.QUALITY)


def a_delivery(folder: Path) -> dict[str, str]:
    """Two good rows a source, a CPF twice among them, and a malformed line."""
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
    """A run through all three stages, as the notebooks make it."""

    lake: str
    key: str
    receipts: dict[str, dict[str, Any]]


def ingest(lake: str, run_id: str, paths: dict[str, str]) -> dict[str, Any]:
    stage = stages.begin(stages.INGEST, run_id=run_id, lake=lake, attempt="a1")
    today = delivery.read_delivery(stage, **paths, as_of=AS_OF.isoformat())
    rows = (
        sources.transform_parquet(today.parquet)
        .unionByName(sources.transform_csv(today.csv))
        .unionByName(sources.transform_json(today.json))
    )
    handover, counted = delivery.hand_over(stage, today, rows)
    inputs = today.as_receipt()
    return stage.finish(
        counted, handover, delivery_id=today.delivery_id, as_of=AS_OF, inputs=inputs
    )


def transform(lake: str, run_id: str) -> dict[str, Any]:
    stage = stages.begin(stages.TRANSFORM, run_id=run_id, lake=lake, attempt="a2")
    before = stage.receipt_before()
    given = stage.read("ingested")
    refused, accepted = RowCounter(rules.reason_conditions()), RowCounter()
    survivors = RowCounter(rules.warn_conditions(before.as_of))
    stage.hand_over(given.transform(register.rejected_rows).transform(refused), "rejected")
    clients = (
        given.transform(register.normalise)
        .transform(register.accepted_rows)
        .transform(accepted)
        .transform(register.remove_duplicates(before.as_of))
        .transform(survivors)
        .transform(register.fill_nulls)
    )
    handover = stage.hand_over(clients, "accepted")
    rows = count_transformed(refused, accepted, survivors)
    return stage.finish(rows, handover, delivery_id=before.delivery_id, as_of=before.as_of)


def publish(lake: str, run_id: str, key: str) -> dict[str, Any]:
    stage = stages.begin(stages.QUALITY, run_id=run_id, lake=lake, attempt="a3")
    clients = stage.read("accepted")
    held_against = publication.expectations(stage, accept_volume_change=True)
    share = contract.Limits(rejected_share=0.5)
    held_against = quality.Expectations(held_against.stages, limits=share)
    report = quality.validar_qualidade_dados(clients, held_against)
    return publication.publish(stage, clients, report, key)


def write_key(path: Path, text: str) -> str:
    path.write_text(text * 32)
    path.chmod(0o600)
    return str(path)


@pytest.fixture(scope="module")
def run(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    lake, key = str(folder / "lake"), write_key(folder / "id.key", "k")
    made = {stages.INGEST: ingest(lake, "r1", a_delivery(folder / "raw"))}
    made[stages.TRANSFORM] = transform(lake, "r1")
    made[stages.QUALITY] = publish(lake, "r1", key)
    return Run(lake, key, made)


@pytest.fixture
def configured(spark: SparkSession) -> Iterator[Callable[[str, str], None]]:
    """Give a function that sets what reaches a notebook from outside."""
    session = SparkSession.builder.getOrCreate()
    given: list[str] = []

    def configure(name: str, value: str) -> None:
        session.conf.set(CONF_PREFIX + name, value)
        given.append(CONF_PREFIX + name)

    yield configure
    for key in given:
        session.conf.unset(key)


def finished(lake: str, run_id: str, rows: int = 1) -> stages.Stage:
    """A first stage that handed over some rows."""
    stage = stages.begin(stages.INGEST, run_id=run_id, lake=lake)
    people = [{"cpf": f"{number:011}"} for number in range(rows)]
    handover = stage.hand_over(ingested(stage.spark, *people), "ingested", ["source"])
    stage.finish(
        StageRows({"parquet": SourceRows(rows, rows)}), handover, delivery_id="d1", as_of=AS_OF
    )
    return stage


def test_the_runner_accepts_the_receipts_of_all_three_stages(run: Run) -> None:
    before = None
    for attempt, name in enumerate(NAMES, start=1):
        stored = receipts.load(run.lake, "r1", name)
        assert stored == run.receipts[name]
        expected = receipts.Expected(
            stage=name,
            run_id="r1",
            delivery_id=run.receipts[stages.INGEST]["delivery_id"],
            library_version=client_health.__version__,
            rules=contract.rules_fingerprint(),
            attempt=f"a{attempt}",
            before=before,
        )
        receipts.verify(stored, expected, run.lake)
        before = stored


def test_both_sides_know_a_handover_by_the_same_fingerprint(run: Run) -> None:
    for name in (stages.INGEST, stages.TRANSFORM):
        handover = run.receipts[name]["handover"]
        found = receipts.handover_fingerprint(run.lake, handover["path"])
        assert found == handover["fingerprint"]


def test_receipts_account_for_every_row(run: Run) -> None:
    first, second, third = (run.receipts[name] for name in NAMES)
    counts = ("in", "out", "rejected", "duplicates", "suppressed")
    assert {name: row["out"] for name, row in first["rows"].items()} == dict.fromkeys(
        contract.SOURCE_NAMES, 2
    )
    assert {name: [row[c] for c in counts] for name, row in second["rows"].items()} == {
        "parquet": [2, 1, 0, 1, 0], "csv": [2, 1, 1, 0, 0], "json": [2, 2, 0, 0, 0],
    }  # fmt: skip
    assert {name: row["out"] for name, row in third["rows"].items()} == {
        "parquet": 1, "csv": 1, "json": 2,
    }  # fmt: skip
    assert second["rejections"] == {"linha_malformada": 1, "cpf_ausente": 0, "cpf_formato": 0}
    assert second["warnings"]["cpf_digito_verificador"] == 1
    assert third["shares"] == {"x": 3, "Gold": 1}


def test_receipts_name_the_deliveries_files_without_their_folders(run: Run) -> None:
    inputs = run.receipts[stages.INGEST]["inputs"]
    assert [given["name"] for given in inputs] == [source.file for source in contract.SOURCES]
    assert all(given["size"] > 0 and given["version"].endswith("+00:00") for given in inputs)
    assert run.lake not in json.dumps(run.receipts)


def test_the_published_run_is_found_without_spark_and_its_receipt_rebuilt(run: Run) -> None:
    published = PublishedTable(contract.TABLE, contract.LOG_TABLE)
    found = record.history(run.lake, published).of_run("r1")
    assert found is not None
    receipt = run.receipts[stages.QUALITY]
    rebuilt = record.receipt_of(found, contract.TABLE)
    assert rebuilt is not None
    assert rebuilt["handover"] == receipt["handover"]
    assert dict(rebuilt) | {"duration_seconds": 0} == receipt | {"duration_seconds": 0}


def test_another_id_key_is_refused_and_nothing_changes(run: Run, tmp_path: Path) -> None:
    stage = stages.begin(stages.QUALITY, run_id="other", lake=run.lake)
    before = stage.lake.snapshot()
    ids = sorted(values(stage.spark.table(stage.lake.table), "id"))
    stage = stages.begin(stages.QUALITY, run_id="r1", lake=run.lake)
    clients = stage.read("accepted")
    report = quality.measure(clients)
    with pytest.raises(SettingsError, match="another id key"):
        publication.publish(stage, clients, report, write_key(tmp_path / "new.key", "n"))
    assert stage.lake.snapshot() == before
    assert receipts.load(run.lake, "r1", stages.QUALITY) is None
    publication.publish(stage, clients, report, run.key)
    assert stage.lake.snapshot() != before
    assert sorted(values(stage.spark.table(stage.lake.table), "id")) == ids


def test_a_delivery_that_became_older_meanwhile_is_not_published(run: Run) -> None:
    stage = stages.begin(stages.QUALITY, run_id="r1", lake=run.lake)
    before, clients = stage.lake.history(), stage.read("accepted")
    report = quality.measure(clients)
    receipt = Path(run.lake, "runs", "r1", "02_transform.json")
    receipt.with_name(f".{receipt.name}.crc").unlink()
    as_it_was = receipt.read_text()
    earlier = AS_OF - timedelta(days=1)
    receipt.write_text(as_it_was.replace(AS_OF.isoformat(), earlier.isoformat()))
    expected = publication.expectations(stage)
    assert (expected.day, expected.published_day) == (earlier.isoformat(), AS_OF.isoformat())
    with pytest.raises(QualityGateError, match=f"remessa_antiga: the delivery is of {earlier}"):
        publication.publish(stage, clients, report, run.key)
    assert stage.lake.history() == before
    refs = stage.spark.table(f"{stage.lake.table}.refs")
    assert values(refs, "name") == ["main"], "the audit branch is gone"
    publication.publish(stage, clients, report, run.key, accept_older="True")
    last = stage.lake.history().last
    assert last is not None
    assert last.day == earlier.isoformat()
    receipt.write_text(as_it_was)
    publication.publish(stage, clients, report, run.key)


def test_a_delete_hides_neither_key_nor_rows_nor_day(run: Run, tmp_path: Path) -> None:
    stage = stages.begin(stages.QUALITY, run_id="r1", lake=run.lake)
    rows = publication.expectations(stage).published_rows
    assert rows == 4
    stage.spark.sql(f"DELETE FROM {stage.lake.table} WHERE convenio = 'Gold'")
    expected = publication.expectations(stage)
    assert (expected.published_rows, expected.published_day) == (rows, AS_OF.isoformat())
    clients = stage.read("accepted")
    report = quality.measure(clients)
    with pytest.raises(SettingsError, match="another id key"):
        publication.publish(stage, clients, report, write_key(tmp_path / "new.key", "n"))
    publication.publish(stage, clients, report, run.key)


def test_a_stage_begun_again_has_not_happened(spark: SparkSession, tmp_path: Path) -> None:
    lake = str(tmp_path)
    finished(lake, "r1")
    assert receipts.load(lake, "r1", stages.INGEST) is not None
    stages.begin(stages.INGEST, run_id="r2", lake=lake)
    assert receipts.load(lake, "r1", stages.INGEST) is not None
    stages.begin(stages.INGEST, run_id="r1", lake=lake)
    assert receipts.load(lake, "r1", stages.INGEST) is None


def test_a_stage_that_is_not_finished_is_named(spark: SparkSession, tmp_path: Path) -> None:
    stage = stages.begin(stages.TRANSFORM, run_id="r1", lake=str(tmp_path))
    with pytest.raises(HandoverError, match=r"Stage 01_ingest of run r1 .* Run its notebook"):
        stage.read("ingested")
    last = stages.begin(stages.QUALITY, run_id="r1", lake=str(tmp_path))
    with pytest.raises(HandoverError, match="Stage 02_transform of run r1"):
        last.receipt_before()


@pytest.mark.parametrize("change", ["added", "removed", "cut", "renamed"])
def test_changed_staging_files_are_refused(
    spark: SparkSession, tmp_path: Path, change: str
) -> None:
    lake = str(tmp_path)
    finished(lake, "r1", rows=2)
    stage = stages.begin(stages.TRANSFORM, run_id="r1", lake=lake)
    assert stage.read("ingested").count() == 2
    file = next(Path(lake, "staging", "r1", "ingested").rglob("*.parquet"))
    if change == "added":
        file.with_name("more.parquet").write_bytes(file.read_bytes())
    elif change == "removed":
        file.unlink()
    elif change == "cut":
        file.write_bytes(file.read_bytes()[:-1])
    else:
        file.rename(file.with_name("other.parquet"))
    with pytest.raises(HandoverError, match=r"staging/r1/ingested are not the ones .* Run that"):
        stage.read("ingested")


def test_a_handover_of_another_name_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    finished(str(tmp_path), "r1")
    stage = stages.begin(stages.TRANSFORM, run_id="r1", lake=str(tmp_path))
    with pytest.raises(HandoverError):
        stage.read("accepted")


def test_handing_over_again_replaces_what_was_there(spark: SparkSession, tmp_path: Path) -> None:
    first = finished(str(tmp_path), "r1", rows=3)
    again = finished(str(tmp_path), "r1", rows=1)
    frame = again.spark.read.parquet(first.lake.path("staging/r1/ingested"))
    assert frame.count() == 1


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
        delivery.read_delivery(stage, **paths, as_of="31/01/2026")


def test_a_source_without_a_row_stops_the_first_stage(spark: SparkSession, tmp_path: Path) -> None:
    paths = a_delivery(tmp_path / "raw")
    csv = Path(paths["csv_path"])
    csv.write_text(csv.read_text().partition("\n")[0] + "\n")
    with pytest.raises(QualityGateError, match="fonte_vazia: no row in dados_cadastro_2"):
        ingest(str(tmp_path / "lake"), "r1", paths)
    assert receipts.load(str(tmp_path / "lake"), "r1", stages.INGEST) is None
