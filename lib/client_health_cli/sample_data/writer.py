"""Write the three files of a delivery."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from client_health_cli.errors import SettingsError
from client_health_cli.sample_data.files import BatchFile, CsvFile, JsonFile, ParquetFile
from client_health_cli.sample_data.layouts import LAYOUTS, Layout
from client_health_cli.sample_data.register import Batch, Register
from client_health_cli.sample_data.settings import SampleSettings
from client_health_cli.sample_data.sources import Source

Listener = Callable[[int], None]
"""Told after each batch how many rows it had."""

_FILES: Mapping[str, type[BatchFile]] = {"parquet": ParquetFile, "csv": CsvFile, "json": JsonFile}


@dataclass(frozen=True)
class SampleFile:
    """A file that was written.

    Attributes
    ----------
    source
        `parquet`, `csv` or `json`.
    path
        Where it is.
    rows
        How many rows it holds, malformed ones included.
    size
        Its length in bytes.
    defects
        How many rows break each rule.
    """

    source: str
    path: Path
    rows: int
    size: int
    defects: Mapping[str, int]


def write(
    out: Path,
    rows: int,
    seed: int,
    settings: SampleSettings | None = None,
    listener: Listener | None = None,
) -> tuple[SampleFile, ...]:
    """Write a sample delivery: `rows` rows in each of three files.

    The same arguments make the same bytes. The files take their names only when all three are
    whole; files of those names are replaced.

    Parameters
    ----------
    out
        The folder to write to; made if need be.
    rows
        Rows of each file, 1 or more.
    seed
        Decides every value.
    settings
        Quirks and faults; the defaults if None.
    listener
        Told of progress.

    Returns
    -------
    tuple of SampleFile
        The Parquet, the CSV and the JSON file.

    Raises
    ------
    SettingsError
        If there is nothing to write, or no way to write it.
    """
    if rows < 1:
        raise SettingsError(f"{rows} rows were asked for: give 1 or more")
    settings = settings or SampleSettings()
    register = Register(rows, len(LAYOUTS), seed, settings)
    partial = {layout.source: out / f".{layout.file_name}.partial" for layout in LAYOUTS}
    try:
        out.mkdir(parents=True, exist_ok=True)
        counts = [
            _write_source(
                _Part(register, layout, number * rows, rows, settings.batch_rows),
                partial[layout.source],
                listener,
            )
            for number, layout in enumerate(LAYOUTS)
        ]
        for layout in LAYOUTS:
            partial[layout.source].replace(out / layout.file_name)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError(f"the sample can't be written to {out}: {reason}") from error
    finally:
        for path in partial.values():
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
    return tuple(
        SampleFile(
            layout.source,
            out / layout.file_name,
            rows,
            (out / layout.file_name).stat().st_size,
            defects,
        )
        for layout, defects in zip(LAYOUTS, counts, strict=True)
    )


@dataclass(frozen=True)
class _Part:
    """The rows of one source: `rows` of the register's from number `start` on."""

    register: Register
    layout: Layout
    start: int
    rows: int
    batch_rows: int

    def batches(self) -> Iterator[tuple[int, Batch]]:
        for first in range(0, self.rows, self.batch_rows):
            yield (
                first,
                self.register.batch(
                    self.start + first,
                    min(self.batch_rows, self.rows - first),
                    full_state_names=self.layout.full_state_names,
                    lines=self.layout.made_of_lines,
                ),
            )


def _write_source(part: _Part, path: Path, listener: Listener | None) -> dict[str, int]:
    """Write one source's file, and count the rows that break each rule."""
    layout, draws = part.layout, part.register.draws
    source = Source(layout, draws)
    counts: Counter[str] = Counter()
    with contextlib.closing(_FILES[layout.source](path, layout, draws)) as file:
        for first, batch in part.batches():
            file.write(source.columns(batch), batch, first)
            counts.update({rule: int(mask.sum()) for rule, mask in batch.defects.items()})
            if listener:
                listener(len(batch.rows))
    return dict(counts)
