"""One interactive session: create it, wait for it, run statements in it, stop it."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Callable, Optional

from botocore.exceptions import BotoCoreError, ClientError

from strict_glue import api
from strict_glue.errors import SessionError, StatementError, StrictGlueError
from strict_glue.settings import Limits

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient

LONGEST_STATEMENT = 68_000
_ALIVE = frozenset({"READY", "BUSY", "PROVISIONING"})
_FINAL = frozenset({"AVAILABLE", "CANCELLED", "ERROR", "COMPLETED", "FAILED"})
_GONE, _WRONG_STATE = "EntityNotFoundException", "IllegalSessionStateException"
# Answers to a statement call that may mean that the session itself has ended.
_SESSION_IN_DOUBT = frozenset({_GONE, _WRONG_STATE, "InvalidInputException"})
_FIRST_POLL = 0.03
_SESSION_CHECK = 5.0

Statement = Mapping[str, Any]


class Session:
    """An interactive session, used through its API.

    Parameters
    ----------
    client : GlueClient
        From `api.glue_client`.
    session_id : str
        Id of an existing session.
    limits : Limits
        How long its calls may take.
    """

    def __init__(self, client: "GlueClient", session_id: str, limits: Limits) -> None:
        self.client = client
        self.session_id = session_id
        self.limits = limits
        self._last_statement: Optional[int] = None

    @classmethod
    def create(cls, client: "GlueClient", request: Mapping[str, Any], limits: Limits) -> "Session":
        """Create a session; use `wait_until_ready` to wait for it.

        Parameters
        ----------
        request : mapping of str to object
            Members of CreateSession, including ``Id``, which makes the call repeatable.

        Raises
        ------
        SessionError
            The service refuses to create it.
        ServiceError
            The service cannot be reached, or refuses the credentials.
        """
        session_id = str(request["Id"])
        lost = False

        def create() -> None:
            nonlocal lost
            try:
                client.create_session(**request)
            except (ClientError, BotoCoreError) as error:
                if lost and api.error_code(error) == "AlreadyExistsException":
                    return  # the previous call created it, only its answer was lost
                lost = lost or api.is_in_doubt(error)
                raise

        try:
            api.call(create, limits.retries)
        except (ClientError, BotoCoreError) as error:
            trouble = api.failure("CreateSession", error)
            if isinstance(error, ClientError) and not api.is_transient(error):
                raise SessionError.not_created(session_id, str(trouble.evalue)) from error
            raise trouble from error
        session = cls(client, session_id, limits)
        session._last_statement = -1
        return session

    def describe(self, budget: Optional[float] = None) -> Mapping[str, Any]:
        """Return the service's description of the session.

        Parameters
        ----------
        budget : float, optional
            Seconds for retries (default: their limit).

        Raises
        ------
        SessionError
            There is no such session.
        ServiceError
            The service does not answer.
        """
        seconds = self.limits.retries if budget is None else budget
        try:
            answer = api.call(self.client.get_session, seconds, Id=self.session_id)
        except (ClientError, BotoCoreError) as error:
            if api.error_code(error) == _GONE:
                raise SessionError.not_found(self.session_id) from error
            raise api.failure("GetSession", error) from error
        session: Mapping[str, Any] = answer["Session"]
        return session

    def wait_until_ready(self) -> None:
        """Wait until the session is provisioned.

        Raises
        ------
        SessionError
            The session failed, ended, or took longer than its limit.
        """
        deadline = time.monotonic() + self.limits.provisioning
        pause = _FIRST_POLL
        while True:
            session = self.describe()
            status = session["Status"]
            if status in {"READY", "BUSY"}:
                return
            if status not in _ALIVE:
                raise SessionError.ended(self.session_id, session)
            if time.monotonic() > deadline:
                raise SessionError.not_ready(self.session_id, status, self.limits.provisioning)
            time.sleep(pause)
            pause = min(1.5 * pause, self.limits.poll)

    def run(self, code: str) -> Statement:
        """Run code and wait until its statement is final.

        A ``KeyboardInterrupt`` while waiting cancels the statement.

        Parameters
        ----------
        code : str
            At most 68,000 characters.

        Returns
        -------
        Statement
            As GetStatement returns it, in any final state.

        Raises
        ------
        StatementError
            The code is too long.
        SessionError
            The session has ended.
        ServiceError
            The service does not answer.
        """
        if len(code) > LONGEST_STATEMENT:
            raise StatementError.too_long(len(code), LONGEST_STATEMENT)
        number = self._submit(code)
        try:
            return self._wait(number)
        except KeyboardInterrupt:
            self._cancel(number)
            raise

    def run_own(self, code: str) -> str:
        """Run code of this package, which must succeed.

        Returns
        -------
        str
            Its output.

        Raises
        ------
        StatementError
            The code did not succeed.
        """
        statement = self.run(code)
        output = statement.get("Output") or {}
        if statement["State"] != "AVAILABLE" or output.get("Status") != "ok":
            raise StatementError.from_state(statement)
        return str(output.get("Data", {}).get("TextPlain", ""))

    def progress(self, number: int) -> Optional[Statement]:
        """Request a statement once; return ``None`` if that fails."""
        try:
            answer = self.client.get_statement(SessionId=self.session_id, Id=number)
        except (ClientError, BotoCoreError):
            return None
        statement: Statement = answer["Statement"]
        return statement

    def last_statement(self) -> int:
        """Return the highest number of the session's statements so far; -1 if it has none."""
        numbers = [statement["Id"] for statement in self._list_statements()]
        return max(numbers, default=-1)

    def stop(self, patience: float = 0.0) -> None:
        """Stop the session within its limit; a session that has already ended is fine.

        AWS does not stop a session that it is still provisioning, so the call is repeated.

        Parameters
        ----------
        patience : float
            Seconds that a session may be provisioned for, if longer than the limit.

        Raises
        ------
        ServiceError
            The service did not accept the call.
        """
        deadline = time.monotonic() + max(self.limits.stop, patience)
        pause = _FIRST_POLL
        while True:
            budget = min(self.limits.stop, max(0.0, deadline - time.monotonic()))
            try:
                api.call(self.client.stop_session, budget, Id=self.session_id)
            except (ClientError, BotoCoreError) as error:
                if self._has_ended(error, max(0.0, deadline - time.monotonic())):
                    return
                if api.error_code(error) != _WRONG_STATE or time.monotonic() > deadline:
                    raise api.failure("StopSession", error) from error
            else:
                return
            time.sleep(pause)
            pause = min(1.5 * pause, self.limits.poll)

    def _has_ended(self, refusal: Exception, budget: float) -> bool:
        """Return whether a session that the service refused to stop has already ended."""
        if api.error_code(refusal) != _WRONG_STATE:
            return api.error_code(refusal) == _GONE
        try:
            return self.describe(budget)["Status"] not in _ALIVE
        except SessionError:  # it has been deleted meanwhile
            return True

    def _submit(self, code: str) -> int:
        """Submit the code exactly once, even if an answer is lost."""
        if self._last_statement is None:
            self._last_statement = self._asked("ListStatements", self.last_statement)
        known = self._last_statement
        in_doubt = False

        def submit() -> int:
            nonlocal in_doubt
            if in_doubt:
                taken = [
                    statement["Id"]
                    for statement in self._list_statements()
                    if statement["Id"] > known and statement.get("Code") == code
                ]
                if taken:
                    return int(max(taken))
            try:
                answer = self.client.run_statement(SessionId=self.session_id, Code=code)
            except (ClientError, BotoCoreError) as error:
                # A later refusal doesn't say what became of an earlier call.
                in_doubt = in_doubt or api.is_in_doubt(error)
                raise
            return answer["Id"]

        self._last_statement = int(self._asked("RunStatement", submit))
        return self._last_statement

    def _wait(self, number: int) -> Statement:
        pause = _FIRST_POLL
        checked = time.monotonic()
        while True:
            statement = self._get_statement(number)
            if statement["State"] in _FINAL:
                if statement["State"] != "AVAILABLE" or _is_error(statement):
                    self._check_alive()  # if the session died, that is the cause
                return statement
            if time.monotonic() - checked > _SESSION_CHECK:
                # A session can die and leave its statement running forever.
                self._check_alive()
                checked = time.monotonic()
            time.sleep(pause)
            pause = min(1.5 * pause, self.limits.poll)

    def _cancel(self, number: int) -> None:
        """Cancel a statement, and wait until the session accepts the next one."""
        deadline = time.monotonic() + self.limits.stop
        try:
            api.call(
                self.client.cancel_statement,
                self.limits.stop,
                SessionId=self.session_id,
                Id=number,
            )
            while time.monotonic() < deadline:
                if self._get_statement(number)["State"] in _FINAL:
                    return
                time.sleep(_FIRST_POLL)
        except (ClientError, BotoCoreError, StrictGlueError):
            return  # the statement or the session has ended; the interrupt is raised anyway

    def _get_statement(self, number: int) -> Statement:
        answer = self._asked(
            "GetStatement",
            lambda: self.client.get_statement(SessionId=self.session_id, Id=number),
        )
        statement: Statement = answer["Statement"]
        return statement

    def _list_statements(self) -> list[Statement]:
        statements: list[Statement] = []
        token: dict[str, str] = {}
        while True:
            answer = self.client.list_statements(SessionId=self.session_id, **token)
            statements += [dict(statement) for statement in answer.get("Statements", ())]
            if not answer.get("NextToken"):
                return statements
            token = {"NextToken": answer["NextToken"]}

    def _asked(self, operation: str, function: Callable[[], Any]) -> Any:  # noqa: ANN401
        try:
            return api.call(function, self.limits.retries)
        except (ClientError, BotoCoreError) as error:
            if api.error_code(error) in _SESSION_IN_DOUBT:
                self._check_alive(error)
            raise api.failure(operation, error) from error

    def _check_alive(self, cause: Optional[Exception] = None) -> None:
        session = self.describe()
        if session["Status"] not in _ALIVE:
            raise SessionError.ended(self.session_id, session) from cause


def alive(
    client: "GlueClient", tags: Mapping[str, str], id_start: str, limits: Limits
) -> list[Session]:
    """Return the active sessions that have these tags, and whose ids begin with a text.

    The ids are checked because the answer does not repeat the tags: if a service ignored the tags,
    other people's sessions would be stopped.

    Raises
    ------
    ServiceError
        The service cannot be reached, or refuses.
    """
    found: list[Session] = []
    token: dict[str, str] = {}
    while True:
        try:
            answer = api.call(client.list_sessions, limits.retries, Tags=dict(tags), **token)
        except (ClientError, BotoCoreError) as error:
            raise api.failure("ListSessions", error) from error
        found += [
            Session(client, session["Id"], limits)
            for session in answer.get("Sessions", ())
            if session["Status"] in _ALIVE and session["Id"].startswith(id_start)
        ]
        if not answer.get("NextToken"):
            return found
        token = {"NextToken": answer["NextToken"]}


def _is_error(statement: Statement) -> bool:
    return bool((statement.get("Output") or {}).get("ErrorName"))
