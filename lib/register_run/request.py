"""The request for a run, and its outcome, as frozen dataclasses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Optional

from register_contract import publications, runs
from register_contract.receipts import Receipt
from register_run.delivery import Delivery
from strict_glue import Limits, SessionSettings

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Stage:
    """One notebook of the pipeline.

    Parameters
    ----------
    name : str
        Name of its receipt and its executed notebook.
    notebook : str
        Path or URI of the notebook.
    parameters : tuple of str
        The parameters that it takes, by name: ``run_id``, ``lake``, ``attempt``, ``delivery_id``,
        ``as_of``, ``<source>_path`` for each source, and those of the request.
    """

    name: str
    notebook: str
    parameters: tuple[str, ...] = ("run_id", "lake", "attempt")


@dataclass(frozen=True)
class PublishedTable:
    """The tables that show what is published.

    Parameters
    ----------
    table : str
        The published Iceberg table, ``database.name``.
    log : str
        The table that keeps each publication's record forever.
    catalog : str
        Name of the catalog.
    older_gate : str
        Name of the gate that stops a delivery older than the published one.
    """

    table: str
    log: str
    catalog: str = "glue_catalog"
    older_gate: str = "older_delivery"

    @classmethod
    def of_database(cls, database: str, catalog: str, older_gate: str = "") -> "PublishedTable":
        """Return the register's tables in a database.

        Parameters
        ----------
        database, catalog : str
            Their names.
        older_gate : str, optional
            Not needed by who only reads.
        """
        return cls(
            f"{database}.{publications.TABLE}",
            f"{database}.{publications.LOG}",
            catalog,
            older_gate or cls.older_gate,
        )


@dataclass(frozen=True)
class RunRequest:
    """Everything that determines what a run does.

    Parameters
    ----------
    sources : mapping of str to str
        Path or URI (a file or a folder) of each source, by its name.
    lake : str
        Folder, or ``s3://bucket/prefix``.
    delivery : Delivery, optional
        What is already known about the sources, such as the versions of a claim.
    stages : tuple of Stage
        In order; the last one publishes.
    library_version, rules : str
        Version of the notebooks' library and fingerprint of its rules. Together with the delivery
        and the rules file, they name the run.
    published : PublishedTable
        The tables that show what is published.
    run_id, as_of : str, optional
        Override the values derived from the delivery; ``as_of`` is an ISO date.
    force : bool
        Whether to discard what the run has done, even if it is published, and start over.
    accept_older : bool
        Whether the delivery's day may be before the published one; also a notebook parameter.
    keep_staging : bool
        Whether the run's staging files, with unmasked rows, stay after it is published.
    rules_file : str
        Path or URI of the rules file; empty means the lake's own, if there is one.
    parameters : mapping of str to object
        Further notebook parameters.
    input_errors, gate_errors, moved_errors : tuple of str
        Names of the errors that notebooks raise for unusable input, at a gate, and if others
        have published since the rows were written.
    """

    sources: Mapping[str, str]
    lake: str
    stages: tuple[Stage, ...]
    library_version: str
    rules: str
    published: PublishedTable
    delivery: Optional[Delivery] = None
    run_id: Optional[str] = None
    as_of: Optional[str] = None
    force: bool = False
    accept_older: bool = False
    keep_staging: bool = False
    rules_file: str = ""
    parameters: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    session: SessionSettings = field(default_factory=SessionSettings)
    limits: Limits = field(default_factory=Limits)
    input_errors: tuple[str, ...] = runs.INPUT_ERRORS
    gate_errors: tuple[str, ...] = runs.GATE_ERRORS
    moved_errors: tuple[str, ...] = runs.MOVED_ERRORS


@dataclass(frozen=True)
class RunOutcome:
    """The outcome of a successful run.

    Parameters
    ----------
    status : str
        ``published``, or ``already_published`` if nothing was left to do.
    receipts : mapping of str to Receipt
        Receipt of each stage that has one.
    notebooks : mapping of str to str
        Path or URI of each executed notebook.
    seconds : mapping of str to float
        Duration of each stage that ran this time.
    snapshot_id : str
        The snapshot with the run's record.
    """

    run_id: str
    delivery_id: str
    status: str
    receipts: Mapping[str, Receipt]
    notebooks: Mapping[str, str]
    seconds: Mapping[str, float]
    snapshot_id: str
