"""``client-health run``: every failure is loud, true and harmless."""

from __future__ import annotations

from checks import goes_on, is_loud
from scenarios import Scenario
from theatre import Theatre
from ways import command

# One of each kind: for the others a repeat would be the same once more.
REPEATED = {
    *("unreachable", "expired", "timeout", "session_process_killed", "exception"),
    *("kernel_killed", "runner_terminated", "runner_killed"),
}


def test_the_command_says_what_happened_publishes_nothing_and_goes_on(
    theatre: Theatre, scenario: Scenario
) -> None:
    is_loud(theatre, scenario, theatre.play(scenario, command))
    if scenario.name in REPEATED:
        goes_on(theatre, command)
