"""``client-health run``: every failure is loud, true and harmless."""

from __future__ import annotations

from checks import goes_on, is_loud
from scenarios import Scenario
from theatre import Theatre
from ways import command


def test_the_command_says_what_happened_publishes_nothing_and_goes_on(
    theatre: Theatre, scenario: Scenario
) -> None:
    is_loud(theatre, scenario, command)
    if scenario.exit_code:
        goes_on(theatre, command)
