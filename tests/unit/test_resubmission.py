"""The whole circle: rejected, exported, corrected, handed in, published once, withdrawn."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from test_stage import OTHER_CPF, PUBLISHED, Run, a_run

import client_health
from client_health import stages
from client_health.clean import identity
from client_health_cli import rejection_files, rejection_table, resubmission
from client_health_cli.errors import RunFailedError, SettingsError
from client_health_cli.resubmission import HandedIn
from register_contract import contract, receipts, resubmissions, runs
from register_contract.publications import History
from register_run import lock
from register_run import publication_record as record
from register_run.errors import ReceiptError

KEY = b"k" * 32
NEW_CPF = "12345678909"


@dataclass(frozen=True)
class Circle:
    """A run with rejected rows, their corrections, and the run that has published them."""

    first: Run
    second: Run
    files: tuple[Path, ...]
    handed_in: HandedIn

    @property
    def lake(self) -> str:
        return self.first.lake

    @property
    def history(self) -> History:
        return record.history(self.lake, PUBLISHED)

    def batches(self, delivery_id: str) -> tuple[str, ...]:
        """Return what a run of a delivery takes in, as the runner determines it."""
        folder = Path(self.lake, resubmissions.FOLDER)
        found = resubmissions.among(path.name for path in folder.iterdir())
        return resubmissions.of_run(delivery_id, found, self.history)


def named(run: Run, delivery_id: str, *batches: str) -> Run:
    rules = contract.rules_fingerprint()
    name = runs.name_run(delivery_id, client_health.__version__, rules, batches)
    return replace(run, run_id=name, resubmissions=batches)


def delivery_of(run: Run) -> str:
    return str(run.stored(stages.INGEST)["delivery_id"])


def published(run: Run) -> None:
    run.ingest()
    run.transform()
    run.publish()


@pytest.fixture(scope="module")
def circle(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Circle:
    folder = tmp_path_factory.mktemp("circle")
    run = a_run(folder)
    csv, lines = Path(run.paths["csv_path"]), Path(run.paths["json_path"])
    # As new as the Parquet row of the same person.
    csv.write_text(csv.read_text() + "x|Bia Corrigida|Gold||||||||2020-11-27 11:12:02\n")
    new = json.loads(lines.read_text().splitlines()[0]) | {"cpf": "y", "nome": "Caio Novo"}
    lines.write_text(lines.read_text() + "\n" + json.dumps(new))
    published(run)

    rows = rejection_table.rejected_rows(run.lake)
    exported = rejection_files.export(rows, folder / "out")
    files = tuple(one.path for one in exported)
    assert [(file.name, one.rows) for file, one in zip(files, exported, strict=True)] == [
        ("rejected.csv", 2),
        ("rejected.json", 1),
    ]
    head, row, _ = files[0].read_text().splitlines()  # the malformed line stays wrong
    files[0].write_text(f"{head}\n{row.replace('|x|', f'|{OTHER_CPF}|')}\n")
    files[1].write_text(files[1].read_text().replace('"y"', f'"{NEW_CPF}"'))
    handed_in = resubmission.hand_in(run.lake, files)
    again = named(run, delivery_of(run), handed_in.batch_id)
    return Circle(run, again, files, handed_in)


@pytest.fixture(scope="module")
def done(circle: Circle) -> Circle:
    """Return the circle after the second run, whose receipts the runner has checked."""
    run = circle.second
    run.ingest()
    run.verify(stages.INGEST)
    run.transform()
    run.verify(stages.TRANSFORM, stages.INGEST)
    run.publish()
    run.verify(stages.QUALITY, stages.TRANSFORM)
    return circle


def test_a_batch_that_waits_makes_another_run_of_the_delivery(circle: Circle) -> None:
    assert circle.handed_in.rows == {"csv": 1, "json": 1}
    delivery = delivery_of(circle.first)
    first = named(circle.first, delivery)
    assert circle.second.run_id != first.run_id


def test_corrected_rows_are_published_and_counted_apart(done: Circle) -> None:
    first, second, third = (done.second.stored(name) for name in runs.STAGES)
    corrected = {"parquet": 0, "csv": 1, "json": 1}
    for receipt in (first, second):
        counts = receipt["rows"]
        assert {name: one["resubmitted"] for name, one in counts.items()} == corrected
        assert [one["in"] for one in counts.values()] == [2, 3, 3]
        assert [receipts.missing(one) for one in counts.values()] == [0, 0, 0]
    assert receipts.total(third, "resubmitted") == 0
    assert {tuple(one["resubmissions"]) for one in (first, second, third)} == {
        (done.handed_in.batch_id,)
    }
    clients = {
        row.id: row.nome_completo
        for row in done.second.table.at(third["handover"]["snapshot_id"]).collect()
    }
    # On equal time of registration, the corrected row is newer than the delivered one.
    assert clients[identity.client_id(KEY, OTHER_CPF)] == "Bia Corrigida"
    assert clients[identity.client_id(KEY, NEW_CPF)] == "Caio Novo"


def test_a_second_start_finds_itself_published(done: Circle) -> None:
    delivery = delivery_of(done.second)
    assert done.batches(delivery) == (done.handed_in.batch_id,)
    found = done.history.of_run(named(done.first, delivery, *done.batches(delivery)).run_id)
    assert found is not None
    assert resubmissions.named_by(found) == (done.handed_in.batch_id,)
    assert done.batches("the-next-delivery") == ()


def test_the_same_rows_handed_in_again_change_nothing(done: Circle) -> None:
    again = resubmission.hand_in(done.lake, done.files)
    assert again == replace(done.handed_in, is_new=False, run_id=done.second.run_id)


def test_nothing_is_handed_in_while_people_are_erased(done: Circle) -> None:
    with lock.alone(done.lake), pytest.raises(RunFailedError, match="works alone on the lake"):
        resubmission.hand_in(done.lake, done.files)


def test_what_was_handed_in_is_not_exported_again(done: Circle) -> None:
    rows = rejection_table.rejected_rows(done.lake, done.first.run_id)
    left = rejection_table.not_handed_in(done.lake, rows)
    assert left["reasons"].to_list() == ["linha_malformada"]


def test_a_row_is_not_corrected_twice(done: Circle, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text(done.files[0].read_text().replace("Bia", "Bea"))
    with pytest.raises(
        SettingsError,
        match=rf"nothing was taken in: other.csv, line 2: it was handed in before, in batch"
        rf" {done.handed_in.batch_id}",
    ):
        resubmission.hand_in(done.lake, [other])


def test_a_killed_run_goes_on_only_with_the_same_batches(done: Circle) -> None:
    done.second.verify(stages.INGEST)
    without = replace(done.second, resubmissions=())
    with pytest.raises(
        ReceiptError, match=f"taken in the corrected rows of {done.handed_in.batch_id}"
    ):
        without.verify(stages.INGEST)


def test_a_withdrawn_publication_makes_its_batch_wait_again(done: Circle) -> None:
    lake = done.first.table
    before = done.history.of_run(done.first.run_id)
    assert before is not None
    lake.rollback(before.snapshot_id)
    assert done.batches("the-next-delivery") == (done.handed_in.batch_id,)
    assert resubmission.hand_in(done.lake, done.files).run_id == ""
    next_run = replace(done.second, run_id="next")
    published(next_run)
    assert next_run.stored(stages.QUALITY)["resubmissions"] == [done.handed_in.batch_id]
    assert done.batches("the-next-delivery") == ()
