"""Time limits, and what the place of a run adds to its session."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Optional

from strict_glue.errors import ConfigurationError

#: Variable with the id of the session that a strict kernel attaches to.
SESSION_VARIABLE = "GLUE_PAPERMILL_SESSION_ID"
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Limits:
    """Time limits, in seconds.

    Parameters
    ----------
    provisioning : float
        From CreateSession until the session is READY. AWS needs about half a minute on a
        good day and minutes on a bad one; a local session needs a few seconds.
    retries : float
        For the retries of one call after throttling, 5xx answers, and lost connections.
    stop : float
        For stopping the session, whatever ended the run.
    stage : float
        For all cells of one notebook.
    progress : float
        Between two requests for a running statement's progress.
    poll : float
        Longest pause between two requests while waiting for a session or statement; the first
        pauses are shorter. A local service can handle more requests than AWS allows.
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
            Limits for which there is no variable.

        Raises
        ------
        ConfigurationError
            A value isn't a number of seconds above zero.
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
                    next_step="fix the variable or remove it, then run again",
                )
        return replace(defaults or cls(), **found)

    def environment(self) -> dict[str, str]:
        """Return the variables that `from_environment` reads."""
        return {_variable(item.name): str(getattr(self, item.name)) for item in fields(self)}


@dataclass(frozen=True)
class SessionSettings:
    """Settings that the place of a run adds to its notebooks' session.

    Parameters
    ----------
    role : str
        ARN of the session's role; empty means the environment's ``glue_role_arn``.
    id_prefix : str
        Start of the session's id.
    default_arguments : mapping of str to str
        Session arguments such as ``--additional-python-modules``. They override the notebook's,
        except that ``--conf`` is added to the notebook's.
    options : mapping of str to object
        Members of CreateSession (``GlueVersion``, ``WorkerType``, ``NumberOfWorkers``,
        ``IdleTimeout``, ...) that override the notebook's magics.
    tags : mapping of str to str
        Tags in addition to the run id's.
    environment : mapping of str to str
        Variables that point boto3 and the kernel at the service, in addition to this process's.
    removed_variables : tuple of str
        Variables of this process that boto3 and the kernel must not get.
    code : str
        Runs in a new session before anything else; empty for none.
    """

    role: str = ""
    id_prefix: str = "glue-papermill"
    default_arguments: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    options: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    tags: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    environment: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    removed_variables: tuple[str, ...] = ()
    code: str = ""

    @staticmethod
    def tags_of(text: str) -> dict[str, str]:
        """Return the tags in a text such as ``CostCenter=1,Owner=x``.

        Parameters
        ----------
        text : str
            ``Name=value``, separated by commas, which no tag may contain.

        Raises
        ------
        ConfigurationError
            A part has no name or no equals sign, or a name is there twice.
        """
        tags: dict[str, str] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, sign, value = (piece.strip() for piece in part.partition("="))
            if not name or not sign or name in tags:
                raise ConfigurationError(
                    f"the tag {part!r} isn't Name=value with a name of its own",
                    next_step="write tags as Name=value, separated by commas",
                )
            tags[name] = value
        return tags


def _variable(limit: str) -> str:
    return f"GLUE_PAPERMILL_{limit.upper()}_SECONDS"
