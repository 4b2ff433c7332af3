"""Shared by the readers' tests: a lake with two published runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support import lakes


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lake with two runs; the second has more clients and one more convênio."""
    folder = tmp_path_factory.mktemp("readers") / "a lake's folder"
    lakes.make(folder)
    rows = lakes.register()
    lakes.publish(folder, "run-1", [row for row in rows if row["convenio"] != "Prata"][:1_500])
    lakes.publish(folder, "run-22", rows)
    return folder
