"""The work of ``02_transform``: check rows, keep one per person, write them to the audit branch."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

from client_health import parcels, storage
from client_health.clean import identity, register, rekeying, rules
from client_health.errors import HandoverError, SettingsError
from client_health.gate import quality
from client_health.gate.accounting import Selected, StageRows, transformed
from client_health.ingestion import batches, resubmitted_by_source, rows_by_source
from client_health.publish import rejections, suppression
from client_health.publish.data_files import DataFile
from client_health.publish.lake import Snapshot, branch_name, shares_of
from client_health.read.pieces import BLOCK_ROWS
from client_health.stages import INGESTED, REJECTED, Receipt, Stage
from client_health.worker import MANY_CONVENIOS, SUPPRESSED, Selection, Transformation
from register_contract import contract, erasures, publications
from register_contract.manifest import Line
from register_contract.receipts import Handover, Profile

# A task of the shuffle has this many rows, and writes a file for each of its health plans.
_ROWS_A_TASK = 640_000
# While the key of the ids changes: new ids of people on the lists, removed once they are used.
_MOVED = "moved"
# Fewer rows than this are not worth another task.
_FEWEST_ROWS = 20_000


@dataclass(frozen=True)
class Transformed:
    """The result of the stage.

    Parameters
    ----------
    rows : StageRows
        The accounting.
    branch : str
        Name of the audit branch.
    snapshot : Snapshot
        Head of the branch.
    profile : Profile
        What the columns contain.
    """

    rows: StageRows
    table: str
    branch: str
    snapshot: Snapshot
    profile: Profile

    @property
    def handover(self) -> Handover:
        """The receipt's handover, which the next stage reads."""
        return {
            "table": self.table,
            "branch": self.branch,
            "snapshot_id": self.snapshot.snapshot_id,
            "rows": self.snapshot.rows,
        }


def transform(stage: Stage, id_key: str = "", previous_id_key: str = "") -> Transformed:
    """Normalize and check the ingested rows, keep one per person, and write them to a branch.

    Parameters
    ----------
    stage : Stage
    id_key : str
        Location of the id key; see :func:`client_health.clean.identity.load_key`.
    previous_id_key : str
        Location of the earlier one, if the key changes: the lists of erased and held people are
        carried over to the new key.

    Returns
    -------
    Transformed

    Raises
    ------
    HandoverError
        If the staged files are not those of ``01_ingest``, or the rows written are not those
        counted.
    QualityGateError
        If the columns to publish are not those of the contract.
    SettingsError
        If the id key is missing, or neither it nor the previous one is that of the last
        publication.
    """
    before = stage.receipt_before()
    lines = stage.files()
    stage.lake.make_tables()
    key, previous = _checked_keys(stage, id_key, previous_id_key)
    key_check, today = identity.key_check(key), stage.started.date()
    stage.lake.drop_branches(stage.run_id)
    for name in (REJECTED, _MOVED):
        storage.delete(stage.folder(name))

    lists = suppression.lists(stage.lake)
    suppressed = suppression.ids(lists)
    listed: list[str] = []
    if previous and suppression.waiting(lists, key_check, today):
        listed = suppression.ids_of_key(lists, identity.key_check(previous))
    keys = (key, previous) if listed else (key,)
    rows = sum(line.rows for line in lines)
    tasks = parcels.tasks(_prepare_shuffle(stage, rows))
    work = Transformation(
        tuple(line.file for line in sorted(lines, key=lambda line: -line.rows)),
        stage.folder(INGESTED),
        stage.folder(REJECTED),
        before.as_of,
        tasks,
        frozenset(suppressed),
        stage.rules,
        tuple(listed),
        stage.folder(_MOVED),
    )
    quality.validar_esquema(register.published(register.CANDIDATE_SCHEMA.to_frame()))
    many = max((line.convenios for line in lines), default=0) > MANY_CONVENIOS
    selected, files = _select(stage, work, numbered(stage.spark, len(lines), *keys), by_plan=many)
    refused, broken, left_out = _rejected(stage, lines, before)
    if listed:
        lists = suppression.rekey(
            stage.lake, lists, _moved(stage, lines, listed), identity.key_check(previous), key_check
        )
        storage.delete(stage.folder(_MOVED))
    accounting = replace(
        transformed(
            rows_by_source(lines),
            refused,
            broken,
            selected,
            left_out,
            resubmitted=resubmitted_by_source(lines),
        ),
        suppressions=suppression.fingerprint(suppression.ids(lists)),
        resubmissions=batches(lines),
        id_key=key_check,
        earlier_ids=suppression.waiting(lists, key_check, today),
    )
    written = stage.record(
        accounting,
        delivery_id=before.delivery_id,
        as_of=before.as_of,
        shares=shares_of(files),
    )
    branch = branch_name(stage.run_id, stage.attempt or uuid.uuid4().hex)
    record = {
        publications.RUN_ID: stage.run_id,
        publications.DELIVERY_ID: before.delivery_id,
        publications.RECEIPT: json.dumps(written, separators=(",", ":"), ensure_ascii=False),
        publications.KEY_CHECK: key_check,
    }
    snapshot = stage.lake.write_branch(branch, files, record)
    if accounting.rows_out != snapshot.rows:
        stage.lake.drop_branch(branch)
        raise HandoverError(
            f"{accounting.rows_out:,} rows were counted, but {snapshot.rows:,} are on the branch. "
            "Run this stage again."
        )
    return Transformed(accounting, stage.lake.published, branch, snapshot, selected.profile)


