"""Creates a session, waits for it, guards it, and stops it."""

import contextlib
import functools
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

from strict_glue import api, session_request
from strict_glue.errors import StrictGlueError
from strict_glue.guard import Guard
from strict_glue.session import Session
from strict_glue.settings import Limits, SessionSettings
from strict_glue.usage import Usage, usage_of

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient


@dataclass(frozen=True)
class OwnSessions:
    """Sessions that live as long as the work in them.

    Parameters
    ----------
    settings : SessionSettings
        What the place of the run adds to a notebook's ``%%configure``.
    limits : Limits
        How long things may take.
    note : callable
        Called with a line for people.
    used : callable
        Called with what a session used, after its end, if the service says so.
    """

    settings: SessionSettings
    limits: Limits
    note: Callable[[str], None]
    used: Callable[[Usage], None] = lambda _: None

    @functools.cached_property
    def client(self) -> "GlueClient":
        """A client of the service that the settings point at."""
        return api.glue_client(self._variables())

    @contextlib.contextmanager
    def created(self, asked: Mapping[str, Any], name: str) -> Iterator[Session]:
        """Yield a session that is being created, and stop it in any case; see :meth:`wait`.

        Parameters
        ----------
        asked : mapping
            What a notebook's ``%%configure`` asks for.
        name : str
            Name of the run or task, for the session's id and tag.

        Raises
        ------
        StrictGlueError
            The session could not be created.
        """
        variables = self._variables()
        wanted = session_request.session_request(asked, self.settings, variables, name)
        session = Session.create(self.client, wanted, self.limits)
        guard = Guard(session.session_id, {**variables, **self.limits.environment()})
        patience = self.limits.stop
        try:
            yield session
        except Exception:
            raise
        except BaseException:
            patience = 0.0  # somebody wants it to end now
            raise
        finally:
            try:
                session.stop()
            except StrictGlueError as error:
                # The error that ended the work matters more; guard and idle timeout remain.
                self.note(f"session {session.session_id} may still run: {error.message}")
                guard.take_over()
            else:
                guard.dismiss()
                self._account(session, patience)

    def wait(self, session: Session) -> None:
        """Wait until a session is ready, and run the settings' code in it.

        Raises
        ------
        StrictGlueError
            It did not become ready, or the code failed.
        """
        since = time.monotonic()
        session.wait_until_ready()
        if self.settings.code:
            session.run_own(self.settings.code)
        self.note(f"session {session.session_id} ready after {time.monotonic() - since:.1f} s")

    @contextlib.contextmanager
    def opened(self, asked: Mapping[str, Any], name: str) -> Iterator[Session]:
        """Yield a ready session, and stop it in any case; parameters as for :meth:`created`."""
        with self.created(asked, name) as session:
            self.wait(session)
            yield session

    def _account(self, session: Session, patience: float) -> None:
        found = usage_of(session, patience)
        if found is None:
            self.note(f"session {session.session_id}: the service doesn't say what it used")
        else:
            self.used(found)

    def _variables(self) -> dict[str, str]:
        removed = self.settings.removed_variables
        inherited = {name: value for name, value in os.environ.items() if name not in removed}
        return {**inherited, **self.settings.environment}
