"""Errors name the fault in unusable input, and published data doesn't change.

One case of each kind runs through the real runner, papermill, kernels, and notebooks, into a lake
that already has a publication. The other cases differ only in their messages: they run through the
runner's checks before the session, the first notebook's cells, and the runner's handling of their
error. All sessions are the same real session.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from nbformat.v4 import new_code_cell
from tests.support import canaries
from tests.support.canaries import NAMES
from tests.support.two_days import TwoDays
from tests.support.warm import Warm

import job_client_health
from register_contract import contract, runs
from register_run import publication_record, receipt
from register_run.cell_errors import from_cell
from register_run.delivery import Delivery, find_sources
from register_run.request import PublishedTable, RunOutcome
from register_run.runner import run_pipeline
from register_run.stage_run import read_notebook
from strict_glue.errors import StrictGlueError
from strict_glue.settings import SessionSettings

PARQUET, CSV, JSON = (NAMES[kind] for kind in ("parquet", "csv", "json"))
TABLES = PublishedTable(contract.TABLE, contract.LOG_TABLE, contract.CATALOG)
USAGE, GATE = 2, 3
# Text that no error message may contain.
FOREIGN = ("org.apache", "java.", "Py4J", "Traceback", "SparkException")


class Bench:
    """A lake with a publication, and sessions to run deliveries into it."""

    def __init__(self, two_days: TwoDays, warm: Warm) -> None:
        self.lake, self.warm = two_days.restore().lake, warm
        self.settings = SessionSettings(
            environment=warm.endpoint.environment,
            removed_variables=warm.service.removed_variables,
        )

    def run(self, raw: Path) -> RunOutcome:
        """Publish a delivery."""
        request = job_client_health.build_request(
            find_sources(str(raw)), str(self.lake), keep_staging=True
        )
        session = replace(self.settings, id_prefix=request.session.id_prefix)
        return run_pipeline(replace(request, session=session))

    def refuse(self, raw: Path) -> None:
        """Run until the first notebook refuses the delivery, as a run does; raise its error."""
        delivery = Delivery.read(find_sources(str(raw)))
        places = {f"{name}_path": place for name, place in delivery.sources.items()}
        given = {"run_id": "seam", "lake": str(self.lake), "as_of": delivery.as_of, **places}
        stage = job_client_health.build_request({}, str(self.lake)).stages[0]
        cells = [cell for cell in read_notebook(stage).cells if cell.cell_type == "code"]
        # Insert the values after the notebook's own parameters, as papermill does.
        cells.insert(2, new_code_cell("\n".join(f"{k} = {v!r}" for k, v in given.items())))
        self.warm.fresh()
        for number, cell in enumerate(cells[1:], 2):
            output = self.warm.run(cell.source)["Output"]
            if output["Status"] != "ok":
                raise from_cell(
                    stage=stage.name,
                    cell=number,
                    ename=output["ErrorName"],
                    evalue=output["ErrorValue"],
                    traceback=output.get("Traceback", ()),
                    notebook=f"{stage.name}.ipynb",
                )

    def head(self) -> str:
        """Return the location of the table's current metadata."""
        with closing(sqlite3.connect(self.lake / "catalog.db")) as catalog:
            (location,) = catalog.execute(
                "SELECT metadata_location FROM iceberg_tables WHERE table_name = 'clientoutput'"
            ).fetchone()
        return str(location)

    def first_run(self) -> str:
        """Return the run that published the marked delivery as it is."""
        return publication_record.history(str(self.lake), TABLES).published[0].run_id

    def rows(self, run_id: str) -> dict[str, tuple[int, int, int]]:
        """Return rows in, rejected, and out of each source, as the second stage counted them."""
        found = receipt.load(str(self.lake), run_id, runs.TRANSFORM)
        assert found is not None
        counted = found["rows"].items()
        return {name: (rows["in"], rows["rejected"], rows["out"]) for name, rows in counted}

    def rejected(self, run_id: str) -> list[str]:
        """Return the malformed lines that a run kept."""
        table = pq.read_table(self.lake / "staging" / run_id / "rejected")
        return [line for line in table.column("malformed_line").to_pylist() if line is not None]


