"""Creates a session, waits for it, guards it, and stops it."""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Callable

from strict_glue import api, session_request
from strict_glue.errors import StrictGlueError
from strict_glue.guard import Guard
from strict_glue.session import Session
from strict_glue.settings import Limits, SessionSettings

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient


def client(settings: SessionSettings) -> "GlueClient":
    """Return a client of the service that the settings point at."""
    return api.glue_client(_variables(settings))


@contextlib.contextmanager
def created(
    asked: Mapping[str, Any],
    settings: SessionSettings,
    limits: Limits,
    name: str,
    note: Callable[[str], None],
) -> Iterator[Session]:
    """Yield a session that is being created, and stop it in any case; see :func:`wait`.

    Parameters
    ----------
    asked : mapping
        What a notebook's ``%%configure`` asks for.
    settings : SessionSettings
        What the place of the run adds.
    limits : Limits
        How long things may take.
    name : str
        Name of the run or task, for the session's id and tag.
    note : callable
        Called with a line for people.

    Raises
    ------
    StrictGlueError
        The session could not be created.
    """
    variables = _variables(settings)
    wanted = session_request.session_request(asked, settings, variables, name)
    session = Session.create(api.glue_client(variables), wanted, limits)
    guard = Guard(session.session_id, {**variables, **limits.environment()})
    try:
        yield session
    finally:
        try:
            session.stop()
        except StrictGlueError as error:
            # The error that ended the work matters more; guard and idle timeout remain.
            note(f"session {session.session_id} may still run: {error.message}")
        else:
            guard.dismiss()


def wait(session: Session, note: Callable[[str], None]) -> None:
    """Wait until a session is ready.

    Raises
    ------
    StrictGlueError
        It did not become ready.
    """
    since = time.monotonic()
    session.wait_until_ready()
    note(f"session {session.session_id} ready after {time.monotonic() - since:.1f} s")


@contextlib.contextmanager
def opened(
    asked: Mapping[str, Any],
    settings: SessionSettings,
    limits: Limits,
    name: str,
    note: Callable[[str], None],
) -> Iterator[Session]:
    """Yield a ready session, and stop it in any case; parameters as for :func:`created`."""
    with created(asked, settings, limits, name, note) as session:
        wait(session, note)
        yield session


def _variables(settings: SessionSettings) -> dict[str, str]:
    inherited = {
        name: value for name, value in os.environ.items() if name not in settings.removed_variables
    }
    return {**inherited, **settings.environment}
