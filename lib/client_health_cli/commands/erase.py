"""`client-health erase`: erase people from a lake and from raw files, and prove it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from client_health_cli.errors import LakeError, SettingsError
from client_health_cli.terminal import count_text

if TYPE_CHECKING:
    from client_health_cli.erasing.keeping import State
    from client_health_cli.erasing.objects import Refusal
    from client_health_cli.erasing.places import Place
    from client_health_cli.erasing.raw_files import Found
    from client_health_cli.erasing.search import Values


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("erase")(erase)


def erase(  # noqa: PLR0917 - one for each option
    lake: Annotated[str, typer.Option(help="The lake: a folder or an s3:// prefix.")],
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
    raw: Annotated[
        str,
        typer.Option(
            metavar="FOLDER|URI",
            help="Erase them from the raw files there, too; in S3, from every object version.",
        ),
    ] = "",
    rewrite: Annotated[
        bool,
        typer.Option("--rewrite", help="With --raw: write current files again without their rows."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Erase without asking.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Only search the lake, and --raw, for the people.")
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

    With --raw, it lists the raw files, or object versions, that have a row with their CPF, and
    deletes them. With --rewrite, it writes the current ones again without these rows, everything
    else as it was, and deletes only the older ones. In a lake in S3, which has no lock, it also
    stops runs at work: their branches are dropped.

    Example: client-health erase --lake data/lake --cpf-file people.txt --ground "LGPD art. 18, VI"
    --by dpo-7

    Exit codes: 0 nothing is left; 1 something is left; 2 usage, or no lake; 4 a session,
    statement, or service failed, or others work on the lake.
    """
    from client_health_cli.erasing import cpfs, raw_files  # noqa: PLC0415 - slows every command

    place = lake_of(lake)
    raw_place = raw_files.place_of(raw) if raw else None
    _check_raw(place, raw_place, cpf_file, rewrite=rewrite)
    if not verify:
        if not ground or not by:
            raise SettingsError("--ground and --by are missing: the audit record needs both")
        if cpf_file == cpfs.STANDARD_INPUT and not yes:
            raise SettingsError("CPFs on standard input need --yes: there is nowhere to ask")
    key = cpfs.key_of(place, id_key)
    previous = cpfs.previous_key(previous_id_key, key)
    people = cpfs.values(cpfs.read(cpf_file), key, previous)
    if verify:
        _verify(place, people, raw_place)
        return
    order = _Order(ground, by, cpfs.versions(key, previous), not yes, raw_place, rewrite)
    _erase(place, people, order, sessions)


def lake_of(lake: str) -> Place:
    """Return the folder or prefix of a lake.

    Raises
    ------
    LakeError
        There is none.
    """
    from client_health_cli.erasing import places  # noqa: PLC0415
    from client_health_cli.published import is_remote, lake_folder, opened  # noqa: PLC0415

    if is_remote(lake):
        place = places.prefix_of(lake)
        with opened(str(place)):
            return place
    folder = lake_folder(lake)
    if not (folder / "catalog.db").is_file():
        raise LakeError(lake, f"no lake at {folder}: it has no catalog.db")
    return folder


def _check_raw(lake: Place, raw: Place | None, cpf_file: str, *, rewrite: bool) -> None:
    """Refuse raw files that are also something else.

    Raises
    ------
    SettingsError
        The lake is in them, they are in the lake, or the file with the CPFs is among them.
    """
    if raw is None:
        if rewrite:
            raise SettingsError("--rewrite says what becomes of raw files: give --raw, too")
        return
    whole = (place.resolve() if isinstance(place, Path) else place for place in (raw, lake))
    one, other = (f"{place}/" for place in whole)
    if one.startswith(other) or other.startswith(one):
        raise SettingsError(
            f"--raw {raw} and the lake {lake} are in each other: name the raw files alone"
        )
    if isinstance(raw, Path) and Path(cpf_file).resolve().is_relative_to(raw):
        raise SettingsError(f"--cpf-file is in --raw {raw}: put it elsewhere, or it would go, too")


