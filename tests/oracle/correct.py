"""Correct exported rows as a person would: in the files, with a CPF for each row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from .reading import csv_fields


def correct(folder: Path, cpfs: Iterator[str]) -> dict[str, Path]:
    """Give each row the next CPF, and leave out lines that could not be split.

    Parameters
    ----------
    folder : Path
        Exported files, which are rewritten.
    cpfs : iterator of str

    Returns
    -------
    dict of str to Path
        The files by source.
    """
    paths = {kind: folder / f"rejected.{kind}" for kind in ("parquet", "csv", "json")}
    rows = pq.ParquetFile(paths["parquet"]).read().to_pylist()
    corrected = [row | {"documento_cpf": next(cpfs)} for row in rows]
    pq.write_table(pa.Table.from_pylist(corrected), paths["parquet"])

    first, *lines = filter(None, paths["csv"].read_text(encoding="utf-8").split("\n"))
    names = first.split("|")
    written = [first]
    for line in lines:
        record = dict(zip(names, csv_fields(line) or (), strict=True))
        if not record.get("malformed_line"):
            record["cpf"] = next(cpfs)
            written.append("|".join(map(_quoted, record.values())))
    paths["csv"].write_text("\n".join(written), encoding="utf-8")

    records = map(json.loads, filter(None, paths["json"].read_text(encoding="utf-8").split("\n")))
    kept = [record | {"cpf": next(cpfs)} for record in records if not record.get("malformed_line")]
    paths["json"].write_text("\n".join(map(json.dumps, kept)), encoding="utf-8")
    return paths


def _quoted(text: str) -> str:
    special = "|" in text or '"' in text
    return '"' + text.replace('"', '""') + '"' if special else text
