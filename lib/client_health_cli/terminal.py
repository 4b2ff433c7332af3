"""Output for people: progress, sizes, counts, and their time zone."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from typing import Final

# Brazil has had no summer time since 2019, so this needs no time zone data.
BRASILIA: Final = dt.timezone(dt.timedelta(hours=-3))


def size_text(size: int) -> str:
    """Return a number of bytes with a suitable decimal unit."""
    if size < 1000:
        return f"{size} B"
    for unit, factor in (("kB", 1e3), ("MB", 1e6)):
        if size < 999.95 * factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size / 1e9:,.1f} GB"


def count_text(number: int, one: str, many: str = "") -> str:
    """Return a number and what it counts, such as `1 row` and `1,200 rows`.

    Parameters
    ----------
    number
        How many.
    one, many
        The noun for one, and for any other number; by default, with an s.
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


@contextlib.contextmanager
def progress_bar(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on the terminal, unless standard error is redirected.

    Parameters
    ----------
    label
        Name of the work.
    total
        Number of steps.

    Yields
    ------
    Callable
        Call it with the number of steps done.
    """
    from rich.console import Console  # noqa: PLC0415 - slows the start of every command
    from rich.progress import Progress  # noqa: PLC0415

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=total)
        yield lambda steps: progress.update(task, advance=steps)