def _verify(lake: Place, people: Values, raw: Place | None) -> None:
    from client_health_cli.erasing import forget, keeping, outcome  # noqa: PLC0415

    begun = keeping.load(lake)
    if begun is not None and begun.values.cpfs == people.cpfs:
        people = begun.values
    report = forget.prove(lake, people)
    outcome.tell(report, people)
    lines = outcome.left(report, lake, people)
    if raw is not None:
        lines += _raw_lines(raw, people)
    outcome.conclude(lines)


def _raw_lines(raw: Place, people: Values) -> list[str]:
    """Search the raw files; return a line for each that has something of people."""
    from client_health_cli.erasing import outcome, raw_files  # noqa: PLC0415

    report = raw_files.prove(raw, people)
    outcome.tell(report, raw_files.searched(people), f" of {raw}")
    return outcome.left(report, raw, people, f"{raw}: ")


@dataclass(frozen=True)
class _Order:
    ground: str
    by: str
    id_keys: tuple[str, ...]
    asking: bool
    raw: Place | None = None
    rewrite: bool = False


def _erase(lake: Place, people: Values, order: _Order, sessions: str) -> None:
    from client_health_cli import maintenance  # noqa: PLC0415
    from client_health_cli.erasing import cpfs, forget, held, keeping, outcome, raw_files  # noqa: PLC0415

    refused: list[Refusal] = []
    report = None
    with maintenance.upkeep(str(lake), sessions, alone=True) as upkeep:
        _warn_of_hidden(held.hidden(str(lake), cpfs.today(), order.id_keys), order)
        same = dict(zip(people.previous_ids, people.ids, strict=False))
        active = held.active(str(lake), cpfs.today(), same)
        left = {person: active[person] for person in people.ids if person in active}
        for hold in sorted({(hold.until, hold.reason) for hold in left.values()}):
            number = sum((one.until, one.reason) == hold for one in left.values())
            typer.echo(f"Left because of a legal hold until {hold[0]} ({hold[1]}): {number:,}")
        going = cpfs.without(people, left)
        if not going.ids:
            typer.echo("Nobody is left to erase; nothing was changed.")
            return
        raw = raw_files.find(order.raw, going, rewrite=order.rewrite) if order.raw else None
        state, found = forget.plan(
            lake,
            going,
            ground=order.ground,
            by=order.by,
            held=len(left),
            id_keys=order.id_keys,
            raw=raw,
        )
        _say(state, raw, maintenance.live_branches(upkeep))
        if order.asking:
            typer.confirm("Erase them?", abort=True)
        session = functools.partial(maintenance.erase, upkeep)
        for step in forget.steps(lake, state, found, session, raw, refused.append):
            report = step() or report
    if report is None:
        return
    outcome.tell(report, state.values, shared=state.shared)
    lines = outcome.left(report, lake, state.values)
    if order.raw is not None:
        lines += outcome.refused(refused, order.raw, state.values)
        lines += _raw_lines(order.raw, state.values)
    if not lines:
        keeping.finish(lake)
    outcome.conclude(lines)


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


def _say(state: State, raw: Found | None, branches: list[str]) -> None:
    from client_health_cli.erasing import forget, raw_files  # noqa: PLC0415

    request = state.request
    people = count_text(len(request.ids), "person", "people")
    typer.echo(f"Erasure {request.erasure_id} of {people} removes:")
    for line in forget.counted(request.zones) or ["nothing but what tomorrow would bring"]:
        typer.echo(f"  {line}")
    typer.echo(
        "  every older snapshot and every branch of the tables: no rollback goes past an erasure"
    )
    for branch in branches:
        typer.echo(f"  the branch {branch}: if its run is at work, it fails; run it again")
    if raw is not None:
        typer.echo("\n".join(raw_files.described(raw, state.values)))
