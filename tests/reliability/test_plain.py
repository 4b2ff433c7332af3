"""Plain papermill with the official kernel, both unmodified: what a team has without this project.

The table in ``docs/reliability.md`` says the same; should a newer kernel do better, this fails.
"""

from __future__ import annotations

from checks import passes_over
from scenarios import Scenario
from theatre import Theatre
from ways import plain


def test_plain_papermill_does_what_the_page_says(theatre: Theatre, scenario: Scenario) -> None:
    assert passes_over(theatre, scenario, plain) == scenario.plain