def _select(
    stage: Stage, work: Transformation, numbers: DataFrame, *, by_plan: bool
) -> tuple[Selected, list[DataFile]]:
    """Check the rows, keep one per person, and write them.

    If there are many health plans, their rows are brought together first: one file per plan and
    task would mean many small files.
    """
    tasks = len(work.tasks)
    lake = stage.lake
    selection = Selection(lake.data_folder, lake.field_ids(), work.as_of, work.tasks, stage.rules)
    candidates = numbers.mapInArrow(work.run, parcels.SCHEMA).repartition(tasks, parcels.TASK)
    if by_plan:
        packed = candidates.mapInArrow(selection.pack, parcels.SCHEMA)
        done = packed.repartition(tasks, parcels.TASK).mapInArrow(selection.write, "line string")
    else:
        done = candidates.mapInArrow(selection.run, "line string")
    told = [json.loads(answer["line"]) for answer in done.collect()]
    counts = [Selected(**one["counts"]) for one in told if "counts" in one]
    files = [DataFile(*file) for one in told for file in one.get("files", ())]
    return Selected.total(counts, stage.rules), files


def _checked_keys(stage: Stage, id_key: str, previous_id_key: str) -> tuple[bytes, bytes]:
    """Return the key for the ids, and the earlier one; empty if none is given."""
    key = identity.load_key(stage.setting("id_key", id_key, ""))
    location = stage.setting("previous_id_key", previous_id_key, "")
    previous = identity.load_key(location) if location else b""
    if key == previous:
        raise SettingsError(
            "The parameters 'id_key' and 'previous_id_key' name the same key. Leave the previous "
            "one out, unless the key changes."
        )
    last = stage.lake.history().last
    if last is None or last.key_check in ("", identity.key_check(key)):
        return key, previous
    if not previous:
        raise SettingsError(
            "The table was published with another id key: with this one, every id would change. "
            "Use the key of the last publication. If the ids are to change, give that key as "
            "'previous_id_key'."
        )
    if last.key_check != identity.key_check(previous):
        raise SettingsError(
            "The table was published with another id key than 'id_key' and 'previous_id_key'. "
            "Give the key of the last publication as 'previous_id_key'."
        )
    if storage.exists(stage.lake.path(erasures.STATE)):
        # It knows the people by ids of the previous key.
        raise SettingsError(
            "An erasure has begun in this lake and isn't finished: the ids can't change now. Run "
            "the same `client-health erase` again first."
        )
    return key, previous


