"""nbval with the strict kernel: every failure fails in CI."""

from __future__ import annotations

import pytest
from tests.support.checks import fails_in_ci
from tests.support.scenarios import BY_NBVAL, Scenario, by_name
from tests.support.theatre import Theatre
from tests.support.ways import nbval


@pytest.mark.parametrize("scenario", BY_NBVAL, ids=by_name)
def test_nbval_fails_and_says_what_happened(theatre: Theatre, scenario: Scenario) -> None:
    fails_in_ci(theatre, scenario, theatre.play(scenario, nbval))
