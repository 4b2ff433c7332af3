"""Lakes and runs that are made once, for tests of several files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.kept import Kept

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from test_stage import Run

    from client_health.publish.lake import Lake


@pytest.fixture(scope="session")
def stages_of_a_run(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Run, Kept]:
    """Return a run, and its files after each stage; the runner's check accepted each receipt."""
    from test_stage import a_run

    from client_health import stages

    folder = tmp_path_factory.mktemp("stages")
    kept = Kept(folder / "now", folder / "then")
    kept.folder.mkdir()
    run = a_run(kept.folder)
    run.ingest()
    run.verify(stages.INGEST)
    kept.keep("ingested")
    run.transform()
    run.verify(stages.TRANSFORM, stages.INGEST)
    kept.keep("written")
    run.publish()
    run.verify(stages.QUALITY, stages.TRANSFORM)
    kept.keep("done")
    return run, kept


@pytest.fixture
def ingested(stages_of_a_run: tuple[Run, Kept]) -> Run:
    """Return a run after its first stage."""
    run, kept = stages_of_a_run
    kept.put_back("ingested")
    return run


@pytest.fixture
def written(stages_of_a_run: tuple[Run, Kept]) -> Run:
    """Return a run whose rows are on their branch."""
    run, kept = stages_of_a_run
    kept.put_back("written")
    return run


@pytest.fixture
def done(stages_of_a_run: tuple[Run, Kept]) -> Run:
    """Return a published run."""
    run, kept = stages_of_a_run
    kept.put_back("done")
    return run


@pytest.fixture(scope="session")
def lake_without_rows(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Kept]:
    """Return the folder of a lake with its two tables, and the files that it has."""
    from client_health.publish.lake import Lake

    folder = tmp_path_factory.mktemp("empty")
    kept = Kept(folder / "lake", folder / "then")
    Lake.open(spark, str(kept.folder)).make_tables()
    kept.keep("made")
    return str(kept.folder), kept


@pytest.fixture
def empty_lake(spark: SparkSession, lake_without_rows: tuple[str, Kept]) -> Lake:
    """Return a lake with its two tables and nothing published."""
    from client_health.publish.lake import Lake

    folder, kept = lake_without_rows
    kept.put_back("made")
    return Lake.open(spark, folder)
