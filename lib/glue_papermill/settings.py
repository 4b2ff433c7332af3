"""What a run is asked to do, and what it did: frozen, read once at the edge."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Optional

from glue_papermill.delivery import Delivery
from glue_papermill.errors import ConfigurationError

#: Names the session that a strict kernel attaches to.
SESSION_VARIABLE = "GLUE_PAPERMILL_SESSION_ID"
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Limits:
    """How long things may take, in seconds.

    Parameters
    ----------
    provisioning : float
        From CreateSession until the session is READY. AWS needs about half a minute on a
        good day and minutes on a bad one; a local session a few seconds.
    retries : float
        Budget of one call for throttling, 5xx answers and lost connections.
    stop : float
        For the session to be stopped, whatever ended the run.
    stage : float
        For all cells of one notebook.
    progress : float
        Between two looks at a running statement's progress.
    poll : float
        Longest pause between two looks at a session or statement that is waited for; the first
        ones follow each other faster. A local service bears more than AWS does.
    """

    provisioning: float = 600.0
    retries: float = 45.0
    stop: float = 15.0
    stage: float = 7200.0
    progress: float = 0.5
    poll: float = 1.0

    @classmethod
    def from_environment(
        cls, variables: Mapping[str, str], defaults: Optional["Limits"] = None
    ) -> "Limits":
        """Read limits from variables such as ``GLUE_PAPERMILL_STAGE_SECONDS``.

        Parameters
        ----------
        variables : mapping of str to str
            The environment.
        defaults : Limits, optional
            For what it does not say.

        Raises
        ------
        ConfigurationError
            A value is no number of seconds above zero.
        """
        found: dict[str, float] = {}
        for item in fields(cls):
            text = variables.get(_variable(item.name))
            if text is None:
                continue
            try:
                found[item.name] = float(text)
            except ValueError:
                found[item.name] = 0.0
            if not 0 < found[item.name] < float("inf"):
                raise ConfigurationError(
                    f"{_variable(item.name)} is {text!r}, expected seconds, more than 0",
                    next_step="mend the variable or remove it, then run again",
                )
        return replace(defaults or cls(), **found)

    def environment(self) -> dict[str, str]:
        """Give the variables that `from_environment` reads."""
        return {_variable(item.name): str(getattr(self, item.name)) for item in fields(self)}


@dataclass(frozen=True)
class SessionSettings:
    """What the place of a run adds to the session that its notebooks ask for.

    Parameters
    ----------
    role : str
        ARN of the session's role; empty means the environment's ``glue_role_arn``.
    id_prefix : str
        Start of the session's id.
    default_arguments : mapping of str to str
        Session arguments such as ``--additional-python-modules``. They win over the notebook's,
        except that ``--conf`` is added to the notebook's.
    options : mapping of str to object
        Members of CreateSession (``GlueVersion``, ``WorkerType``, ``NumberOfWorkers``,
        ``IdleTimeout``, ...) that win over the notebook's magics.
    tags : mapping of str to str
        Tags beside the run id's.
    environment : mapping of str to str
        Variables that point boto3 and the kernel at the service, beside this process's own.
    removed_variables : tuple of str
        Variables of this process that must not reach them.
    """

    role: str = ""
    id_prefix: str = "glue-papermill"
    default_arguments: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    options: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    tags: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    environment: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    removed_variables: tuple[str, ...] = ()


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
    """Where it stands what is published.

    Parameters
    ----------
    table : str
        The published Iceberg table, ``database.name``.
    log : str
        The table that keeps each publication's record for good.
    catalog : str
        Name of the catalogue.
    older_gate : str
        Name of the gate that stops a delivery older than the published one.
    """

    table: str
    log: str
    catalog: str = "glue_catalog"
    older_gate: str = "older_delivery"


@dataclass(frozen=True)
class RunRequest:
    """Everything that decides what a run does.

    Parameters
    ----------
    sources : mapping of str to str
        Path or URI (a file or a folder) of each source, by its name.
    lake : str
        Folder, or ``s3://bucket/prefix``.
    delivery : Delivery, optional
        What was found of the sources already, such as the versions of a claim.
    stages : tuple of Stage
        In their order; the last one publishes.
    library_version, rules : str
        Version of the notebooks' library and fingerprint of its rule set. With the delivery they
        name the run.
    published : PublishedTable
        Where it stands what is published.
    run_id, as_of : str, optional
        Given instead of being derived from the delivery; ``as_of`` is an ISO date.
    force : bool
        Forget what the run has done, even when it is published, and start afresh.
    accept_older : bool
        Let the delivery's day be before that of the published one; a parameter of notebooks too.
    parameters : mapping of str to object
        Further notebook parameters.
    input_errors, gate_errors, moved_errors : tuple of str
        Names of the errors that notebooks raise for unusable input, at a gate, and when others
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
    parameters: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    session: SessionSettings = field(default_factory=SessionSettings)
    limits: Limits = field(default_factory=Limits)
    input_errors: tuple[str, ...] = ("InputError", "SettingsError")
    gate_errors: tuple[str, ...] = ("QualityGateError",)
    moved_errors: tuple[str, ...] = ("MainMovedError",)


@dataclass(frozen=True)
class RunOutcome:
    """What a successful run did.

    Parameters
    ----------
    status : str
        ``published``, or ``already_published`` when nothing was left to do.
    receipts : mapping of str to mapping
        Receipt of each stage that has one.
    notebooks : mapping of str to str
        Path or URI of each executed notebook.
    seconds : mapping of str to float
        What each stage took that ran this time.
    snapshot_id : str
        The snapshot that carries the run's record.
    """

    run_id: str
    delivery_id: str
    status: str
    receipts: Mapping[str, Mapping[str, Any]]
    notebooks: Mapping[str, str]
    seconds: Mapping[str, float]
    snapshot_id: str


def _variable(limit: str) -> str:
    return f"GLUE_PAPERMILL_{limit.upper()}_SECONDS"
