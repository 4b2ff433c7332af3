"""Plain papermill with the official kernel, both unmodified: the situation without this project.

The table in ``docs/reliability.md`` shows the same. If a newer kernel does better, these tests
fail.
"""

from __future__ import annotations

import pytest
from tests.support.checks import passed_over, patience_with_plain
from tests.support.scenarios import BY_PAPERMILL, Scenario, by_name
from tests.support.theatre import Theatre
from tests.support.ways import plain


@pytest.mark.parametrize("scenario", BY_PAPERMILL, ids=by_name)
def test_plain_papermill_does_what_the_page_says(theatre: Theatre, scenario: Scenario) -> None:
    ended = theatre.play(scenario, plain, patience=patience_with_plain(scenario))
    assert passed_over(theatre, ended) == scenario.plain
