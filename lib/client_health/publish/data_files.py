"""The data files of the published table, which workers write and Iceberg commits.

A worker writes Parquet as Iceberg's specification requires, one file for each health plan, and
reports the files to the driver. Readers don't see files that no commit names, so a task that runs
twice does no harm.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote_plus

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from client_health import storage
from register_contract import contract
from register_contract.tables import PERSON

ARROW_TYPES = {
    "string": pa.string(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp_ntz": pa.timestamp("us"),
}
# Iceberg identifies a column in a file by this, whatever its name.
FIELD_ID = "PARQUET:field_id"
# Bounds of a column outlive an erased row, so columns that tell persons apart have none.
_BOUNDED = [c.name for c in contract.COLUMNS if not c.personal and c.name != PERSON]
# Columns whose values hardly repeat get no dictionary.
_REPEATING = sorted({c.name for c in contract.COLUMNS} - {"id", "nome_completo", "data_cadastro"})


@dataclass(frozen=True)
class DataFile:
    """A data file of the published table: its URI, its partition, and its rows."""

    uri: str
    partition: str
    rows: int


def write(
    rows: pl.DataFrame, folder: str, field_ids: Mapping[str, int], attempt: str
) -> list[DataFile]:
    """Write rows, one file for each health plan.

    Parameters
    ----------
    rows : DataFrame
        The columns of the contract.
    folder : str
        The table's folder of data files.
    field_ids : mapping of str to int
        Iceberg's number of each column.
    attempt : str
        Start of the files' names.

    Notes
    -----
    Rule: Iceberg's specification, "Parquet" in appendix A.
    """
    schema = pa.schema(
        [
            pa.field(c.name, ARROW_TYPES[c.type], metadata={FIELD_ID: str(field_ids[c.name])})
            for c in contract.COLUMNS
        ]
    )
    plans = rows.partition_by(contract.PARTITION_COLUMN, maintain_order=True, as_dict=True)
    written = []
    for (plan,), part in plans.items():
        uri = storage.join(folder, partition_folder(str(plan)), f"{attempt}-{uuid.uuid4()}.parquet")
        with storage.replacing(uri) as file:
            pq.write_table(
                part.to_arrow().cast(schema),
                file,
                compression="zstd",
                # Arrow's stubs don't allow a list, although Arrow does.
                use_dictionary=_REPEATING,  # type: ignore[arg-type]
                write_statistics=_BOUNDED,
                store_schema=False,
            )
        written.append(DataFile(uri, str(plan), part.height))
    return written


def partition_folder(plan: str) -> str:
    """Return the folder name of a health plan, encoded by Iceberg like a form field in a URL."""
    encoded = quote_plus(plan, safe="*").replace("~", "%7E")
    return f"{contract.PARTITION_COLUMN}={encoded}"
