"""What each action does. Job runs and forwarding to another Glue will be further entries here."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from glue_local.errors import ApiError
from glue_local.registry import Registry
from glue_local.session import Session
from glue_local.settings import ACCOUNT

Answer = dict[str, Any]
Parameters = Mapping[str, Any]

_PAGE = 100
T = TypeVar("T")
_SESSION_TYPES = ("glueetl", "gluestreaming")


class Actions:
    """The actions that the service knows, by name.

    Parameters
    ----------
    registry : Registry
        The sessions they act on.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
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

    def perform(self, action: str, parameters: Parameters) -> Answer:
        """Do what was asked and return the answer.

        Raises
        ------
        ApiError
            When it is refused, or the action is none of ours.
        """
        if action not in self._actions:
            raise ApiError(
                "OperationNotSupportedException",
                f"{action} is not part of the local service, which has "
                f"{', '.join(sorted(self._actions))}.",
            )
        return self._actions[action](parameters)

    def _session(self, parameters: Parameters) -> Session:
        return self._registry.get(parameters.get("SessionId", parameters.get("Id")))

    def _create_session(self, parameters: Parameters) -> Answer:
        _check_capacity(parameters)
        command = parameters["Command"]
        if command.get("Name") not in _SESSION_TYPES:
            raise ApiError.invalid(
                f"Command.Name is {command.get('Name')!r}; expected {' or '.join(_SESSION_TYPES)}."
            )
        if parameters.get("SessionType", "LIVY") != "LIVY":
            raise ApiError(
                "OperationNotSupportedException", "The local service runs LIVY sessions only."
            )
        return {"Session": self._registry.create(parameters).describe()}

    def _list_sessions(self, parameters: Parameters) -> Answer:
        found = self._registry.select(parameters.get("Tags", {}), parameters.get("RequestOrigin"))
        page, token = _page(found, parameters.get("NextToken"), parameters.get("MaxResults", _PAGE))
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
        page, token = _page(statements, parameters.get("NextToken"), _PAGE)
        return {"Statements": [statement.describe() for statement in page], **token}

    def _cancel_statement(self, parameters: Parameters) -> Answer:
        self._session(parameters).cancel(parameters["Id"])
        return {}

    def _resource(self, parameters: Parameters) -> Session:
        arn: str = parameters["ResourceArn"]
        resource = arn.split(":", 5)[-1]
        kind, _, name = resource.partition("/")
        if kind != "session":
            raise ApiError.not_found("Resource", arn)
        return self._registry.get(name)

    def _tag_resource(self, parameters: Parameters) -> Answer:
        session = self._resource(parameters)
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


def session_arn(region: str, name: str) -> str:
    """Return the name under which tags know a session."""
    return f"arn:aws:glue:{region}:{ACCOUNT}:session/{name}"


def _check_capacity(parameters: Parameters) -> None:
    workers = parameters.get("NumberOfWorkers")
    if "MaxCapacity" in parameters and (workers or "WorkerType" in parameters):
        raise ApiError.invalid("Give MaxCapacity, or WorkerType and NumberOfWorkers, not both.")
    if workers is not None and workers < 2:
        raise ApiError.invalid(f"NumberOfWorkers is {workers}; the least is 2.")


def _page(items: list[T], token: str | None, size: int) -> tuple[list[T], dict[str, str]]:
    """Return a page and, under ``NextToken``, where the next one begins."""
    start = 0
    if token is not None:
        try:
            start = int(base64.urlsafe_b64decode(token.encode()).decode("ascii"))
        except (ValueError, binascii.Error):
            start = -1
        if start < 0:
            raise ApiError.invalid("NextToken is not one that this service gave.")
    end = start + size
    more = {"NextToken": base64.urlsafe_b64encode(str(end).encode()).decode()}
    return items[start:end], more if end < len(items) else {}
