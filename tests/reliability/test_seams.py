"""Scenarios that differ from others of their kind only in messages, run at a lower level.

Command and job make the same call of the runner, print its error, and exit with its code. nbval and
papermill show and evaluate what their kernel reports. So these scenarios run on the runner and on
the kernels directly. The others run through whole programs.
"""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest
from tests.support.checks import fails_in_ci, is_loud, passed_over, patience_with_plain
from tests.support.scenarios import (
    BY_NBVAL,
    BY_PAPERMILL,
    BY_THE_JOB,
    BY_THE_OFFICIAL_KERNEL,
    BY_THE_RUNNER,
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
    for programs in (WHOLE, BY_PAPERMILL, BY_NBVAL):
        assert fates <= {scenario.name for scenario in programs}
    assert {scenario.name for scenario in BY_THE_JOB} <= whole
    codes = {scenario.exit_code for scenario in SCENARIOS}
    assert {scenario.exit_code for scenario in WHOLE} == codes
    ends = {scenario.plain.exit_code for scenario in SCENARIOS}
    assert {scenario.plain.exit_code for scenario in BY_PAPERMILL} == ends
    assert {scenario.exit_code for scenario in BY_THE_JOB} == codes - {0, -signal.SIGKILL}


@pytest.mark.parametrize("another", BY_THE_RUNNER, ids=by_name)
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


@pytest.mark.parametrize("another", BY_THE_OFFICIAL_KERNEL, ids=by_name)
def test_the_official_kernel_does_what_the_page_says(theatre: Theatre, another: Scenario) -> None:
    patience = patience_with_plain(another)
    ended = theatre.at_the_seam(another, official_kernel, patience=patience)
    assert passed_over(theatre, ended) == another.plain
