"""Scenarios that differ from others of their kind only in messages, run at a lower level.

Command and job make the same call of the runner, print its error, and exit with its code. nbval and
papermill show and evaluate what their kernel reports. So these scenarios run on the runner and on
the kernels directly. The others run through whole programs.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.checks import fails_in_ci, is_loud, passed_over, patience_with_plain
from tests.support.scenarios import (
    AT_THE_SEAMS,
    BY_NBVAL,
    BY_THE_JOB,
    BY_THE_STRICT_KERNEL,
    SCENARIOS,
    WHOLE,
    Scenario,
    by_name,
)
from tests.support.seams import official_kernel, runner, strict_kernel
from tests.support.theatre import Theatre


def test_each_scenario_is_played_whole_or_like_one_that_is() -> None:
    whole = {scenario.name for scenario in WHOLE}
    assert {scenario.like for scenario in SCENARIOS} <= {"", *whole}
    # A failure of a process needs that process, and each exit code needs a program that exits with
    # it.
    fates = {scenario.name for scenario in SCENARIOS if scenario.does}
    for programs in (WHOLE, BY_THE_JOB, BY_NBVAL):
        assert fates <= {scenario.name for scenario in programs} <= whole
    for programs in (WHOLE, BY_THE_JOB):
        codes = {scenario.exit_code for scenario in SCENARIOS}
        assert {scenario.exit_code for scenario in programs} == codes


@pytest.mark.parametrize("another", AT_THE_SEAMS, ids=by_name)
def test_the_runner_says_what_happened_and_publishes_nothing(
    theatre: Theatre, another: Scenario
) -> None:
    ended = theatre.at_the_seam(another, runner)
    if not theatre.endpoint.stops():
        # The session's guard waits for its owner's process to end, and that is this process.
        assert all("strict_glue.guard" in line for line in ended.left)
        ended = replace(ended, left=())
    is_loud(theatre, another, ended)


@pytest.mark.parametrize("another", BY_THE_STRICT_KERNEL, ids=by_name)
def test_the_strict_kernel_shows_what_happened(theatre: Theatre, another: Scenario) -> None:
    fails_in_ci(theatre, another, theatre.at_the_seam(another, strict_kernel))


@pytest.mark.parametrize("another", AT_THE_SEAMS, ids=by_name)
def test_the_official_kernel_does_what_the_page_says(theatre: Theatre, another: Scenario) -> None:
    patience = patience_with_plain(another)
    ended = theatre.at_the_seam(another, official_kernel, patience=patience)
    assert passed_over(theatre, ended) == another.plain
