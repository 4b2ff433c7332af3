"""The request for a session: the notebook's magics, and what the place of a run adds."""

import ast
import uuid
from collections.abc import Mapping
from typing import Any, Callable

from strict_glue.errors import ConfigurationError
from strict_glue.settings import SessionSettings

LONGEST_CONF = 4_096
RUN_TAG = "run-id"
_MAGIC = "%%configure"
_MEMBERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "glue_version": ("GlueVersion", str),
    "worker_type": ("WorkerType", str),
    "number_of_workers": ("NumberOfWorkers", int),
    "max_capacity": ("MaxCapacity", float),
    "idle_timeout": ("IdleTimeout", int),
    "timeout": ("Timeout", int),
    "security_config": ("SecurityConfiguration", str),
    "connections": ("Connections", lambda names: {"Connections": str(names).split(",")}),
    "tags": ("Tags", dict),
    "iam_role": ("Role", str),
}
# These settings are about how the kernel finds the service, not about the session.
_OF_THE_KERNEL = frozenset({"profile", "endpoint", "region", "session_id"})


def configuration(notebook: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the session settings of a notebook.

    Parameters
    ----------
    notebook : mapping
        The notebook as nbformat reads it.
    name : str
        Its name in messages.

    Returns
    -------
    dict of str to object
        The literal of its ``%%configure`` cell; empty if it has none.

    Raises
    ------
    ConfigurationError
        The cell is not the literal of a dictionary.
    """
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] != "code" or not source.lstrip().startswith(_MAGIC):
            continue
        try:
            return settings_of(source.lstrip().partition("\n")[2])
        except ConfigurationError as error:
            raise ConfigurationError(
                f"{name}: {error.message}", next_step=error.next_step
            ) from error
    return {}


def settings_of(cell: str) -> dict[str, Any]:
    """Return the settings in the body of a ``%%configure`` cell.

    Parameters
    ----------
    cell : str
        The text below the magic.

    Returns
    -------
    dict of str to object
        Never empty.

    Raises
    ------
    ConfigurationError
        The text is not the literal of a dictionary with settings. The official kernel evaluates it
        as code; this function does not.
    """
    next_step = "write one Python dictionary of literals there, and nothing else"
    try:
        found = ast.literal_eval(cell.strip())
    except (ValueError, SyntaxError, TypeError) as error:
        raise ConfigurationError(
            f"{_MAGIC} is not a literal: {error}", next_step=next_step
        ) from error
    if not isinstance(found, dict) or not found:
        raise ConfigurationError(
            f"{_MAGIC} is {found!r}, expected a dictionary with settings", next_step=next_step
        )
    return found


def id_start(settings: SessionSettings, run_id: str) -> str:
    """Return the start of the ids of a run's sessions."""
    return f"{settings.id_prefix}-{run_id.replace('.', '-')}-"


def session_request(
    asked: Mapping[str, Any],
    settings: SessionSettings,
    variables: Mapping[str, str],
    run_id: str,
) -> dict[str, Any]:
    """Return a CreateSession request.

    Parameters
    ----------
    asked : mapping
        From `configuration`, under the names of the official kernel's ``%%configure``.
    settings : SessionSettings
        What the place of the run adds or overrides.
    variables : mapping of str to str
        The environment; it may name the role.
    run_id : str
        The run: in the session's id, for people, and in its tag, for cleanup.

    Raises
    ------
    ConfigurationError
        A value is unusable, there is no role, or ``--conf`` is too long.
    """
    request: dict[str, Any] = {}
    # Not --enable-glue-datacatalog, which the official kernel adds: Spark's own catalog would be
    # the account's, and its client creates a database "default" there.
    arguments: dict[str, str] = {}
    for key, value in asked.items():
        if key in _MEMBERS:
            member, convert = _MEMBERS[key]
            try:
                request[member] = convert(value)
            except (TypeError, ValueError) as error:
                raise ConfigurationError(
                    f"{_MAGIC}: {key} is {value!r}: {error}", next_step="fix it there"
                ) from error
        elif key not in _OF_THE_KERNEL:
            arguments[key if key.startswith("--") else f"--{key}"] = str(value)
    for key, value in settings.default_arguments.items():
        both = key == "--conf" and arguments.get(key)
        # AWS Glue accepts several Spark settings in one argument, chained like this.
        arguments[key] = f"{arguments[key]} --conf {value}" if both else value
    if len(arguments.get("--conf", "")) > LONGEST_CONF:
        raise ConfigurationError(
            f"--conf has {len(arguments['--conf']):,} characters, expected at most"
            f" {LONGEST_CONF:,}",
            next_step="in the notebook, set what the session doesn't need at its start",
        )
    role = settings.role or request.get("Role") or variables.get("glue_role_arn", "")
    if not role:
        raise ConfigurationError(
            "no role for the session",
            next_step="pass a role, or set the variable glue_role_arn",
        )
    request.update(settings.options)
    request["Tags"] = {**request.get("Tags", {}), **settings.tags, RUN_TAG: run_id}
    return {
        **request,
        "Id": f"{id_start(settings, run_id)}{uuid.uuid4().hex[:12]}",
        "Role": role,
        "Command": {"Name": "glueetl", "PythonVersion": "3"},
        "DefaultArguments": arguments,
    }
