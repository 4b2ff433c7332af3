"""`client-health erase`: erase people from a lake, and prove it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from client_health_cli.errors import LakeError, NotErasedError, SettingsError

if TYPE_CHECKING:
    from client_health_cli.erasing.forget import State
    from client_health_cli.erasing.search import Report, Values

_SHOWN = 20
_ARTICLES = {"id": "an"}


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("erase")(erase)


def erase(  # noqa: PLR0917 - one for each option
    lake: Annotated[str, typer.Option(help="The lake: a folder.")],
    cpf_file: Annotated[
        str, typer.Option(metavar="FILE|-", help="The CPFs, one a line; - for standard input.")
    ],
    ground: Annotated[str, typer.Option(help="Ground of the erasure, for the record.")] = "",
    by: Annotated[
        str, typer.Option(help="Who orders it, for the record: a role or number, no name.")
    ] = "",
    id_key: Annotated[
        str, typer.Option(metavar="FILE|SECRET", help="The key for ids (default: the user's own).")
    ] = "",
    previous_id_key: Annotated[
        str,
        typer.Option(
            metavar="FILE|SECRET",
            help="The key that ids were made with earlier, until runs and `maintain` have removed"
            " what is left of it.",
        ),
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Erase without asking.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Only search the lake for the people.")
    ] = False,
    sessions: Annotated[
        str, typer.Option(metavar="local|aws|URL", help="Where Interactive Sessions are created.")
    ] = "local",
) -> None:
    """Erase people from a lake, keep them out, and prove it.

    The command says what it will do, and asks. It then removes their rows from all tables, every
    older snapshot and branch, and the files of runs and deliveries that mention them. Later runs
    leave them out and count them as suppressed. No rollback goes past an erasure. At the end, it
    decompresses and searches every file of the lake. If it is stopped at any point, the same
    command goes on. People with a legal hold stay. A CPF is never an argument.

    Example: client-health erase --lake data/lake --cpf-file people.txt --ground "LGPD art. 18, VI"
    --by dpo-7

    Exit codes: 0 nothing is left; 1 something is left; 2 usage, or no lake; 4 a session,
    statement, or service failed, or others work on the lake.
    """
    from client_health_cli.erasing import cpfs, forget  # noqa: PLC0415 - slows every command

    folder = local_lake(lake)
    if not verify:
        if not ground or not by:
            raise SettingsError("--ground and --by are missing: the audit record needs both")
        if cpf_file == cpfs.STANDARD_INPUT and not yes:
            raise SettingsError("CPFs on standard input need --yes: there is nowhere to ask")
    key = cpfs.key_of(folder, id_key)
    previous = cpfs.previous_key(previous_id_key, key)
    people = cpfs.values(cpfs.read(cpf_file), key, previous)
    if verify:
        begun = forget.load(folder)
        if begun is not None and begun.values.cpfs == people.cpfs:
            people = begun.values
        _conclude(folder, forget.prove(folder, people), people)
        return
    order = _Order(ground, by, cpfs.versions(key, previous), asking=not yes)
    _erase(folder, people, order, sessions)


def local_lake(lake: str) -> Path:
    """Return the folder of a lake.

    Raises
    ------
    LakeError, SettingsError
        There is none, or it is in S3.
    """
    from client_health_cli.published import is_remote, lake_folder  # noqa: PLC0415

    if is_remote(lake):
        raise SettingsError(
            f"{lake} is in S3, where this command can't erase yet: object versions would be left"
        )
    folder = lake_folder(lake)
    if not (folder / "catalog.db").is_file():
        raise LakeError(lake, f"no lake at {folder}: it has no catalog.db")
    return folder


@dataclass(frozen=True)
class _Order:
    ground: str
    by: str
    id_keys: tuple[str, ...]
    asking: bool


def _erase(folder: Path, people: Values, order: _Order, sessions: str) -> None:
    from client_health_cli import maintenance  # noqa: PLC0415
    from client_health_cli.erasing import cpfs, forget, held  # noqa: PLC0415

    with maintenance.upkeep(str(folder), sessions, alone=True) as upkeep:
        _warn_of_hidden(held.hidden(str(folder), cpfs.today(), order.id_keys), order)
        same = dict(zip(people.previous_ids, people.ids, strict=False))
        active = held.active(str(folder), cpfs.today(), same)
        left = {person: active[person] for person in people.ids if person in active}
        for hold in sorted({(hold.until, hold.reason) for hold in left.values()}):
            number = sum((one.until, one.reason) == hold for one in left.values())
            typer.echo(f"Left because of a legal hold until {hold[0]} ({hold[1]}): {number:,}")
        going = cpfs.without(people, left)
        if not going.ids:
            typer.echo("Nobody is left to erase; nothing was changed.")
            return
        state, found = forget.plan(
            folder,
            going,
            ground=order.ground,
            by=order.by,
            held=len(left),
            id_keys=order.id_keys,
        )
        _say(state)
        if order.asking:
            typer.confirm("Erase them?", abort=True)
        report = None
        for step in forget.steps(folder, state, found, lambda: maintenance.erase(upkeep)):
            report = step() or report
    if report is not None:
        _conclude(folder, report, state.values, state)


def _warn_of_hidden(holds: int, order: _Order) -> None:
    """Say that some legal holds can't be compared with the people; refuse if nobody can answer.

    Raises
    ------
    SettingsError
        There are such holds, and the command doesn't ask.
    """
    if not holds:
        return
    text = (
        f"Legal holds with an id of an earlier key only: {holds:,}. Whether they are of these "
        "people is unknown: give that key as --previous-id-key"
    )
    if not order.asking:
        raise SettingsError(f"{text}, or run without --yes")
    typer.echo(f"{text}.")


def _say(state: State) -> None:
    from client_health_cli.erasing import forget  # noqa: PLC0415

    request = state.request
    typer.echo(f"Erasure {request.erasure_id} of {len(request.ids):,} people removes:")
    for line in forget.counted(request.zones) or ["nothing but what tomorrow would bring"]:
        typer.echo(f"  {line}")
    typer.echo(
        "  every older snapshot and every branch of the tables: no rollback goes past an erasure"
    )


def _conclude(folder: Path, report: Report, values: Values, state: State | None = None) -> None:
    """Say what was searched and found, and forget the values if nothing was."""
    from client_health_cli.erasing import forget  # noqa: PLC0415
    from client_health_cli.terminal import size_text  # noqa: PLC0415

    total = sum(report.files.values())
    names, streets = len(values.names), len(values.streets)
    typer.echo(
        f"Searched {total:,} files for {len(values.cpfs):,} CPFs in both forms, "
        f"{len(values.all_ids):,} ids, {names:,} names, and {streets:,} streets:"
    )
    for kind in sorted(report.files):
        stored, searched = report.stored.get(kind, 0), report.searched.get(kind, 0)
        typer.echo(
            f"  {kind}: {report.files[kind]:,} files, {size_text(stored)}, "
            f"{size_text(searched)} decompressed"
        )
    if state is not None and state.shared:
        typer.echo(
            f"  not searched, since others have them too: {state.shared:,} names and streets"
        )
    if report.is_clean:
        if state is not None:
            forget.finish(folder)
        typer.echo("Nothing of them was found.")
        return
    lines = [
        f"  {path.relative_to(folder)}: {count:,} times {_ARTICLES.get(kind, 'a')} {kind}"
        for (path, kind), count in sorted(report.found.items())
    ]
    lines += [f"  {path.relative_to(folder)}: {why}" for path, why in report.unsearchable.items()]
    more = [f"  and {len(lines) - _SHOWN:,} more"] if len(lines) > _SHOWN else []
    raise NotErasedError("\n".join(["something of them is left:", *lines[:_SHOWN], *more]))
