"""The work of Spark's Python workers: whole files in native code, one thread per worker.

Nothing here decides anything. A worker reads, applies the functions of
:mod:`client_health.read.sources`, :mod:`client_health.clean.register`, and
:mod:`client_health.clean.rules`, and writes. Modules are imported when a task needs them, because
Polars then reads the number of its threads from the environment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from client_health.errors import InputError, StorageError

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from client_health.read.lines import Parsed
    from client_health.read.readers import Piece
    from register_contract.rule_set import RuleSet

# With more different health plans than this, files are written plan by plan.
MANY_CONVENIOS = 100
#: In a file of rejected rows: how many rows of the same staging file were suppressed.
SUPPRESSED = "suppressed"


@dataclass(frozen=True)
class Ingestion:
    """The work of ``01_ingest``.

    Parameters
    ----------
    tasks : tuple of tuple of Piece
        What each task reads, all of one source.
    folder : str
        Folder for the staging files.
    """

    tasks: tuple[tuple[Piece, ...], ...]
    folder: str

    def run(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Run the tasks with the given numbers; yield a line of JSON for each."""
        for batch in batches:
            yield _lines(*map(self._told, _numbers(batch)))

    def _told(self, number: int) -> dict[str, Any]:
        try:
            return _stage(self.tasks[number], self.folder, number)
        except _UnusableError as error:
            return error.told


class _UnusableError(Exception):
    """A file cannot be used; the driver gets this as data, since a retry would end the same way."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told
        super().__init__()


def _numbers(batch: pa.RecordBatch) -> list[int]:
    return [int(number) for number in batch.column(0).to_pylist() if number is not None]


def _attempt() -> str:
    """Return Spark's stage and attempt for file names: another attempt writes another file."""
    from pyspark import TaskContext  # noqa: PLC0415

    context = TaskContext.get()
    return f"{context.stageId()}-{context.attemptNumber()}" if context else "0-0"


def _blocks(piece: Piece) -> Iterator[Parsed]:
    """Yield the blocks of a piece; an error names the file."""
    from client_health import storage  # noqa: PLC0415
    from client_health.read.lines import TooLongError  # noqa: PLC0415
    from client_health.read.pieces import read  # noqa: PLC0415

    try:
        yield from read(piece)
    except TooLongError:
        raise _UnusableError({"failed": "too_long", "file": piece.relative}) from None
    except storage.READ_ERRORS as error:
        told = _failure(piece.relative, storage.unreadable(piece.relative, error))
        raise _UnusableError(told) from None


def _stage(pieces: tuple[Piece, ...], folder: str, number: int) -> dict[str, Any]:
    """Write the rows of some pieces into one file; return its line of the manifest."""
    from client_health import storage  # noqa: PLC0415
    from client_health.read import sources  # noqa: PLC0415
    from register_contract import contract  # noqa: PLC0415

    source = pieces[0].source
    shape = getattr(sources, f"transform_{source}")
    counts = dict.fromkeys(("rows", "malformed", "undecodable"), 0)
    convenios: set[str | None] = set()
    name = f"{source}-{number:05}-{_attempt()}.parquet"
    with storage.replacing(storage.join(folder, name), private=True) as file:
        writer = None
        for piece in pieces:
            for block in _blocks(piece):
                rows: pl.DataFrame = shape(block.frame)
                table = rows.to_arrow()
                writer = writer or _writer(file, table.schema)
                writer.write_table(table)
                counts["rows"] += rows.height
                counts["malformed"] += rows.height - rows[sources.MALFORMED_LINE].null_count()
                counts["undecodable"] += block.undecodable
                if len(convenios) <= MANY_CONVENIOS:
                    convenios.update(rows[contract.PARTITION_COLUMN].unique().to_list())
        if writer is None:
            writer = _writer(file, shape(_no_rows(source)).to_arrow().schema)
        writer.close()
        size = file.tell()
    return {"file": name, "source": source, "size": size, "convenios": len(convenios), **counts}


def _writer(file: Any, schema: pa.Schema) -> Any:  # noqa: ANN401
    import pyarrow.parquet as pq  # noqa: PLC0415

    # Staging files last for one run, so fast writing matters more than size. Nearly all values
    # differ.
    return pq.ParquetWriter(
        file, schema, compression="lz4", use_dictionary=False, write_statistics=False
    )


