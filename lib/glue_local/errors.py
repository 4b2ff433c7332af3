"""Everything that can go wrong here: API answers, and failures of the service itself.

What the classes say of themselves makes up ``docs/errors.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# The codes that the service answers with, all of them the API's own.
CODES: Mapping[str, str] = MappingProxyType(
    {
        "AccessDeniedException": "The Host header names another service, or a browser sent it.",
        "AlreadyExistsException": "The id is taken by another session; choose another.",
        "ConcurrentRunsExceededException": "As many runs of the job are there as may; wait for "
        "one, or stop it.",
        "EntityNotFoundException": "There is no session, statement or job run of that id; list "
        "them.",
        "IllegalSessionStateException": "The session's state does not allow it: statements need "
        "READY, deleting needs an end. Look at its Status and ErrorMessage.",
        "IncompleteSignatureException": "The Authorization header is no AWS Signature Version 4.",
        "InternalServiceException": "The service failed; its log says where. Try again.",
        "InvalidInputException": "An argument makes no sense here, or the session has timed out; "
        "the message says which.",
        "InvalidSignatureException": "The signature is of another key, request or time, or was "
        "used before. Take the environment of the running service; each start makes new keys.",
        "JobRunInTerminalStateException": "The job run has ended, so that it can't be stopped.",
        "MissingAuthenticationTokenException": "The request is unsigned; sign it.",
        "OperationNotSupportedException": "An action of AWS Glue that is not here; the message "
        "lists those that are.",
        "ResourceNumberLimitExceededException": "As many sessions live as may; stop one.",
        "SerializationException": "The body is no JSON object.",
        "SessionBusyException": "100 statements wait already; wait for some.",
        "UnknownOperationException": "AWS Glue has no such action, or it is not POST /.",
        "UnrecognizedClientException": "The access key is of another start of the service; take "
        "the environment that the running one printed.",
        "ValidationException": "A parameter is missing, unknown, too long, or of another kind.",
    }
)


class GlueLocalError(Exception):
    """Root of every error this package raises."""


class ApiError(GlueLocalError):
    """A refusal that the client sees, under one of the API's own codes.

    Shown: the client, as the API's own error (exit code 4 in a run).
    Why: the service refused a request. Nothing was changed by it.
    What to do: look up the code in the table below.

    Parameters
    ----------
    code : str
        The exception's name in the AWS Glue API, such as ``EntityNotFoundException``.
    message : str
        What was found, what was expected, the next step.
    status : int
        The HTTP status; 400 as the API answers, 403 where the caller is not let in, 500 where
        the service is at fault.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status

    @classmethod
    def not_found(cls, what: str, name: object) -> ApiError:
        """Name a thing that isn't there."""
        return cls("EntityNotFoundException", f"{what} {name} was not found.")

    @classmethod
    def invalid(cls, message: str) -> ApiError:
        """Refuse an argument whose meaning is wrong, whatever its shape."""
        return cls("InvalidInputException", message)

    @classmethod
    def wrong_state(cls, session_id: str, state: str, wanted: str) -> ApiError:
        """Refuse an action that the session's state does not allow."""
        return cls(
            "IllegalSessionStateException",
            f"Session {session_id} is in {state} state; {wanted}.",
        )


class JarError(GlueLocalError):
    """A jar that Spark needs is absent, could not be fetched, or is not the pinned one.

    Why: the jar was never fetched on this machine, the network is not there, or what was fetched is
    not the file whose hash is pinned.
    What to do: connect to the network once and run `python -m glue_local.prepare`. Never go on with
    a jar of another hash: find out who answered for the registry.

    Parameters
    ----------
    coordinates : str
        ``group:artifact:version`` of the jar.
    reason : str
        What was found, and the next step.
    """

    def __init__(self, coordinates: str, reason: str) -> None:
        super().__init__(f"jar {coordinates}: {reason}")
        self.coordinates = coordinates
        self.reason = reason


class SessionStartError(GlueLocalError):
    """A session could not be started; its message becomes the session's ``ErrorMessage``.

    Why: a file, module or setting that it was to start with is not there or not valid, or Java is
    missing.
    What to do: fix the argument that the message names, then run again.
    """


class ServiceStartError(GlueLocalError):
    """The service process ended, or said nothing, before it was ready.

    Shown: the terminal (exit code 4).
    Why: the port is taken, or a package that the service needs is not installed.
    What to do: choose another port, or install with `make setup`; see its log.

    Parameters
    ----------
    exit_code : int or None
        Its exit code; None when it was still running.
    last_words : str
        The end of what it wrote to stderr.
    """

    def __init__(self, exit_code: int | None, last_words: str) -> None:
        found = "did not become ready" if exit_code is None else f"ended with code {exit_code}"
        super().__init__(
            f"The local sessions service {found}. Its last words: {last_words or '(none)'}. "
            "Run 'python -m glue_local' by hand to see more."
        )
        self.exit_code = exit_code
        self.last_words = last_words
