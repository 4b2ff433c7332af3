"""Lakes for tests: real Iceberg tables like the published one, with invented rows."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import _dataframe_to_data_files
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import DateType, IntegerType, NestedField, StringType, TimestampType

from client_health.clean import classes, registrations
from client_health.publish.data_files import ARROW_TYPES
from register_contract import anonymity, contract, publications, tables

_ICEBERG = {
    "string": StringType,
    "int": IntegerType,
    "date": DateType,
    "timestamp_ntz": TimestampType,
}
SCHEMA = Schema(
    *(
        NestedField(number, column.name, _ICEBERG[column.type]())
        for number, column in enumerate(contract.COLUMNS, 1)
    )
)
_PLAN = next(field for field in SCHEMA.fields if field.name == contract.PARTITION_COLUMN)
PARTITION = PartitionSpec(
    PartitionField(_PLAN.field_id, 1000, IdentityTransform(), contract.PARTITION_COLUMN)
)


def client(number: int, **values: object) -> dict[str, object]:
    """Return one published client; searches can find the values that are unique to it."""
    return {
        "id": f"00000000-0000-8000-8000-{number:012d}",
        "cpf": contract.MASK,
        "nome_completo": f"Fulana Canario {number:05d}",
        "convenio": "Gold",
        "data_nascimento": dt.date(1950, 1, 1) + dt.timedelta(days=7 * number % 20_000),
        "sexo": "F",
        "logradouro": contract.MASK,
        "numero": 70_000 + number,
        "bairro": contract.MASK,
        "cidade": contract.MASK,
        "estado": "SP",
        "data_cadastro": dt.datetime(2022, 3, 1, 13, 7, 11),
        **values,
    }


def clients(count: int, first: int = 0, **values: object) -> list[dict[str, object]]:
    """Return several clients, each with its own unique values."""
    return [client(first + number, **values) for number in range(count)]


def register(rows: int = 3_000) -> list[dict[str, object]]:
    """Return a register with large and small classes in every dimension."""
    plans = ["Gold"] * 9 + ["SUS"] * 5 + ["Prata"] * 3 + ["N/A", "Vida & Saúde <i>d'Ouro</i>"]
    states = ["SP"] * 11 + ["MG"] * 7 + ["RJ"] * 5 + ["BA", "BA", "PR", "SC", "RR", "N/A", "ZZ"]
    sexes = ["F"] * 26 + ["M"] * 25 + ["N/A"]
    years = [1970, 2018, 2019, 2020, 2021, 2022, 2022, 2023, 2023, 2024, 2024, 2095]
    default = dt.datetime(1970, 1, 1)
    return [
        client(
            number,
            convenio=plans[number * 7 % len(plans)],
            estado=states[number * 11 % len(states)],
            sexo=sexes[number * 5 % len(sexes)],
            data_cadastro=(
                default
                if (year := years[number * 13 // 3 % len(years)]) == 1970
                else dt.datetime(year, 1 + number % 12, 1 + number % 28, number % 24, 30)
            ),
        )
        for number in range(rows)
    ]


def make(lake: Path) -> Table:
    """Create a lake with the table, and nothing published."""
    lake.mkdir(parents=True)
    catalog = SqlCatalog(
        contract.CATALOG, uri=f"sqlite:///{lake}/catalog.db", warehouse=f"{lake}/warehouse"
    )
    catalog.create_namespace(contract.DATABASE)
    table = catalog.create_table(
        contract.TABLE,
        SCHEMA,
        partition_spec=PARTITION,
        properties={"write.data.path": f"{lake}/clientoutput"},
    )
    catalog.close()
    return table


def publish(
    lake: Path,
    run_id: str,
    rows: Sequence[dict[str, object]],
    *,
    receipts: bool = True,
    follow: bool = True,
) -> None:
    """Replace the table's rows in one snapshot, as a run does, and write its receipts."""
    catalog = SqlCatalog(
        contract.CATALOG, uri=f"sqlite:///{lake}/catalog.db", warehouse=f"{lake}/warehouse"
    )
    table = catalog.load_table(contract.TABLE)
    data = pa.Table.from_pylist(
        list(rows),
        schema=pa.schema([(column.name, ARROW_TYPES[column.type]) for column in contract.COLUMNS]),
    )
    old = [task.file for task in table.scan().plan_files()]
    properties = {
        publications.RUN_ID: run_id,
        publications.DELIVERY_ID: f"d-{run_id}",
        publications.RECEIPT: json.dumps(receipt(run_id, "03_quality", len(rows))),
    }
    with (
        table.transaction() as transaction,
        transaction.update_snapshot(properties).overwrite() as snapshot,
    ):
        for file in old:
            snapshot.delete_data_file(file)
        for file in _dataframe_to_data_files(transaction.table_metadata, data, table.io):
            snapshot.append_data_file(file)
    if follow:
        _follow(catalog, lake, run_id, data, str(table.refresh().current_snapshot().snapshot_id))
    catalog.close()
    if receipts:
        for stage in ("01_ingest", "02_transform", "03_quality"):
            save_receipt(lake, receipt(run_id, stage, len(rows)))


