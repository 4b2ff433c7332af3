"""``client-health run``: every failure is visible, reported truthfully, and harmless."""

from __future__ import annotations

import pytest
from tests.support.checks import goes_on, is_loud
from tests.support.scenarios import WHOLE, Scenario, by_name
from tests.support.theatre import Theatre
from tests.support.ways import command

# A repeated start finds one of these: no session and no finished stage; a session that couldn't be
# stopped; a stopped session and a finished stage; the remains of a killed runner.
REPEATED = {"unreachable", "expired", "exception", "runner_killed"}


@pytest.mark.parametrize("scenario", WHOLE, ids=by_name)
def test_the_command_says_what_happened_publishes_nothing_and_goes_on(
    theatre: Theatre, scenario: Scenario
) -> None:
    is_loud(theatre, scenario, theatre.play(scenario, command))
    if scenario.name in REPEATED:
        goes_on(theatre, command)
