"""The production job: publish one drop of the client register.

Runs where papermill runs (an AWS Glue Python Shell job, a scheduler, a laptop), and drives the
three notebooks in an interactive session. Arguments come as AWS Glue passes them
(``--NAME value``); what it adds of its own is ignored.
"""

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

from client_health import __version__, contract
from glue_papermill.drop import Drop, find_sources
from glue_papermill.errors import ConfigurationError, GluePapermillError, Terminated
from glue_papermill.listener import Listener
from glue_papermill.receipt import Receipt
from glue_papermill.runner import run_pipeline
from glue_papermill.settings import Limits, Publication, RunRequest, SessionSettings, Stage

SESSION_PREFIX = "client-health"
_DATA_FOLDER = "clientoutput"
_ALL = ("run_id", "lake", "attempt")
# Each notebook, and the parameters that it takes.
_STAGES = {
    "01_ingest": (*_ALL, "parquet_path", "csv_path", "json_path", "drop_id", "as_of"),
    "02_transform": _ALL,
    "03_quality": (*_ALL, "id_key", "accept_volume_change"),
}
_STOPPED = 4
_TRUE = frozenset({"1", "true", "yes"})

log = logging.getLogger("job_client_health")


def build_request(
    sources: Mapping[str, str],
    lake: str,
    *,
    notebooks: str = "",
    run_id: str = "",
    as_of: str = "",
    force: bool = False,
    id_key: str = "",
    accept_volume_change: bool = False,
    session: Optional[SessionSettings] = None,
    limits: Optional[Limits] = None,
) -> RunRequest:
    """Build the request that publishes a drop with the three notebooks.

    Parameters
    ----------
    sources : mapping of str to str
        Path or URI of the ``parquet``, ``csv`` and ``json`` source.
    lake : str
        Folder, or ``s3://bucket/prefix``.
    notebooks : str
        Where the three notebooks are; empty means beside this module.
    run_id, as_of : str
        Given instead of being derived from the drop.
    force : bool
        Start the run afresh, even when it is published.
    id_key : str
        Location of the key of the ids, never the key.
    accept_volume_change : bool
        Let the row count differ by more than the limit from the last published one.
    session : SessionSettings, optional
        What the place of the run adds to the session.
    limits : Limits, optional
        How long things may take.
    """
    folder = (notebooks or default_notebooks()).rstrip("/")
    return RunRequest(
        sources=dict(sources),
        lake=lake,
        stages=tuple(
            Stage(name, f"{folder}/{name}.ipynb", taken) for name, taken in _STAGES.items()
        ),
        library_version=__version__,
        rules=contract.rules_fingerprint(),
        publication=Publication(
            table=contract.TABLE,
            run_id_property=contract.SNAPSHOT_RUN_ID,
            drop_id_property=contract.SNAPSHOT_DROP_ID,
            receipt_property=contract.SNAPSHOT_RECEIPT,
            catalog=contract.CATALOG,
        ),
        run_id=run_id or None,
        as_of=as_of or None,
        force=force,
        parameters={"id_key": id_key, "accept_volume_change": accept_volume_change},
        session=replace(session or SessionSettings(), id_prefix=SESSION_PREFIX),
        limits=limits or Limits(),
    )


def default_notebooks() -> str:
    """Give the folder of the notebooks: packed beside this module, or in the repository."""
    here = Path(__file__).resolve().parent
    packed = here / "client_health_notebooks"
    return str(packed if packed.is_dir() else here.parent / "notebooks")


class LogListener(Listener):
    """Writes what a run does to the log, a line each."""

    def run_started(self, run_id: str, drop: Drop) -> None:
        """Log the names of run and drop."""
        log.info("run %s: drop %s, %d object(s)", run_id, drop.drop_id, len(drop.objects))

    def stage_started(self, stage: str, cells: int) -> None:
        """Log the start of a stage."""
        log.info("%s: %d cells", stage, cells)

    def stage_skipped(self, stage: str, receipt: Receipt) -> None:
        """Log that a stage is taken over from an earlier start."""
        log.info("%s: done by an earlier start, receipt verified", stage)

    def stage_finished(self, stage: str, receipt: Receipt, seconds: float) -> None:
        """Log how many rows a stage handed over, and in what time."""
        log.info("%s: %d rows in %.1f s", stage, receipt["handover"]["rows"], seconds)

    def note(self, text: str) -> None:
        """Log a note."""
        log.info(text)


