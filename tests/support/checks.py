"""Checks that apply to every scenario, however it runs."""

from __future__ import annotations

import time

from tests.support import canaries
from tests.support.scenarios import Plain, Scenario
from tests.support.theatre import Theatre
from tests.support.ways import LONGEST, Ended, Way


def is_loud(theatre: Theatre, scenario: Scenario, ended: Ended) -> None:
    """Check that a failed run reports the failure truthfully and does no harm."""
    assert ended.exit_code == scenario.exit_code, ended.said
    for words in scenario.says:
        assert words in ended.said, ended.said
    assert "Traceback" not in ended.said
    _nothing_left(theatre, ended)
    assert canaries.found_in(ended.said) == []
    assert theatre.place.leaks() == {}
    assert theatre.place.published() == (scenario.exit_code == 0)


def goes_on(theatre: Theatre, way: Way) -> None:
    """Run the same command once more, without the failure."""
    theatre.endpoint.clear()
    theatre.place.fix()
    repeated = theatre.again(Scenario("repeated", "", "", ()), way)
    assert repeated.exit_code == 0, repeated.said
    assert theatre.place.published() == 1
    _nothing_left(theatre, repeated)


def _nothing_left(theatre: Theatre, ended: Ended) -> None:
    assert ended.left == ()
    if theatre.endpoint.stops():
        deadline = time.monotonic() + 20
        while living := theatre.endpoint.living():
            assert time.monotonic() < deadline, living
            time.sleep(0.1)


def fails_in_ci(theatre: Theatre, scenario: Scenario, ended: Ended) -> None:
    """Check that nbval fails, and that its report shows the cause."""
    assert (ended.exit_code != 0) == scenario.nbval_fails, ended.said
    for words in scenario.says if scenario.nbval is None else scenario.nbval:
        assert words in ended.said, ended.said
    if scenario.session_lost:
        # Check that nothing ran in another session as if nothing had happened.
        assert not ended.went_on
    _nothing_left(theatre, ended)


def patience_with_plain(scenario: Scenario) -> float:
    """Return how long to wait for plain papermill; if it ends, it gets all the time it needs."""
    return scenario.patience if scenario.plain.exit_code is None else LONGEST


def passed_over(theatre: Theatre, ended: Ended) -> Plain:
    """Return what plain papermill did."""
    return Plain(ended.exit_code, ended.went_on, ended.emptied, bool(theatre.endpoint.living()))
