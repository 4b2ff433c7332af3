"""Write the table of failures into ``docs/reliability.md``: ``python -m tools.reliability_page``.

The table comes from the scenarios that the tests run, so the page shows what was measured. With
``--check`` the tool writes nothing, and exits with 1 if the page has drifted.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.scenarios import SCENARIOS
from tools.generated import write_or_check

ROOT = Path(__file__).resolve().parent.parent

if TYPE_CHECKING:
    from tests.support.scenarios import Scenario

PAGE = ROOT / "docs" / "reliability.md"
_BLOCK = re.compile(r"(<!-- table: failures -->\n).*?(<!-- /table -->)", re.DOTALL)
_HEAD = (
    "| failure | how the tests provoke it | papermill with the official kernel | "
    "`client-health run`, `job_client_health.py` | nbval with the strict kernel |\n"
    "| --- | --- | --- | --- | --- |\n"
)


def page(text: str) -> str:
    """Return the page with its table generated again."""
    rows = "".join(_row(scenario) for scenario in SCENARIOS)
    return _BLOCK.sub(lambda found: found[1] + _HEAD + rows + found[2], text)


def _row(scenario: Scenario) -> str:
    says = ", ".join(f"`{words}`" for words in scenario.says)
    ours = f"exit {scenario.exit_code}" if scenario.exit_code >= 0 else "the next start continues"
    cells = [
        scenario.what,
        scenario.how,
        _plain(scenario),
        f"{ours}: {says}" if says else ours,
        "fails" if scenario.nbval_fails else "passes",
    ]
    return f"| {' | '.join(cells)} |\n"


def _plain(scenario: Scenario) -> str:
    plain = scenario.plain
    if plain.exit_code is None:
        ends = f"**not ended** after {scenario.patience:.0f} s"
    elif plain.exit_code < 0:
        ends = "ends"
    else:
        ends = f"**exit {plain.exit_code}**" if plain.exit_code == 0 else f"exit {plain.exit_code}"
    parts = [ends]
    if plain.emptied:
        parts.append("the next cell ran in a new, empty session")
    elif plain.went_on:
        parts.append("the next cell ran")
    elif plain.exit_code == 0:
        parts.append("the next cell did not run")
    if plain.session_left:
        parts.append("the session keeps running")
    return "; ".join(parts)


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, page))
