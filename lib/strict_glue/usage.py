"""What a session used, which the service says once the session has ended."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Optional

from botocore.exceptions import BotoCoreError, ClientError

from strict_glue import api
from strict_glue.session import Session

_ENDED = frozenset({"STOPPED", "FAILED", "TIMEOUT"})
_FIRST_POLL = 0.03


@dataclass(frozen=True)
class Usage:
    """What a session used.

    Parameters
    ----------
    session_id : str
        Its id.
    dpu_seconds : float
        Seconds of one data processing unit (DPU: 4 vCPUs and 16 GB of memory).
    reported : bool
        Whether the service said so; otherwise, it is the session's capacity times its age.
    """

    session_id: str
    dpu_seconds: float
    reported: bool


def usage_of(session: Session, patience: float) -> Optional[Usage]:
    """Return what a session used that was asked to stop.

    Parameters
    ----------
    session : Session
        The session.
    patience : float
        Seconds to wait until it has ended. With 0, the service is asked once.

    Returns
    -------
    Usage or None
        None if the service says neither what it used nor its capacity. Nothing is raised: what a
        run cost is no reason for it to fail.
    """
    deadline = time.monotonic() + patience
    pause = _FIRST_POLL
    found: Mapping[str, Any] = {}
    while True:
        left = max(0.0, deadline - time.monotonic())
        try:
            get = session.client.get_session
            found = api.call(get, left, Id=session.session_id)["Session"]
        except (ClientError, BotoCoreError):
            break
        if found["Status"] in _ENDED and "DPUSeconds" in found:
            return Usage(session.session_id, float(found["DPUSeconds"]), reported=True)
        if not left:
            break
        time.sleep(min(pause, left))
        pause = min(1.5 * pause, session.limits.poll)
    return _estimated(session.session_id, found)


def _estimated(session_id: str, found: Mapping[str, Any]) -> Optional[Usage]:
    if "MaxCapacity" not in found or "CreatedOn" not in found:
        return None
    age = found.get("CompletedOn", datetime.now(timezone.utc)) - found["CreatedOn"]
    used = float(found["MaxCapacity"]) * max(0.0, age.total_seconds())
    return Usage(session_id, round(used, 3), reported=False)
