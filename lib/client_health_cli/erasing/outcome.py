"""What an erasure says when it ends: what was searched, and what of people is left."""

from __future__ import annotations

import typer

from client_health_cli.erasing import places, raw_files
from client_health_cli.erasing.objects import Refusal
from client_health_cli.erasing.places import Place
from client_health_cli.erasing.search import Report, Values
from client_health_cli.errors import NotErasedError
from client_health_cli.terminal import count_text, size_text

_SHOWN = 20
_ARTICLES = {"id": "an"}


def tell(report: Report, values: Values, what: str = "", shared: int = 0) -> None:
    """Say what was searched.

    Parameters
    ----------
    report
        The result of the search.
    values
        What was looked for.
    what
        Where, if it isn't the lake.
    shared
        How many names and streets were not looked for.
    """
    total = sum(report.files.values())
    typer.echo(
        f"Searched {count_text(total, 'file')}{what} for {count_text(len(values.cpfs), 'CPF')} in "
        f"both forms, {count_text(len(values.all_ids), 'id')}, "
        f"{count_text(len(values.names), 'name')}, and {count_text(len(values.streets), 'street')}:"
    )
    for kind in sorted(report.files):
        stored, searched = report.stored.get(kind, 0), report.searched.get(kind, 0)
        typer.echo(
            f"  {kind}: {count_text(report.files[kind], 'file')}, {size_text(stored)}, "
            f"{size_text(searched)} decompressed"
        )
    if shared:
        typer.echo(f"  not searched, since others have them too: {shared:,} names and streets")


def left(report: Report, place: Place, people: Values, what: str = "") -> list[str]:
    """Return a line for each file that has something of people, or can't be searched."""

    def named(file: places.File) -> str:
        name = raw_files.shown(places.relative(file, place), people)
        return f"  {what}{name}{getattr(file, 'shown_version', '')}"

    lines = [
        f"{named(file)}: {count_text(count, 'time')} {_ARTICLES.get(kind, 'a')} {kind}"
        for (file, kind), count in sorted(report.found.items())
    ]
    return lines + [f"{named(file)}: {why}" for file, why in report.unsearchable.items()]


def refused(some: list[Refusal], place: Place, people: Values) -> list[str]:
    """Return a line for each file that could not be deleted."""
    return [
        f"  {raw_files.shown(places.relative(one.file, place), people)}"
        f"{one.file.shown_version} could not be deleted: {one.why}"
        for one in some
    ]


def conclude(lines: list[str]) -> None:
    """Say that nothing is left, or what.

    Raises
    ------
    NotErasedError
        Something is left.
    """
    if not lines:
        typer.echo("Nothing of them was found.")
        return
    more = [f"  and {len(lines) - _SHOWN:,} more"] if len(lines) > _SHOWN else []
    raise NotErasedError("\n".join(["something of them is left:", *lines[:_SHOWN], *more]))
