"""What a run cost: a small file in its folder for each session and each job run that worked on it.

One file each, so that starts of the same run add up and never write over each other. Prices differ
by region and contract, so the files have DPU-seconds, and no money.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Optional

from botocore.exceptions import BotoCoreError, ClientError

from register_contract import runs
from register_run import storage
from register_run.listener import Listener
from strict_glue import Usage

SESSION, JOB = "session", "job"
_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class Cost:
    """What one session or job run used.

    Parameters
    ----------
    id : str
        Id of the session or of the job run; also the name of its file.
    kind : str
        `SESSION` or `JOB`.
    dpu_seconds : float
        Seconds of one data processing unit (DPU: 4 vCPUs and 16 GB of memory).
    reported : bool
        Whether AWS Glue said so; otherwise, it is capacity times time.
    """

    id: str
    kind: str
    dpu_seconds: float
    reported: bool


def keep(lake: str, run_id: str, cost: Cost, listener: Listener) -> None:
    """Write a cost into the run's folder; that it can't be written is a note of the run."""
    place = storage.join(lake, runs.cost_path(run_id, cost.id))
    try:
        storage.write_text(place, json.dumps(asdict(cost), sort_keys=True))
    except (ClientError, BotoCoreError, OSError) as error:
        listener.note(f"what the run cost could not be written ({type(error).__name__})")


def keep_usage(lake: str, run_id: str, listener: Listener, used: Usage) -> None:
    """Write what a run's session used, and tell the listener."""
    listener.session_used(used)
    cost = Cost(used.session_id, SESSION, used.dpu_seconds, used.reported)
    keep(lake, run_id, cost, listener)


def of_lake(lake: str) -> dict[str, float]:
    """Return the DPU-seconds of each run of a lake that has costs.

    Parameters
    ----------
    lake : str
        Folder, or ``s3://bucket/prefix``.
    """
    files = storage.list_files(storage.join(lake, runs.RUNS))
    return _sums(file for file in files if runs.is_cost(file.name))


def of_run(lake: str, run_id: str) -> Optional[float]:
    """Return the DPU-seconds of a run; ``None`` if none are known."""
    folder = storage.join(lake, runs.RUNS, run_id)
    files = [file for file in storage.list_files(folder) if runs.is_cost(f"{run_id}/{file.name}")]
    known = [seconds for file in files for seconds in [_read(file)] if seconds is not None]
    return sum(known) if known else None


def hours(dpu_seconds: float) -> float:
    """Return DPU-hours, the unit of the price."""
    return round(dpu_seconds / _SECONDS_PER_HOUR, 4)


def _sums(files: Iterable[storage.StoredFile]) -> dict[str, float]:
    found: dict[str, float] = {}
    for file in files:
        seconds = _read(file)
        if seconds is not None:
            run_id = file.name.partition("/")[0]
            found[run_id] = found.get(run_id, 0.0) + seconds
    return found


def _read(file: storage.StoredFile) -> Optional[float]:
    """Return a cost's DPU-seconds; ``None`` if the file isn't one, or is gone."""
    try:
        return float(json.loads(storage.read_bytes(file.uri) or b"")["dpu_seconds"])
    except (ValueError, KeyError, TypeError):
        return None
