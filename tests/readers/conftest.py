"""Shared by the readers' tests: a lake with two published runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
    lakes.remember(folder, "run-1", 1, {"cpf_formato": 2})
    lakes.remember(folder, "run-22", 2, {"cpf_formato": 20})
    lakes.remember(folder, "stopped", 3, {"cpf_formato": 300}, "rejeitados_demais")
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Yield Chromium; tests are skipped without it, unless CHROMIUM_REQUIRED=1 is set."""
    from playwright.sync_api import sync_playwright

    known = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, known)), None)
    if chromium is None and os.environ.get("CHROMIUM_REQUIRED") != "1":
        pytest.skip("no Chromium on this machine")
    assert chromium, "CHROMIUM_REQUIRED=1, but no chromium is on the PATH"
    # Root, which containers use, can't set up Chromium's sandbox.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield started
        started.close()