def _follow(catalog: SqlCatalog, lake: Path, run_id: str, data: pa.Table, snapshot: str) -> None:
    """Make the tables without persons, as a run does after it has published."""
    rows = pl.DataFrame(data)
    counted, report = classes.anonymous(classes.tally([rows]))
    years = registrations.anonymous([registrations.by_year(rows, dt.date(2026, 1, 31))])
    made_from = {
        anonymity.SOURCE_SNAPSHOT: snapshot,
        anonymity.RECIPE: anonymity.recipe(),
    }
    for table, found, properties in (
        (tables.CLIENTOUTPUT_ANONIMA, counted, {**made_from, anonymity.REPORT: report.dump()}),
        (tables.CADASTROS_ANONIMOS, years, made_from),
    ):
        described = found.with_columns(
            pl.lit(run_id).alias("run_id"), pl.lit("2026-01-31").str.to_date().alias("day")
        )
        write(catalog, lake, table, described, properties)


def write(
    catalog: SqlCatalog,
    lake: Path,
    table: tables.Table,
    rows: pl.DataFrame,
    properties: Mapping[str, str],
) -> None:
    """Replace the rows of a table beside the published one; create it if it is missing."""
    data = (
        rows.select(tables.field_names(table))
        .to_arrow()
        .cast(pa.schema([(field.name, ARROW_TYPES[field.type]) for field in table.fields]))
    )
    made = catalog.create_table_if_not_exists(
        f"{contract.DATABASE}.{table.name}",
        data.schema,
        properties={"write.data.path": f"{lake}/{table.name}"},
    )
    change = made.overwrite if made.current_snapshot() else made.append
    change(data, snapshot_properties=dict(properties))


def remember(
    lake: Path,
    run_id: str,
    number: int,
    failed: Mapping[str, int],
    stopped: str = "",
    accepted: str = "",
) -> None:
    """Write a run's results and its columns, as ``03_quality`` does; a thousand rows a source.

    ``number`` is the day of the month; ``failed`` has rows by rule, ``stopped`` the gate that
    stopped it, ``accepted`` one that a person let pass.
    """
    day = dt.date(2026, 1, number)
    run = {
        "run_id": run_id,
        "delivery_id": f"d-{run_id}",
        "day": day,
        "recorded_at": dt.datetime(2026, 1, number, 3),
    }
    rules = [
        (rule.name, criticality.value, source)
        for criticality in (contract.Criticality.ERROR, contract.Criticality.WARN)
        for rule in contract.rules(criticality)
        for source in contract.SOURCE_NAMES
    ]
    results = [
        {
            **run,
            "stage": "02_transform",
            "source": source,
            "rule": name,
            "criticality": criticality,
            "rows_checked": 1_000,
            "rows_failed": failed.get(name, 0),
            "passed": True,
        }
        for name, criticality, source in rules
    ]
    results += [
        {
            **run,
            "stage": "03_quality",
            "rule": gate.value,
            "criticality": "gate",
            "passed": gate != stopped,
            "share": 0.2 if gate == stopped else None,
            "finding": "found" if gate in (stopped, accepted) else None,
        }
        for gate in contract.Gate
    ]
    columns = [
        {**run, "column_name": name, "null_share": number / 1_000, "distinct_count": 10 * number}
        for name in ("nome_completo", "sexo")
    ]
    columns.append(
        {
            **run,
            "column_name": "data_nascimento",
            "null_share": 0.0,
            "minimum": "1931",
            "maximum": "2020",
        }
    )
    catalog = SqlCatalog(
        contract.CATALOG, uri=f"sqlite:///{lake}/catalog.db", warehouse=f"{lake}/warehouse"
    )
    _add(catalog, lake, tables.QUALITY_RESULTS, results)
    _add(catalog, lake, tables.COLUMN_PROFILES, columns)
    catalog.close()


