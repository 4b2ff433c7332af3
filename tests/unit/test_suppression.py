"""Rows of erased people end in ``02_transform``, counted by source, however often it runs."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from pyspark.sql import SparkSession
from test_stage import GOOD_CPF, OTHER_CPF, THIRD_CPF, Run, a_run, branches

from client_health import MainMovedError, stages
from client_health.clean import identity, register, rules
from client_health.publish import records, suppression
from client_health.read import sources
from client_health.worker import SUPPRESSED, Transformation
from register_contract.tables import SUPPRESSIONS

KEY = b"k" * 32
GONE = identity.client_id(KEY, GOOD_CPF)


def suppress(run: Run, *cpfs: str) -> None:
    listed = [
        {
            "erasure_id": "e1",
            "id": identity.client_id(KEY, cpf),
            "since": datetime.now(tz=UTC).replace(tzinfo=None),
            "ground": "LGPD art. 18, VI",
            "ordered_by": "dpo-1",
            "id_key": identity.key_check(KEY),
        }
        for cpf in cpfs
    ]
    rows = pl.DataFrame(listed, schema=records.schema(SUPPRESSIONS))
    records.replace(run.table, SUPPRESSIONS, "e1", rows)


def ids(run: Run) -> list[str]:
    return sorted(row.id for row in run.table.spark.table(run.table.table).collect())


def of(*cpfs: str) -> list[str]:
    return sorted(identity.client_id(KEY, cpf) for cpf in cpfs)


def test_erased_people_are_left_out_counted_and_the_list_stands_in_the_receipt(
    spark: SparkSession, tmp_path: Path
) -> None:
    run = a_run(tmp_path)
    raw = Path(run.paths["csv_path"])
    # The rules refuse these two rows; both show the CPF of an erased person.
    spaced = f"{THIRD_CPF[:3]} {THIRD_CPF[3:6]} {THIRD_CPF[6:9]} {THIRD_CPF[9:]}"
    raw.write_text(raw.read_text() + f"{spaced}|Ana|Gold||||||||\nx|{THIRD_CPF}\n")
    run.ingest()
    run.verify(stages.INGEST)
    before = run.transform()
    assert "suppressions" not in before
    assert before["rejections"]["cpf_formato"] == 1

    suppress(run, GOOD_CPF, THIRD_CPF)
    for attempt in ("a" * 32, "b" * 32):
        receipt = run.transform(attempt)
        counts = ("in", "out", "rejected", "duplicates", "suppressed")
        assert {name: [row[c] for c in counts] for name, row in receipt["rows"].items()} == {
            "parquet": [2, 1, 0, 0, 1],
            "csv": [4, 0, 1, 0, 3],
            "json": [2, 1, 0, 0, 1],
        }
        assert receipt["rejections"] == {"linha_malformada": 1, "cpf_ausente": 0, "cpf_formato": 0}
        assert receipt["suppressions"] == suppression.fingerprint(
            suppression.ids(suppression.lists(run.table))
        )
    run.transform()
    run.verify(stages.TRANSFORM, stages.INGEST)
    run.publish()
    assert ids(run) == of(OTHER_CPF, "1" * 11)


def test_rows_of_people_who_were_erased_after_they_were_read_are_not_published(
    ingested: Run,
) -> None:
    run = ingested
    run.transform()
    suppress(run, GOOD_CPF)
    with pytest.raises(MainMovedError, match="People were erased"):
        run.publish()
    assert branches(run.table) == []
    # As the runner does.
    run.transform("b" * 32)
    run.publish()
    assert ids(run) == of(OTHER_CPF, THIRD_CPF, "1" * 11)


def test_a_task_that_runs_twice_leaves_one_count(tmp_path: Path) -> None:
    columns = {name: [None, None] for name in sources.SCHEMA}
    rows = pl.DataFrame(columns, schema=sources.SCHEMA).with_columns(
        source=pl.lit("csv"), cpf=pl.Series([GOOD_CPF, OTHER_CPF])
    )
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir()
    rows.write_parquet(tmp_path / "in" / "a.parquet")
    work = Transformation(
        ("a.parquet",),
        str(tmp_path / "in"),
        str(tmp_path / "out"),
        date(2026, 1, 31),
        (1,),
        frozenset([GONE]),
    )
    for _ in range(2):
        (kept,) = work._candidates("a.parquet", KEY)
        assert kept["id"].to_list() == [identity.client_id(KEY, OTHER_CPF)]
        found = pl.read_parquet_metadata(tmp_path / "out" / "a.parquet")
        assert found[SUPPRESSED] == "1"


@pytest.mark.parametrize(
    ("cpf", "line"),
    [
        (f"{GOOD_CPF}0", None),
        (" 529.982.247 - 25 ", None),
        ("529/982/247/25", None),
        (None, f"x|{GOOD_CPF}"),
        (None, '{"cpf": "529.982.247-25", "nome'),
    ],
)
def test_a_rejected_row_with_the_cpf_in_any_form_is_suppressed(
    cpf: str | None, line: str | None
) -> None:
    rows = pl.DataFrame(
        {"cpf": [cpf, "1234"], "malformed_line": [line, None], rules.REASONS: [["x"], ["y"]]},
        schema_overrides={"cpf": pl.String, "malformed_line": pl.String},
    )
    shown = register.shown_people(rows, KEY)
    kept = register.without_rejected(rows, {GONE}, shown)
    assert kept.columns == rows.columns
    assert kept["cpf"].to_list() == ["1234"]
    assert register.without_rejected(rows, {"another"}, shown).equals(rows)


def test_the_order_of_the_list_does_not_matter_and_an_empty_one_has_no_fingerprint() -> None:
    assert suppression.fingerprint(["b", "a"]) == suppression.fingerprint(["a", "b"])
    assert suppression.fingerprint(["b"]) != suppression.fingerprint(["a"])
    assert suppression.fingerprint([]) == ""
