"""What the command asks of the session that erases people from the tables.

The command computes the ids and matches rows that have none. Only ids, and what is in this file,
enter the session. The file is readable by its owner alone, and gone when the erasure is done.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from register_contract.tables import RESTRICTED

#: The lake's folder for what an erasure needs until it is done.
FOLDER = f"{RESTRICTED}/erasure"
#: The request to the session, and what the command knows, for a start after a failure.
REQUEST, STATE = f"{FOLDER}/request.json", f"{FOLDER}/state.json"
#: What the session writes to the table of legal holds: ids, no CPFs.
HOLDS = f"{FOLDER}/holds.json"
#: What CPFs and content are compared without.
SEPARATORS = " ./-"


@dataclass(frozen=True)
class Zone:
    """What is erased in one part of the lake.

    Parameters
    ----------
    name : str
        A table, or a folder of the lake.
    rows : int or None
        Rows of the people; None if they are not counted.
    files : int
        Files with these rows.
    """

    name: str
    rows: int | None = None
    files: int = 0


@dataclass(frozen=True)
class Request:
    """What is asked.

    Parameters
    ----------
    erasure_id : str
    ids : tuple of str
        The people's ids.
    ground, ordered_by : str
    ordered_at : str
        In UTC, as ISO 8601 without a zone.
    held : int
        People who are left because of a legal hold.
    zones : tuple of Zone
        What was found, for the audit record.
    rejections : tuple of str
        Their rejected rows, by name: these have no id.
    id_key : str
        Version of the key that the ids were made with.
    previous_ids : tuple of str
        The people's ids of an earlier key, if it was given.
    previous_id_key : str
        Its version.
    """

    erasure_id: str
    ids: tuple[str, ...]
    ground: str
    ordered_by: str
    ordered_at: str
    held: int = 0
    zones: tuple[Zone, ...] = ()
    rejections: tuple[str, ...] = ()
    id_key: str = ""
    previous_ids: tuple[str, ...] = ()
    previous_id_key: str = ""

    def dump(self) -> str:
        """Return the request as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)


def parse(text: str) -> Request:
    """Parse a request from JSON."""
    fields: dict[str, Any] = json.loads(text)
    zones = tuple(Zone(**zone) for zone in fields.pop("zones"))
    ids, previous = tuple(fields.pop("ids")), tuple(fields.pop("previous_ids"))
    names = tuple(fields.pop("rejections", ()))
    return Request(ids=ids, zones=zones, previous_ids=previous, rejections=names, **fields)
