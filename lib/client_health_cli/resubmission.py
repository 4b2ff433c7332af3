"""Corrected rows that are handed in for the next run: checked against the lake, then written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from client_health_cli.errors import RunFailedError, SettingsError
from client_health_cli.published import opened
from register_contract import contract, resubmissions, tables

if TYPE_CHECKING:
    import polars as pl

    from register_contract.publications import History


@dataclass(frozen=True)
class HandedIn:
    """A batch of corrected rows.

    Attributes
    ----------
    batch_id
        Its name, made from its rows.
    rows
        Their number by source.
    is_new
        Whether it was written now; else, the same rows were handed in before.
    run_id
        The run that has published it; empty while it waits.
    """

    batch_id: str
    rows: dict[str, int]
    is_new: bool
    run_id: str = ""


def hand_in(lake: str, files: Sequence[Path]) -> HandedIn:
    """Check corrected files, and write their rows as a batch for the next run.

    Parameters
    ----------
    lake
        A folder, or an `s3://` prefix.
    files
        Corrected files, in the format in which they were exported.

    Raises
    ------
    SettingsError
        A file can't be used, or a row can't be taken in; then none is.
    LakeError
        There is no lake, no run has rejected a row, or the table can't be read.
    RunFailedError
        People are being erased from the lake.
    """
    from client_health import corrections  # noqa: PLC0415 - slows every command's start
    from register_run import storage  # noqa: PLC0415

    place = storage.normalise(lake)
    with _working_on(lake), _refusals():
        given = [corrections.read(file.name, _content(file)) for file in files]
        batch = corrections.batch_of(given)
        batch_id = corrections.name_of(batch)
        heights = [(one.source, one.rows.height) for one in given]
        rows = {
            name: sum(height for source, height in heights if source == name)
            for name in contract.SOURCE_NAMES
            if name in dict(heights)
        }
        known = rejections(lake)
        if batch_id in corrections.batches(place):
            done = resubmissions.published(history(place)).get(batch_id)
            return HandedIn(batch_id, rows, is_new=False, run_id=done.run_id if done else "")
        corrections.check(given, known, corrections.handed_in(place))
        corrections.write(place, batch_id, batch)
    return HandedIn(batch_id, rows, is_new=True)


def rejections(lake: str) -> pl.DataFrame:
    """Return name and source of every rejection that is kept.

    Parameters
    ----------
    lake
        A folder, or an `s3://` prefix.
    """
    import polars as pl  # noqa: PLC0415

    with opened(lake, tables.REJECTED.name) as table:
        found = table.scan(selected_fields=("rejection_id", "source")).to_arrow()
    return pl.DataFrame(pl.from_arrow(found))


def history(lake: str) -> History:
    """Return what a lake has published.

    Parameters
    ----------
    lake
        A folder, or an `s3://` prefix.
    """
    from client_health_cli.databases import tables_of  # noqa: PLC0415
    from register_run import publication_record  # noqa: PLC0415
    from strict_glue import StrictGlueError  # noqa: PLC0415

    try:
        return publication_record.history(lake, tables_of(lake))
    except StrictGlueError as error:
        raise RunFailedError(str(error), error.exit_code) from error


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from error


@contextmanager
def _working_on(lake: str) -> Iterator[None]:
    """Keep erasures away: one that has listed the files would miss a batch that comes now."""
    from client_health_cli.maintenance import holding  # noqa: PLC0415
    from strict_glue import StrictGlueError  # noqa: PLC0415

    try:
        with holding(lake):
            yield
    except StrictGlueError as error:
        raise RunFailedError(str(error), error.exit_code) from error


@contextmanager
def _refusals() -> Iterator[None]:
    from client_health import ClientHealthError  # noqa: PLC0415

    try:
        yield
    except ClientHealthError as error:
        raise SettingsError(f"nothing was taken in: {error}") from error
