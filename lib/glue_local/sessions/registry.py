"""All sessions of one start of the service."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from glue_local.errors import ApiError
from glue_local.sessions.local_session import Session
from glue_local.settings import ServiceSettings

_MOST_REMEMBERED = 500


class Registry:
    """All sessions, active and ended, until they are deleted.

    Parameters
    ----------
    settings : ServiceSettings
        Limits, and settings for every session.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._sessions: dict[str, Session] = {}

    def create(self, request: Mapping[str, Any]) -> Session:
        """Create a session; it starts in the background."""
        name = request["Id"]
        if name in self._sessions:
            raise ApiError("AlreadyExistsException", f"Session {name} already exists.")
        living = [session for session in self._sessions.values() if not session.status.final]
        if len(living) >= self._settings.session_limit:
            raise ApiError(
                "ResourceNumberLimitExceededException",
                f"{len(living)} sessions are active, the limit is {self._settings.session_limit}: "
                f"stop one ({', '.join(session.id for session in living)}) and try again.",
            )
        session = Session(request, self._settings)
        self._sessions[name] = session
        self._forget()
        return session

    def _forget(self) -> None:
        ended = [session for session in self._sessions.values() if session.status.final]
        for session in ended[: max(0, len(self._sessions) - _MOST_REMEMBERED)]:
            del self._sessions[session.id]

    def get(self, name: str) -> Session:
        """Return a session by its id."""
        if name not in self._sessions:
            raise ApiError.not_found("Session", name)
        return self._sessions[name]

    def select(self, tags: Mapping[str, str], origin: str | None) -> list[Session]:
        """Return the sessions that have all these tags and this request origin, oldest first."""
        return [
            session
            for session in self._sessions.values()
            if tags.items() <= session.tags.items() and origin in (None, session.origin)
        ]

    def delete(self, name: str) -> None:
        """Forget an ended session."""
        session = self.get(name)
        if not session.status.final:
            raise ApiError.wrong_state(name, session.status, "stop it before it is deleted")
        del self._sessions[name]

    async def close(self) -> None:
        """Stop every session, and remove its files."""
        for session in self._sessions.values():
            try:
                session.stop()
            except ApiError:
                continue
        await asyncio.gather(*(session.ended() for session in self._sessions.values()))