def request_from_arguments(arguments: Sequence[str]) -> RunRequest:
    """Read the job's arguments.

    Raises
    ------
    ConfigurationError
        The lake, or a source, is not named.
    InputError
        ``--RAW`` has not exactly one source of each format.
    """
    given, _ = _parser().parse_known_args(list(arguments))
    lake = given.LAKE or _lake_of(given.OUTPUT_PATH)
    if not lake:
        raise ConfigurationError(
            "no lake: neither --LAKE nor --OUTPUT_PATH is given", next_step="give one of them"
        )
    named = {"parquet": given.PARQUET_PATH, "csv": given.CSV_PATH, "json": given.JSON_PATH}
    sources = find_sources(given.RAW) if given.RAW else {}
    sources.update({kind: place for kind, place in named.items() if place})
    absent = sorted(set(named) - set(sources))
    if absent:
        raise ConfigurationError(
            f"no source for {', '.join(absent)}",
            next_step="give --RAW, or all of --PARQUET_PATH, --CSV_PATH and --JSON_PATH",
        )
    return build_request(
        sources,
        lake,
        notebooks=given.NOTEBOOKS,
        run_id=given.RUN_ID,
        as_of=given.AS_OF,
        force=_is_true(given.FORCE),
        id_key=given.ID_KEY,
        accept_volume_change=_is_true(given.ACCEPT_VOLUME_CHANGE),
        session=SessionSettings(
            role=given.SESSION_ROLE,
            default_arguments=_session_arguments(given),
            tags={"project": SESSION_PREFIX},
        ),
        limits=Limits.from_environment(os.environ),
    )


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the job.

    Returns
    -------
    int
        0 published; 2 usage or input; 3 a gate; 4 session or service; 1 anything else.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        asked = request_from_arguments(sys.argv[1:] if arguments is None else arguments)
        outcome = run_pipeline(asked, LogListener())
    except GluePapermillError as error:
        log.error("%s", error)  # noqa: TRY400 - its lines say all; the traceback is in the notebook
        return error.exit_code
    except (KeyboardInterrupt, Terminated):
        log.error("stopped from outside; start again to go on after the last finished stage")  # noqa: TRY400
        return _STOPPED
    log.info("run %s: %s, snapshot %s", outcome.run_id, outcome.status, outcome.snapshot_id)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Publish one drop of the client register.", allow_abbrev=False
    )
    texts = {
        "RAW": "folder or prefix with one Parquet, one CSV and one JSON source",
        "PARQUET_PATH": "the Parquet source, a file or folder",
        "CSV_PATH": "the CSV source",
        "JSON_PATH": "the JSON source",
        "LAKE": "folder or s3:// prefix of the lake",
        "OUTPUT_PATH": f"the lake's {_DATA_FOLDER} folder, instead of --LAKE",
        "NOTEBOOKS": "folder or s3:// prefix of the three notebooks",
        "RUN_ID": "name the run otherwise than by its input",
        "AS_OF": "dates after this day (ISO) are in the future",
        "ID_KEY": "location of the key of the ids",
        "SESSION_ROLE": "role of the interactive session",
        "EXTRA_PY_FILES": "libraries for the session",
        "SESSION_CONF": "Spark settings for the session, 'a=b --conf c=d'",
    }
    for name, text in texts.items():
        parser.add_argument(f"--{name}", default="", help=text)
    # AWS Glue passes no bare flags, people do.
    for name, text in (
        ("FORCE", "start the run afresh, even when it is published"),
        ("ACCEPT_VOLUME_CHANGE", "publish although the row count differs much from the last"),
    ):
        parser.add_argument(f"--{name}", nargs="?", const="true", default="", help=text)
    return parser


def _lake_of(output_path: str) -> str:
    path = output_path.rstrip("/")
    parent, _, name = path.rpartition("/")
    return parent if name == _DATA_FOLDER else path


def _session_arguments(given: argparse.Namespace) -> dict[str, Any]:
    arguments = {"--extra-py-files": given.EXTRA_PY_FILES, "--conf": given.SESSION_CONF}
    return {name: value for name, value in arguments.items() if value}


def _is_true(text: str) -> bool:
    return text.strip().lower() in _TRUE


if __name__ == "__main__":
    sys.exit(main())
