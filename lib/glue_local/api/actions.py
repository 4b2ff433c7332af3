"""The actions of the API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from glue_local.api.paging import page_of
from glue_local.errors import ApiError
from glue_local.jobs.job_runs import JobRuns
from glue_local.sessions.local_session import Session
from glue_local.sessions.registry import Registry

Answer = dict[str, Any]
Parameters = Mapping[str, Any]

_PAGE = 100
_SESSION_TYPES = ("glueetl", "gluestreaming")


class Actions:
    """The actions that the service supports, by name.

    Parameters
    ----------
    registry : Registry
        The sessions that they act on.
    job_runs : JobRuns or None
        The job runs, if there is an upstream, which knows the jobs.
    """

    def __init__(self, registry: Registry, job_runs: JobRuns | None = None) -> None:
        self._registry = registry
        self._awaited: dict[str, Callable[[Parameters], Awaitable[Answer]]] = (
            {}
            if job_runs is None
            else {
                "StartJobRun": job_runs.start,
                "GetJobRun": job_runs.describe,
                "GetJobRuns": job_runs.history,
                "BatchStopJobRun": job_runs.stop,
            }
        )
        self._actions: dict[str, Callable[[Parameters], Answer]] = {
            "CreateSession": self._create_session,
            "GetSession": lambda p: {"Session": self._session(p).describe()},
            "ListSessions": self._list_sessions,
            "StopSession": self._stop_session,
            "DeleteSession": self._delete_session,
            "RunStatement": lambda p: {"Id": self._session(p).run(p["Code"]).number},
            "GetStatement": self._get_statement,
            "ListStatements": self._list_statements,
            "CancelStatement": self._cancel_statement,
            "TagResource": self._tag_resource,
            "UntagResource": self._untag_resource,
            "GetTags": lambda p: {"Tags": self._resource(p).tags},
        }

    def has(self, action: str, parameters: Parameters) -> bool:
        """Return whether this service performs an action itself, such as tags of sessions only."""
        if "ResourceArn" in parameters and _kind(parameters)[0] != "session":
            return False
        return action in self._actions or action in self._awaited

    async def perform(self, action: str, parameters: Parameters) -> Answer:
        """Perform an action and return the answer.

        Raises
        ------
        ApiError
            If it is refused, or the service doesn't have the action.
        """
        if action in self._awaited:
            return await self._awaited[action](parameters)
        if action not in self._actions:
            known = ", ".join(sorted([*self._actions, *self._awaited]))
            raise ApiError(
                "OperationNotSupportedException",
                f"{action} is not part of the local service, which has {known}.",
            )
        return self._actions[action](parameters)

    def _session(self, parameters: Parameters) -> Session:
        return self._registry.get(parameters.get("SessionId", parameters.get("Id")))

    def _create_session(self, parameters: Parameters) -> Answer:
        _check_capacity(parameters)
        _check_version(parameters.get("GlueVersion"))
        _check_tags(parameters.get("Tags", {}))
        command = parameters["Command"]
        if command.get("Name") not in _SESSION_TYPES:
            raise ApiError.invalid(
                f"Command.Name is {command.get('Name')!r}; expected {' or '.join(_SESSION_TYPES)}."
            )
        if parameters.get("SessionType", "LIVY") != "LIVY":
            raise ApiError(
                "OperationNotSupportedException", "The local service runs only LIVY sessions."
            )
        return {"Session": self._registry.create(parameters).describe()}

    def _list_sessions(self, parameters: Parameters) -> Answer:
        found = self._registry.select(parameters.get("Tags", {}), parameters.get("RequestOrigin"))
        page, token = page_of(
            found, parameters.get("NextToken"), parameters.get("MaxResults", _PAGE)
        )
        return {
            "Ids": [session.id for session in page],
            "Sessions": [session.describe() for session in page],
            **token,
        }

    def _stop_session(self, parameters: Parameters) -> Answer:
        session = self._session(parameters)
        session.stop()
        return {"Id": session.id}

    def _delete_session(self, parameters: Parameters) -> Answer:
        self._registry.delete(parameters["Id"])
        return {"Id": parameters["Id"]}

    def _get_statement(self, parameters: Parameters) -> Answer:
        return {"Statement": self._session(parameters).statement(parameters["Id"]).describe()}

    def _list_statements(self, parameters: Parameters) -> Answer:
        statements = self._session(parameters).statements
        page, token = page_of(statements, parameters.get("NextToken"), _PAGE)
        return {"Statements": [statement.describe() for statement in page], **token}

    def _cancel_statement(self, parameters: Parameters) -> Answer:
        self._session(parameters).cancel(parameters["Id"])
        return {}

    def _resource(self, parameters: Parameters) -> Session:
        kind, name = _kind(parameters)
        if kind != "session":
            raise ApiError.not_found("Resource", parameters["ResourceArn"])
        return self._registry.get(name)

    def _tag_resource(self, parameters: Parameters) -> Answer:
        session = self._resource(parameters)
        _check_tags(parameters["TagsToAdd"])
        tags = session.tags | parameters["TagsToAdd"]
        if len(tags) > 50:
            raise ApiError.invalid(f"{len(tags)} tags; a resource may have 50.")
        session.tags = tags
        return {}

    def _untag_resource(self, parameters: Parameters) -> Answer:
        session = self._resource(parameters)
        removed = parameters["TagsToRemove"]
        session.tags = {key: value for key, value in session.tags.items() if key not in removed}
        return {}


def _kind(parameters: Parameters) -> tuple[str, str]:
    """Return the kind and the name of the resource that an ARN names."""
    resource = str(parameters["ResourceArn"]).split(":", 5)[-1]
    kind, _, name = resource.partition("/")
    return kind, name


def _check_version(version: str | None) -> None:
    # "auto" is in the API's model, but undocumented.
    if version is not None and version.partition(".")[0] in ("0", "1", "2"):
        raise ApiError.invalid(f"GlueVersion is {version}; a session's must be greater than 2.0.")


def _check_tags(tags: Mapping[str, str]) -> None:
    taken = [name for name in tags if name.lower().startswith("aws:")]
    if taken:
        raise ApiError.invalid(f"Tag {taken[0]!r} begins with aws:, which is reserved for AWS.")


def _check_capacity(parameters: Parameters) -> None:
    workers = parameters.get("NumberOfWorkers")
    if "MaxCapacity" in parameters and (workers or "WorkerType" in parameters):
        raise ApiError.invalid("Give MaxCapacity, or WorkerType and NumberOfWorkers, not both.")
    if workers is not None and workers < 2:
        raise ApiError.invalid(f"NumberOfWorkers is {workers}; the minimum is 2.")
