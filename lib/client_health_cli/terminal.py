"""What is written for a person: progress, sizes, counts."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator


def size_text(size: int) -> str:
    """Write a number of bytes with a fitting unit of 1,000s."""
    if size < 1000:
        return f"{size} B"
    for unit, factor in (("kB", 1e3), ("MB", 1e6)):
        if size < 999.95 * factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size / 1e9:,.1f} GB"


@contextlib.contextmanager
def progress_bar(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on the terminal; nothing when errors are piped elsewhere.

    Parameters
    ----------
    label
        What is going on.
    total
        Steps to go.

    Yields
    ------
    Callable
        To be told how many steps were made.
    """
    from rich.console import Console  # noqa: PLC0415 - slows the start of every command
    from rich.progress import Progress  # noqa: PLC0415

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=total)
        yield lambda steps: progress.update(task, advance=steps)