def _no_rows(source: str) -> pl.DataFrame:
    import polars as pl  # noqa: PLC0415

    from client_health.read import sources  # noqa: PLC0415
    from register_contract import contract  # noqa: PLC0415

    columns = next(one for one in contract.SOURCES if one.name == source).columns
    return pl.DataFrame(schema=dict.fromkeys((*columns, sources.MALFORMED_LINE), pl.String))


def _failure(name: str, error: InputError | StorageError) -> dict[str, Any]:
    """Return an error as data for the driver, which raises it."""
    if isinstance(error, InputError):
        told = {k: getattr(error, k) for k in ("found", "expected", "next_step")}
        return {"failed": "input", "file": error.name, **told}
    return {"failed": "storage", "file": name, "message": str(error)}


@dataclass(frozen=True)
class Transformation:
    """The work of ``02_transform`` before the shuffle.

    Parameters
    ----------
    files : tuple of str
        Names of the staging files.
    ingested, rejected : str
        The folder of these files, and the folder for rejected rows.
    as_of : date
        Day of the delivery.
    tasks : tuple of int
        Numbers of the tasks after the shuffle; see :func:`client_health.parcels.tasks`.
    suppressed : frozenset of str
        Ids of erased people, whose rows end here.
    rule_set : RuleSet, optional
        The rules that hold; None for the contract's.
    listed : tuple of str
        Ids of the previous key, if there is one, whose new ids the driver needs.
    moved : str
        Folder for files with these; see :func:`client_health.clean.register.moved`.
    """

    files: tuple[str, ...]
    ingested: str
    rejected: str
    as_of: date
    tasks: tuple[int, ...]
    suppressed: frozenset[str] = frozenset()
    rule_set: RuleSet | None = None
    listed: tuple[str, ...] = ()
    moved: str = ""

    def run(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the candidates of the files with the given numbers, each with the id keys."""
        from client_health import parcels  # noqa: PLC0415
        from client_health.clean import register  # noqa: PLC0415

        for batch in batches:
            for number, *keys in zip(_numbers(batch), *batch.columns[1:], strict=True):
                given = [bytes(key.as_buffer()) for key in keys]
                for candidates in self._candidates(self.files[number], *given):
                    yield from parcels.pack(candidates, register.ID, self.tasks)

    def _candidates(self, name: str, key: bytes, previous: bytes = b"") -> Iterator[pl.DataFrame]:
        import polars as pl  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        from client_health import storage  # noqa: PLC0415
        from client_health.clean import own_rules, register  # noqa: PLC0415
        from client_health.read.pieces import BLOCK_ROWS  # noqa: PLC0415
        from register_contract.rule_set import RuleSet  # noqa: PLC0415

        held = self.rule_set or RuleSet()
        with (
            storage.opened(storage.join(self.ingested, name)) as source,
            storage.replacing(storage.join(self.rejected, name), private=True) as file,
        ):
            writer: pq.ParquetWriter | None = None
            gone = 0
            moved = []
            for block in pq.ParquetFile(source).iter_batches(BLOCK_ROWS, use_threads=False):
                rows = pl.DataFrame(pl.from_arrow(block))
                with own_rules.named(held, rows, self.as_of):
                    refused, accepted = register.judged(rows, self.as_of, held)
                    found = register.candidates(accepted, self.as_of, key, held, previous)
                if self.suppressed or previous:
                    before = refused.height + found.height
                    shown = register.shown_people(refused, key, previous)
                    if previous:
                        moved.append(register.moved(self.listed, found, shown))
                    refused = register.without_rejected(refused, self.suppressed, shown)
                    found = register.without(found, self.suppressed)
                    gone += before - refused.height - found.height
                writer = writer or pq.ParquetWriter(file, refused.to_arrow().schema)
                writer.write_table(refused.to_arrow())
                yield found
            if moved:
                # Like the count below, the same whichever attempt writes it.
                with storage.replacing(storage.join(self.moved, name), private=True) as ids:
                    pl.concat(moved).unique().write_parquet(ids)
            if writer is not None:
                # The count shares the file's fate: a task that runs again overwrites both.
                writer.add_key_value_metadata({SUPPRESSED: str(gone)})
                writer.close()


@dataclass(frozen=True)
class Selection:
    """The work of ``02_transform`` after the shuffle: one row per person, written by health plan.

    Parameters
    ----------
    folder : str
        The published table's folder of data files.
    field_ids : mapping of str to int
        Iceberg's number of each of its columns.
    as_of : date
        Day of the delivery.
    tasks : tuple of int
        Numbers of the tasks after a second shuffle, by health plan, if there is one.
    rule_set : RuleSet, optional
        The rules that hold; None for the contract's.
    """

    folder: str
    field_ids: Mapping[str, int]
    as_of: date
    tasks: tuple[int, ...] = ()
    rule_set: RuleSet | None = None

    def run(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Do the work of a task; yield a line of JSON with its files and counts."""
        from client_health import parcels  # noqa: PLC0415

        rows, _ = parcels.unpack(batches)
        if rows is not None:
            kept, counts = _one_row_a_person(rows, self.as_of, self.rule_set)
            yield _lines({"counts": counts, "files": self._files(kept)})

    def pack(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Do the first part of the work, and yield the rows by health plan, with the counts."""
        from client_health import parcels  # noqa: PLC0415
        from register_contract import contract  # noqa: PLC0415

        rows, _ = parcels.unpack(batches)
        if rows is not None:
            kept, counts = _one_row_a_person(rows, self.as_of, self.rule_set)
            plan = contract.PARTITION_COLUMN
            yield from parcels.pack(kept, plan, self.tasks, note=json.dumps(counts))

    def write(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Do the rest of the work; yield lines of JSON as :meth:`run` does."""
        from client_health import parcels  # noqa: PLC0415
        from client_health.clean import register  # noqa: PLC0415

        rows, notes = parcels.unpack(batches)
        if rows is not None:
            told = [{"counts": json.loads(note)} for note in notes]
            yield _lines({"files": self._files(rows.sort(register.ID))}, *told)

    def _files(self, kept: pl.DataFrame) -> list[tuple[str, str, int]]:
        """Write the rows; return URI, health plan, and number of rows of each file."""
        from client_health.clean import register  # noqa: PLC0415
        from client_health.publish import data_files  # noqa: PLC0415

        rows = register.published(kept)
        written = data_files.write(rows, self.folder, self.field_ids, _attempt())
        return [(file.uri, file.partition, file.rows) for file in written]


def _one_row_a_person(
    rows: pl.DataFrame, as_of: date, rule_set: RuleSet | None
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Return one row per person, and the counts as fields of ``accounting.Selected``."""
    import polars as pl  # noqa: PLC0415

    from client_health.clean import profile, register, rules  # noqa: PLC0415
    from client_health.read.sources import SOURCE  # noqa: PLC0415
    from register_contract import contract  # noqa: PLC0415
    from register_contract.rule_set import RuleSet  # noqa: PLC0415

    def by_source(frame: pl.DataFrame) -> dict[str, int]:
        return {name: int((frame[SOURCE] == name).sum()) for name in contract.SOURCE_NAMES}

    def marked(bit: int) -> pl.Expr:
        return (pl.col(register.WARNINGS) & bit != 0).sum()

    kept = register.one_row_a_person(rows)
    bits = {name: marked(bit) for name, bit in rules.bits(rule_set or RuleSet()).items()}
    counted = kept.select(SOURCE, register.WARNINGS).group_by(SOURCE).agg(**bits)
    found = {source: dict.fromkeys(bits, 0) for source in contract.SOURCE_NAMES}
    found |= {one.pop(SOURCE): one for one in counted.iter_rows(named=True)}
    return kept, {
        "arrived": by_source(rows),
        "kept": by_source(kept),
        "badly_formed_cpfs": kept.select(marked(register.BADLY_FORMED)).item(),
        "findings": found,
        "parts": [profile.taken(kept, as_of)],
    }


def _lines(*told: Mapping[str, Any]) -> pa.RecordBatch:
    """Return lines of JSON for the driver."""
    import pyarrow as pa  # noqa: PLC0415

    return pa.RecordBatch.from_pydict({"line": [json.dumps(one) for one in told]})