def erase(lake: Path) -> None:
    """Log an erasure of people from all that is published, as the session does."""
    catalog = SqlCatalog(
        contract.CATALOG, uri=f"sqlite:///{lake}/catalog.db", warehouse=f"{lake}/warehouse"
    )
    table = catalog.load_table(contract.TABLE)
    through = table.current_snapshot().sequence_number
    record = publications.Erasure("e0000000000000001", through, str(table.metadata.table_uuid))
    empty = pa.table({"run_id": pa.array([], pa.string())})
    log = catalog.create_table_if_not_exists(
        f"{contract.DATABASE}.{publications.LOG}", empty.schema
    )
    log.append(empty, snapshot_properties=record.log_properties())
    catalog.close()


def _add(
    catalog: SqlCatalog, lake: Path, table: tables.Table, rows: Sequence[Mapping[str, object]]
) -> None:
    fields = [(field.name, ARROW_TYPES[field.type]) for field in table.fields]
    data = pa.Table.from_pylist(list(rows), schema=pa.schema(fields))
    made = catalog.create_table_if_not_exists(
        f"{contract.DATABASE}.{table.name}",
        data.schema,
        properties={"write.data.path": f"{lake}/{table.name}"},
    )
    made.append(data)


def reject(lake: Path, rows: Sequence[dict[str, object]]) -> None:
    """Add rows to the table of rejected rows, which is created if it is missing."""
    catalog = SqlCatalog(
        contract.CATALOG, uri=f"sqlite:///{lake}/catalog.db", warehouse=f"{lake}/warehouse"
    )
    _add(catalog, lake, tables.REJECTED, rows)
    catalog.close()


def receipt(run_id: str, stage: str, published: int) -> dict[str, object]:
    """Return a stage's receipt: 12 rejected rows and 30 duplicates, all in the CSV source."""
    judged = stage == "02_transform"
    rejected, duplicates = (12, 30) if judged else (0, 0)
    found = {"01_ingest": published + 42, "02_transform": published + 42, "03_quality": published}
    into = {"parquet": 0, "csv": found[stage], "json": 0}
    return {
        "receipt": 1,
        "stage": stage,
        "run_id": run_id,
        "delivery_id": f"d-{run_id}",
        "attempt": "",
        "as_of": "2026-01-31",
        "library_version": "0.1.0",
        "rules": "0123456789abcdef",
        "started_at": f"2026-02-0{1 + len(run_id) % 9}T03:0{stage[1]}:00+00:00",
        "duration_seconds": 61.25 if judged else 4.0,
        "inputs": [],
        "rows": {
            source: {
                "in": rows,
                "resubmitted": 0,
                "out": rows - (rejected + duplicates if source == "csv" else 0),
                "rejected": rejected if source == "csv" else 0,
                "duplicates": duplicates if source == "csv" else 0,
                "suppressed": 0,
            }
            for source, rows in into.items()
        },
        "rejections": {} if stage == "01_ingest" else {"cpf_formato": 12},
        "warnings": {} if stage == "01_ingest" else {"nome_ausente": 1_234},
        "handover": {"table": contract.TABLE, "snapshot_id": "1", "rows": published},
    }


def save_receipt(lake: Path, content: dict[str, object]) -> None:
    folder = lake / "runs" / str(content["run_id"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{content['stage']}.json").write_text(json.dumps(content), encoding="utf-8")
