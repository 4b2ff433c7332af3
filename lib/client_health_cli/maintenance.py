"""Maintenance of a lake, in an interactive session."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from client_health_cli.pipeline import session_settings
from register_contract import contract, runs
from register_contract.retention import Retention
from register_run import PublishedTable, Stage, publication_record, read_notebook, storage
from strict_glue import Limits, OwnSessions, session_request

_NAME = "maintain"
_CODE = """\
import json
from client_health import maintenance
from register_contract.retention import Retention
print(json.dumps(maintenance.maintain({lake!r}, Retention(**{retention!r}))))
"""


@dataclass(frozen=True)
class Maintained:
    """The results of maintenance; see ``client_health.publish.maintenance.maintain``."""

    publications: int
    snapshots_before: int
    snapshots_after: int
    expired_files: int
    orphan_files: int


def maintain(
    lake: str,
    retention: Retention,
    *,
    sessions: str,
    notebooks: Path,
    limits: Limits,
    note: Callable[[str], None],
) -> Maintained | None:
    """Maintain a lake in a separate session.

    Parameters
    ----------
    lake
        A folder or an `s3://` prefix.
    retention
        What is kept.
    sessions
        `local`, `aws`, or a service's URL.
    notebooks
        Folder of the notebooks, which define the session.
    limits
        How long things may take.
    note
        Called with a line for people.

    Returns
    -------
    Maintained or None
        None if nothing has been published there.

    Raises
    ------
    StrictGlueError
        The session or its work failed.
    """
    place = storage.normalise(lake)
    published = PublishedTable(contract.TABLE, contract.LOG_TABLE, contract.CATALOG)
    if publication_record.history(place, published).last is None:
        return None
    last = Stage(_NAME, str(notebooks / f"{runs.QUALITY}.ipynb"))
    asked = session_request.configuration(read_notebook(last), last.notebook)
    code = _CODE.format(lake=place, retention=dataclasses.asdict(retention))
    with (
        session_settings(sessions, place) as settings,
        OwnSessions(settings, limits, note).opened(asked, _NAME) as session,
    ):
        printed = session.run_own(code)
    return Maintained(**json.loads(printed.strip().splitlines()[-1]))
