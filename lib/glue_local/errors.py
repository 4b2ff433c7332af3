"""Everything that can go wrong here: API answers, and failures of the service itself."""

from __future__ import annotations


class GlueLocalError(Exception):
    """Root of every error this package raises."""


class ApiError(GlueLocalError):
    """A refusal that the client sees, under one of the API's own codes.

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
    """A session could not be started; its message becomes the session's ``ErrorMessage``."""


class ServiceStartError(GlueLocalError):
    """The service process ended, or said nothing, before it was ready.

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
