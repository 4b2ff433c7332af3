"""The production job: every failure is loud, true and harmless."""

from __future__ import annotations

from checks import is_loud
from scenarios import Scenario
from theatre import Theatre
from ways import job


def test_the_job_says_what_happened_and_publishes_nothing(
    theatre: Theatre, scenario: Scenario
) -> None:
    is_loud(theatre, scenario, theatre.play(scenario, job))