@pytest.fixture(scope="module")
def bench(two_days: TwoDays, warm: Warm) -> Bench:
    """Return a lake with the marked delivery published."""
    return Bench(two_days, warm)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Return the marked delivery, for a test to corrupt."""
    return canaries.write_delivery(tmp_path / "raw")


@dataclass(frozen=True)
class Case:
    """One fault: its file, how to cause it, the exit code, and the message."""

    name: str
    file: str
    spoil: Callable[[Path], object]
    exit_code: int
    says: tuple[str, ...]


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _empty_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("gone"))


def _becomes(other: str) -> Callable[[Path], object]:
    return lambda path: shutil.copyfile(path.with_name(other), path)


def _text(change: Callable[[str], str], encoding: str = "utf-8") -> Callable[[Path], object]:
    return lambda path: path.write_bytes(change(path.read_text("utf-8")).encode(encoding))


def _columns(change: Callable[[dict[str, list[str]]], pa.Table]) -> Callable[[Path], object]:
    return lambda path: pq.write_table(change(canaries.parquet_rows()), path)


def _renamed(old: str, new: str) -> Callable[[Path], object]:
    return _columns(
        lambda rows: pa.table({new if name == old else name: rows[name] for name in rows})
    )


def _twice(rows: dict[str, list[str]]) -> pa.Table:
    return pa.table([*rows.values(), rows["uf"]], names=[*rows, "uf"])


def _no_rows(rows: dict[str, list[str]]) -> pa.Table:
    return pa.table(rows).slice(0, 0)


def _packed(path: Path) -> None:
    path.write_bytes(gzip.compress(path.read_bytes()))


def _torn_archive(path: Path) -> None:
    packed = gzip.compress(path.read_bytes())
    path.unlink()
    path.with_name(path.name + ".gz").write_bytes(packed[: len(packed) // 2])


def _long_field(text: str) -> str:
    return text.replace("Zyxcanario Rua", "x" * 17_000_000, 1)


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0] + "\n"


_TWICE, _NO_ROW, _OTHER_CPF = ("more than once",), ("fonte_vazia",), ("'cpf'", "'CPF'")


def _replaced(old: str, new: str, times: int = -1) -> Callable[[Path], object]:
    return _text(lambda text: text.replace(old, new, times))


CASES = [
    *(
        Case(f"{kind}_missing", name, Path.unlink, USAGE, (f"none for {kind}",))
        for kind, name in NAMES.items()
    ),
    *(
        case
        for kind, name in NAMES.items()
        for case in (
            Case(f"{kind}_empty", name, lambda path: path.write_bytes(b""), USAGE, ("empty",)),
            Case(f"{kind}_dangling", name, _dangling, USAGE, (kind,)),
            Case(f"{kind}_empty_folder", name, _empty_folder, USAGE, (kind,)),
        )
    ),
    Case("parquet_truncated", PARQUET, _truncate, USAGE, ("cut off",)),
    Case("csv_archive_truncated", CSV, _torn_archive, USAGE, (CSV + ".gz", "cut off")),
    Case("json_archive_truncated", JSON, _torn_archive, USAGE, (JSON + ".gz", "cut off")),
    Case("csv_as_parquet", PARQUET, _becomes(CSV), USAGE, ("expected a whole Parquet file",)),
    Case("parquet_as_csv", CSV, _becomes(PARQUET), USAGE, ("Parquet", "expected CSV")),
    Case("json_as_csv", CSV, _becomes(JSON), USAGE, ("JSON", "expected CSV")),
    Case("parquet_as_json", JSON, _becomes(PARQUET), USAGE, ("Parquet", "expected JSON")),
    Case("csv_as_json", JSON, _becomes(CSV), USAGE, ("expected JSON",)),
    Case("gzip_as_csv", CSV, _packed, USAGE, ("gzip",)),
    Case("gzip_as_json", JSON, _packed, USAGE, ("gzip",)),
    Case("wrong_delimiter", CSV, _replaced("|", ";"), GATE, ("';'", "'|'")),
    Case("no_header", CSV, _text(lambda t: t.split("\n", 1)[1]), GATE, ("header",)),
    Case("csv_column_missing", CSV, _replaced("bairro", "b", 1), GATE, ("bairro",)),
    Case("csv_column_twice", CSV, _replaced("bairro", "cidade", 1), GATE, _TWICE),
    Case("csv_other_case", CSV, _replaced("cpf|", "CPF|", 1), GATE, _OTHER_CPF),
    Case("json_column_missing", JSON, _replaced('"bairro"', '"b"'), GATE, ("bairro",)),
    Case("json_column_twice", JSON, _replaced('"bairro"', '"cidade"'), GATE, _TWICE),
    Case("json_other_case", JSON, _replaced('"cpf"', '"CPF"'), GATE, _OTHER_CPF),
    Case("parquet_column_missing", PARQUET, _renamed("bairro", "b"), GATE, ("bairro",)),
    Case("parquet_column_twice", PARQUET, _columns(_twice), GATE, _TWICE),
    Case("parquet_other_case", PARQUET, _renamed("uf", "UF"), GATE, ("'uf'", "'UF'")),
    Case("csv_latin1", CSV, _text(str, "latin-1"), GATE, ("line 4 ", "UTF-8")),
    Case("json_latin1", JSON, _text(str, "latin-1"), GATE, ("line 2 ", "UTF-8")),
    Case("csv_utf16", CSV, _text(str, "utf-16"), GATE, ("UTF-16",)),
    Case("json_utf16", JSON, _text(str, "utf-16"), GATE, ("UTF-16",)),
    Case("parquet_no_rows", PARQUET, _columns(_no_rows), GATE, _NO_ROW),
    Case("csv_only_header", CSV, _text(_first_line), GATE, _NO_ROW),
    Case("json_only_blanks", JSON, _text(lambda _: "\n \n\n"), GATE, _NO_ROW),
    Case("csv_17_mb_field", CSV, _text(_long_field), USAGE, ("16,777,216 bytes",)),
    Case("json_17_mb_field", JSON, _text(_long_field), USAGE, ("16,777,216 bytes",)),
]  # fmt: skip


# One for each place that refuses input: before the session, a worker, a file's end, and the rows
# together. `test_run` stops at the gate before a worker reads.
WHOLE = {"json_missing", "csv_latin1", "json_archive_truncated", "csv_only_header"}


def test_a_case_of_each_end_is_played_whole() -> None:
    assert {case.name for case in CASES} > WHOLE
    assert {case.exit_code for case in CASES if case.name in WHOLE} == {USAGE, GATE}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fault_is_named_and_the_published_table_stays(
    bench: Bench, raw: Path, case: Case
) -> None:
    case.spoil(raw / case.file)
    before = bench.head()
    with pytest.raises(StrictGlueError) as caught:
        bench.run(raw) if case.name in WHOLE else bench.refuse(raw)
    said = str(caught.value)
    assert caught.value.exit_code == case.exit_code, said
    for words in (*case.says, "next: "):
        assert words in said, said
    assert "expected" in said.lower() or "fonte_vazia" in said, said
    if "none for" not in said:
        assert Path(case.file).stem in said, said
    assert not [name for name in FOREIGN if name in said], said
    assert len(said.splitlines()) <= 6, said
    assert bench.head() == before
    assert canaries.found_in(said) == []
    assert canaries.leaks([bench.lake / "runs"]) == {}


WIDE = "|" * 1_000_000
KEYS = json.dumps({f"k{number}": 1 for number in range(100_000)})[:-1]
NO_LINES = {"csv": (WIDE, "1234"), "json": ('[{"cpf": "1"}]', KEYS, '{"cpf": "913.572')}


@pytest.fixture(scope="module")
def unusual(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Publish the marked delivery in an unusual form, with lines that are none; return the run."""
    raw = canaries.write_delivery(tmp_path_factory.mktemp("unusual"))
    csv, jsonl = raw / CSV, raw / JSON
    lines = csv.read_text("utf-8").splitlines()
    lines = [f"{line}|{'extra' if at == 0 else at}" for at, line in enumerate(lines)]
    csv.unlink()
    content = "\r\n".join([*lines, *NO_LINES["csv"]])
    (raw / f"{CSV}.gz").write_bytes(gzip.compress(content.encode("utf-8-sig")))
    records = jsonl.read_text("utf-8").splitlines()
    records = [line.replace("{", '{"extra": 1, ', 1) for line in records]
    half = len(records) // 2
    jsonl.unlink()
    jsonl.mkdir()
    for at, part in enumerate(([*records[:half], ""], [*records[half:], *NO_LINES["json"]])):
        (jsonl / f"part-{at}.json").write_bytes("\r\n".join(part).encode("utf-8-sig"))
    rows = canaries.parquet_rows()
    pq.write_table(pa.table({**rows, "extra": rows["uf"]}), raw / PARQUET)
    outcome = bench.run(raw)
    assert outcome.status == "published"
    return outcome.run_id