def _moved(stage: Stage, lines: Sequence[Line], listed: Sequence[str]) -> pl.DataFrame:
    """Return both ids of the listed people that the delivery shows."""
    parts = []
    for line in lines:
        uri = storage.join(stage.folder(_MOVED), line.file)
        # A staging file without rows has none.
        if storage.exists(uri):
            with storage.opened(uri) as file:
                parts.append(pl.read_parquet(file))
    found = pl.concat(parts) if parts else register.moved(listed, rekeying.MOVED.to_frame())
    names = pl.Series(rekeying.PREVIOUS, listed, dtype=pl.String)
    return found.select(names.gather(found["position"]), register.ID)


def numbered(spark: SparkSession, count: int, key: bytes, *previous: bytes) -> DataFrame:
    """Return the numbers of the pieces of work, one per task, each with the id keys.

    The frame is made from an RDD: literals and lists would show in plans, event logs, and the Spark
    UI. Its rows are Java's: for Python's, Spark would start a second set of Python workers.
    """
    context, session = spark.sparkContext, spark._jsparkSession
    gateway: Any = context._gateway
    sql = gateway.jvm.org.apache.spark.sql
    rows = gateway.jvm.java.util.ArrayList()
    for number in range(count):
        values = gateway.new_array(gateway.jvm.java.lang.Object, 2 + len(previous))
        for at, value in enumerate((number, key, *previous)):
            values[at] = value
        rows.add(sql.RowFactory.create(values))
    columns = "number int, id_key binary" + ", previous_id_key binary" * len(previous)
    schema = sql.types.StructType.fromDDL(columns)
    return DataFrame(session.createDataFrame(context._jsc.parallelize(rows, count), schema), spark)


def _prepare_shuffle(stage: Stage, rows: int) -> int:
    """Set Spark's number of tasks after the shuffle by the number of rows, and return it."""
    cores = stage.spark.sparkContext.defaultParallelism
    tasks = max(1, -(-rows // _ROWS_A_TASK), min(cores, rows // _FEWEST_ROWS))
    stage.spark.conf.set("spark.sql.shuffle.partitions", str(tasks))
    stage.spark.conf.set("spark.sql.adaptive.coalescePartitions.enabled", "false")
    stage.spark.conf.set(
        "spark.sql.execution.arrow.maxRecordsPerBatch", str(parcels.VALUES_AT_ONCE)
    )
    return tasks


def _rejected(
    stage: Stage, lines: Sequence[Line], before: Receipt
) -> tuple[dict[str, int], dict[str, dict[str, int]], dict[str, int]]:
    """Keep the rejected rows; count them by source, and by source and rule, in the same pass.

    The suppressed ones are counted by source. All are in the files named as in the manifest.
    """
    by_source = dict.fromkeys(contract.SOURCE_NAMES, 0)
    suppressed = dict.fromkeys(contract.SOURCE_NAMES, 0)
    by_rule = {source: dict.fromkeys(stage.rules.rejecting, 0) for source in contract.SOURCE_NAMES}

    def counted() -> Iterator[pl.DataFrame]:
        for line in sorted(lines, key=lambda line: line.file):
            with storage.opened(storage.join(stage.folder(REJECTED), line.file)) as source:
                file = pq.ParquetFile(source)
                noted = file.metadata.metadata or {}
                suppressed[line.source] += int(noted.get(SUPPRESSED.encode(), b"0"))
                # A compressed source is one piece, and a rule may reject all of it.
                for batch in file.iter_batches(BLOCK_ROWS):
                    rows = pl.DataFrame(pl.from_arrow(batch))
                    by_source[line.source] += rows.height
                    reasons = rows[rules.REASONS].explode().drop_nulls()
                    for name, count in reasons.value_counts().iter_rows():
                        by_rule[line.source][name] += count
                    yield rows

    rejections.keep(stage, counted(), before.delivery_id, before.as_of)
    return by_source, by_rule, suppressed
