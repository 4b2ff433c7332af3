"""Tiny notebooks that meet the receipts' contract on their own, and requests that run them.

Inside the session, they use only the standard library, so that these tests are about the runner and
not about the pipeline's library.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from register_run.listener import Listener
from register_run.request import PublishedTable, RunRequest, Stage
from strict_glue.settings import Limits, SessionSettings

STAGES = ("01_first", "02_second", "03_publish")
TABLE = "db_test.published"
VERSION, RULES = "9.9", "rules-1"
CONFIGURE = '%%configure\n{"glue_version": "5.1", "number_of_workers": 2, "idle_timeout": 5}'
PARAMETERS = "\n".join(
    f'{name} = ""'
    for name in (
        *("run_id", "lake", "attempt", "delivery_id", "as_of", "id_key", "accept_volume_change"),
        *("accept_older", "parquet_path", "csv_path", "json_path"),
    )
)

# A stage's work: pass ten rows on, and write a receipt.
HELPERS = '''
import hashlib, json, os, pathlib

def fingerprint(folder):
    files = [p for p in pathlib.Path(folder).rglob("*") if p.is_file()]
    lines = sorted(f"{p.relative_to(folder).as_posix()} {p.stat().st_size}\\n" for p in files)
    return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()

def hand_over(stage):
    path = f"staging/{run_id}/{stage}"
    folder = pathlib.Path(lake, path)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "part-0").write_text("x" * 10)
    return {"path": path, "rows": 10 * len(SOURCES), "fingerprint": fingerprint(folder)}

def delivery_of_the_run():
    first = pathlib.Path(lake, "runs", run_id, "01_ingest.json")
    return delivery_id or json.loads(first.read_text())["delivery_id"]

def receipt(stage, handover):
    counts = dict.fromkeys(("resubmitted", "rejected", "duplicates", "suppressed"), 0)
    counts |= {"in": 10, "out": 10}
    return {
        "receipt": 1, "stage": stage, "run_id": run_id, "delivery_id": delivery_of_the_run(),
        "attempt": attempt,
        "as_of": "2024-05-01", "library_version": VERSION, "rules": RULES,
        "started_at": "2024-05-01T00:00:00Z", "duration_seconds": 0.1, "inputs": [],
        "rows": dict.fromkeys(SOURCES, counts), "rejections": {}, "warnings": {},
        "handover": handover,
    }

def write(receipt):
    path = pathlib.Path(lake, "runs", run_id, receipt["stage"] + ".json")
    path.write_text(json.dumps(receipt))

def table():
    """Read the newest metadata of the table, as Iceberg keeps it."""
    parts = sorted(pathlib.Path(lake).glob("warehouse/*.json"))
    return json.loads(parts[-1].read_text()) if parts else {"snapshots": [], "refs": {}}

def commit(metadata):
    """Write a metadata file, and point the catalogue in SQLite to it."""
    import sqlite3
    number = len(list(pathlib.Path(lake).glob("warehouse/*.json"))) + 1
    file = pathlib.Path(lake, "warehouse", f"{number:05d}.metadata.json")
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(metadata))
    catalog = sqlite3.connect(pathlib.Path(lake, "catalog.db"))
    with catalog:
        catalog.execute(
            "CREATE TABLE IF NOT EXISTS iceberg_tables (catalog_name, table_namespace,"
            " table_name, metadata_location, previous_metadata_location, iceberg_type)"
        )
        catalog.execute("DELETE FROM iceberg_tables")
        catalog.execute(
            "INSERT INTO iceberg_tables VALUES ('glue_catalog', ?, ?, ?, '', '')",
            (*TABLE.split("."), f"file:{file}"),
        )
    catalog.close()

def write_branch(stage, branch=None):
    """Write the rows to a branch of their own, with the record of the stage that does it."""
    metadata = table()
    number = len(metadata["snapshots"]) + 1
    main = metadata["refs"].get("main", {}).get("snapshot-id")
    record = {k: v for k, v in receipt(stage, {}).items() if k != "handover"}
    metadata["snapshots"].append({
        "snapshot-id": number, "sequence-number": number,
        **({} if main is None else {"parent-snapshot-id": main}),
        "summary": {
            "pipeline.run-id": run_id, "pipeline.delivery-id": delivery_of_the_run(),
            "pipeline.receipt": json.dumps(record),
        },
    })
    branch = branch or f"audit_{run_id}_{attempt}"
    own = f"audit_{run_id}_"
    metadata["refs"] = {k: v for k, v in metadata["refs"].items() if not k.startswith(own)}
    metadata["refs"][branch] = {"snapshot-id": number, "type": "branch"}
    commit(metadata)
    return {
        "table": TABLE, "branch": branch, "snapshot_id": str(number), "rows": 10 * len(SOURCES),
    }

class MainMovedError(Exception):
    """Others have published meanwhile."""

def publish(handover=None):
    """Move main to the branch that the stage before handed over, if it comes from there."""
    if handover is None:
        before = sorted(pathlib.Path(lake, "runs", run_id).glob("02_*.json"))[0]
        handover = json.loads(before.read_text())["handover"]
    metadata = table()
    number = int(handover["snapshot_id"])
    parent = metadata["snapshots"][number - 1].get("parent-snapshot-id")
    if metadata["refs"].get("main", {}).get("snapshot-id") not in (parent, number):
        raise MainMovedError("others have published")
    metadata["refs"].pop(handover["branch"], None)
    metadata["refs"]["main"] = {"snapshot-id": number, "type": "branch"}
    metadata["current-snapshot-id"] = number
    commit(metadata)
    return {k: v for k, v in handover.items() if k != "branch"}

def others_publish():
    """Publish another run's rows, as it would at the same time."""
    global run_id
    mine, run_id = run_id, "another"
    try:
        publish(write_branch("02_second", "audit_another"))
    finally:
        run_id = mine
