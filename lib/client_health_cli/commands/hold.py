"""`client-health hold`: legal holds, which keep people from being erased."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from client_health_cli.errors import SettingsError
from client_health_cli.terminal import count_text

_Lake = Annotated[str, typer.Option(help="The lake: a folder or an s3:// prefix.")]
_CpfFile = Annotated[
    str, typer.Option(metavar="FILE|-", help="The CPFs, one a line; - for standard input.")
]
_By = Annotated[str, typer.Option(help="Who orders it, for the record: a role or number, no name.")]
_IdKey = Annotated[
    str, typer.Option(metavar="FILE|SECRET", help="The key for ids (default: the user's own).")
]
_PreviousIdKey = Annotated[
    str,
    typer.Option(
        metavar="FILE|SECRET",
        help="The key that ids were made with earlier, until runs have carried all holds over.",
    ),
]
_Sessions = Annotated[
    str, typer.Option(metavar="local|aws|URL", help="Where Interactive Sessions are created.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    hold = typer.Typer(help="Keep people from being erased: legal holds.", no_args_is_help=True)
    hold.command("add")(add)
    hold.command("list")(list_holds)
    hold.command("end")(end)
    app.add_typer(hold, name="hold")


def add(  # noqa: PLR0917 - one for each option
    lake: _Lake,
    cpf_file: _CpfFile,
    reason: Annotated[str, typer.Option(help="Why their data must be kept.")],
    until: Annotated[str, typer.Option(metavar="DATE", help="Last day of the hold.")],
    by: _By,
    id_key: _IdKey = "",
    previous_id_key: _PreviousIdKey = "",
    sessions: _Sessions = "local",
) -> None:
    """Keep people from being erased until a day.

    A new hold of a person replaces an earlier one.

    Example: client-health hold add --lake data/lake --cpf-file people.txt --reason "lawsuit 17"
    --until 2027-12-31 --by legal-2

    Exit codes: 0 done; 2 usage, or no lake; 4 a session, statement, or service failed.
    """
    from client_health_cli.erasing import cpfs  # noqa: PLC0415 - slows every command's start

    try:
        last = dt.date.fromisoformat(until)
    except ValueError:
        raise SettingsError(f"--until {until!r}: give a day such as 2027-12-31") from None
    if last < cpfs.today():
        raise SettingsError(
            f"--until {until}: that day is over, so this would end a hold: use `hold end` for that"
        )
    for option, text in (("--reason", reason), ("--by", by)):
        if not text.strip():
            raise SettingsError(f"{option} is empty: the record needs it")
    keys = (id_key, previous_id_key)
    people = _write(lake, cpf_file, keys, sessions, reason=reason, until=last, by=by)
    typer.echo(f"{_people(people)} held until {last}.")


def end(  # noqa: PLR0917 - one for each option
    lake: _Lake,
    cpf_file: _CpfFile,
    by: _By,
    id_key: _IdKey = "",
    previous_id_key: _PreviousIdKey = "",
    sessions: _Sessions = "local",
) -> None:
    """End the legal hold of people.

    Example: client-health hold end --lake data/lake --cpf-file people.txt --by legal-2

    Exit codes: 0 done; 2 usage, or no lake; 4 a session, statement, or service failed.
    """
    from client_health_cli.erasing import cpfs  # noqa: PLC0415 - slows every command's start

    before = cpfs.today() - dt.timedelta(days=1)
    keys = (id_key, previous_id_key)
    people = _write(lake, cpf_file, keys, sessions, reason="ended", until=before, by=by)
    typer.echo(f"{_people(people)} no longer held.")


def list_holds(lake: _Lake) -> None:
    """List the active legal holds: how many people, why, and until when.

    Example: client-health hold list --lake data/lake

    Exit codes: 0 listed; 2 usage, or no lake.
    """
    from client_health_cli.commands.erase import lake_of  # noqa: PLC0415
    from client_health_cli.erasing import cpfs, held  # noqa: PLC0415

    found = held.active(str(lake_of(lake)), cpfs.today()).values()
    groups: dict[tuple[dt.date, str, str], list[held.Hold]] = {}
    for hold in found:
        groups.setdefault((hold.until, hold.reason, hold.ordered_by), []).append(hold)
    for until, reason, by in sorted(groups):
        people = count_text(held.people(groups[until, reason, by]), "person", "people")
        typer.echo(f"until {until}: {people}, {reason} (ordered by {by})")
    if not groups:
        typer.echo("Nobody is held.")


def _people(number: int) -> str:
    return f"{count_text(number, 'person', 'people')} {'is' if number == 1 else 'are'}"


def _write(
    lake: str,
    cpf_file: str,
    keys: tuple[str, str],
    sessions: str,
    *,
    reason: str,
    until: dt.date,
    by: str,
) -> int:
    from client_health_cli import maintenance  # noqa: PLC0415
    from client_health_cli.commands.erase import lake_of  # noqa: PLC0415
    from client_health_cli.erasing import cpfs, held, keeping  # noqa: PLC0415

    place = lake_of(lake)
    key = cpfs.key_of(place, keys[0])
    previous = cpfs.previous_key(keys[1], key)
    people = cpfs.values(cpfs.read(cpf_file), key, previous)
    of_keys = zip(cpfs.versions(key, previous), (people.ids, people.previous_ids), strict=False)
    ids = [(person, version) for version, found in of_keys for person in found]
    with maintenance.upkeep(str(place), sessions, alone=True) as upkeep:
        keeping.ask(place, held.rows(ids, reason, until, by))
        try:
            maintenance.hold(upkeep)
        finally:
            keeping.ask(place, None)
    return len(people.ids)
