"""The CPFs of the people that a command is about, from a file or from standard input."""

from __future__ import annotations

import datetime as dt
import re
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

from client_health_cli.erasing.places import Place
from client_health_cli.erasing.search import Values
from client_health_cli.errors import SettingsError
from client_health_cli.terminal import BRASILIA

#: In place of a file: standard input.
STANDARD_INPUT = "-"
_CPF = re.compile(r"\A(?:[0-9]{11}|[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2})\Z")


def read(file: str) -> tuple[str, ...]:
    """Return the CPFs of a file, 11 digits each, sorted, each once.

    Parameters
    ----------
    file
        Its path, or `-` for standard input: a CPF a line, with or without punctuation.

    Raises
    ------
    SettingsError
        There is no such file, no CPF in it, or a line that isn't one. The message has the line's
        number, never its content.
    """
    if file == STANDARD_INPUT:
        return parse(sys.stdin)
    try:
        with Path(file).open(encoding="utf-8-sig") as lines:
            return parse(lines)
    except OSError as error:
        raise SettingsError(f"--cpf-file {file}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise SettingsError(f"--cpf-file {file}: it isn't a text file") from None


def parse(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the CPFs of some lines; see :func:`read`."""
    found = set()
    for number, line in enumerate(lines, start=1):
        written = line.strip()
        if not written:
            continue
        if not _CPF.match(written):
            raise SettingsError(
                f"line {number} of the CPFs isn't a CPF: give 11 digits a line, with or without "
                "punctuation"
            )
        found.add(re.sub(r"[.-]", "", written))
    if not found:
        raise SettingsError("there is no CPF to read: give one a line")
    return tuple(sorted(found))


def today() -> dt.date:
    """Return the day in Brasília: the last day of a hold ends there, not in UTC."""
    return dt.datetime.now(BRASILIA).date()


def values(cpfs: tuple[str, ...], key: bytes, previous: bytes = b"") -> Values:
    """Return CPFs with their ids, also those that an earlier key gives, if there is one."""
    from client_health import identity  # noqa: PLC0415 - loads Polars

    ids = (tuple(identity.client_id(one, cpf) for cpf in cpfs) for one in (key, previous) if one)
    return Values(cpfs, next(ids), previous_ids=next(ids, ()))


def without(people: Values, ids: Collection[str]) -> Values:
    """Return people without those with some ids; only their CPFs and ids."""

    def kept(values: tuple[str, ...]) -> tuple[str, ...]:
        pairs = zip(values, people.ids, strict=True)
        return tuple(value for value, person in pairs if person not in ids)

    previous = kept(people.previous_ids) if people.previous_ids else ()
    return Values(kept(people.cpfs), kept(people.ids), previous_ids=previous)


def key_of(lake: Place, location: str) -> bytes:
    """Return the id key of a lake.

    Parameters
    ----------
    lake
        The lake.
    location
        Of a file or a secret; empty means the user's own file, which must exist.

    Raises
    ------
    SettingsError
        There is no key, it can't be used, or the lake was published with another one.
    """
    from client_health import identity  # noqa: PLC0415
    from client_health_cli.databases import tables_of  # noqa: PLC0415
    from register_run import publication_record  # noqa: PLC0415

    if not location and not identity.default_key_path().exists():
        raise SettingsError("there is no id key here: name it with --id-key")
    key = _loaded(location)
    last = publication_record.history(str(lake), tables_of(str(lake))).last
    if last is not None and last.key_check not in {"", identity.key_check(key)}:
        raise SettingsError(
            "the table was published with another id key: with this one, nobody would be found"
        )
    return key


def previous_key(location: str, key: bytes) -> bytes:
    """Return the key that ids were made with earlier; empty if none is given.

    Parameters
    ----------
    location
        Of a file or a secret; empty for none.
    key
        The lake's key.

    Raises
    ------
    SettingsError
        It can't be used, or is the lake's key.
    """
    found = _loaded(location) if location else b""
    if found == key:
        raise SettingsError("--previous-id-key is the key of the table: leave it out")
    return found


def versions(key: bytes, previous: bytes) -> tuple[str, ...]:
    """Return the versions of the lake's key and, if there is one, of the earlier key."""
    from client_health import identity  # noqa: PLC0415

    return tuple(identity.key_check(one) for one in (key, previous) if one)


def _loaded(location: str) -> bytes:
    from client_health import SettingsError as KeyRefusedError  # noqa: PLC0415
    from client_health import identity  # noqa: PLC0415

    try:
        return identity.load_key(location)
    except KeyRefusedError as error:
        raise SettingsError(str(error)) from error