def test_what_can_be_read_is_accepted_and_gives_the_same_rows(bench: Bench, unusual: str) -> None:
    good = bench.first_run()
    for name, (_, _, out) in bench.rows(good).items():
        assert bench.rows(unusual)[name][2] == out
    kept = bench.rejected(unusual)
    assert not [line for line in kept if line.endswith("\r")]
    # Each keeps its own extra column, and the rest unchanged.
    usual = {line.replace('"extra": 1, ', "").removesuffix("|61") for line in kept}
    assert usual > set(bench.rejected(good))
    ingest = (bench.lake / "runs" / unusual / "01_ingest.ipynb").read_text()
    assert "extra" in ingest
    assert canaries.leaks([bench.lake / "runs"]) == {}


def test_a_line_that_is_none_costs_itself_and_is_kept(bench: Bench, unusual: str) -> None:
    good = bench.first_run()
    for name, (rows, rejected, out) in bench.rows(good).items():
        more = len(NO_LINES.get(name, ()))
        assert bench.rows(unusual)[name] == (rows + more, rejected + more, out)
    kept = bench.rejected(unusual)
    assert len(kept) == len(bench.rejected(good)) + sum(map(len, NO_LINES.values()))
    for line in (line for lines in NO_LINES.values() for line in lines):
        assert line in kept, line[:40]
