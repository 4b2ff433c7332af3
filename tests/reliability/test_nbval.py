"""nbval on the strict kernel: every failure is red in CI."""

from __future__ import annotations

from checks import fails_in_ci
from scenarios import Scenario
from theatre import Theatre
from ways import nbval


def test_nbval_fails_and_says_what_happened(theatre: Theatre, scenario: Scenario) -> None:
    fails_in_ci(theatre, scenario, theatre.play(scenario, nbval))
