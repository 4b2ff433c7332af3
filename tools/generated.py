"""One command line for every tool that writes a page, or a part of one, from the code."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def write_or_check(page: Path, render: Callable[[str], str]) -> int:
    """Write a page again, or with ``--check`` only say whether it has drifted.

    Parameters
    ----------
    page
        Where the page is when the command line names no other place.
    render
        What gives the page's text, from the text that is there ("" where nothing is).

    Returns
    -------
    int
        The exit code: 1 when a checked page has drifted, else 0.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true", help="write nothing; 1 when it drifted")
    parser.add_argument("file", nargs="?", type=Path, default=page, help="another place for it")
    given = parser.parse_args()
    found = given.file.read_text(encoding="utf-8") if given.file.exists() else ""
    wanted = render(found)
    if given.check and wanted != found:
        print(f"{given.file.name} has drifted: run make docs", file=sys.stderr)
        return 1
    if not given.check:
        given.file.write_text(wanted, encoding="utf-8")
    return 0
