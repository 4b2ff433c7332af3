"""What an erasure keeps until it is proved, and what it asks of the session.

CPFs, names, and streets never go to S3: for a lake there, they are in a file of this account.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from client_health_cli.erasing import places
from client_health_cli.erasing.places import Place, Prefix
from client_health_cli.erasing.search import Values
from client_health_cli.errors import SettingsError
from register_contract import erasures
from register_contract.erasures import Request
from register_run import storage


@dataclass(frozen=True)
class State:
    """What an erasure must know until it is proved.

    Attributes
    ----------
    request
        What the session does.
    values
        What the proof looks for.
    shared
        How many names and streets tell of others, too, and so prove nothing.
    raw
        The raw files that are part of it; empty if none are.
    """

    request: Request
    values: Values
    shared: int = 0
    raw: str = ""

    def dump(self) -> str:
        """Return the state as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)


def state_path(lake: Place) -> Path:
    """Return where the state of a lake's erasure is: in the lake, or for S3 on this machine."""
    if isinstance(lake, Path):
        return lake / erasures.STATE
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    name = hashlib.sha256(str(lake).encode()).hexdigest()[:16]
    return Path(base) / "client-health" / "erasures" / name / "state.json"


def load(lake: Place) -> State | None:
    """Return the state of an erasure that a lake waits for; None if there is none."""
    try:
        fields = json.loads(state_path(lake).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    values = Values(**{name: tuple(found) for name, found in fields["values"].items()})
    request = erasures.parse(json.dumps(fields["request"]))
    return State(request, values, fields["shared"], fields.get("raw", ""))


def begun_elsewhere(lake: Place, values: Values) -> Request | None:
    """Return the request of an erasure of the same people that another machine has begun.

    Raises
    ------
    SettingsError
        It is of other people.
    """
    text = None if isinstance(lake, Path) else storage.read_bytes(_uri(lake, erasures.REQUEST))
    if text is None:
        return None
    request = erasures.parse(text.decode())
    if request.ids != values.ids:
        raise SettingsError(
            f"the erasure of {len(request.ids):,} others has begun in this lake and isn't "
            "finished: run the same command with their CPFs first, where it was begun"
        )
    return request


def keep(lake: Place, state: State) -> None:
    """Keep the state, then ask the session; a request without a state would be unknown."""
    _write_private(state_path(lake), state.dump())
    _write(lake, erasures.REQUEST, state.request.dump())


def finish(lake: Place) -> None:
    """Remove what the erasure had to know."""
    if isinstance(lake, Path):
        shutil.rmtree(lake / erasures.FOLDER, ignore_errors=True)
        return
    _forget(lake)
    shutil.rmtree(state_path(lake).parent, ignore_errors=True)


def ask(lake: Place, rows: list[dict[str, str]] | None) -> None:
    """Write the holds that the session is to add to their table; None removes the request."""
    if rows is not None:
        _write(lake, erasures.HOLDS, json.dumps(rows, ensure_ascii=False))
    elif isinstance(lake, Path):
        (lake / erasures.HOLDS).unlink(missing_ok=True)
    else:
        _forget(lake, erasures.HOLDS)


def _forget(lake: Prefix, path: str = erasures.FOLDER) -> None:
    """Delete what an erasure or a hold has asked of the session, with all versions."""
    asked = places.files(Prefix(_uri(lake, erasures.FOLDER)))
    places.delete(file for file in asked if places.location(file).startswith(_uri(lake, path)))


def _uri(lake: Place, path: str) -> str:
    return storage.join(str(lake), path)


def _write(lake: Place, path: str, text: str) -> None:
    if isinstance(lake, Path):
        _write_private(lake / path, text)
    else:
        storage.write_text(_uri(lake, path), text)


def _write_private(path: Path, text: str) -> None:
    for folder in (path.parent.parent, path.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
