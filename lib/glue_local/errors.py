"""Errors of this package: error answers of the API, and failures of the service itself.

``docs/errors.md`` is generated from their docstrings.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# The error codes of the service. All of them are codes of the AWS Glue API.
CODES: Mapping[str, str] = MappingProxyType(
    {
        "AccessDeniedException": "The Host header names another service, or a browser sent the "
        "request.",
        "AlreadyExistsException": "Another session has this id; choose another id.",
        "ConcurrentRunsExceededException": "The job has as many runs as allowed; wait for one "
        "to end, or stop it.",
        "EntityNotFoundException": "There is no session, statement, or job run with this id; list "
        "them.",
        "IllegalSessionStateException": "The session's state does not allow it: statements need "
        "READY, deleting needs an ended session. Look at its Status and ErrorMessage.",
        "IncompleteSignatureException": "The Authorization header is not an AWS Signature Version "
        "4.",
        "InternalServiceException": "The service failed; its log says where. Try again.",
        "InvalidInputException": "An argument is invalid, or the session has timed out; the "
        "message says which.",
        "InvalidSignatureException": "The signature is for another key, request, or time, or was "
        "used before. Use the environment of the running service; each start creates new keys.",
        "JobRunInTerminalStateException": "The job run has ended and can't be stopped.",
        "MissingAuthenticationTokenException": "The request is unsigned; sign it.",
        "OperationNotSupportedException": "The local service doesn't support this action of AWS "
        "Glue; the message lists those that it supports.",
        "ResourceNumberLimitExceededException": "As many sessions as allowed are active; stop one.",
        "SerializationException": "The body is not a JSON object.",
        "SessionBusyException": "100 statements are already waiting; wait for some to finish.",
        "UnknownOperationException": "AWS Glue has no such action, or the request is not POST /.",
        "UnrecognizedClientException": "The access key is from another start of the service; use "
        "the environment that the running one printed.",
        "ValidationException": "A parameter is missing, unknown, too long, or of the wrong type.",
    }
)


class GlueLocalError(Exception):
    """Root of this package's errors."""


class ApiError(GlueLocalError):
    """The service refused a request, with one of the API's error codes.

    Shown: by the client, as an error of the API (exit code 4 in a run).
    Why: the request is invalid or not allowed now. It changed nothing.
    What to do: look up the code in the table below.

    Parameters
    ----------
    code : str
        The exception's name in the AWS Glue API, such as ``EntityNotFoundException``.
    message : str
        What was found, what was expected, and the next step.
    status : int
        HTTP status: 400 as the API answers, 403 if the caller has no access, 500 if the service
        itself failed.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status

    @classmethod
    def not_found(cls, what: str, name: object) -> ApiError:
        """Build for a thing that doesn't exist."""
        return cls("EntityNotFoundException", f"{what} {name} was not found.")

    @classmethod
    def invalid(cls, message: str) -> ApiError:
        """Build for an argument with a wrong meaning, even if its type is right."""
        return cls("InvalidInputException", message)

    @classmethod
    def wrong_state(cls, session_id: str, state: str, wanted: str) -> ApiError:
        """Build for an action that the session's state does not allow."""
        return cls(
            "IllegalSessionStateException",
            f"Session {session_id} is in {state} state; {wanted}.",
        )


class JarError(GlueLocalError):
    """A jar that Spark needs is missing, could not be fetched, or is not the pinned one.

    Why: the jar was never fetched on this machine, there is no network, or the fetched file does
    not have the pinned hash.
    What to do: connect to the network once and run `python -m glue_local.prepare`. Never use a jar
    with another hash: find out which server answered instead of the registry.

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

    Why: a file, module, or setting that it should start with is missing or invalid, or Java is
    missing.
    What to do: fix the argument that the message names, then run again.
    """


class ServiceStartError(GlueLocalError):
    """The service process ended, or stayed silent, before it was ready.

    Shown: on the terminal (exit code 4).
    Why: the port is in use, or a package that the service needs is not installed.
    What to do: choose another port, or install the packages with `make setup`; see the service's
    log.

    Parameters
    ----------
    exit_code : int or None
        Exit code of the process; None if it was still running.
    last_words : str
        The end of its output on stderr.
    """

    def __init__(self, exit_code: int | None, last_words: str) -> None:
        found = "did not become ready" if exit_code is None else f"ended with code {exit_code}"
        super().__init__(
            f"The local sessions service {found}. Its last output: {last_words or '(none)'}. "
            "Run 'python -m glue_local' by hand to see more."
        )
        self.exit_code = exit_code
        self.last_words = last_words
