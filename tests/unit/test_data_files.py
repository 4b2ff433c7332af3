"""Files of the published table that Iceberg and its readers accept."""

from __future__ import annotations

import urllib.parse
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from tests.support.frames import FIELD_IDS, clients

from client_health.publish import data_files
from register_contract import contract


def written(folder: Path, *convenios: str) -> dict[str, Any]:
    files = data_files.write(clients(*convenios), str(folder), FIELD_IDS, "00000-0")
    return {file.partition: file for file in files}


def test_each_health_plan_has_a_file_of_its_rows(tmp_path: Path) -> None:
    files = written(tmp_path, "Gold", "SUS", "Gold")
    assert {plan: file.rows for plan, file in files.items()} == {"Gold": 2, "SUS": 1}
    for plan, file in files.items():
        assert Path(file.uri).parent == tmp_path / f"convenio={plan}"
        assert pl.read_parquet(file.uri, hive_partitioning=False)[
            "convenio"
        ].unique().to_list() == [plan]


def test_rows_come_back_as_they_were_with_the_contracts_columns(tmp_path: Path) -> None:
    (file,) = written(tmp_path, "Gold", "Gold").values()
    assert pl.read_parquet(file.uri, hive_partitioning=False).equals(clients("Gold", "Gold"))


def test_a_column_is_known_by_icebergs_number(tmp_path: Path) -> None:
    (file,) = written(tmp_path, "Gold").values()
    schema = pq.read_schema(file.uri)
    found = {field.name: int((field.metadata or {})[b"PARQUET:field_id"]) for field in schema}
    assert found == FIELD_IDS


def test_a_footer_bounds_no_column_that_says_something_of_a_person(tmp_path: Path) -> None:
    (file,) = written(tmp_path, "Gold", "Gold").values()
    group = pq.read_metadata(file.uri).row_group(0)
    bounded = {
        group.column(at).path_in_schema
        for at in range(group.num_columns)
        if group.column(at).statistics is not None and group.column(at).statistics.has_min_max
    }
    shared = {column.name for column in contract.COLUMNS if not column.personal}
    assert bounded == shared - {"id"}


@pytest.mark.parametrize("plan", ["Saude Ja", "a/b", "100%", "A+B=C", "N/A", "x~*-._y", "Ação:2"])
def test_a_folder_is_named_as_iceberg_names_it(spark: SparkSession, plan: str) -> None:
    java = spark._jvm.java.net.URLEncoder.encode(plan, "UTF-8")  # type: ignore[union-attr]
    assert data_files.partition_folder(plan) == f"convenio={java}"


@given(st.text(min_size=1, max_size=30))
def test_a_folders_name_leads_back_to_its_health_plan(plan: str) -> None:
    name = data_files.partition_folder(plan.encode("utf-8", "replace").decode())
    assert "/" not in name
    back = urllib.parse.unquote_plus(name.removeprefix("convenio="))
    assert back == plan.encode("utf-8", "replace").decode()
