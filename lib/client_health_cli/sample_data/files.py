"""Files that take a delivery's rows batch by batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from client_health_cli.sample_data.draws import Draws
from client_health_cli.sample_data.layouts import Layout
from client_health_cli.sample_data.register import Batch
from client_health_cli.sample_data.sources import Columns
from client_health_cli.sample_data.texts import (
    choose,
    concatenated,
    join,
    json_values,
    replace,
    some,
)

_COUNTRY = "Brasil"
_JSON_NUMBERS = frozenset({"numero", "data_cadastro"})


class BatchFile(ABC):
    """A file of one source, open for writing.

    Parameters
    ----------
    path
        Where to write.
    layout
        The source's columns and formats.
    draws
        Where choices come from.
    """

    @abstractmethod
    def __init__(self, path: Path, layout: Layout, draws: Draws) -> None: ...

    @abstractmethod
    def write(self, columns: Columns, batch: Batch, first: int) -> None:
        """Add a batch whose first row is number `first` of the file."""

    @abstractmethod
    def close(self) -> None:
        """Finish the file."""


class ParquetFile(BatchFile):
    """All columns as text, and the index that a pandas export left behind."""

    def __init__(self, path: Path, layout: Layout, draws: Draws) -> None:
        names = [*layout.columns.values(), str(layout.country_column)]
        types = dict.fromkeys(names, pa.string()) | {"__index_level_0__": pa.int64()}
        self._schema = pa.schema(types)
        # Fixed options, so that the same rows make the same bytes.
        self._writer = pq.ParquetWriter(
            path, self._schema, compression="snappy", version="2.6", store_schema=False
        )

    def write(self, columns: Columns, batch: Batch, first: int) -> None:
        """Add a batch as one row group."""
        count = len(batch.rows)
        country = pa.repeat(_COUNTRY, count)
        index = pa.array(np.arange(first, first + count, dtype=np.int64))
        arrays = [*columns.values(), country, index]
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()


class LinesFile(BatchFile):
    """A text file in UTF-8, a row a line."""

    def __init__(self, path: Path, layout: Layout, draws: Draws) -> None:
        self._layout = layout
        self._draws = draws
        self._file = path.open("wb")

    def write(self, columns: Columns, batch: Batch, first: int) -> None:
        """Add a batch, a line for each row."""
        self._file.write(concatenated(self._lines(columns, batch)))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @abstractmethod
    def _lines(self, columns: Columns, batch: Batch) -> pa.StringArray:
        """Write each row as a line with its end."""


class CsvFile(LinesFile):
    """`|` between fields, a header, nothing quoted; a malformed line has fields too many."""

    def __init__(self, path: Path, layout: Layout, draws: Draws) -> None:
        super().__init__(path, layout, draws)
        header = "|".join([*layout.columns.values(), str(layout.country_column)])
        self._file.write(f"{header}\n".encode())

    def _lines(self, columns: Columns, batch: Batch) -> pa.StringArray:
        line = join(*columns.values(), _COUNTRY, separator="|")
        return join(line, choose(batch.defects["linha_malformada"], "|sobra|campo\n", "\n"))


class JsonFile(LinesFile):
    """An object a line; a malformed line is cut off somewhere in its first half."""

    def _lines(self, columns: Columns, batch: Batch) -> pa.StringArray:
        # The key of a null is written or left out, row by row.
        left_out = self._draws.chance("left out", batch.rows, 0.5)
        members: list[pa.StringArray | str] = []
        for name, texts in columns.items():
            before = "" if not members else ", "
            member = join(f'{before}"{name}": ', json_values(texts, numbers=name in _JSON_NUMBERS))
            # The first member stays, so that commas stand between members only.
            absent = left_out & texts.is_null().to_numpy(zero_copy_only=False)
            members.append(choose(absent, "", member) if members else member)
        lines = join("{", *members, "}\n")

        broken = batch.defects["linha_malformada"]
        if not broken.any():
            return lines
        lengths = self._draws.below("cut", batch.rows[broken], 100) + 1
        whole = some(lines, broken)
        cut = [f"{line[:length]}\n" for line, length in zip(whole, lengths, strict=True)]
        return replace(lines, broken, cut)
