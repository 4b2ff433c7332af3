"""Rejected and corrected rows of a lake, which have no id: found by what tells of people."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from client_health_cli.erasing import places
from client_health_cli.erasing.places import File, Place
from client_health_cli.erasing.search import Values
from register_contract import contract, erasures, resubmissions, tables

if TYPE_CHECKING:
    import polars as pl

#: The folders with such rows, by the name of their zone.
FOLDERS = {
    tables.REJECTED.name: tables.restricted_path(tables.REJECTED),
    "resubmissions": resubmissions.FOLDER,
}
_ID, _RECORD, _REASONS, _LINE = "rejection_id", "record", "reasons", "malformed_line"
_SEPARATORS = f"[{erasures.SEPARATORS}]"


def files_of(zone: str, files: list[File], lake: Place) -> list[File]:
    """Return the files of a zone among the files of a lake.

    Parameters
    ----------
    zone
        A name in :data:`FOLDERS`.
    files
        All files of the lake.
    lake
        The lake.
    """
    folder = f"{FOLDERS[zone]}/"
    inside = (path for path in files if places.relative(path, lake).startswith(folder))
    return [path for path in inside if path.suffix == ".parquet" and path.name[0] != "."]


def shaped(path: File) -> Iterator[pl.DataFrame]:
    """Yield the rows of a file with the register's names, and `malformed_line`.

    Parameters
    ----------
    path
        A data file of the table, or a batch.
    """
    import polars as pl  # noqa: PLC0415 - slows every command's start

    from client_health import rejected_rows  # noqa: PLC0415

    with path.open("rb") as content:
        rows = pl.read_parquet(content)
    if _REASONS not in rows.columns:
        rows = rows.with_columns(pl.lit("").alias(_REASONS))
    for source in contract.SOURCES:
        own = rejected_rows.delivered(rows, source)
        names = {source.column(one.name): one.name for one in contract.REGISTER_COLUMNS}
        yield own.select(*names, _LINE).rename(names)


def of_people(path: File, values: Values) -> tuple[str, ...]:
    """Return the names of the rejections in a file whose rows have a value of people.

    Parameters
    ----------
    path
        A data file of the table, or a batch.
    values
        What tells of the people.
    """
    import polars as pl  # noqa: PLC0415

    with path.open("rb") as content:
        rows = pl.read_parquet(content, columns=[_ID, _RECORD])
    return tuple(rows.filter(_tells(values))[_ID].to_list())


def _tells(values: Values) -> pl.Expr:
    import polars as pl  # noqa: PLC0415

    # The patterns have a letter for each byte.
    patterns = [one.encode("latin-1").decode(errors="replace") for one in values.patterns()]
    return pl.col(_RECORD).str.replace_all(_SEPARATORS, "").str.contains_any(patterns)


def remove_from(batch: File, values: Values) -> None:
    """Remove people's rows from a batch, which keeps its name; an empty one is deleted.

    Parameters
    ----------
    batch
        Its file.
    values
        What tells of the people.
    """
    import polars as pl  # noqa: PLC0415

    with batch.open("rb") as content:
        left = pl.read_parquet(content).filter(~_tells(values))
    if left.is_empty():
        places.delete([batch])
        return
    written = io.BytesIO()
    left.write_parquet(written)
    places.replace(batch, written)