'''


def helpers(
    version: str = VERSION,
    rules: str = RULES,
    table: str = TABLE,
    sources: Sequence[str] = ("csv",),
) -> str:
    """Return the cell with which any pipeline's stage writes its files and its receipt."""
    facts = {"VERSION": version, "RULES": rules, "TABLE": table, "SOURCES": list(sources)}
    return "".join(f"{name} = {value!r}\n" for name, value in facts.items()) + HELPERS


ENDINGS = {
    "01_first": "write(receipt('01_first', hand_over('ingested')))",
    "02_second": "write(receipt('02_second', write_branch('02_second')))",
    "03_publish": "write(receipt('03_publish', publish()))",
}


def write_notebook(folder: Path, name: str, *cells: str, configure: str = CONFIGURE) -> Path:
    """Write a notebook with magics, parameters, helpers, and ``cells`` as its cells."""
    parameters = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    content = new_notebook(
        cells=[
            new_markdown_cell(f"# {name}"),
            new_code_cell(configure),
            parameters,
            *[new_code_cell(cell) for cell in cells],
        ],
        metadata={
            "kernelspec": {
                "name": "glue_pyspark",
                "display_name": "Glue PySpark",
                "language": "python",
            }
        },
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.ipynb"
    nbformat.write(content, path)
    return path


class Place:
    """A folder with three notebooks, a delivery, and a lake, and requests that run them."""

    def __init__(self, folder: Path, service: Any) -> None:
        self.folder = folder
        self.lake = folder / "lake"
        self.raw = folder / "raw"
        self.raw.mkdir(parents=True)
        (self.raw / "clients.csv").write_text(f"a|b\n{uuid.uuid4()}|2\n")
        self.service = service
        self.environment = service.environment
        for stage in STAGES:
            self.notebook(stage)

    def notebook(self, stage: str, *cells: str, ending: str | None = None, **more: Any) -> Path:
        """Write a stage's notebook, with ``cells`` before its ending."""
        last = ENDINGS[stage] if ending is None else ending
        return write_notebook(self.folder / "notebooks", stage, helpers(), *cells, last, **more)

    def request(self, *only: str, **changes: Any) -> RunRequest:
        """Build the request that runs the three notebooks, or some of them."""
        request = RunRequest(
            sources={"csv": str(self.raw / "clients.csv")},
            lake=str(self.lake),
            stages=tuple(
                Stage(
                    stage,
                    str(self.folder / "notebooks" / f"{stage}.ipynb"),
                    ("run_id", "lake", "attempt", "delivery_id", "as_of"),
                )
                for stage in only or STAGES
            ),
            library_version=VERSION,
            rules=RULES,
            published=PublishedTable(TABLE, f"{TABLE}_log"),
            session=SessionSettings(
                id_prefix="test",
                environment=self.environment,
                removed_variables=self.service.removed_variables,
            ),
            limits=Limits(provisioning=90, retries=5, stage=120),
        )
        return replace(request, **changes)

    def executed(self, run_id: str, stage: str) -> nbformat.NotebookNode:
        """Read a stage's executed notebook."""
        return nbformat.read(self.lake / "runs" / run_id / f"{stage}.ipynb", as_version=4)

    def receipt(self, run_id: str, stage: str) -> Any:
        """Read a stage's receipt."""
        return json.loads((self.lake / "runs" / run_id / f"{stage}.json").read_text())


class Recorder(Listener):
    """Stores what a run reports."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def run_started(self, run_id, delivery):
        self.events.append(("run", run_id, delivery.delivery_id))

    def stage_started(self, stage, cells):
        self.events.append(("started", stage, cells))

    def cell_started(self, stage, index, total):
        self.events.append(("cell", stage, index, total))

    def progress(self, stage, fraction):
        self.events.append(("progress", stage, fraction))

    def stage_skipped(self, stage, receipt):
        self.events.append(("skipped", stage, receipt["attempt"]))

    def stage_finished(self, stage, receipt, seconds):
        self.events.append(("finished", stage, seconds))

    def session_used(self, used):
        self.events.append(("used", used))

    def warned(self, text):
        self.events.append(("warned", text))

    def note(self, text):
        self.events.append(("note", text))

    def of(self, kind):
        """Return the events of a kind, without its name."""
        return [event[1:] for event in self.events if event[0] == kind]
