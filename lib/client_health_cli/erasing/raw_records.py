"""Rejected and corrected rows of a local lake, which have no id: found by what tells of people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from client_health_cli.erasing.search import Values
from register_contract import contract, resubmissions, tables

if TYPE_CHECKING:
    import polars as pl

#: The folders with such rows, by the name of their zone.
FOLDERS = {
    tables.REJECTED.name: tables.restricted_path(tables.REJECTED),
    "resubmissions": resubmissions.FOLDER,
}
_ID, _RECORD, _REASONS, _LINE = "rejection_id", "record", "reasons", "malformed_line"
_SEPARATORS = "[ ./-]"


def files_of(zone: str, files: list[Path], lake: Path) -> list[Path]:
    """Return the files of a zone among the files of a lake.

    Parameters
    ----------
    zone
        A name in :data:`FOLDERS`.
    files
        All files of the lake.
    lake
        Its folder.
    """
    inside = (path for path in files if path.is_relative_to(lake / FOLDERS[zone]))
    return [path for path in inside if path.suffix == ".parquet" and path.name[0] != "."]


def shaped(path: Path) -> Iterator[pl.DataFrame]:
    """Yield the rows of a file with the register's names, and `malformed_line`.

    Parameters
    ----------
    path
        A data file of the table, or a batch.
    """
    import polars as pl  # noqa: PLC0415 - slows every command's start

    from client_health import rejected_rows  # noqa: PLC0415

    rows = pl.read_parquet(path)
    if _REASONS not in rows.columns:
        rows = rows.with_columns(pl.lit("").alias(_REASONS))
    for source in contract.SOURCES:
        own = rejected_rows.delivered(rows, source)
        names = {source.column(one.name): one.name for one in contract.REGISTER_COLUMNS}
        yield own.select(*names, _LINE).rename(names)


def of_people(path: Path, values: Values) -> tuple[str, ...]:
    """Return the names of the rejections in a file whose rows have a value of people.

    Parameters
    ----------
    path
        A data file of the table, or a batch.
    values
        What tells of the people.
    """
    import polars as pl  # noqa: PLC0415

    rows = pl.read_parquet(path, columns=[_ID, _RECORD])
    return tuple(rows.filter(_tells(values))[_ID].to_list())


def _tells(values: Values) -> pl.Expr:
    import polars as pl  # noqa: PLC0415

    # The patterns have a letter for each byte.
    patterns = [one.encode("latin-1").decode(errors="replace") for one in values.patterns()]
    return pl.col(_RECORD).str.replace_all(_SEPARATORS, "").str.contains_any(patterns)


def remove_from(batch: Path, values: Values) -> None:
    """Remove people's rows from a batch, which keeps its name; an empty one is deleted.

    Parameters
    ----------
    batch
        Its file.
    values
        What tells of the people.
    """
    import polars as pl  # noqa: PLC0415

    left = pl.read_parquet(batch).filter(~_tells(values))
    draft = batch.with_name(f".{batch.name}.0")
    draft.touch(mode=0o600)
    left.write_parquet(draft)
    draft.replace(batch)
    if left.is_empty():
        batch.unlink()
