"""A table's entry in the Data Catalog is deleted, and made again; on the emulator."""

from __future__ import annotations

import pyarrow as pa
import pytest
from tests.support import lakes

from client_health_cli.main import app
from client_health_cli.published import published_table
from client_health_cli.remote import glue_catalog
from glue_local.emulator import Emulator
from register_contract import contract, publications

LAKE = "s3://catalog-that-is-lost/lake"


@pytest.mark.parametrize("what", ["table", "database"])
def test_a_deleted_entry_or_database_is_restored_with_its_rows(
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    what: str,
) -> None:
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CLIENT_HEALTH_DATABASE", f"lost_{what}")
    place = f"{LAKE}-{what}"
    if what == "table":
        emulator.client("s3").create_bucket(Bucket="catalog-that-is-lost")
    catalog = glue_catalog()
    catalog.create_namespace(f"lost_{what}")
    table = catalog.create_table(
        f"lost_{what}.{publications.TABLE}",
        lakes.SCHEMA,
        location=f"{place}/warehouse/lost_{what}.db/{publications.TABLE}",
    )
    rows = pa.Table.from_pylist(lakes.clients(3), schema=table.schema().as_arrow())
    for _ in range(2):
        table.append(rows)
    before = published_table(place)
    glue = emulator.client("glue")
    glue.delete_table(DatabaseName=f"lost_{what}", Name=publications.TABLE)
    if what == "database":
        glue.delete_database(Name=f"lost_{what}")

    app(["restore", "--lake", place, "--apply"], standalone_mode=False)
    assert "Entries restored: 1" in capsys.readouterr().out
    after = published_table(place)
    assert (after.snapshot_id, len(after.rows or ())) == (before.snapshot_id, 6)
    entry = glue.get_table(DatabaseName=f"lost_{what}", Name=publications.TABLE)["Table"]
    assert entry["Parameters"]["table_type"] == "ICEBERG"
    assert entry["Parameters"]["metadata_location"].startswith(place)
    assert f"lost_{what}" != contract.DATABASE
