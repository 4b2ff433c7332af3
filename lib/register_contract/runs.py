"""Stages, names, paths in the lake, and exit codes of a run.

Session, runner, job, command, dashboard, and Lambda function all use these.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import timedelta

INGEST, TRANSFORM, QUALITY = "01_ingest", "02_transform", "03_quality"
_ALL = ("run_id", "lake", "attempt")
#: Each stage's notebook, in order, and the parameters that it takes.
PARAMETERS: dict[str, tuple[str, ...]] = {
    INGEST: (
        *_ALL,
        "parquet_path",
        "csv_path",
        "json_path",
        "delivery_id",
        "as_of",
        "resubmissions",
    ),
    TRANSFORM: (*_ALL, "id_key", "previous_id_key"),
    QUALITY: (*_ALL, "accept_volume_change", "accept_older", "accept_drift"),
}
STAGES = tuple(PARAMETERS)

#: Exit codes of a run, the job, and the command: published, something unexpected, wrong usage or
#: input, a gate, a session or service.
EXIT_PUBLISHED, EXIT_OTHER, EXIT_USAGE, EXIT_GATE, EXIT_SESSION = range(5)
#: Codes with which another start of the same run would end again: only a person can help.
EXITS_FOR_GOOD = frozenset({EXIT_USAGE, EXIT_GATE})

#: Names of the errors that the notebooks' library raises for unusable input and settings, at a
#: gate, and if others have published since the rows were written.
INPUT_ERRORS = ("InputError", "SettingsError")
GATE_ERRORS = ("QualityGateError",)
MOVED_ERRORS = ("MainMovedError",)

#: The folder of a lake for unmasked rows on their way: ingested ones, and rejected ones.
STAGING = "staging"

#: A version with the key and size of a note (see :func:`rewritten_name`) is the rewritten one if it
#: was uploaded at most this long before or after the note.
REWRITTEN_WITHIN = timedelta(hours=1)
#: The folder of a lake with a folder for each run, and the folder in that one for its costs.
RUNS = "runs"
_COSTS = "costs"

_COST = re.compile(rf"\A[^/]+/{_COSTS}/[^/]+\.json\Z")

# A run's name becomes a folder and a branch of the table.
_RUN_ID = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")


def is_run_id(text: str) -> bool:
    """Return whether a text can name a run: up to 64 letters, digits, ``_``, ``.``, and ``-``."""
    return bool(_RUN_ID.match(text))


def name_run(
    delivery_id: str, library_version: str, rules: str, resubmissions: Iterable[str] = ()
) -> str:
    """Return a run's name, made from its input: same delivery, library, and rules, same run.

    Parameters
    ----------
    delivery_id, library_version : str
    rules : str
        The rules' fingerprint.
    resubmissions : iterable of str
        The batches of corrected rows that the run takes in.

    Returns
    -------
    str
        ``r`` and 16 hexadecimal digits.
    """
    return "r" + _digest("\n".join((delivery_id, library_version, rules, *sorted(resubmissions))))


def name_delivery(lines: Iterable[str]) -> str:
    """Return a delivery's name, made from its objects.

    Parameters
    ----------
    lines : iterable of str
        One for each object, in any order; see :func:`object_line`.

    Returns
    -------
    str
        ``d`` and 16 hexadecimal digits.
    """
    return "d" + _digest("".join(sorted(lines)))


def object_line(source: str, version: str, size: int, key: str = "") -> str:
    """Return the line that describes one object of a delivery.

    Parameters
    ----------
    source : str
        The source that it belongs to.
    version : str
        Version id or ETag in S3; elsewhere, a hash of its content.
    size : int
        In bytes.
    key : str, optional
        Its key in S3; the path of a local file does not count.
    """
    fields = [source, version, str(size), *([key] if key else [])]
    return "\t".join(fields) + "\n"


def receipt_path(run_id: str, stage: str) -> str:
    """Return the path of a stage's receipt in the lake."""
    return f"{RUNS}/{run_id}/{stage}.json"


def notebook_path(run_id: str, stage: str) -> str:
    """Return the path of a stage's executed notebook in the lake."""
    return f"{RUNS}/{run_id}/{stage}.ipynb"


def rules_path(run_id: str) -> str:
    """Return the path of a run's rules in the lake, which the runner wrote for the session."""
    return f"{RUNS}/{run_id}/rules.json"


def rewritten_name(key: str, size: int) -> str:
    """Return the name, below a lake's ``claims/``, of the note that an upload is being rewritten.

    An erasure writes it before it uploads a file again without a person: the version, whose id
    isn't known before, is no new upload.

    Parameters
    ----------
    key : str
        The object's key in its bucket.
    size : int
        Its new size in bytes.
    """
    return "rewritten/" + _digest(f"{key}\t{size}")


def cost_path(run_id: str, name: str) -> str:
    """Return the path in the lake of what a session or job run of a run used."""
    return f"{RUNS}/{run_id}/{_COSTS}/{name}.json"


def is_cost(name: str) -> bool:
    """Return whether a file has a cost, by its name below `RUNS`."""
    return bool(_COST.match(name))


def staging_path(run_id: str, name: str = "") -> str:
    """Return the path of a run's staging folder in the lake, or of a folder in it."""
    return f"{STAGING}/{run_id}/{name}" if name else f"{STAGING}/{run_id}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
