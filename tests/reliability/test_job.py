"""The production job: every failure is visible, reported truthfully, and harmless."""

from __future__ import annotations

import pytest
from tests.support.checks import is_loud
from tests.support.scenarios import BY_THE_JOB, Scenario, by_name
from tests.support.theatre import Theatre
from tests.support.ways import job


@pytest.mark.parametrize("scenario", BY_THE_JOB, ids=by_name)
def test_the_job_says_what_happened_and_publishes_nothing(
    theatre: Theatre, scenario: Scenario
) -> None:
    is_loud(theatre, scenario, theatre.play(scenario, job))
