"""``client-health run``: every failure is visible, reported truthfully, and harmless."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support import canaries
from tests.support.checks import goes_on, is_loud
from tests.support.scenarios import WHOLE, Scenario, by_name
from tests.support.theatre import Theatre
from tests.support.ways import Ended, command
from tests.support.webhooks import SECRET, Webhook, is_slack_message

from client_health_cli.alert_url import VARIABLE
from register_contract import runs


@pytest.fixture(scope="module")
def server() -> Iterator[Webhook]:
    found = Webhook()
    yield found
    found.close()


@pytest.fixture
def told(server: Webhook, theatre: Theatre) -> Webhook:
    """Return a webhook for alerts."""
    server.arrived.clear()
    theatre.variables[VARIABLE] = server.url
    return server


def people_are_told(told: Webhook, scenario: Scenario, ended: Ended) -> None:
    """Check the alert: one for each run that could still send it, without anything personal."""
    assert SECRET not in ended.said
    assert canaries.found_in(told.text()) == []
    # A killed runner sends nothing, and who pressed Ctrl-C knows.
    sends = scenario.exit_code > 0 and scenario.name != "cancelled_by_us"
    assert len(told.arrived) == sends, told.text()
    for message in told.arrived:
        is_slack_message(message)
        outside = "stopped from outside" in message["text"]
        assert outside == (scenario.name == "runner_terminated"), message
        stopped = "stopped by" in message["text"]
        assert stopped == (scenario.exit_code == runs.EXIT_GATE), message


@pytest.mark.parametrize("scenario", WHOLE, ids=by_name)
def test_the_command_says_what_happened_publishes_nothing_and_goes_on(
    theatre: Theatre, told: Webhook, scenario: Scenario
) -> None:
    ended = theatre.play(scenario, command)
    is_loud(theatre, scenario, ended)
    people_are_told(told, scenario, ended)
    if scenario.name == "runner_terminated":
        kept = (theatre.place.lake / "runs").glob("*/02_transform.ipynb")
        assert list(kept), "the notebook shows where it was stopped"
    if scenario.name == "runner_killed":
        # The repeated start finds a finished stage, and what is left of a killed runner. The tests
        # of the runner have what else it may find.
        goes_on(theatre, command)
